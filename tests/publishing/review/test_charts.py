"""Learning curves as mermaid and SVG."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gittrack.formats.record import Metric, Series
from gittrack.publishing.review import review
from gittrack.publishing.review.charts import (
    MOST_CHARTS,
    POINTS,
    Chart,
    ChartLine,
    charts,
    legend,
    mermaid,
    svg,
)
from tests.ledgers import BRANCH, make_record
from tests.publishing.review.proposing import PROPOSAL, Propose
from tests.tables import rows


def chart(*lines: list[tuple[float, float]], metric: str = "loss") -> Chart:
    """The first line is the baseline's."""
    return Chart(
        "digits",
        metric,
        tuple(ChartLine(f"run-{i}", i == 0, tuple(points)) for i, points in enumerate(lines)),
    )


def drawn(text: str) -> list[list[float]]:
    """The numbers of each line."""
    return [[float(n) for n in found.split(",")] for found in re.findall(r"line \[(.*)\]", text)]


def test_long_curves_are_thinned_on_one_grid() -> None:
    """mermaid spreads points evenly: a shorter baseline goes on level, and the legend says so."""
    made = chart([(0, 2.0), (50, 1.0)], [(float(i), 2.0 - i / 100) for i in range(101)])
    baseline, run = drawn(mermaid(made))
    assert len(baseline) == len(run) == POINTS
    assert (baseline[0], baseline[-1], run[0], run[-1]) == (2.0, 1.0, 2.0, 1.0)
    assert baseline[len(baseline) // 2] == pytest.approx(1.0, abs=0.02)
    assert "goes on level" in legend(made)
    assert legend(made).startswith("grey: run-0 (baseline), blue: run-1")


@pytest.mark.parametrize("count", [50, 5000])
def test_a_spike_is_drawn(count: int) -> None:
    """In mermaid too, of long curves and of points at any steps; several values of a step among them."""
    points = [(float(i) ** 1.1, 0.0) for i in range(count)]
    points[count // 3] = (points[count // 3][0], 1000.0)
    points.insert(count // 2, (points[count // 2][0], -50.0))
    (values,) = drawn(mermaid(made := chart(points)))
    assert (len(values), max(values), min(values)) == (POINTS, 1000.0, -50.0)
    assert "the lowest and the highest value" in legend(made)


def test_what_is_drawn_from_a_sample_says_so() -> None:
    """And how many values are in no line, in the legend and in the picture."""
    line = ChartLine("run-1", False, ((0.0, 1.0), (1.0, 2.0)), sampled=True, odd=3)
    made = Chart("digits", "loss", (line,))
    for text in (legend(made), svg(made)):
        assert "drawn from the sample that git has: run-1" in text
        assert "3 values not finite, not drawn: run-1" in text


@rows("value", [1e-300, 1e299, -1e-7, 0.0, 123456789.123])
def test_numbers_have_no_exponent(value: float) -> None:
    """mermaid's grammar knows none; the axis always spans something."""
    text = mermaid(chart([(0, value), (1, value)]))
    assert not re.search(r"[0-9]e[+-]?[0-9]", text)
    low, high = map(float, re.search(r"y-axis (\S+) --> (\S+)", text).groups())  # type: ignore[union-attr]
    assert low <= high


def test_svg_is_plain_xml() -> None:
    """Names of metrics and runs are text, whatever they hold; at most 500 points."""
    name = '"><script>alert(1)</script>&\x1b'
    text = svg(chart([(0, 1.0), (1, 2.0)], [(float(i), float(i)) for i in range(5000)], metric=name))
    root = ElementTree.fromstring(text)  # noqa: S314
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert tags == {"svg", "title", "rect", "text", "line", "polyline"}
    lines = [e for e in root.iter() if e.tag.endswith("polyline")]
    counts = [len(e.attrib["points"].split()) for e in lines]
    assert counts[0] == 2 and 400 < counts[1] <= 500


def test_svg_keeps_the_extremes_of_a_long_curve() -> None:
    """A single spike in thousands of points is what a reviewer looks for; ticks are round numbers."""
    points = [(float(i), 0.0) for i in range(5000)]
    points[1234] = (1234.0, 100.0)
    root = ElementTree.fromstring(svg(chart(points)))  # noqa: S314
    (line,) = [e for e in root.iter() if e.tag.endswith("polyline")]
    heights = {float(pair.split(",")[1]) for pair in line.attrib["points"].split()}
    assert max(heights) - min(heights) > 200
    assert {"0", "20", "100", "1000", "4000"} <= {e.text for e in root.iter()}


def test_charts_of_an_experiment(propose: Propose) -> None:
    """Metrics with a direction first; values that are no numbers, and curves of one point, left out."""
    names = [f"m{i}" for i in range(9)]
    header = ",".join(["step", "time", *names, "acc"])
    rows = [f"{i},{i}," + ",".join("nan" if n == "m0" else "" if n == "m1" and i else "1" for n in names)
            + f",{i / 10}" for i in range(5)]  # fmt: skip
    series = Series(rows=5, columns=(*names, "acc"), sha256="a" * 64)
    metrics = {"acc": Metric(value=0.4, direction="maximize")}
    repository = propose(
        [make_record(0, series=series, metrics=metrics)],
        [make_record(1, series=series, metrics=metrics)],
        metrics_csv="\n".join([header, *rows, ""]).encode(),
    )
    (experiment,) = review(repository, BRANCH, PROPOSAL).experiments
    made = charts(experiment)
    assert [c.metric for c in made] == ["acc", "m2", "m3", "m4", "m5", "m6"]
    assert len(made) == MOST_CHARTS
    assert [line.baseline for line in made[0].lines] == [True, False]


def test_a_damaged_series_draws_nothing(propose: Propose) -> None:
    """verify says that it is damaged."""
    series = Series(rows=5, columns=("acc",), sha256="a" * 64)
    repository = propose([], [make_record(1, series=series)], metrics_csv=b"step,time,acc\n1,2\n")
    (experiment,) = review(repository, BRANCH, PROPOSAL).experiments
    assert charts(experiment) == []

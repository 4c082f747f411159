"""Series as bytes: nothing is lost, and sparse metrics cost what their points cost."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gittrack.formats.series import Point, Table, by_step, sample_table, values_digest, write_table
from gittrack.reading.series import Series, parse_series
from tests.strategies import examples

METRICS = 80
POINTS = 80_000


def value(metric: int, step: int) -> float:
    return math.sin(metric + step * 0.37)


def by_steps() -> Iterator[Point]:
    for step in range(POINTS // METRICS):
        for metric in range(METRICS):
            yield step * 0.001, step, {f"m{metric}": value(metric, step)}


def one_after_another() -> Iterator[Point]:
    for metric in range(METRICS):
        for step in range(POINTS // METRICS):
            yield metric * 0.08, step, {f"m{metric}": value(metric, step)}


def at_steps_of_their_own() -> Iterator[Point]:
    for at in range(POINTS):
        yield at * 3e-6, at, {f"m{at % METRICS}": value(at % METRICS, at)}


def in_pairs() -> Iterator[Point]:
    for at in range(POINTS // 2):
        metric = at % (METRICS // 2) * 2
        yield at * 1e-5, at, {f"m{metric}": value(metric, at), f"m{metric + 1}": math.nan and "nan"}


def parsed(table: Table) -> Series:
    data = table.path.read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (table.size, table.sha256)
    assert values_digest(data) == table.values_sha256
    return parse_series(data, "metrics.csv")


@pytest.mark.parametrize("points", [one_after_another, at_steps_of_their_own, in_pairs])
def test_sparse_metrics_cost_what_their_points_cost(
    tmp_path: Path, points: Callable[[], Iterator[Point]]
) -> None:
    """Within 1.5 times the bytes of the same number of points by step, each with its step, time and value."""
    dense = write_table(by_steps, tmp_path / "dense.csv")
    table = write_table(points, tmp_path / "metrics.csv")
    assert dense.rows == POINTS // METRICS and len(dense.parts) == 1
    assert len(table.parts) == (METRICS // 2 if points is in_pairs else METRICS)
    assert table.size < 1.5 * dense.size
    series = parsed(table)
    logged: dict[str, list[Any]] = {}
    for time, step, values in points():
        for name, number in values.items():
            logged.setdefault(name, []).append((step, round(time, 3), str(number)))
    assert list(series.curves) == list(logged)
    for name, curve in series.curves.items():
        shown = zip(curve.steps, curve.times, map(str, curve.values), strict=True)
        assert [(step, time) for step, time, _ in shown] == [(s, t) for s, t, _ in logged[name]]
        assert [str(v) for v in curve.values] == [v for _, _, v in logged[name]]
    assert list(tmp_path.glob("*.parts")) == []


def test_tables_are_put_together_by_step(tmp_path: Path) -> None:
    """For those who want one table: a row for each step, with the time of the first value."""
    series = parsed(write_table(one_after_another, tmp_path / "metrics.csv"))
    assert series.steps == tuple(range(POINTS // METRICS))
    assert series.values["m7"][5] == value(7, 5)
    assert series.times[5] == 0.0 and len(series.values) == METRICS


def test_a_few_metrics_stay_in_one_table(tmp_path: Path) -> None:
    """What is read by people is not cut up for a few bytes: evaluation every tenth step."""

    def points() -> Iterator[Point]:
        for step in range(2000):
            yield step / 10, step, {"loss": 1 / (step + 1)}
            if step % 10 == 0:
                yield step / 10, step, {"val_loss": 0.5, "val_acc": step / 7}

    assert len(write_table(points, tmp_path / "metrics.csv").parts) == 1


numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**63), 2**63 - 1)


@examples(40)
@given(
    values=st.lists(
        st.dictionaries(st.sampled_from("abc"), numbers | st.sampled_from(["nan", "-inf"]), min_size=1),
        min_size=1,
    )
)
def test_cells_are_as_python_writes_them(values: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever writes them: exponents, small and large numbers, minus zero, words."""
    points = [(0.0, None, row) for row in values]
    path = tmp_path_factory.mktemp("t") / "metrics.csv"
    table = write_table(lambda: iter(points), path)
    for line, row in zip(path.read_text().splitlines()[1:], values, strict=True):
        cells = dict(zip(table.columns[2:], line.split(",")[2:], strict=True))
        assert {k: v for k, v in cells.items() if v} == {
            name: number if isinstance(number, str) else repr(number) for name, number in row.items()
        }


ROWS = [(0, {"a": 1}), (1, {"a": 2}), (0, {"b": 3}), (2, {"b": 4})]


@pytest.mark.parametrize(
    ("rows", "merged"),
    [
        (ROWS, [(0, {"a": 1, "b": 3}), (1, {"a": 2}), (2, {"b": 4})]),
        *(
            (rows, rows)
            for rows in ([*ROWS, (2, {"b": 5})], [*ROWS, (1, {"b": 5})], [*ROWS, (None, {"c": 5})])
        ),
    ],
)
def test_rows_are_put_together_where_nothing_is_lost(rows: list[Any], merged: list[Any]) -> None:
    """Not where a metric has two values at a step, goes back, or has none: its last would be another."""
    assert by_step(rows) == merged


# --- samples -------------------------------------------------------------------------------


def spiked(metrics: int, rows: int) -> Iterator[Point]:
    """Each metric has a spike, a dip, a NaN and an infinity; the greatest step is in the middle."""
    for at in range(rows):
        values: dict[str, Any] = {}
        for metric in range(metrics):
            odd = {3: 1000.0, 5: -1000.0, 7: "nan", 11: "inf"}
            values[f"m{metric}"] = odd.get(at - rows // 3 - 13 * metric, math.sin(at / 50 + metric))
        yield at / 100, 10 * rows if at == rows // 2 else at, values


@pytest.mark.parametrize(("metrics", "rows"), [(1, 50_000), (3, 20_000), (10, 9_000), (60, 4_000)])
def test_a_sample_keeps_what_is_looked_for(tmp_path: Path, metrics: int, rows: int) -> None:
    """Of each metric: first, last, smallest, largest, what is not finite, and the greatest step."""
    table = write_table(lambda: spiked(metrics, rows), tmp_path / "metrics.csv")
    sample = sample_table(table, 1000)
    series = parse_series(sample, "metrics.csv")
    whole = parsed(table)
    assert len(sample) < 1.2 * (1 << 20)
    for name, curve in whole.curves.items():
        kept = series.curves[name]
        assert len(kept.values) <= 1000
        finite = [v for v in kept.values if math.isfinite(v)]
        assert (min(finite), max(finite)) == (-1000.0, 1000.0)
        assert {"nan", "inf"} <= set(map(str, kept.values))
        assert (kept.values[0], kept.values[-1]) == (curve.values[0], curve.values[-1])
        assert 10 * rows in kept.steps
        points = set(zip(curve.steps, curve.times, map(str, curve.values), strict=True))
        assert set(zip(kept.steps, kept.times, map(str, kept.values), strict=True)) <= points


@pytest.mark.parametrize("points", [one_after_another, at_steps_of_their_own, in_pairs])
def test_each_metric_has_its_share_of_a_sample(tmp_path: Path, points: Callable[[], Iterator[Point]]) -> None:
    """However the metrics came."""
    table = write_table(points, tmp_path / "metrics.csv")
    sample = sample_table(table, 1000, 200_000)
    counts = [len(curve.values) for curve in parse_series(sample, "metrics.csv").curves.values()]
    assert len(counts) == METRICS and len(sample) < 240_000
    assert min(counts) > 50 and max(counts) < 1.3 * min(counts)


def test_metrics_in_one_table_have_the_same_share_wherever_their_values_lie(tmp_path: Path) -> None:
    """Few values after many, as of an evaluation that is logged at the end."""

    def points() -> Iterator[Point]:
        yield from ((0.0, step, {"loss": float(step % 7)}) for step in range(50_000))
        yield from ((1.0, step, {"val": step / 3e4, "best": step % 11}) for step in range(0, 50_000, 100))

    table = write_table(points, tmp_path / "metrics.csv")
    assert [part.points for part in table.parts] == [(50_000, 500, 500)]
    curves = parse_series(sample_table(table, 1000), "metrics.csv").curves
    counts = {name: len(curve.values) for name, curve in curves.items()}
    assert min(counts.values()) > 100 and sum(counts.values()) < 1600, counts


def test_a_rare_metric_is_whole_in_a_sample(tmp_path: Path) -> None:
    """Ten values among 30,000 rows of another are all there."""

    def points() -> Iterator[Point]:
        for step in range(30_000):
            yield step / 10, step, {"loss": 1 / (step + 1), **({"eval": step} if step % 3000 == 7 else {})}

    sample = sample_table(write_table(points, tmp_path / "metrics.csv"), 1000)
    assert len(parse_series(sample, "metrics.csv").curves["eval"].values) == 10

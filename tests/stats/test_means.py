"""The figures of each sample: complete, and plain where there can be none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Metric, Record
from gittrack.stats.maths import mean_interval, prediction_interval, tolerance_interval, wilson_interval
from gittrack.stats.means import MeansOptions, cautions, shown
from gittrack.stats.metrics import metric_names
from gittrack.stats.replicates import Group, finished_of
from tests.ledgers import make_record
from tests.tables import rows

ACC = [0.90, 0.91, 0.92]


def group(*runs: Record) -> Group:
    return Group("digits", "4" * 64, runs)


def three(**changes: Any) -> Group:
    return group(
        *(
            make_record(n, seed=n, metrics={"acc": Metric(value=v, direction="maximize")}, **changes)
            for n, v in enumerate(ACC)
        )
    )


def figure(found: Group, **options: Any) -> Any:
    (each,) = shown([found], MeansOptions(**options))
    return each.blocks[0].figures[0]


def test_each_figure_is_that_of_the_statistics() -> None:
    """Mean, prediction, tolerance, at the confidence asked for."""
    found = figure(three(), confidence=0.9)
    assert found.mean == mean_interval(ACC, 0.9)
    assert found.next_run == prediction_interval(ACC, 0.9)
    assert found.tolerance == tolerance_interval(ACC, 0.95, 0.9)
    assert (found.summary.low, found.summary.high, found.why, found.notes) == (0.90, 0.92, "", ())


@rows(("direction", "side"), [("maximize", "lower"), ("minimize", "upper")])
def test_one_sided_is_the_bad_side(direction: Any, side: Any) -> None:
    """The lower bound where large is good; without a direction the side has to be named."""
    runs = [
        make_record(n, seed=n, metrics={"m": Metric(value=v, direction=direction)}) for n, v in enumerate(ACC)
    ]
    assert figure(group(*runs), sided="one").mean == mean_interval(ACC, sided=side)
    plain = group(*(make_record(n, seed=n, metrics={"m": v}) for n, v in enumerate(ACC)))
    found = figure(plain, sided="one")
    assert (found.mean.low, found.mean.high) == (None, None)
    assert "no direction is known" in found.why
    assert found.next_run.low is not None
    assert figure(plain, sided="upper").mean == mean_interval(ACC, sided="upper")


def test_kinds_of_variance_are_blocks_of_their_own() -> None:
    """Across seeds first, then each seed that ran again; what is asked for once is answered once."""
    runs = [make_record(n, seed=n % 3, metrics={"acc": 0.9 + n / 100}) for n in range(5)]
    (each,) = shown([group(*runs)], MeansOptions(half_width=0.001))
    assert [block.sample.varied for block in each.blocks] == ["seed", "nothing", "nothing"]
    assert [block.figures[0].summary.n for block in each.blocks] == [3, 2, 2]  # type: ignore[union-attr]
    assert each.blocks[0].figures[0].needed is not None
    assert each.blocks[1].figures[0].needed is None
    assert "the spread is that of the machine" in each.blocks[1].cautions[0]


def test_a_value_that_is_none_is_named_with_its_run() -> None:
    """NaN, absent, too large: never dropped unsaid, and no figure rests on it."""
    odd = [Metric(value=0.9), Metric(status="nan"), Metric(value=10**400), None, Metric(value=0.8)]
    runs = [make_record(n, seed=n, metrics={} if m is None else {"acc": m}) for n, m in enumerate(odd)]
    found = figure(group(*runs))
    assert found.values == (0.9, 0.8)
    assert list(found.missing.values()) == ["nan", "too large", "absent"]
    assert list(found.missing) == [run.id for run in runs[1:4]]


def test_plain_statements_where_there_is_no_figure() -> None:
    """One run, identical runs, no finite value, values beyond what can be squared."""

    def why(*values: Any) -> str:
        metrics = [v if isinstance(v, Metric) else Metric(value=v) for v in values]
        return str(
            figure(group(*(make_record(n, seed=n, metrics={"m": m}) for n, m in enumerate(metrics)))).why
        )

    assert why(0.9) == "one run has no spread"
    assert why(0.9, 0.9) == "identical values: no spread"
    assert why(Metric(status="inf"), Metric(status="nan")) == "no run has a finite value"
    assert "1e+301 is no number that statistics take" in why(1e301, 1)


def test_runs_needed_and_how_unsure_that_is() -> None:
    """18 for half a deviation; the deviation of three runs leaves between 4 and some hundred."""
    found = figure(three(), half_width=0.005).needed
    assert (found.runs, found.half_width) == (18, 0.005)
    assert found.least < 18 < found.most
    alone = figure(group(make_record(1, seed=1, metrics={"acc": 0.9})), half_width=0.01)
    assert alone.needed is None
    assert alone.notes == ("runs needed for ± 0.01: not known, one run has no spread",)
    assert "more than 10^9" in figure(three(), half_width=1e-9).notes[0]


def test_the_test_sets_own_interval() -> None:
    """Wilson at the mean; in percent too; refused for what is no share."""
    assert figure(three(), samples={"acc": 1000}).test_set == wilson_interval(0.91, 1000)
    metrics = [{"acc": Metric(value=100 * v, unit="%")} for v in ACC]
    percent = group(*(make_record(n, seed=n, metrics=m) for n, m in enumerate(metrics)))
    assert figure(percent, samples={"acc": 50}).test_set.share == pytest.approx(0.91)
    loss = group(*(make_record(n, seed=n, metrics={"loss": v}) for n, v in enumerate([0.5, 1.5])))
    found = figure(loss, samples={"loss": 50})
    assert found.test_set is None
    assert "not every value is a share" in found.notes[0]
    assert figure(three(), samples={"other": 1000}).test_set is None


def test_the_bootstrap_is_refused_or_given() -> None:
    """From ten on."""
    assert "a bootstrap of 3 is refused" in figure(three(), bootstrap=True).notes[0]
    many = group(*(make_record(n, seed=n, metrics={"acc": n / 7 % 1}) for n in range(12)))
    assert figure(many, bootstrap=True).bootstrap.low is not None


@rows(
    ("seeds", "said"),
    [
        ([{"fold": 0}, {"fold": 1}], "splits of one data set overlap"),
        ([{"fold": 0, "init": 0}, {"fold": 1, "init": 0}, {"fold": 1, "init": 1}], "more than once"),
    ],
)
def test_what_a_reader_has_to_know_first(seeds: list[dict[str, int]], said: str) -> None:
    """Folds overlap, crossed seeds are not independent."""
    sample = group(*(make_record(n, seeds=each) for n, each in enumerate(seeds))).across
    assert said in cautions(sample)[0]


def test_a_run_without_a_seed_among_seeded_ones() -> None:
    """It may repeat another."""
    sample = group(make_record(1, seed=1), make_record(2, seed=2), make_record(3)).across
    assert "states no seed" in cautions(sample)[0]
    assert cautions(three().across) == []


def test_metrics_with_a_direction_come_first() -> None:
    """Then by name; unfinished runs have none."""
    runs = [make_record(1, metrics={"a": 1, "z": Metric(value=1, direction="minimize"), "b": 2})]
    failed = make_record(2, status="failed", metrics={"half": 1})
    assert metric_names(finished_of([group(*runs, failed)])) == ["z", "a", "b"]


def test_what_cannot_be_asked() -> None:
    """A metric that nobody has, a confidence of 95, a half-width of 0."""
    with pytest.raises(NotFoundError, match="no metric 'f1': there are acc"):
        shown([three()], MeansOptions(metrics=("f1",)))
    with pytest.raises(NotFoundError, match="no finished run has any"):
        shown([group(make_record(1, status="failed"))], MeansOptions(metrics=("f1",)))
    with pytest.raises(UsageError, match="between 0 and 1"):
        shown([three()], MeansOptions(confidence=95))
    with pytest.raises(UsageError, match="half-width"):
        shown([three()], MeansOptions(half_width=0))


def test_json_is_whole_and_strict() -> None:
    """Everything that is shown, without NaN."""
    runs = [
        *three().runs,
        make_record(9, status="killed"),
        make_record(8, seed=8, metrics={"acc": Metric(status="nan")}),
    ]
    (each,) = shown([group(*runs)], MeansOptions(half_width=0.01, samples={"acc": 10}))
    plain = json.loads(json.dumps(each.to_dict(), allow_nan=False))
    assert plain["failed"] == [{"id": runs[3].id, "status": "killed"}]
    (found,) = plain["samples"][0]["metrics"]
    assert found["mean"]["low"] == mean_interval(ACC).low
    assert found["missing"] == {runs[4].id: "nan"}
    assert plain["samples"][0]["varied"] == "seed"

"""Groups beside the first: pairs where seeds match, kinds never mixed, verdicts by Holm and direction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Metric
from gittrack.stats.compare import Contrast, contrast, letter_of
from gittrack.stats.maths import paired, welch
from gittrack.stats.replicates import Group
from tests.ledgers import make_record
from tests.tables import rows

A = [0.90, 0.91, 0.92, 0.905, 0.915]
B = [0.93, 0.96, 0.94, 0.951, 0.922]


def group(
    values: Sequence[float | None],
    seeds: Sequence[int | None] | None = None,
    *,
    spec: str = "a",
    direction: Any = "maximize",
    failed: int = 0,
    **changes: Any,
) -> Group:
    """A group with these values of ``acc``; None is NaN."""
    seeds = range(len(values)) if seeds is None else seeds
    runs = []
    for at, (value, seed) in enumerate(zip(values, seeds, strict=True)):
        metric = Metric(status="nan") if value is None else Metric(value=value, direction=direction)
        runs.append(make_record(at, seed=seed, metrics={"acc": metric}, **changes))
    runs += [make_record(100 + at, seed=50 + at, status="failed") for at in range(failed)]
    return Group("digits", (spec * 64)[:64], tuple(runs))


def one(*groups: Group, **options: Any) -> Contrast:
    (metric,) = contrast(groups, **options).metrics
    (found,) = metric.contrasts
    return found


def test_the_same_seeds_are_paired() -> None:
    """In whatever order the runs were made."""
    found = one(group(A), group(B[::-1], range(4, -1, -1), spec="b"))
    assert found.difference == paired(A, B)
    assert found.because == "the same seeds on both sides"
    assert found.verdict == "better"


@rows(
    ("seeds", "because"),
    [
        ([10, 11, 12, 13, 14], "no seeds in common"),
        ([0, 1, 2, 3, 14], "only some seeds are on both sides"),
    ],
)
def test_other_seeds_are_not(seeds: list[int], because: str) -> None:
    """Welch, and why."""
    found = one(group(A), group(B, seeds, spec="b"))
    assert found.difference == welch(A, B)
    assert found.because == because


def test_runs_without_seeds_are_compared_by_welch_and_warned_of() -> None:
    """What varies between them is not known."""
    none = [None] * 5
    groups = group(A, none), group(B, none, spec="b")
    assert one(*groups).because == "no pairs: the seeds were not varied"
    assert one(*groups).difference == welch(A, B)
    cautions = contrast(groups).cautions
    assert sum("no seed is recorded" in said for said in cautions) == 2


def test_kinds_of_variance_are_never_mixed() -> None:
    """Reruns of one seed beside runs on many: a difference, no test, no share."""
    found = one(group(A, [7] * 5), group(B, spec="b"), margin=0.5)
    assert found.difference.p is None
    assert found.difference.difference == pytest.approx(welch(A, B).difference)
    assert "A varies nothing, B seed: spreads of different kinds" in found.difference.why
    assert (found.superiority, found.verdict) == (None, "cannot tell")
    assert found.equivalence is not None
    assert found.equivalence.equivalent is None


def test_only_one_run_of_each_seed_counts() -> None:
    """The others are counted, and in no figure."""
    groups = group([*A, 0.1], [0, 1, 2, 3, 4, 4]), group(B, spec="b")
    assert one(*groups).difference == paired(A, B)
    assert "A: 1 further run repeats a seed: in no figure" in contrast(groups).cautions


def test_failed_runs_are_said() -> None:
    """A candidate that diverges half the time is not judged by the rest unsaid."""
    found = contrast([group(A), group(B, spec="b", failed=5)])
    assert "B: 5 of 10 runs did not finish: in no figure" in found.cautions


def test_a_missing_value_breaks_its_pair_alone() -> None:
    """Said, with the run."""
    groups = group(A), group([*B[:4], None], spec="b")
    found = one(*groups)
    assert found.difference == paired(A[:4], B[:4])
    assert found.because == "the same seeds on both sides, but 1 of 5 pairs lack a value"
    assert contrast(groups).metrics[0].means[1].missing == (groups[1].runs[4].id,)


@rows(
    ("direction", "first", "second", "verdict"),
    [
        ("maximize", A, B, "better"),
        ("maximize", B, A, "worse"),
        ("minimize", A, B, "worse"),
        ("minimize", B, A, "better"),
        (None, A, B, "higher"),
        (None, B, A, "lower"),
        ("maximize", [0.90, 0.95, 0.92], [0.91, 0.94, 0.93], "no difference shown"),
        ("maximize", [0.9], [0.91, 0.92], "cannot tell"),
        ("maximize", [0.9, 0.9], [0.9, 0.9], "cannot tell"),
    ],
)
def test_verdicts(direction: Any, first: list[float], second: list[float], verdict: str) -> None:
    """By the metric's direction; without one, of size alone."""
    groups = group(first, direction=direction), group(second, spec="b", direction=direction)
    assert one(*groups).verdict == verdict


def test_equivalence_within_a_margin() -> None:
    """No difference and a narrow interval: equivalent; a difference that is real but small is both."""
    near = [value + delta for value, delta in zip(A, (0.001, -0.001, 0.0005, -0.0005, 0.0), strict=True)]
    assert one(group(A), group(near, spec="b"), margin=0.005).verdict == "equivalent"
    assert one(group(A), group(near, spec="b")).equivalence is None
    better = [value + 0.002 + delta / 10 for value, delta in zip(near, A, strict=True)]
    assert one(group(A), group(better, spec="b"), margin=0.5).verdict == "better, but small"
    for margin in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="margin"):
            contrast([group(A), group(near, spec="b")], margin=margin)


def test_holm_counts_every_comparison_that_is_made() -> None:
    """Three candidates: p of 3 % each is no claim any more; the interval alone would make one."""
    candidates = [group([v + 0.0135 for v in A], range(10, 15), spec=spec) for spec in "bcd"]
    found = contrast([group(A), *candidates])
    (metric,) = found.metrics
    ps = [each.difference.p or 1 for each in metric.contrasts]
    assert found.asked == 3
    assert [each.holm for each in metric.contrasts][ps.index(min(ps))] == pytest.approx(3 * min(ps))
    assert any(each.difference.real for each in metric.contrasts)
    assert {each.verdict for each in metric.contrasts} == {"no difference shown"}


def test_which_metrics_are_compared() -> None:
    """Those with a direction, unless others are named; the rest is said."""

    def both(spec: str, shift: float) -> Group:
        runs = [
            make_record(
                n, seed=n, metrics={"acc": Metric(value=v + shift, direction="maximize"), "time": n + shift}
            )
            for n, v in enumerate(A)
        ]
        return Group("digits", spec * 64, tuple(runs))

    groups = both("a", 0), both("b", 0.5)
    found = contrast(groups)
    assert [metric.metric for metric in found.metrics] == ["acc"]
    assert found.left_out == ("time",)
    assert [metric.metric for metric in contrast(groups, ["time", "acc", "time"]).metrics] == ["time", "acc"]
    with pytest.raises(NotFoundError, match="no metric 'loss': there are acc, time"):
        contrast(groups, ["loss"])


def test_the_winner_is_named_with_what_choosing_did_to_it() -> None:
    """And with the command that reruns it."""
    groups = group(A), group(B, spec="b")
    (metric,) = contrast(groups).metrics
    assert metric.winner == "B"
    assert metric.selection is not None
    assert metric.selection.corrected is not None
    assert metric.selection.corrected < metric.selection.mean
    assert metric.fresh == f"gittrack reproduce {groups[1].runs[-1].id} --seeds new --repeats 5"
    lower = contrast([group(A, direction="minimize"), group(B, spec="b", direction="minimize")]).metrics[0]
    assert lower.winner == "A"
    assert contrast([group(A), group(A, spec="b")]).metrics[0].winner is None
    unknown = contrast([group(A, direction=None), group(B, spec="b", direction=None)]).metrics[0]
    assert (unknown.selection, unknown.winner, unknown.fresh) == (None, None, None)


def test_a_side_without_values_has_no_contrast() -> None:
    """All failed, or all NaN: the other figures are there."""
    found = contrast([group(A), group([None, None], spec="b"), group([], spec="c", failed=2)], ["acc"])
    (metric,) = found.metrics
    assert [mean.interval is None for mean in metric.means] == [False, True, True]
    assert metric.contrasts == ()
    assert metric.selection is None


def test_what_cannot_be_compared() -> None:
    """One group, the same twice, a confidence of 95."""
    with pytest.raises(UsageError, match="two groups"):
        contrast([group(A)])
    with pytest.raises(UsageError, match="named twice"):
        contrast([group(A), group(A)])
    with pytest.raises(UsageError, match="between 0 and 1"):
        contrast([group(A), group(B, spec="b")], confidence=95)


def test_runs_that_mask_without_a_digest_are_not_said_to_be_replicates() -> None:
    """Their specs are equal; whether they are one is not known."""
    hidden = [
        Group("digits", "a" * 64, (make_record(number, params={"key": "***"}, spec="a" * 64),))
        for number in (1, 2)
    ]
    assert len(contrast(hidden).sides) == 2


def test_letters_do_not_run_out() -> None:
    """A to Z, then A2."""
    assert [letter_of(at) for at in (0, 25, 26, 52)] == ["A", "Z", "A2", "A3"]

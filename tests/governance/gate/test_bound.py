"""The bound against the threshold: numbers, directions, sides, ties."""

from __future__ import annotations

import pytest

from gittrack.errors import ConfigError
from gittrack.governance.gate import Rule
from gittrack.governance.gate.case import figures_of
from gittrack.governance.gate.rule import check
from tests.governance.gate.lab import Lab, codes, said
from tests.tables import rows

VALUES = (0.90, 0.91, 0.92)


def rule(**changes: object) -> Rule:
    facts: dict[str, object] = {
        "metric": "accuracy", "threshold": 0.89, "direction": "maximize", "confidence": 0.95, "sided": "one",
        "runs": 3, "unit": None, "split": None,
    }  # fmt: skip
    return Rule(**{**facts, **changes})  # type: ignore[arg-type]


@rows(
    ("values", "changes", "bound"),
    [
        # evidence.md E: one-sided .893141, two-sided .885159 and .934841; t.95(2) = 2.919986.
        (VALUES, {}, 0.893141),
        (VALUES, {"sided": "two"}, 0.885159),
        (VALUES, {"direction": "minimize"}, 0.926859),
        (VALUES, {"direction": "minimize", "sided": "two"}, 0.934841),
        # The 95 % one-sided bound is an end of the two-sided 90 % interval.
        (VALUES, {"sided": "two", "confidence": 0.90}, 0.893141),
        # By hand: mean 3, s = sqrt(2.5), t.95(4) = 2.131847: 3 - 2.131847 * 1.581139 / 2.236068.
        ((1.0, 2.0, 3.0, 4.0, 5.0), {}, 1.492557),
        # Two runs: t.95(1) = 6.313752; mean .5, s = .141421: .5 - 6.313752 * .1.
        ((0.4, 0.6), {}, -0.131375),
    ],
)
def test_the_bound_is_the_published_one(
    values: tuple[float, ...], changes: dict[str, object], bound: float
) -> None:
    """To the last printed digit."""
    found = figures_of(values, rule(**changes))
    assert found is not None
    assert round(found.bound, 6) == bound


def test_values_that_are_all_alike_are_judged_as_they_are() -> None:
    """No interval of width 0 is made up, and no digit is lost to a mean."""
    found = figures_of([0.1] * 3, rule(threshold=0.1))
    assert found is not None
    assert (found.identical, found.bound, found.margin) == (True, 0.1, 0.0)


@rows("values", [[], [0.9], [1e308, -1e308]])
def test_without_a_spread_there_are_no_figures(values: list[float]) -> None:
    """None, one, or values beyond floating point."""
    assert figures_of(values, rule()) is None


def test_a_sample_passes_by_its_bound(lab: Lab) -> None:
    """Margin and mean beside it."""
    lab.fix()
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed" and found.exit_code == 0
    assert found.figures is not None
    assert round(found.figures.margin, 6) == 0.003141
    assert round(found.figures.mean_margin, 6) == 0.02
    assert found.varied == "seed"
    assert not found.findings


def test_a_mean_above_the_threshold_does_not_pass_by_itself(lab: Lab) -> None:
    """The bound misses, and what the mean would have said is told."""
    lab.fix(threshold=0.90)
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "not passed" and found.exit_code == 1
    assert said(found, "bound") == (
        "the lower bound, 0.893141, misses 0.9 by 0.00685854; the mean, 0.91, would have passed, and is not "
        "what is judged"
    )


def test_less_can_be_better(lab: Lab) -> None:
    """By the direction of the gate, before that of the metric."""
    lab.fix(direction="minimize", threshold=0.93)
    lab.runs(*VALUES)
    found = lab.judge()
    assert found.outcome == "passed"
    assert found.figures is not None and round(found.figures.bound, 6) == 0.926859
    assert str(found.rule) == "accuracy (test) at most 0.93, one-sided 95 %, 3 runs"


def test_the_gate_may_turn_the_direction_of_its_metric(lab: Lab) -> None:
    """`gate.direction` wins."""
    lab.write_plain(
        {
            "metrics": {"accuracy": {"direction": "maximize"}},
            "gate": {"metric": "accuracy", "threshold": 0.92, "direction": "minimize", "runs": 3},
        }
    )
    lab.commit()
    lab.runs(*VALUES)
    assert lab.judge().outcome == "not passed"


def test_two_sided_is_harder(lab: Lab) -> None:
    """The end of the two-sided interval is compared."""
    lab.fix(sided="two")
    lab.runs(*VALUES)
    found = lab.judge()
    assert "the lower end, 0.885159, misses 0.89 by" in said(found, "bound")


def test_identical_values_on_the_threshold_pass(lab: Lab) -> None:
    """Seeds differ, values do not: judged by the value itself."""
    lab.fix(threshold=0.9)
    lab.runs(0.9, 0.9, 0.9)
    found = lab.judge()
    assert found.outcome == "passed"
    assert found.figures is not None and found.figures.identical and found.figures.margin == 0


def test_identical_values_below_it_miss(lab: Lab) -> None:
    """And say so without an interval."""
    lab.fix(threshold=0.9)
    lab.runs(0.8, 0.8, 0.8)
    assert said(lab.judge(), "bound") == "the value of all runs, 0.8, misses 0.9 by 0.1"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_does_not_pass(lab: Lab, value: float) -> None:
    """However good the others are."""
    lab.fix()
    lab.runs(0.99, 0.98, value)
    found = lab.judge()
    assert found.outcome == "not passed" and found.figures is None
    assert said(found, "no-value") == f"accuracy of run {lab.records[-1].id} is {value}"


def test_a_missing_value_does_not_pass(lab: Lab) -> None:
    """It finished, and has no such metric."""
    lab.fix()
    lab.runs(0.99, 0.98)
    last = lab.run(None, 2)
    assert said(lab.judge(), "no-value") == f"accuracy of run {last.id} has no such metric"


def test_values_too_large_for_an_interval(lab: Lab) -> None:
    """A plain statement."""
    lab.fix()
    lab.runs(1e308, -1e308, 1e308)
    assert codes(lab.judge(), "missed") == {"no-value"}


def test_a_gate_without_a_direction_judges_nothing() -> None:
    """Which way is better has to be fixed too."""
    with pytest.raises(ConfigError, match=r"does not say which way accuracy is better: commit"):
        check(rule(direction=None), "digits")


def test_a_confidence_below_one_half_would_help_a_mean_that_misses() -> None:
    """A one-sided bound at 10 % lies on the other side of the mean."""
    with pytest.raises(ConfigError, match=r"confidence of 0\.1, which would let pass"):
        check(rule(confidence=0.1), "digits")
    check(rule(confidence=0.1, sided="two"), "digits")


@rows(
    ("changes", "stricter"),
    [
        ({"threshold": 0.95}, True),
        ({"threshold": 0.85}, False),
        ({"confidence": 0.99}, True),
        ({"confidence": 0.9}, False),
        ({"sided": "two"}, True),
        ({"sided": "two", "confidence": 0.9}, True),
        ({"runs": 5}, False),
        ({"metric": "f1"}, False),
        ({"split": "train"}, False),
        ({"direction": "minimize"}, False),
    ],
)
def test_what_makes_a_rule_harder(changes: dict[str, object], stricter: bool) -> None:
    """Only threshold and level can, with all else alike: more runs make the interval narrower."""
    assert rule(**changes).is_as_strict_as(rule()) is stricter


def test_for_minimize_a_lower_threshold_is_harder() -> None:
    """Mirrored."""
    old = rule(direction="minimize")
    assert rule(direction="minimize", threshold=0.8).is_as_strict_as(old)
    assert not rule(direction="minimize", threshold=0.95).is_as_strict_as(old)

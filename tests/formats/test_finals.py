"""The final value among those of a series, by the rule that is named."""

from __future__ import annotations

import pytest

from gittrack.formats.finals import described, extreme_of, finals_in

BACK = ["step,time,a", "0,0.1,1", "5,0.2,7", "5,0.3,6", "3,0.4,2"]
ODD = ["step,time,a,b", "0,0.1,nan,nan", "1,0.2,,nan", "2,0.3,3,", "3,0.4,inf,", "4,0.5,nan,nan"]
STEPLESS = ["step,time,a", ",0.1,9007199254740993", ",0.2,9007199254740992"]


@pytest.mark.parametrize(
    ("lines", "rule", "name", "final"),
    [
        (BACK, "last", "a", ("2", "3")),
        (BACK, "greatest-step", "a", ("6", "5")),
        (BACK, "max", "a", ("7", "5")),
        (BACK, "min", "a", ("1", "0")),
        (ODD, "last", "a", ("nan", "4")),
        (ODD, "greatest-step", "a", ("nan", "4")),
        (ODD, "max", "a", ("inf", "3")),
        (ODD, "min", "a", ("3", "2")),
        (ODD, "min", "b", ("nan", "4")),
        (STEPLESS, "greatest-step", "a", ("9007199254740992", "")),
        (STEPLESS, "max", "a", ("9007199254740993", "")),
        (STEPLESS, "min", "a", ("9007199254740992", "")),
        (["step,time,a", "0,0.1,1", "1,0.2,1"], "max", "a", ("1", "0")),
        (["step,time,b", "0,0.1,1", "step,time,a", "0,0.1,2", "1,,3"], "max", "a", ("3", "1")),
    ],
)
def test_each_rule(lines: list[str], rule: str, name: str, final: tuple[str, str]) -> None:
    """Steps that go back, several rows of a step, NaN, infinities, no steps, whole numbers beyond a float."""
    assert finals_in(lines, {name: rule}) == {name: final}


def test_the_best_is_by_the_direction() -> None:
    """Without one there is none."""
    assert [extreme_of("best", way) for way in ("maximize", "minimize", None)] == ["max", "min", None]


def test_a_star_stands_for_all_that_begin_so() -> None:
    """The name itself goes before, then the longest beginning."""
    declared = {"val/*": {"rule": "min"}, "val/acc*": {"rule": "max"}, "val/acc": {"rule": "last"}}
    assert described("val/acc", declared) == {"rule": "last"}
    assert described("val/acc2", declared) == {"rule": "max"}
    assert described("val/loss", declared) == {"rule": "min"}
    assert described("loss", declared) == {}

"""What runs say of their metrics."""

from __future__ import annotations

from typing import Any

import pytest

from gittrack.formats.record import Metric
from gittrack.reading.diff import MetricPair
from gittrack.stats.metrics import UNLIKE, rule_of
from tests.ledgers import make_record


@pytest.mark.parametrize(
    ("rules", "said"),
    [
        (["last", "last"], ""),
        ([None, None], ""),
        (["given", "last"], ""),
        (["max", "max", "given"], "max"),
        (["last", "max"], UNLIKE),
    ],
)
def test_the_rule_of_final_values(rules: list[Any], said: str) -> None:
    """Said where it is not the last, or not the same in all runs."""
    runs = [make_record(at, metrics={"acc": Metric(value=1.0, rule=rule)}) for at, rule in enumerate(rules)]
    assert rule_of(runs, "acc") == said


def test_values_by_different_rules_are_not_like_for_like() -> None:
    """None of them is better; an unknown rule says nothing."""
    unlike = MetricPair("acc", 0.8, 0.9, None, "maximize", ("last", "max"))
    assert (unlike.unlike, unlike.verdict) == ("last, max", None)
    assert MetricPair("acc", 0.8, 0.9, None, "maximize", (None, "max")).verdict == "better"

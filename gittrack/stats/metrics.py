"""What runs say of their metrics: which there are, in what order, and which way each gets better."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gittrack.formats.record import Record

if TYPE_CHECKING:
    from gittrack.formats.config import Direction  # which takes long to load


def metric_names(runs: Sequence[Record]) -> list[str]:
    """Metrics of `runs`: those with a direction first, then by name."""
    names = {name for run in runs for name in run.metrics}
    return sorted(names, key=lambda name: (direction_of(runs, name) is None, name))


def direction_of(runs: Iterable[Record], metric: str) -> Direction | None:
    """Which way `metric` gets better, by the first of `runs` that says so."""
    known = (run.metrics.get(metric) for run in runs)
    return next((entry.direction for entry in known if entry is not None and entry.direction), None)


UNLIKE = "by different rules"


def rule_of(runs: Iterable[Record], metric: str) -> str:
    """How the final values of `metric` come from their series; "" for the last, as where none is known."""
    known = (run.metrics.get(metric) for run in runs)
    rules = {entry.rule for entry in known if entry is not None and entry.rule is not None}
    if len(rules - {"given"}) > 1:
        return UNLIKE
    return "".join(rules - {"last", "given"})

"""Criteria and candidates of a decision, worked out from a protocol and records alone: for verify as well."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.formats.config import ExperimentConfig
from gittrack.formats.decision import (
    Candidate,
    Criteria,
    Criterion,
    Figure,
    GateRule,
)
from gittrack.formats.record import Record
from gittrack.stats.replicates import Group

MOST_METRICS = 50


def criteria_of(protocol: ExperimentConfig, record: Record) -> Criteria:
    """The criteria of a run, as its gittrack.yaml has them."""
    gate = protocol.gate
    return Criteria(
        protocol=record.protocol,
        question=protocol.question,
        metrics={
            name: Criterion(direction=m.direction, unit=m.unit, split=m.split, why=m.why)
            for name, m in protocol.metrics.items()
        },
        gate=None
        if gate is None
        else GateRule(
            metric=gate.metric,
            threshold=gate.threshold,
            direction=gate.direction,
            confidence=gate.confidence,
            sided=gate.sided,
            runs=gate.runs,
        ),
    )


def compared(protocol: ExperimentConfig, record: Record) -> list[str]:
    """The metrics that candidates are shown with: those declared, or those of the run."""
    return list(protocol.metrics or sorted(record.metrics))[:MOST_METRICS]


def candidate_of(group: Group, metrics: Sequence[str]) -> Candidate:
    """The runs of one spec in figures; of several runs with one seed, the first counts."""
    return Candidate(
        spec=group.spec,
        runs=tuple(run.id for run in group.finished),
        failed=tuple(run.id for run in group.failed),
        metrics={name: figure for name in metrics if (figure := figure_of(group, name)) is not None},
    )


def figure_of(group: Group, metric: str) -> Figure | None:
    """Mean and two-sided 95 % interval over the replicates; None without values that statistics take."""
    from gittrack.stats.maths.intervals import LARGEST, mean_interval

    values = group.across.values(metric)
    if not values or max(map(abs, values)) > LARGEST:
        return None
    interval = mean_interval(values)
    return Figure(n=interval.n, mean=interval.mean, sd=interval.sd, low=interval.low, high=interval.high)

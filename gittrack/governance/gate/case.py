"""What the checks of a gate share, and the figures that they lead to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gittrack.errors import UsageError
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.governance.gate.history import Absent, History, Origin
from gittrack.governance.gate.judgement import Figures
from gittrack.governance.gate.rule import Rule
from gittrack.governance.gate.sample import Chosen
from gittrack.reading.index import Row
from gittrack.stats.maths import Sided, mean_interval
from gittrack.stats.replicates import Group


@dataclass(frozen=True)
class Case:
    """A group of runs before the gate that was in force when they were made."""

    repository: Repository
    history: History
    group: Group
    rows: Sequence[Row]
    """Every run of the experiment, oldest first."""
    rule: Rule
    chosen: Chosen
    fresh: bool
    run: str
    """Id of the run that the group was found by."""

    @cached_property
    def counting(self) -> Sequence[Record]:
        """The runs that have to come after the gate: those that count, or all where none does yet."""
        return self.chosen.attempts or self.group.runs

    @cached_property
    def proof(self) -> tuple[tuple[Origin, ...], tuple[Record, ...]] | Absent:
        """Where the gate comes from, and the counting runs that came before it; or what that would take."""
        try:
            return self.history.proven(self.counting, self.rule)
        except Absent as absent:
            return absent

    @property
    def started(self) -> dict[str, float]:
        """Start of every run of the experiment, in seconds since the epoch, by id."""
        return {row.id: row.started for row in self.rows}

    @property
    def others(self) -> int:
        """Number of other specs in the experiment."""
        return len({row.spec for row in self.rows if row.spec is not None} - {self.group.spec})


def figures_of(values: Sequence[float], rule: Rule) -> Figures | None:
    """The bound against the threshold: x̄ - t·s/√n for maximize, x̄ + t·s/√n for minimize.

    t has n - 1 degrees of freedom and the rule's level. Values that are all alike have no spread
    and are judged as they are. None where there is no bound: fewer than two values, or too large.
    """
    if len(values) < 2:
        return None
    sided: Sided = "two" if rule.sided == "two" else "upper" if rule.end == "upper" else "lower"
    try:
        interval = mean_interval(values, rule.confidence, sided)
    except UsageError:  # a value beyond what statistics take
        return None
    identical = interval.sd == 0
    end = interval.mean if identical else interval.high if rule.end == "upper" else interval.low
    if end is None:
        return None
    return Figures(
        interval=interval,
        bound=end,
        margin=rule.sign * (end - rule.threshold),
        mean_margin=rule.sign * (interval.mean - rule.threshold),
        identical=identical,
    )

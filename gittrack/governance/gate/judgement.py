"""What a gate says of a group of runs: frozen values, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from gittrack.governance.gate.history import Origin
from gittrack.governance.gate.rule import Rule
from gittrack.governance.gate.sample import JudgedRun
from gittrack.stats.maths import Interval
from gittrack.stats.replicates import Varied

Outcome = Literal["passed", "not passed", "refused", "incomplete"]
Kind = Literal["refused", "declared", "missed", "incomplete", "note"]
"""``declared``: what would have been refused, had nobody declared it."""

EXIT_CODES: dict[Outcome, int] = {"passed": 0, "not passed": 1, "refused": 1, "incomplete": 4}

UNPROVEN = (
    "Not proven: that the values are true, that no run was left out before it was recorded, and dates, which "
    "are the committer's word. gittrack verify checks the records."
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One result: a stable code, what it does to the verdict, and what it says."""

    code: str
    kind: Kind
    says: str


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers, in the unit of the metric. Margins are positive where the threshold is reached."""

    interval: Interval
    bound: float
    """What was compared: an end of the interval, or the value itself where all are identical."""
    margin: float
    """By how much the bound passes (or misses, below 0)."""
    mean_margin: float
    """The same of the mean, which is not judged."""
    identical: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdict on the runs of one spec, and everything it rests on."""

    outcome: Outcome
    asked: str
    """The experiment, run or commit that was named."""
    run: str
    """Id of the run whose group this is."""
    experiment: str
    spec: str
    others: int
    """Number of other specs that were tried in the experiment."""
    fresh: bool
    declared: str | None
    rule: Rule | None
    """None where this clone cannot tell which gate was in force."""
    varied: Varied | None
    """What differs between the runs that are judged; None where they are fewer than two."""
    runs: tuple[JudgedRun, ...]
    """All runs of the spec, oldest first."""
    figures: Figures | None
    """None unless the sample is what the protocol asks for, or was declared."""
    origins: tuple[Origin, ...]
    """The commits that the gate comes from, for the runs that count; that of the first run first."""
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.outcome]

    @property
    def judged(self) -> tuple[JudgedRun, ...]:
        return tuple(run for run in self.runs if run.part == "judged")


def outcome_of(findings: list[Finding]) -> Outcome:
    """Refused before not passed before incomplete; passed if nothing stands against it."""
    kinds = {finding.kind for finding in findings}
    if "refused" in kinds:
        return "refused"
    if "missed" in kinds:
        return "not passed"
    return "incomplete" if "incomplete" in kinds else "passed"

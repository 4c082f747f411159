"""A decision: who gave which outcome to a run, why, by which criteria, over which candidates. No I/O.

``decisions/<experiment>/<YYYY-MM-DD>/<id>.yaml`` on the ledger, only ever added; a later decision on
a run supersedes an earlier one. Its figures follow from records, so that verify works them out again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gittrack.errors import RecordError
from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import Author, Tool

SCHEMA = "gittrack/decision/1"
ROOT = "decisions"

Outcome = Literal["selected", "rejected", "baseline"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """What a metric means, as the gittrack.yaml of the run has it."""

    direction: Literal["maximize", "minimize"] | None = None
    unit: str | None = None
    split: str | None = None
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GateRule:
    """The pass rule, as the gittrack.yaml of the run has it."""

    metric: str
    threshold: float
    direction: Literal["maximize", "minimize"] | None = None
    confidence: float | None = None
    sided: Literal["one", "two"] = "one"
    runs: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Criteria:
    """By what was chosen: the protocol in force when the run was made, and its blob."""

    protocol: str | None = None
    question: str | None = None
    metrics: Mapping[str, Criterion] = field(default_factory=dict)
    gate: GateRule | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A metric over the runs of a candidate: their mean, and its two-sided 95 % t interval."""

    n: int
    mean: float
    sd: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """The runs of one spec. Those that failed or were killed are named too."""

    spec: str
    runs: tuple[str, ...] = ()
    """That finished, oldest first."""
    failed: tuple[str, ...] = ()
    metrics: Mapping[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A decision as it lies on the ledger."""

    schema: str = SCHEMA
    id: str
    experiment: str
    run: str
    outcome: Outcome
    because: str
    made: str
    """UTC, as `started` of a record."""
    author: Author
    supersedes: str | None = None
    """Id of the decision on the same run that held before."""
    criteria: Criteria
    candidates: tuple[Candidate, ...]
    """Oldest first; that of the run is among them."""
    tool: Tool

    @property
    def path(self) -> str:
        """File on the ledger; the day is that of the id."""
        day = f"{self.id[:4]}-{self.id[4:6]}-{self.id[6:8]}"
        return f"{ROOT}/{self.experiment}/{day}/{self.id}.yaml"


def dump(decision: Decision) -> bytes:
    """The bytes of the file; RecordError if the decision breaks its schema."""
    from gittrack.formats import codec

    plain = to_dict(decision)
    codec.validate(plain, "decision", "decision")
    return codec.write_yaml(plain)


_VERSION = re.compile(r"gittrack/decision/[0-9]{1,6}")


def load(data: bytes, where: str) -> Decision:
    """The decision in the bytes of a file; RecordError says where they are malformed."""
    from gittrack.formats import codec

    plain = codec.read_yaml(data, where)
    version = plain.get("schema") if isinstance(plain, dict) else None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise RecordError(f"{where}: not a decision: its first line should be 'schema: {SCHEMA}'")
    if version != SCHEMA:
        raise RecordError(f"{where}: too new ({version}): upgrade gittrack, which reads {SCHEMA}")
    codec.validate(plain, "decision", where)
    return from_dict(Decision, plain)

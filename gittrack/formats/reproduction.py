"""The statement of how far a run could be had again: dataclasses, bytes, place on the ledger.

One file for each time that somebody tried, ``reproduction.yaml`` in the folder
``reproductions/<experiment>/<day>/<run-id>/<id>/``; like a record it is only ever added. Everything
in it but who made it and how follows from the records that it names, by
`gittrack.stats.verdict`, so that `gittrack verify` works it out again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from gittrack.errors import RecordError
from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import Author, Tool, run_path

SCHEMA = "gittrack/reproduction/1"
ROOT = "reproductions"
FILE = "reproduction.yaml"

Level = Literal["bitwise-cross-host", "bitwise-same-host", "numeric", "statistical", "not-reproduced"]
"""Strongest first. ``bitwise``: the same bytes, on the same host or (also) on another."""

RerunLevel = Literal["bitwise", "numeric", "differs", "failed"]
Varied = Literal["nothing", "seed", "some seeds"]

ENOUGH = 3
"""Reruns below which nothing statistical is said: with two, the interval is 31 standard deviations wide."""

_STRENGTH: Mapping[str, int] = {
    "none": 0,
    "not-reproduced": 0,
    "statistical": 1,
    "numeric": 2,
    "bitwise-same-host": 3,
    "bitwise-cross-host": 4,
}


def reaches(level: str, claim: str) -> bool:
    """Whether a verdict bears out what gittrack.yaml claims; a claim of ``none`` is always borne out."""
    return _STRENGTH[level] >= _STRENGTH[claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rerun:
    """One rerun beside the original."""

    run: str
    status: Literal["finished", "failed", "killed", "unknown"]
    seed: int | None = None
    level: RerunLevel
    host: Literal["same", "other", "unknown"]
    differs: tuple[str, ...] = ()
    """What is not as in the original, in words; at most 20."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """A final metric in the original and over the reruns that finished.

    `low` and `high` bound the prediction interval for one more run, worked out from the reruns alone;
    `inside` says whether the original lies in it (or equals them, where they are all alike).
    """

    original: float | int | str
    """``nan``, ``inf`` or ``-inf`` for one that is not finite."""
    n: int
    mean: float | None = None
    sd: float | None = None
    low: float | None = None
    high: float | None = None
    inside: bool = False
    largest_difference: float | None = None
    tolerance: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the records say; see `gittrack.stats.verdict.judge`."""

    level: Level
    why: str
    varied: Varied
    confidence: float
    """Joint confidence of the intervals of all metrics."""
    reruns: tuple[Rerun, ...]
    metrics: Mapping[str, Agreement] = field(default_factory=dict)
    factors: tuple[str, ...] = ()
    """What was not as in the original, or can make two runs differ that are; in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """Who tried to have a run again, how, and what came of it: reproduction.yaml."""

    schema: str = SCHEMA
    id: str
    run: str
    experiment: str
    made: str
    """UTC, as `started` of a record."""
    author: Author
    claim: Literal["bitwise-same-host", "bitwise-cross-host", "numeric", "statistical", "none"]
    protocol: str | None = None
    """Blob of the gittrack.yaml that claims it: that of the run."""
    environment: str
    """How the environment came about: ``current``, ``uv``, ``conda``, ..."""
    executor: str
    verdict: Verdict
    tool: Tool

    @property
    def path(self) -> str:
        """Folder on the ledger."""
        return f"{folder_of(self.experiment, self.run)}/{self.id}"

    @property
    def claim_reached(self) -> bool:
        return reaches(self.verdict.level, self.claim)


def folder_of(experiment: str, run_id: str) -> str:
    """Where the reproductions of a run lie: as the run itself, below another root."""
    return ROOT + run_path(experiment, run_id).removeprefix("runs")


def dump(reproduction: Reproduction) -> bytes:
    """The bytes of reproduction.yaml; RecordError if it breaks its schema."""
    from gittrack.formats import codec

    plain = to_dict(reproduction)
    codec.validate(plain, "reproduction", FILE)
    return codec.write_yaml(plain)


_VERSION = re.compile(r"gittrack/reproduction/([0-9]{1,6})")


def load(data: bytes, where: str) -> Reproduction:
    """The statement in the bytes of a reproduction.yaml; RecordError says where they are malformed."""
    from gittrack.formats import codec

    plain = codec.read_yaml(data, where)
    schema = plain.get("schema") if isinstance(plain, dict) else None
    version = _VERSION.fullmatch(schema) if isinstance(schema, str) else None
    if version is None:
        raise RecordError(f"{where}: not a reproduction: its first line should be 'schema: {SCHEMA}'")
    if schema != SCHEMA:
        raise RecordError(f"{where}: too new ({schema}): upgrade gittrack, which reads {SCHEMA}")
    codec.validate(plain, "reproduction", where)
    return from_dict(Reproduction, plain)

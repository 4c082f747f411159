"""The parts of a record about what happened around the run while it ran."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """Something that the record names and that changed between the start of the run and its end."""

    what: str
    """Named by its kind and name: ``param lr``, ``input data/train.csv``, ``code train.py``."""
    before: Any = None
    """A value of a parameter, else a digest or an id; absent where there was nothing."""
    after: Any = None

    @property
    def shown(self) -> str:
        """Both values for people, digests by their first 12 digits."""
        return f"{_shown(self.before)} -> {_shown(self.after)}"


_MOST = 20
"""Paths that a sentence names."""
_DIGEST = re.compile(r"(?:[0-9a-f]{32}(?:\.dir)?|[0-9a-f]{40}|[0-9a-f]{64})\Z")


def _shown(item: Any) -> str:
    from gittrack.text import text

    if isinstance(item, str) and _DIGEST.match(item):
        return item[:12]
    return "nothing" if item is None else text.value(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Another run that ran at the same time and writes at the same paths, or still may."""

    run: str
    paths: tuple[str, ...]
    """Where this run has written, relative to the top of the work tree; absolute when outside it."""
    unknown: bool = False
    """Whether the other run writes there is not known: it went on, and had not said where it writes."""

    @property
    def sentence(self) -> str:
        """What the other run did there, with the first paths."""
        paths = ", ".join(self.paths[:_MOST])
        more = f" and {len(self.paths) - _MOST:,} more" if len(self.paths) > _MOST else ""
        if self.unknown:
            return f"run {self.run} went on, and may have written at {paths}{more}: not known"
        return f"run {self.run} wrote at {paths}{more} too"


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvested:
    """A run of another tracker that the program kept while it ran, and that the record has taken up."""

    system: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ranks:
    """That the run is that of one of several processes of a training, as their launcher says."""

    number: int
    """Of the process that is recorded; 0 unless each was asked for."""
    size: int | None = None
    """How many there were at the start; absent where the launcher does not say."""
    variable: str
    """The environment variable that numbers them."""

    @property
    def sentence(self) -> str:
        """Which of how many, and who says so."""
        total = "several, how many is not known" if self.size is None else f"{self.size:,}"
        return f"rank {self.number:,} of {total} ({self.variable})"

"""The parts of a record about what happened around the run while it ran."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Another run that ran at the same time and writes at the same paths."""

    run: str
    paths: tuple[str, ...]
    """Where this run has written, relative to the top of the work tree; absolute when outside it."""

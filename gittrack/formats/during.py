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


_DIGEST = re.compile(r"(?:[0-9a-f]{32}(?:\.dir)?|[0-9a-f]{40}|[0-9a-f]{64})\Z")


def _shown(item: Any) -> str:
    from gittrack.text import text

    if isinstance(item, str) and _DIGEST.match(item):
        return item[:12]
    return "nothing" if item is None else text.value(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """Another run that ran at the same time and writes at the same paths."""

    run: str
    paths: tuple[str, ...]
    """Where this run has written, relative to the top of the work tree; absolute when outside it."""

"""What people write for a run: an id or an end of it, ``latest``, ``latest~2``. `Index.resolve` finds it."""

from __future__ import annotations

import re

_LATEST = re.compile(r"latest(?:~([0-9]{1,9}))?")
_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]+")


def before_latest(name: str) -> int | None:
    """How many runs before the newest ``latest`` or ``latest~2`` means; None for another name."""
    match = _LATEST.fullmatch(name)
    return int(match[1] or 0) if match else None


def means_a_run(name: str) -> bool:
    """Whether `name` is a run's whatever branches, commits or models are called: ``latest~1``, an id."""
    return before_latest(name) is not None or _ID.fullmatch(name) is not None


def is_of_id(name: str, run_id: str) -> bool:
    """Whether `name` is an end of the id, rather than of a commit of the run."""
    return run_id.startswith(name) or run_id.endswith(name)

"""A run of a notebook had again without it: its cells are executed one after the other."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gittrack.dvc.cache import object_path
from gittrack.errors import UsageError
from gittrack.formats.record import Record
from gittrack.recording.notebook import CELLS_ROLE

LONGEST_CELLS = 100_000
"""Bytes that a command line has room for."""


def cells_of(record: Record, cache: Path) -> list[str]:
    """What executes the cells of a run of a notebook without it; nothing for other runs."""
    kept = next((output for output in record.outputs if output.role == CELLS_ROLE), None)
    if kept is None:
        if "ipykernel_launcher" in record.code.command or "ipykernel" in record.code.command:
            raise UsageError(f"run {record.id} was one of a notebook, and its cells are not recorded")
        return []
    path = object_path(cache, kept.md5)
    if not path.is_file():
        raise UsageError(f"the cells of run {record.id} are not in the DVC cache: run gittrack pull")
    content = path.read_bytes()
    if kept.sha256 is not None and hashlib.sha256(content).hexdigest() != kept.sha256:
        raise UsageError(f"the cells of run {record.id} in the DVC cache are others: run gittrack verify")
    if len(content) > LONGEST_CELLS or b"\0" in content:
        raise UsageError(
            f"the cells of run {record.id} are too long for a command line ({len(content):,} bytes): run "
            f"{kept.path} of gittrack fetch by hand"
        )
    text = content.decode("utf-8", "replace")
    return ["ipython" if "get_ipython()" in text else "python", "-c", text]

"""The rows and samples of a run over all its parts, from logs or from the JSON lines of older clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gittrack.importers import folders
from gittrack.importers.wandb import leveldb, rows
from gittrack.importers.wandb.folder import Part
from gittrack.importers.wandb.rows import Row

HISTORY = "wandb-history.jsonl"
_EVENTS = "wandb-events.jsonl"


def old(part: Part, name: str) -> Path | None:
    """A file of JSON lines, where no log has its rows."""
    if part.files is None or (part.log is not None and part.log.stat().st_size > leveldb.HEADER_SIZE):
        return None
    path = part.files / name
    return path if folders.is_regular(path) else None


def history(parts: list[Part]) -> Iterator[Row]:
    for part in parts:
        if part.log is not None:
            yield from rows.history(part.log)
        if (lines := old(part, HISTORY)) is not None:
            yield from rows.merged(rows.lines(lines, []))


def samples(parts: list[Part]) -> Iterator[Row]:
    for part in parts:
        if part.log is not None:
            yield from rows.samples(part.log)
        if (lines := old(part, _EVENTS)) is not None:
            yield from rows.lines(lines, [])

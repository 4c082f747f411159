"""The files of events that a process appends to, and the lines that it writes there."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gittrack.git.shared import as_folder
from gittrack.reading.journal.events import POINTS

Row = tuple[float, int | None, dict[str, Any]]
"""Seconds since the start, step, values by metric (a non-finite one as ``"nan"``, ``"inf"``, ``"-inf"``)."""


def lines_of(events: Sequence[list[Any]]) -> bytes:
    # Params and seeds may be whole numbers above 64 bits, which orjson does not have.
    return b"".join(json.dumps(event, ensure_ascii=False).encode() + b"\n" for event in events)


def metrics_line(rows: Sequence[bytes]) -> bytes:
    points = b"],".join(rows)
    if b"true" in points or b"false" in points:
        import orjson

        read: list[Row] = orjson.loads(b"[%b]]" % points)
        numbers = [(t, step, {k: _number(v) for k, v in row.items()}) for t, step, row in read]
        points = orjson.dumps(numbers)[1:-2]
    return b"%b[%b]]]\n" % (POINTS, points)


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


def open_events(folder: Path, pid: int) -> int:
    """A file of its own for what this process writes; early, so that used-up descriptors cost no point."""
    path = folder / f"events-{event_files(folder):03d}-{pid}.jsonl"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    as_folder(path)
    return descriptor


def event_files(folder: Path) -> int:
    return sum(1 for _ in folder.glob("events-*.jsonl"))

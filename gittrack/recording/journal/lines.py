"""The files of a journal that a process writes, and the lines of those that it appends to."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from gittrack.git.shared import as_folder
from gittrack.reading.journal.events import POINTS

Item = TypeVar("Item")
Row = tuple[float, int | float | None, dict[str, Any]]
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


def take_out(queue: deque[Item], written: Sequence[Item]) -> None:
    """Take what is on disk out of `queue`; the rest of it where Ctrl-C came in between."""
    first = queue[0] if queue else None
    gone = next((at for at, item in enumerate(written) if item is first), len(written))
    for _ in range(len(written) - gone):
        queue.popleft()

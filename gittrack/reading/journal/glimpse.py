"""The beginning and the end of a journal: enough for a list of runs, however long they train."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.reading.journal.events import Kind

SHORT = 1 << 16
"""Bytes of a file that are read at its beginning."""
LONGEST = 1 << 19
"""Bytes that are read at its end, where fewer do not have every metric that the beginning has."""


def glimpse(folder: Path) -> Iterator[list[Any]]:
    """The events of short files, of long ones those at both ends, each process's in its own order."""
    for path in sorted(folder.glob("events-*.jsonl")):
        try:
            with path.open("rb", buffering=0) as file:
                yield from _ends(file.fileno())
        except FileNotFoundError:
            continue  # the run was committed just now


def _ends(descriptor: int) -> Iterator[list[Any]]:
    size = os.fstat(descriptor).st_size
    head = list(_events(_whole(os.pread(descriptor, SHORT, 0))))
    yield from head
    if size <= SHORT:
        return
    room = SHORT
    while True:
        data = os.pread(descriptor, room, max(size - room, SHORT))
        tail = list(_events(_whole(data[data.find(b"\n") + 1 :])))
        if room >= min(size, LONGEST) or (tail and _metrics(head) <= _metrics(tail)):
            yield from tail
            return
        room *= 4


def _whole(data: bytes) -> bytes:
    """`data` without the line at its end that is being written, or goes on."""
    return data[: data.rfind(b"\n") + 1]


def _events(data: bytes) -> Iterator[list[Any]]:
    """json and not orjson, which takes as long to load as all of this."""
    for line in data.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, list) and event:
            yield event


def _metrics(events: list[list[Any]]) -> set[str]:
    return {name for event in events if event[0] == Kind.METRICS for row in event[1] for name in row[2]}

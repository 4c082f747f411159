"""The beginning and the end of a journal: enough for a list of runs, however long they train."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from gittrack.reading.journal.events import POINTS, Kind
from gittrack.reading.journal.stored import event_files

SHORT = 1 << 12
"""Bytes of a file that is read whole, and of the end of a longer one."""
LONGEST = 1 << 16
"""Bytes that are read at its end, where fewer do not have every metric that it begins with."""
_BETWEEN = b"],["
"""What is between two points of a line. No name of a metric has a comma."""


def glimpse(folder: Path) -> Iterator[list[Any]]:
    """The events of short files; of long ones those before the first point, and the last points."""
    for path in event_files(folder):
        try:
            with path.open("rb") as file:
                yield from _ends(file)
        except FileNotFoundError:
            continue  # the run was committed just now


def _ends(file: BinaryIO) -> Iterator[list[Any]]:
    size = os.fstat(file.fileno()).st_size
    if size <= SHORT:
        yield from _events(file.read(size))
        return
    names: set[str] = set()
    for line in file:
        if line.startswith(POINTS):
            names = _metrics(_events(line[: line.find(b"]", len(POINTS))] + b"]]]\n"))
            break
        yield from _events(line)
    room = SHORT
    while True:
        tail = list(_events(_from_a_point(os.pread(file.fileno(), room, max(size - room, 0)))))
        if room >= min(size, LONGEST) or (tail and names <= _metrics(tail)):
            yield from tail
            return
        room *= 4


def _from_a_point(data: bytes) -> bytes:
    """`data`, which begins in the middle of a line: from the next point on, or else from the next line."""
    point, line = data.find(_BETWEEN), data.find(b"\n")
    if -1 < point < line and data.find(b'"', point) < line:
        begun = POINTS + b"[[" + data[point + len(_BETWEEN) :]
        if data[point + 3 : point + 4].isdigit():
            return begun
    return data[line + 1 :]


def _events(data: bytes) -> Iterator[list[Any]]:
    """Those of whole lines. json and not orjson, which takes as long to load as all of this."""
    for line in data[: data.rfind(b"\n") + 1].splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            return
        if isinstance(event, list) and event:
            yield event


def _metrics(events: Iterable[list[Any]]) -> set[str]:
    return {name for event in events if event[0] == Kind.METRICS for row in event[1] for name in row[2]}

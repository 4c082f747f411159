"""The events of a journal as they come: each look gives what is new since the last. Nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.reading.journal.events import POINTS
from gittrack.reading.journal.stored import event_files

AT_ONCE = 1 << 20
"""Bytes that are read at a time."""


class Following:
    """Where a reader is in each file of a journal. Files stay open: what is in them can be read to its end
    though the run was committed, and its journal taken away, in between."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, _File] = {}

    def __enter__(self) -> Following:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files.values():
            file.close()

    def look(self) -> Iterator[list[Any]]:
        """The new events, each process's in its own order."""
        for path in event_files(self.folder):
            if path.name not in self._files:
                try:
                    self._files[path.name] = _File(path)
                except OSError:
                    continue  # taken away just now
        for name in sorted(self._files):
            yield from self._files[name].events()


class _File:
    """One file, and how much of it was read. The last line may still be being written."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._at = 0
        self._torn = False

    def close(self) -> None:
        os.close(self._descriptor)

    def events(self) -> Iterator[list[Any]]:
        for line in self._lines():
            event = event_of(line)
            if event is None:  # as for whoever recovers the run, what comes after counts for nothing
                self._torn = True
                return
            yield event

    def _lines(self) -> Iterator[bytes]:
        room = AT_ONCE
        try:
            # What a full disk cut off is taken back by the writer, who writes it again.
            self._at = min(self._at, os.fstat(self._descriptor).st_size)
            while not self._torn and (data := os.pread(self._descriptor, room, self._at)):
                end = data.rfind(b"\n") + 1
                if not end and len(data) < room:
                    return
                room = AT_ONCE if end else 2 * room  # a line may be longer
                self._at += end
                yield from data[:end].splitlines()
        except OSError:
            return  # on a network's disk, a file that is gone


def event_of(line: bytes) -> list[Any] | None:
    """The event on a line; None where there is none."""
    try:
        if line.startswith(POINTS):
            import orjson

            event = orjson.loads(line)
        else:
            event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, list) and event else None

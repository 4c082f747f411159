"""What a metrics.csv is: tables of CSV, each under a heading ``step,time,<metric>...``."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FULL_SERIES = "outputs/_gittrack/metrics.csv.dvc"
"""Pointer of a complete series that is too large for git."""

HEADING = "step,"
"""How the first line of each table begins, and no other line."""

Point = tuple[float, int | None, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """One of the tables of a series."""

    metrics: tuple[str, ...]
    rows: int
    size: int
    """Bytes, its heading among them."""
    points: tuple[int, ...]
    """How many rows each metric is in."""


@dataclass(frozen=True, slots=True)
class Table:
    """A series written to `path`: its parts one after the other, each under a heading.

    A single part has one row per step as it was logged. `time` is seconds since the start of the run. An
    empty cell was not logged; a non-finite value is the word nan, inf or -inf. Where there are several
    parts, an empty `time` is that of the row above.
    """

    path: Path
    rows: int
    """Of all parts, their headings not counted."""
    columns: tuple[str, ...]
    """``step``, ``time`` and the metrics of all parts, in order."""
    sha256: str
    values_sha256: str
    """Of the same text without the column `time`."""
    size: int
    last: dict[str, tuple[Any, int | None]]
    """By metric: the value that was logged last, and its step."""
    parts: tuple[Part, ...]


def tables_of(lines: Sequence[str]) -> list[tuple[list[str], Sequence[str]]]:
    """Columns and lines of each table of a metrics.csv, without line ends. ValueError where it is none."""
    headings = [at for at, line in enumerate(lines) if line.startswith(HEADING)]
    if headings[:1] != [0] or not all(lines[at].startswith("step,time") for at in headings):
        raise ValueError("its first line has to begin with step,time")
    ends = itertools.pairwise([*headings, len(lines)])
    return [(lines[at].split(","), lines[at + 1 : end]) for at, end in ends]


def values_digest(data: bytes, leave_out: Collection[str] = ()) -> str:
    """`Table.values_sha256` of the bytes of a metrics.csv, also without the columns in `leave_out`."""
    text = []
    columns: list[int] = []
    for line in data.decode("utf-8", "replace").split("\n"):
        cells = line.split(",")
        if line.startswith(HEADING):
            columns = [at for at, name in enumerate(cells) if name not in {"time", *leave_out}]
        text.append(",".join(cells[at] for at in columns if at < len(cells)))
    return hashlib.sha256("\n".join(text).encode()).hexdigest()

"""What a metrics.csv is: tables of CSV, each under a heading ``step,time,<metric>...``."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def full_series(name: str) -> str:
    """Pointer of the complete series of which a sample is beside the record under `name`."""
    return f"outputs/_gittrack/{name}.dvc"


FULL_SERIES = full_series("metrics.csv")

HEADING = "step,"
"""How the first line of each table begins, and no other line."""

Step = int | float
Point = tuple[float | None, Step | None, dict[str, Any]]
"""Seconds since the start of the run, step, values by metric; a time or a step that is not known is None."""

_LONGEST = 250
_LONGEST_KEPT = 200
_NOT_IN_A_COLUMN = re.compile('[\x00-\x1f",\x7f-\x9f\u2028\u2029]')
_OF_A_DIGEST = re.compile(r"~[0-9a-f]{12}\Z")


def column_of(metric: str) -> str:
    """The column that holds a metric: its name, or, where that cannot head one, what it is like and a digest.

    >>> column_of("loss"), column_of("a,b")
    ('loss', 'a_b~8f84f2f7e7d7')
    """
    is_odd = metric[:1] == " " or len(metric) > _LONGEST or metric in ("step", "time")
    if not is_odd and not _NOT_IN_A_COLUMN.search(metric) and not _OF_A_DIGEST.search(metric):
        return metric
    digest = hashlib.sha256(metric.encode("utf-8", "backslashreplace")).hexdigest()[:12]
    return f"{_NOT_IN_A_COLUMN.sub('_', metric)[:_LONGEST_KEPT].strip()}~{digest}"


def names_of(metrics: Iterable[str]) -> dict[str, str]:
    """By column, the metric in it, of those whose column is called otherwise."""
    columns = ((column_of(metric), metric) for metric in metrics)
    return {column: metric for column, metric in columns if column != metric}


@dataclass(frozen=True, slots=True)
class Part:
    """One of the tables of a series."""

    columns: tuple[str, ...]
    """Of its metrics."""
    rows: int
    size: int
    """Bytes, its heading among them."""
    points: tuple[int, ...]
    """How many rows each metric is in."""


@dataclass(frozen=True, slots=True)
class Table:
    """A series written to `path`: its parts one after the other, each under a heading.

    A single part has one row per step as it was logged. `time` is seconds since the start of the run. An
    empty cell was not logged; a non-finite value is the word nan, inf or -inf. An empty `time` is that of the
    row above, and not known in front of all others; nan is one that is not known.
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
    last: dict[str, tuple[Any, Step | None]]
    """By metric: the value that was logged last, and its step."""
    parts: tuple[Part, ...]
    names: Mapping[str, str] = field(default_factory=dict)
    """By column, the metric in it, where it is called otherwise."""


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

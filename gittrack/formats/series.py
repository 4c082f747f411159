"""Metric points as one table: CSV bytes on disk, memory flat however long the run was."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FULL_SERIES = "outputs/_gittrack/metrics.csv.dvc"
"""Pointer of a complete series that is too large for git."""

Point = tuple[float, int | None, dict[str, Any]]
_Line = tuple[str, str, str]
"""Step, time, and the rest of a line with its end."""


@dataclass(frozen=True, slots=True)
class Table:
    """A series written to `path`: ``step,time,<metric>...``, one row per step as it was logged.

    `time` is seconds since the start of the run. An empty cell was not logged; a
    non-finite value is the word nan, inf or -inf.
    """

    path: Path
    rows: int
    columns: tuple[str, ...]
    sha256: str
    values_sha256: str
    """Of the same text without the column `time`."""
    size: int
    last: dict[str, tuple[Any, int | None]]
    """By metric: the last value, and its step."""


def write_table(points: Callable[[], Iterable[Point]], path: Path) -> Table:
    """Write the points, which are read twice, to `path`.

    Points that follow each other with the same step share a row until a metric comes
    again. A point without a step keeps an empty step.
    """
    last: dict[str, tuple[Any, int | None]] = {}
    for _, step, values in points():
        for name, value in values.items():
            last[name] = (value, step)
    columns = tuple(last)
    digest, of_values = hashlib.sha256(), hashlib.sha256()
    count = -1
    with path.open("wb") as out:
        for lines in _in_chunks(_lines(points(), columns)):
            count += len(lines)
            chunk = "".join([f"{step},{time},{cells}" for step, time, cells in lines]).encode()
            digest.update(chunk)
            of_values.update("".join([f"{step},{cells}" for step, _, cells in lines]).encode())
            out.write(chunk)
        size = out.tell()
    digests = (digest.hexdigest(), of_values.hexdigest())
    return Table(path, count, ("step", "time", *columns), *digests, size, last)


def _lines(points: Iterable[Point], columns: tuple[str, ...]) -> Iterator[_Line]:
    yield "step", "time", ",".join(columns) + "\n"
    for elapsed, step, values in _rows(points):
        cells = ",".join([_cell(values.get(name)) for name in columns])
        yield "" if step is None else str(step), f"{elapsed:.3f}", f"{cells}\n"


def _cell(value: Any) -> str:
    return "" if value is None else value if type(value) is str else repr(value)


def _rows(points: Iterable[Point]) -> Iterator[Point]:
    waiting: Point | None = None
    for point in points:
        if waiting is None:
            waiting = point
        elif point[1] is not None and point[1] == waiting[1] and waiting[2].keys().isdisjoint(point[2]):
            waiting = (waiting[0], waiting[1], {**waiting[2], **point[2]})
        else:
            yield waiting
            waiting = point
    if waiting is not None:
        yield waiting


def values_digest(data: bytes, leave_out: Collection[str] = ()) -> str:
    """`Table.values_sha256` of the bytes of a metrics.csv, also without the columns in `leave_out`."""
    lines = [line.split(",") for line in data.decode("utf-8", "replace").split("\n")]
    columns = [at for at, name in enumerate(lines[0]) if name not in {"time", *leave_out}]
    text = "\n".join(",".join(cells[at] for at in columns if at < len(cells)) for cells in lines)
    return hashlib.sha256(text.encode()).hexdigest()


def _in_chunks(lines: Iterable[_Line]) -> Iterator[list[_Line]]:
    chunk: list[_Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == 4096:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def sample_table(table: Table, rows: int) -> bytes:
    """The header and at most `rows` rows of the table, spread evenly, first and last among them."""
    if rows < 2:
        raise ValueError("a sample has at least two rows")
    wanted = {round(i * (table.rows - 1) / (rows - 1)) for i in range(rows)}
    with table.path.open("rb") as lines:
        header = next(lines)
        return header + b"".join(line for at, line in enumerate(lines) if at in wanted)

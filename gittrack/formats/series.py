"""Metric points as tables of CSV: bytes on disk, memory flat however long the run was.

A series is one table ``step,time,<metric>...``. Where most of its cells would be empty, since metrics come at
steps of their own or one after another, it is several tables in one file, each of the metrics that were
always logged together: so it costs what its points cost.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from gittrack.formats.sampling import sample_table
from gittrack.formats.tables import (
    FULL_SERIES,
    HEADING,
    Part,
    Point,
    Step,
    Table,
    column_of,
    full_series,
    names_of,
    tables_of,
    values_digest,
)

__all__ = [
    "FULL_SERIES", "HEADING", "Part", "Point", "Step", "Table", "by_step", "column_of", "full_series",
    "names_of", "sample_table", "tables_of", "values_digest", "write_table",
]  # fmt: skip

_ROW = 12
"""Bytes of step, time and line end, about: what a row costs besides its cells."""
_WORTH = 64 << 10
"""Bytes that several tables have to save, and two for each point, before they are preferred to one."""
_NAMES = 200_000
"""Names in the shapes of rows that are told apart; rows of further shapes count for each metric alone."""
_CHUNK = 4096
"""Most rows that are made into text at once."""
_CELLS = 65_536
"""Cells of several tables that are held before they are written out."""


def write_table(
    points: Callable[[], Iterable[Point]], path: Path, decimals: int = 3, *, as_rows: bool = False
) -> Table:
    """Write the points, which are read twice, to `path`.

    Points that follow each other with the same step share a row until a metric comes
    again; with `as_rows` each is a row of its own. A point without a step keeps an empty step.
    `decimals`: of the times, in seconds.
    """

    def read() -> Iterable[Point]:
        return points() if as_rows else _rows(points())

    census = _Census(read())
    out = _Digested(path, decimals)
    groups = census.groups()
    with path.open("wb") as file:
        out.file = file
        if groups is None:
            parts: tuple[Part, ...] = (_write_one(iter(read()), census, out),)
        else:
            with path.with_name(path.name + ".parts").open("w+b") as spool:
                parts = _write_groups(iter(read()), groups, spool, out)
            path.with_name(path.name + ".parts").unlink()
    columns = ("step", "time", *(name for part in parts for name in part.columns))
    digests = (out.whole.hexdigest(), out.of_values.hexdigest())
    names = names_of(census.names)
    return Table(path, sum(p.rows for p in parts), columns, *digests, out.size, census.last(), parts, names)


class _Census:
    """A first look at the rows: which metrics come together, how often, and their last values."""

    def __init__(self, rows: Iterable[Point]) -> None:
        shapes: dict[tuple[str, ...], list[Any]] = {}
        self._shapes = shapes
        """By the metrics of a row: how many rows, and number and content of the last of them."""
        number = names = 0
        for number, row in enumerate(rows, 1):
            values = row[2]
            shape = tuple(values)
            noted = shapes.get(shape)
            if noted is not None:
                noted[0] += 1
                noted[1] = number
                noted[2] = row
            elif names + len(shape) <= _NAMES:
                shapes[shape] = [1, number, row]
                names += len(shape)
            else:
                for name, value in values.items():
                    count = shapes.get((name,), (0,))[0]
                    shapes[(name,)] = [count + 1, number, (row[0], row[1], {name: value})]
        self.rows = number
        self.names = tuple(dict.fromkeys(name for shape in shapes for name in shape))

    @property
    def uniform(self) -> bool:
        """Whether all rows have the same metrics, in the same order."""
        return len(self._shapes) == 1

    def last(self) -> dict[str, tuple[Any, Step | None]]:
        """By metric: its last value, and the step of that."""
        last: dict[str, tuple[Any, Step | None]] = dict.fromkeys(self.names, (None, None))
        for _, _, (_, step, values) in sorted(self._shapes.values(), key=lambda noted: noted[1]):
            for name, value in values.items():
                last[name] = (value, step)
        return last

    def points(self) -> tuple[int, ...]:
        """How many rows each metric is in."""
        counts = dict.fromkeys(self.names, 0)
        for shape, (count, _, _) in self._shapes.items():
            for name in shape:
                counts[name] += count
        return tuple(counts.values())

    def groups(self) -> list[tuple[str, ...]] | None:
        """The metrics that always come together; None where one table of all is as good."""
        shapes_of: dict[str, list[int]] = {name: [] for name in self.names}
        for at, shape in enumerate(self._shapes):
            for name in shape:
                shapes_of[name].append(at)
        groups: dict[tuple[int, ...], list[str]] = {}
        for name, places in shapes_of.items():
            groups.setdefault(tuple(places), []).append(name)
        counts = [noted[0] for noted in self._shapes.values()]
        points = sum(count * len(shape) for count, shape in zip(counts, self._shapes, strict=True))
        in_one = _ROW * self.rows + self.rows * len(self.names) - points
        apart = _ROW * sum(counts[at] for shapes in groups for at in shapes)
        worth = in_one > apart + 2 * points + _WORTH
        return [tuple(names) for names in groups.values()] if worth else None


def _rows(points: Iterable[Point]) -> Iterator[Point]:
    waiting: Point | None = None
    joined = False  # whether the values that wait are a mapping of our own
    for point in points:
        _, step, values = point
        if not values:
            continue
        if waiting is None:
            waiting = point
        elif step is not None and step == waiting[1] and waiting[2].keys().isdisjoint(values):
            if not joined:
                waiting, joined = (waiting[0], step, dict(waiting[2])), True
            waiting[2].update(values)
        else:
            yield waiting
            waiting, joined = point, False
    if waiting is not None:
        yield waiting


# --- text ----------------------------------------------------------------------------------


class _Digested:
    """The file of a series, its length and its two digests so far."""

    def __init__(self, path: Path, decimals: int) -> None:
        self.file: BinaryIO
        self._form = f"%.{decimals}f"
        self.whole, self.of_values = hashlib.sha256(), hashlib.sha256()
        self.size = 0

    def write(self, text: str, values: str) -> None:
        """`text`, and the same without its times."""
        data = text.encode()
        self.whole.update(data)
        self.of_values.update(values.encode())
        self.size += self.file.write(data)

    def write_heading(self, columns: Sequence[str]) -> None:
        names = ",".join(columns)
        self.write(f"step,time,{names}\n", f"step,{names}\n")

    def times(self, rows: Sequence[tuple[float | None, Any, Any]], before: str = "") -> list[str]:
        """The cells of their times; `before`: that of the row above, or of none."""
        try:
            return [self._form % elapsed for elapsed, _, _ in rows]
        except TypeError:  # some are not known
            cells = []
            for elapsed, _, _ in rows:
                cell = self._form % elapsed if elapsed is not None else "nan" if before else ""
                before = cell
                cells.append(cell)
            return cells


def _write_one(rows: Iterator[Point], census: _Census, out: _Digested) -> Part:
    """All rows as they were logged, with a cell for each metric."""
    names = [*census.names]
    columns = tuple(map(column_of, names))
    out.write_heading(columns)
    time = ""
    at_once = min(_CHUNK, max(_CELLS // max(len(names), 1), 1))
    while chunk := list(itertools.islice(rows, at_once)):
        steps = ["" if step is None else str(step) for _, step, _ in chunk]
        cells = _cells(
            [[*values.values()] for _, _, values in chunk]
            if census.uniform
            else [[values.get(name) for name in names] for _, _, values in chunk]
        )
        times = out.times(chunk, time)
        time = times[-1]
        timed = zip(steps, times, cells, strict=True)
        out.write(
            "".join([f"{step},{at},{line}\n" for step, at, line in timed]),
            "".join([f"{step},{line}\n" for step, line in zip(steps, cells, strict=True)]),
        )
    return Part(columns, census.rows, out.size, census.points())


def _cells(rows: Sequence[list[Any]]) -> list[str]:
    """Each row's cells as text: floats as Python writes them, which orjson does faster but for exponents."""
    import orjson

    text = orjson.dumps(rows)[1:-2].decode().replace("null", "").replace('"', "")
    lines = text[1:].split("],[")
    if any(mark in text for mark in _EXPONENTS):
        for at, values in enumerate(rows):
            if any(mark in f"[{lines[at]}" for mark in _EXPONENTS):
                lines[at] = ",".join([_cell(value) for value in values])
    return lines


_EXPONENTS = ("e", "[0.0000", ",0.0000", "-0.0000")
"""What of orjson's text Python writes otherwise: numbers below 0.0001 and from 1e16 on."""


def _cell(value: Any) -> str:
    return "" if value is None else value if type(value) is str else repr(value)


class _Group:
    """The rows of one table that wait, and where those before them lie in the spool."""

    def __init__(self, metrics: tuple[str, ...]) -> None:
        self.metrics = metrics
        self.waiting: list[tuple[float | None, Step | None, list[Any]]] = []
        self.extents: list[tuple[int, int]] = []
        self.rows = 0
        self._time = ""

    def text(self, out: _Digested) -> str:
        """The rows that wait, which then wait no more."""
        cells = _cells([values for _, _, values in self.waiting])
        lines = []
        times = out.times(self.waiting, self._time)
        for (_, step, _), time, line in zip(self.waiting, times, cells, strict=True):
            lines.append(f"{'' if step is None else step},{'' if time == self._time else time},{line}\n")
            self._time = time
        self.rows += len(lines)
        self.waiting = []
        return "".join(lines)


def _write_groups(
    rows: Iterator[Point], groups: Sequence[tuple[str, ...]], spool: BinaryIO, out: _Digested
) -> tuple[Part, ...]:
    """A table for each group of metrics; `spool` takes their rows in the order in which they come."""
    tables = [_Group(metrics) for metrics in groups]
    table_of = {table.metrics[0]: table for table in tables}
    cells = 0
    for elapsed, step, values in rows:
        for name in values:
            table = table_of.get(name)  # found by the first of its metrics: the others are there with it
            if table is not None:
                table.waiting.append((elapsed, step, [values[metric] for metric in table.metrics]))
        cells += len(values)
        if cells >= _CELLS:
            _spill(tables, spool, out)
            cells = 0
    _spill(tables, spool, out)
    return tuple(_written(table, spool, out) for table in tables)


def _spill(tables: Iterable[_Group], spool: BinaryIO, out: _Digested) -> None:
    for table in tables:
        if table.waiting:
            at = spool.tell()
            spool.write(table.text(out).encode())
            table.extents.append((at, spool.tell() - at))


def _written(table: _Group, spool: BinaryIO, out: _Digested) -> Part:
    before = out.size
    columns = tuple(map(column_of, table.metrics))
    out.write_heading(columns)
    for at, length in table.extents:
        spool.seek(at)
        text = spool.read(length).decode()
        lines = (line.split(",", 2) for line in text.splitlines(keepends=True))
        out.write(text, "".join([f"{step},{cells}" for step, _, cells in lines]))
    return Part(columns, table.rows, out.size - before, (table.rows,) * len(table.metrics))


def by_step(rows: Iterable[tuple[int | None, dict[str, Any]]]) -> list[tuple[int | None, dict[str, Any]]]:
    """Rows that came one metric after another, those of a step as one, by step.

    As they are where that would lose something: a metric has two values at a step, goes back, or has no step.
    """
    listed = list(rows)
    reached: dict[str, int] = {}
    merged: dict[int, dict[str, Any]] = {}
    for step, values in listed:
        if step is None or any(step <= reached.get(name, step - 1) for name in values):
            return listed
        reached.update(dict.fromkeys(values, step))
        merged.setdefault(step, {}).update(values)
    return [(step, values) for step, values in sorted(merged.items())]

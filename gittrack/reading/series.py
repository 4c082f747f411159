"""metrics.csv read back: the points of each metric, and all of them as one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from gittrack.errors import RecordError
from gittrack.formats.finals import exact
from gittrack.formats.tables import Step, tables_of

MAX_SERIES_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Curve:
    """The points of one metric, as they were logged: step, seconds since the start, and value of each.

    A step or a time that is not known is None; ``nan`` and ``inf`` are floats.
    """

    steps: tuple[Step | None, ...]
    times: tuple[float | None, ...]
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rows:
    """A table: a step and a time (seconds since the start) for each row, and a column per metric.

    A cell without a number is None.
    """

    steps: tuple[Step | None, ...]
    times: tuple[float | None, ...]
    values: dict[str, tuple[float | None, ...]]

    def curve(self, name: str) -> Curve:
        """The points of one column."""
        points = [
            (step, time, value)
            for step, time, value in zip(self.steps, self.times, self.values[name], strict=True)
            if value is not None
        ]
        steps, times, values = zip(*points, strict=True) if points else ((), (), ())
        return Curve(steps, times, values)


@dataclass(frozen=True)
class Series:
    """metrics.csv. Sparse metrics have tables of their own; `steps`, `times`, `values` are one of all."""

    tables: tuple[Rows, ...]

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """The points of each metric."""
        return {name: table.curve(name) for table in self.tables for name in table.values}

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(len(table.steps) for table in self.tables)

    @property
    def steps(self) -> tuple[Step | None, ...]:
        return self._whole.steps

    @property
    def times(self) -> tuple[float | None, ...]:
        """Where tables were put together, when the first value of the row was logged."""
        return self._whole.times

    @property
    def values(self) -> dict[str, tuple[float | None, ...]]:
        """By metric, a cell for each row: None where it was not logged; ``nan`` and ``inf`` are floats."""
        return self._whole.values

    @cached_property
    def _whole(self) -> Rows:
        return self.tables[0] if len(self.tables) == 1 else _joined(self.tables)


def _joined(tables: Sequence[Rows]) -> Rows:
    """One table of all, by step: of each the first row of a step, then the second; those without one last."""
    times: dict[tuple[Step | None, int], float | None] = {}
    keys = []
    for table in tables:
        keys.append(_keys(table))
        for key, time in zip(keys[-1], table.times, strict=True):
            before = times.get(key)
            times[key] = time if before is None or (time is not None and time < before) else before
    order = sorted(times, key=lambda key: (key[0] is None, key[0] or 0, key[1]))
    places = {key: at for at, key in enumerate(order)}
    columns: dict[str, tuple[float | None, ...]] = {}
    for table, rows in zip(tables, keys, strict=True):
        for name, values in table.values.items():
            column: list[float | None] = [None] * len(order)
            for key, value in zip(rows, values, strict=True):
                column[places[key]] = value
            columns[name] = tuple(column)
    return Rows(tuple(key[0] for key in order), tuple(times[key] for key in order), columns)


def _keys(table: Rows) -> list[tuple[Step | None, int]]:
    """Of each row its step and how many of that step came before it; without a step, a place of its own."""
    counts: dict[Step | None, int] = {}
    keys: list[tuple[Step | None, int]] = []
    for step in table.steps:
        count = counts.get(step, 0)
        counts[step] = count + 1
        keys.append((step, count))
    return keys


def parse_series(data: bytes, where: str, names: Mapping[str, str] = MappingProxyType({})) -> Series:
    """The series in the bytes of a metrics.csv; RecordError if it is none.

    `names`: what the record says of the metrics in columns that are called otherwise.
    """
    if len(data) > MAX_SERIES_BYTES:
        raise RecordError(f"{where}: {len(data):,} bytes are more than a series in git may have")
    lines = data.decode("utf-8", "replace").split("\n")
    if lines[-1] == "":
        lines.pop()
    tables, number = [], 1
    try:
        for columns, rows in tables_of(lines):
            metrics = [names.get(name, name) for name in columns[2:]]
            tables.append(_rows(metrics, rows, number))
            number += len(rows) + 1
        return Series(tuple(tables))
    except ValueError as error:
        raise RecordError(f"{where}: {error}") from error


def _rows(metrics: Sequence[str], lines: Sequence[str], heading: int) -> Rows:
    """The table under the line of number `heading`."""
    cells = [line.split(",") for line in lines]
    for number, row in enumerate(cells, heading + 1):
        if len(row) != len(metrics) + 2:
            raise ValueError(f"line {number} has {len(row)} cells, not {len(metrics) + 2}")
    steps, times, *values = zip(*cells, strict=True) if cells else [()] * (len(metrics) + 2)
    return Rows(
        tuple([exact(step) if step else None for step in steps]),
        tuple(_times(times)),
        {
            name: tuple([float(cell) if cell else None for cell in column])
            for name, column in zip(metrics, values, strict=True)
        },
    )


def _times(cells: Sequence[str]) -> list[float | None]:
    """An empty time is that of the row above, nan one that is not known."""
    times: list[float | None] = []
    time = None
    for cell in cells:
        if cell:
            number = float(cell)
            time = None if math.isnan(number) else number
        times.append(time)
    return times

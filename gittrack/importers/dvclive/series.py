"""Series of DVCLive: a file for each metric, with a line for each point."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from gittrack.importers import values
from gittrack.importers.foreign import Curve, Final, Moment, TextPoint

OF_MACHINE = re.compile(r"system/(?:cpu|ram|disk|swap|gpu)/.+", re.DOTALL)
"""Names that the client gives to what it samples of the machine."""
_LONGEST_LINE = 1 << 20
_STRETCH = 50_000
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,9})?|[-+]?(?:nan|inf)"
)
_WHOLE = re.compile(r"[-+]?[0-9]{1,18}")
_OTHER_FORM = "a line of another form than its heading, or with too long a value"


@dataclass(frozen=True, slots=True)
class Row:
    """A line of a series."""

    step: int | float | None
    time: Moment | None
    cell: str


@dataclass(slots=True)
class Series:
    """One file of a metric: how it begins and ends, and whether a text is in it."""

    path: Path
    name: str
    first: Row | None = None
    last: Row | None = None
    has_text: bool = False
    faults: dict[str, int] = field(default_factory=dict)

    def look(self) -> None:
        for row in self.rows(self.faults):
            self.first = self.first or row
            self.last = row
            self.has_text = self.has_text or _number(row.cell) is None

    def rows(self, faults: dict[str, int]) -> Iterator[Row]:
        """Its lines; what is none is counted in `faults`."""
        with self.path.open("rb") as file:
            records = _records(_lines(file, faults), faults)
            heading = next(records, [])
            columns = heading[:-1]
            step_at = columns.index("step") if "step" in columns else None
            time_at = columns.index("timestamp") if "timestamp" in columns else None
            for cells in records:
                if len(cells) != len(heading):
                    faults[_OTHER_FORM] = faults.get(_OTHER_FORM, 0) + 1
                    continue
                step = _number(cells[step_at]) if step_at is not None else None
                time = _number(cells[time_at]) if time_at is not None else None
                yield Row(step, None if time is None else time / 1000, cells[-1])


def _records(lines: Iterator[str], faults: dict[str, int]) -> Iterator[list[str]]:
    reader = csv.reader(lines, delimiter="\t")
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            faults[_OTHER_FORM] = faults.get(_OTHER_FORM, 0) + 1
            continue
        if cells:
            yield cells


def _lines(file: BinaryIO, faults: dict[str, int]) -> Iterator[str]:
    """Whole lines of a file: the last one may be cut off."""
    while line := file.readline(_LONGEST_LINE):
        if not line.endswith(b"\n"):
            faults["a line that is cut off, or too long"] = 1
            return
        yield line.replace(b"\0", b"").decode("utf-8", "replace")


def _number(text: str) -> int | float | None:
    """The number that a cell is: a whole one stays so."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


def curves(listed: list[Series]) -> Iterator[Curve]:
    for series in listed:
        points: list[tuple[float, Row]] = []
        for row in series.rows({}):
            number = _number(row.cell)
            if number is not None:
                points.append((number, row))
            if len(points) >= _STRETCH:
                yield _curve(series.name, points)
                points = []
        if points:
            yield _curve(series.name, points)


def _curve(name: str, points: list[tuple[float, Row]]) -> Curve:
    steps = [row.step for _, row in points]
    times = [row.time for _, row in points]
    return Curve(
        name=name,
        values=[number for number, _ in points],
        steps=cast("Sequence[float] | None", steps if any(step is not None for step in steps) else None),
        times=cast("Sequence[float] | None", times if any(time is not None for time in times) else None),
    )


def texts(listed: list[Series], more: list[TextPoint]) -> Iterator[TextPoint]:
    for series in listed:
        for row in series.rows({}) if series.has_text else ():
            if _number(row.cell) is None:
                yield TextPoint(name=series.name, text=row.cell, step=row.step, time=row.time)
    yield from more


def finals(stated: Mapping[str, Any], listed: list[Series]) -> tuple[dict[str, Final], list[TextPoint]]:
    """Values that ``metrics.json`` has and the ends of the series have not."""
    ends = {series.name: series.last.cell for series in listed if series.last is not None}
    given: dict[str, Final] = {}
    words: list[TextPoint] = []
    for name, value in stated.items():
        if OF_MACHINE.fullmatch(name):
            continue
        number = _number(value) if isinstance(value, str) else values.number(value)
        if number is None:
            text = value if isinstance(value, str) else repr(value)
            if ends.get(name) != text:
                words.append(TextPoint(name=name, text=text))
            continue
        last = _number(ends[name]) if name in ends else None
        if last is None or repr(float(last)) != repr(float(number)):
            given[name] = Final(rule="given", value=number)
    return given, words

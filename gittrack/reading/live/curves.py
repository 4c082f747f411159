"""The curves of a run that still goes on: of a long one a sample, of which the last point is always there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any

from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.follow import Following
from gittrack.reading.series import Rows, Series

POINTS = 2_000
"""Points of one metric that are kept at most."""

Triple = tuple[int | float | None, float, float]
"""Step, seconds since the start, value."""


@dataclass(slots=True)
class Curve:
    """Every point of a metric, of many every second, fourth, eighth, ... one."""

    most: int = POINTS
    count: int = 0
    _points: list[Triple] = field(default_factory=list)
    _last: Triple | None = None
    _stride: int = 1

    def add(self, step: int | float | None, time: float, value: float) -> None:
        self._last = step, time, value
        if self.count % self._stride == 0:
            self._points.append(self._last)
            if len(self._points) > self.most:
                self._points = self._points[::2]
                self._stride *= 2
        self.count += 1

    def points(self) -> list[Triple]:
        """In the order of the log."""
        ends = [] if self._last is None or self._points[-1] is self._last else [self._last]
        return self._points + ends


class Curves:
    """Those of all metrics of a run."""

    def __init__(self, most: int = POINTS) -> None:
        self.by_metric: dict[str, Curve] = {}
        self._most = most

    def add(self, elapsed: float, step: int | float | None, values: Any) -> None:
        """A point as a journal has it."""
        for name, value in values.items():
            curve = self.by_metric.get(name)
            if curve is None:
                curve = self.by_metric[name] = Curve(self._most)
            curve.add(step, elapsed, float(value))

    def points(self) -> dict[str, list[list[Any]]]:
        """Step, seconds since the start, and value of each point, in the words that JSON has."""
        return {
            name: [
                [step, round(time, 3), value if isfinite(value) else str(value)] for step, time, value in kept
            ]
            for name, curve in self.by_metric.items()
            if (kept := curve.points())
        }

    def series(self) -> Series | None:
        """With a table for each metric."""
        tables = [table(name, curve.points()) for name, curve in self.by_metric.items()]
        return Series(tuple(tables)) if tables else None


def table(name: str, points: Sequence[Triple]) -> Rows:
    steps, times, values = zip(*points, strict=True)
    return Rows(steps, times, {name: values})


def series_in(curves: Mapping[str, Sequence[Sequence[Any]]]) -> Series | None:
    """The series in the curves of a snapshot."""
    kept = Curves()
    for name, points in curves.items():
        for step, time, value in points:
            kept.add(time, step, {name: value})
    return kept.series()


def series_of(folder: Path) -> Series | None:
    """The series in the journal at `folder`, so far."""
    curves = Curves()
    with Following(folder) as journal:
        for event in journal.look():
            if event[0] == Kind.METRICS:
                for elapsed, step, values in event[1]:
                    curves.add(elapsed, step, values)
    return curves.series()

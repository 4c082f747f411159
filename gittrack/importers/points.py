"""Curves of a foreign run as the points of a series: what was measured together shares its rows.

Metrics whose points have the same steps and the same times come together. Most points of a long run wait
in a file, so that memory stays flat.
"""

from __future__ import annotations

import hashlib
import marshal
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

from gittrack.errors import UsageError
from gittrack.formats.record import clean_text
from gittrack.formats.series import Table, write_table
from gittrack.formats.tables import Point, Step
from gittrack.formats.values import MAX_STEP, check_step, metric_value
from gittrack.importers.foreign import Curve
from gittrack.importers.losses import Losses

_HELD = 200_000
"""Points of a run that are kept in memory."""
_STRETCH = 4096
"""Most points of one metric that are taken up at once."""
_MOST_METRICS = 9_000
_LONGEST_NAME = 1000

Number = float | int | str
"""A finite value, or the word for one that is not."""


class _Stretch(NamedTuple):
    values: list[Number]
    steps: list[Step | None] | None
    times: list[float | None] | None


class _Metric:
    """The points of one metric: stretches in memory, or where they lie in the spool."""

    __slots__ = ("axis", "name", "places", "stretches", "when")

    def __init__(self, name: str, axis: str | None) -> None:
        self.name = name
        self.axis = axis
        self.stretches: list[_Stretch] = []
        self.places: list[int] = []
        self.when = hashlib.sha256()
        """Of steps and times: equal where metrics share their rows."""


class Points:
    """All points of a run, as its curves gave them."""

    def __init__(self, spool: Path, began: float | None, losses: Losses) -> None:
        self._path = spool
        self._began = began
        self._losses = losses
        self._metrics: dict[str, _Metric] = {}
        self.count = 0
        """Of points."""
        self._spool: BinaryIO | None = None
        self._whole_ms = True
        self.digest = hashlib.sha256()

    def take(self, curves: Iterable[Curve]) -> None:
        """Take all of `curves`, which are read once."""
        for curve in curves:
            metric = self._metric(curve)
            if metric is None:
                continue
            for at in range(0, len(curve.values), _STRETCH):
                part = slice(at, at + _STRETCH)
                self._add(metric, self._stretch(metric.name, curve, part))

    def _metric(self, curve: Curve) -> _Metric | None:
        name = clean_text(curve.name)
        known = self._metrics.get(name)
        if known is not None:
            return known
        if not 1 <= len(name) <= _LONGEST_NAME:
            self._losses.add(f"metric {name[:60]}", f"its name has not 1 to {_LONGEST_NAME} characters")
            return None
        if len(self._metrics) >= _MOST_METRICS:
            self._losses.add("metrics", f"a record has room for {_MOST_METRICS:,}")
            return None
        axis = clean_text(curve.axis) if curve.axis else None
        return self._metrics.setdefault(name, _Metric(name, axis))

    def _stretch(self, name: str, curve: Curve, part: slice) -> _Stretch:
        values = self._values(name, curve.values[part])
        steps = None if curve.steps is None else self._steps(name, curve.steps[part])
        times = None if curve.times is None else self._times(name, curve.times[part])
        for what in (steps, times):
            if what is not None and len(what) != len(values):
                raise ValueError(f"the metric {name} has not as many steps or times as values")
        return _Stretch(values, steps, times)

    def _values(self, name: str, values: Sequence[float]) -> list[Number]:
        if {*map(type, values)} == {float}:
            total = sum(values)
            if total - total == 0.0:
                return list(values)
        return [self._value(name, value) for value in values]

    def _value(self, name: str, value: float) -> Number:
        try:
            return metric_value(name, value)
        except UsageError:
            number = float(value)
            self._losses.add(f"metric {name}", "a whole number beyond 64 bits is kept as the nearest float")
            return metric_value(name, number)

    def _steps(self, name: str, steps: Sequence[float]) -> list[Step | None]:
        if {*map(type, steps)} == {int} and min(steps) >= -MAX_STEP and max(steps) <= MAX_STEP:
            return list(steps)
        return [self._step(name, step) for step in steps]

    def _step(self, name: str, step: float) -> Step | None:
        try:
            return None if step is None else check_step(step)
        except UsageError:
            self._losses.add(f"steps of {name}", "no number of at most 63 bits")
            return None

    def _times(self, name: str, times: Sequence[float]) -> list[float | None] | None:
        began = self._began
        if began is None:
            self._losses.add(f"times of {name}", "when the run started is not known", len(times))
            return None
        elapsed: list[float | None] = []
        for moment in times:
            if moment is None or not math.isfinite(moment):
                elapsed.append(None)
                continue
            seconds = moment - began
            if self._whole_ms and abs(seconds * 1000 - round(seconds * 1000)) > 0.002:
                self._whole_ms = False
            elapsed.append(seconds)
        return elapsed

    def _add(self, metric: _Metric, stretch: _Stretch) -> None:
        when = marshal.dumps((stretch.steps, stretch.times, len(stretch.values)), 2)
        metric.when.update(when)
        self.digest.update(marshal.dumps((metric.name, metric.axis, stretch.values), 2))
        self.digest.update(when)
        self.count += len(stretch.values)
        if self.count <= _HELD:
            metric.stretches.append(stretch)
            return
        if self._spool is None:
            self._spool = self._path.open("w+b")
        metric.places.append(self._spool.seek(0, 2))
        marshal.dump(tuple(stretch), self._spool, 2)

    def _stretches(self, metric: _Metric) -> Iterator[_Stretch]:
        yield from metric.stretches
        spool = self._spool
        if spool is None:
            return
        for place in metric.places:
            spool.seek(place)
            yield _Stretch(*marshal.load(spool))  # noqa: S302  (written above, by this process)

    @property
    def names(self) -> list[str]:
        """Of the metrics."""
        return [*self._metrics]

    def of(self, name: str) -> Iterator[tuple[Step | None, Number]]:
        """Steps and values of a metric."""
        for stretch in self._stretches(self._metrics[name]):
            yield from zip(stretch.steps or [None] * len(stretch.values), stretch.values, strict=True)

    def rename(self, name: str, chosen: str | None) -> None:
        """Call a metric otherwise; with None it is taken out."""
        metric = self._metrics.pop(name)
        if chosen is not None:
            metric.name = chosen
            self._metrics[chosen] = metric

    def write(self, path: Path) -> Table:
        """All points as a table of CSV at `path`."""
        return write_table(self.rows, path, 3 if self._whole_ms else 6, as_rows=True)

    def rows(self) -> Iterator[Point]:
        """All points, those of one moment together."""
        groups: dict[bytes, list[_Metric]] = {}
        for metric in self._metrics.values():
            groups.setdefault(metric.when.digest(), []).append(metric)
        for group in groups.values():
            names = [metric.name for metric in group]
            for parts in zip(*map(self._stretches, group), strict=True):
                count = len(parts[0].values)
                steps = parts[0].steps or [None] * count
                times = parts[0].times or [None] * count
                rows = zip(*(part.values for part in parts), strict=True)
                for elapsed, step, row in zip(times, steps, rows, strict=True):
                    yield elapsed, step, dict(zip(names, row, strict=True))

    @property
    def axes(self) -> dict[str, str]:
        """By metric, the one that the source draws it over, where the run has both."""
        return {
            name: metric.axis
            for name, metric in self._metrics.items()
            if metric.axis and metric.axis != name and metric.axis in self._metrics
        }

    def close(self) -> None:
        if self._spool is not None:
            self._spool.close()

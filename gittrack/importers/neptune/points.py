"""Points of the series of a run, read anew, a bounded number at a time."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from gittrack.importers.foreign import Curve, Moment, TextPoint
from gittrack.importers.neptune.attributes import Attribute, Change, Histogram, Kind, Lost, Step

HELD = 50_000
"""Points in memory at a time."""

Changes = Callable[[Lost, Kind | None], Iterator[Change]]
"""Reads the changes of a run from the first on; what cannot be read is counted.

Asked for one kind of series it gives the points of those, and perhaps more. Else it gives all changes, though
of the points of floats perhaps no more than one for each series.
"""


@dataclass(frozen=True, slots=True)
class History:
    """What a run came to, and the changes that say how."""

    changes: Changes
    attributes: dict[str, Attribute]

    def points(self, kind: Kind, is_wanted: Callable[[str], object]) -> Iterator[Change]:
        """Points of the series of a kind whose paths are wanted, in the order in which they were logged."""
        wanted = {
            path: attribute
            for path, attribute in self.attributes.items()
            if attribute.kind == kind and attribute.count and is_wanted(path)
        }
        if not wanted:
            return
        for change in self.changes(Counter(), kind):
            if change.verb == "append" and change.path in wanted and wanted[change.path].has(change):
                yield change

    def curves(self, is_wanted: Callable[[str], object]) -> Iterator[Curve]:
        held: dict[str, _Stretch] = {}
        count = 0
        latest: tuple[Step | None, Moment | None] | None = None
        for change in self.points("float_series", is_wanted):
            now = change.step, change.time
            if count >= HELD and now != latest:  # what was logged together stays together
                yield from (stretch.curve(path) for path, stretch in held.items())
                held, count = {}, 0
            latest = now
            held.setdefault(change.path, _Stretch()).add(change)
            count += 1
        yield from (stretch.curve(path) for path, stretch in held.items())

    def texts(self, is_wanted: Callable[[str], object]) -> Iterator[TextPoint]:
        for change in self.points("string_series", is_wanted):
            yield TextPoint(name=change.path, text=change.value, step=change.step, time=change.time)

    def printed(self, is_wanted: Callable[[str], object], end: str) -> Iterator[bytes]:
        """What a program printed, with `end` after each of the texts in which it was taken."""
        for change in self.points("string_series", is_wanted):
            yield f"{change.value}{end}".encode("utf-8", "replace")

    def histograms(self, path: str) -> Iterator[bytes]:
        """A line of JSON for each histogram of the series at `path`."""
        for change in self.points("histogram_series", path.__eq__):
            histogram: Histogram = change.value
            row = {
                "step": change.step,
                "time": change.time,
                "left": [*map(_plain, histogram.edges[:-1])],
                "right": [*map(_plain, histogram.edges[1:])],
                histogram.what: [*map(_plain, histogram.values)],
            }
            yield json.dumps(row, allow_nan=False).encode() + b"\n"


@dataclass(slots=True)
class _Stretch:
    values: list[float] = field(default_factory=list)
    steps: list[Step | None] = field(default_factory=list)
    times: list[Moment | None] = field(default_factory=list)

    def add(self, change: Change) -> None:
        self.values.append(change.value)
        self.steps.append(change.step)
        self.times.append(change.time)

    def curve(self, path: str) -> Curve:
        steps = self.steps if any(step is not None for step in self.steps) else None
        times = self.times if any(time is not None for time in self.times) else None
        return Curve(
            name=path,
            values=self.values,
            steps=cast("Sequence[Step] | None", steps),
            times=cast("Sequence[Moment] | None", times),
        )


def _plain(number: float) -> float | str:
    """A number of JSON, or the word for what is none there."""
    return number if math.isfinite(number) else str(float(number))

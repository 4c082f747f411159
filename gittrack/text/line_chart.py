"""A line chart as SVG: its scales, round ticks, axes and paths. The look of its marks is its page's."""

from __future__ import annotations

import html
import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from gittrack.text.text import clean, cut

Point = tuple[float, float]
"""Step and value."""


class Frame(NamedTuple):
    """A picture's size, and the room round what is drawn in it, in pixels."""

    width: int
    height: int
    left: int
    top: int
    right: int
    bottom: int


class Marks(NamedTuple):
    """Attributes of SVG for the lines of the grid and for words that end at, or stand around, their place."""

    grid: str
    end: str
    middle: str


class Scales(NamedTuple):
    """Where steps and values lie in a frame; the two of `values` differ."""

    frame: Frame
    steps: tuple[float, float]
    values: tuple[float, float]

    def x(self, step: float) -> float:
        first, last = self.steps
        room = self.frame.width - self.frame.left - self.frame.right
        return self.frame.left + (step - first) / (last - first or 1.0) * room

    def y(self, value: float) -> float:
        low, high = self.values
        floor = self.frame.height - self.frame.bottom
        return floor - (value - low) / (high - low) * (floor - self.frame.top)

    def path(self, points: Sequence[Point]) -> str:
        """What a polyline wants as its points."""
        return " ".join(f"{self.x(step):.1f},{self.y(value):.1f}" for step, value in points)

    def axes(self, marks: Marks) -> Iterator[str]:
        """A line across for each round value, round steps below, and what they are."""
        left, right = self.frame.left, self.frame.width - self.frame.right
        floor = self.frame.height - self.frame.bottom
        for value in ticks(*self.values):
            y = self.y(value)
            yield f'<line {marks.grid} x1="{left:.1f}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            yield f'<text {marks.end} x="{left - 8}" y="{y + 4:.1f}">{tick(value)}</text>'
        for step in ticks(*self.steps, 8):
            yield f'<text {marks.middle} x="{self.x(step):.1f}" y="{floor + 18}">{tick(step)}</text>'
        yield f'<text {marks.end} x="{right}" y="{floor + 36}">step</text>'


def extent(values: Sequence[float]) -> tuple[float, float]:
    """Smallest and largest, apart from each other, with a little room."""
    low, high = min(values), max(values)
    room = (high - low) * 0.04 or abs(low) * 0.05 or 1.0
    return low - room, high + room


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers from `low` to `high`, 2 to `most` of them where there is room between the two."""
    span = high - low
    if not span > 0 or not math.isfinite(span):
        return [low]
    unit = 10.0 ** math.floor(math.log10(span / most))
    step = next(
        (
            unit * by
            for by in (1, 2, 5, 10, 20, 50)
            if math.floor(high / (unit * by)) - math.ceil(low / (unit * by)) < most
        ),
        span,
    )
    lowest = math.ceil(low / step)
    return [at * step for at in range(lowest, math.floor(high / step) + 1)] or [low]


def tick(value: float) -> str:
    """A number beside an axis."""
    return f"{value:.6g}" if abs(value) > 1e-12 else "0"


def decimated(points: Sequence[Point], most: int) -> tuple[Point, ...]:
    """At most `most` of `points`: the ends, and of each stretch between them the lowest and the highest."""
    if len(points) <= most:
        return tuple(points)
    inner = points[1:-1]
    length = math.ceil(len(inner) / max((most - 2) // 2, 1))
    thinned = [points[0]]
    for at in range(0, len(inner), length):
        thinned += lowest_and_highest(inner[at : at + length])
    return (*thinned, points[-1])


def lowest_and_highest(stretch: Sequence[Point]) -> list[Point]:
    """The point of the smallest value and that of the largest, in their order; one where they are one."""
    places = range(len(stretch))
    ends = {pick(places, key=lambda at: stretch[at][1]) for pick in (min, max)}
    return [stretch[at] for at in sorted(ends)]


def escaped(text: str, columns: int = 2000) -> str:
    """Untrusted `text` as it may stand in XML, cut to `columns`."""
    return html.escape(cut(clean(text), columns))

"""Points of one metric in MLflow's order, whose last one is the final value that MLflow shows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from operator import lt

from gittrack.importers.foreign import Curve

Point = tuple[int, int, float]
"""Step, milliseconds since 1970, value."""

SYSTEM = "system/"
"""What MLflow puts before the names of its own samples of the machine."""

ROW_LENGTHS = frozenset({2, 3, 5})
"""Fields of a line: time and value; the step; name and digest of a dataset."""


def parse(data: bytes) -> tuple[list[Point], int]:
    """Points of a file of MLflow's file store in its order, and how many lines are damaged."""
    rows = [line.split(b" ") for line in data.splitlines()]
    if set(map(len, rows)) == {3}:
        moments, values, steps = zip(*rows, strict=True)
        try:
            return [*zip(map(int, steps), map(int, moments), map(float, values), strict=True)], 0
        except ValueError:
            pass
    points = [point for row in rows if (point := _point(row)) is not None]
    return points, sum(row != [b""] for row in rows) - len(points)


def _point(row: list[bytes]) -> Point | None:
    if len(row) not in ROW_LENGTHS:
        return None
    try:
        return int(row[2]) if len(row) > 2 else 0, int(row[0]), float(row[1])
    except ValueError:
        return None


def in_order(points: list[Point]) -> list[Point]:
    """By (step, time, value), exact repeats dropped; the last one is the one that MLflow's client takes."""
    steps = [point[0] for point in points]
    if all(map(lt, steps, islice(steps, 1, None))):
        return points
    unique = [*{(step, time, None if value != value else value): None for step, time, value in points}]
    ordered = sorted(
        unique, key=lambda point: (point[0], point[1], -math.inf if point[2] is None else point[2])
    )
    greatest = ordered[-1][:2]
    if any(value is None for *moment, value in ordered if (*moment,) == greatest):
        # Nothing is greater than NaN for Python's max, nor NaN than anything: the order in the file decides.
        step, time, value = max((point for point in points if point[:2] == greatest), key=lambda point: point)
        latest = (step, time, None if value != value else value)
        ordered.remove(latest)
        ordered.append(latest)
    return [(step, time, math.nan if value is None else value) for step, time, value in ordered]


def curve(name: str, points: Sequence[Point]) -> Curve:
    steps, times, values = zip(*points, strict=True)
    return Curve(name=name, steps=steps, times=[time / 1000 for time in times], values=values)

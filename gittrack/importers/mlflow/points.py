"""Points of one metric in MLflow's order, whose last one is the final value that MLflow shows."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import islice
from operator import lt
from typing import BinaryIO

from gittrack.importers.foreign import Curve

Point = tuple[int, int, float]
"""Step, milliseconds since 1970, value."""

SYSTEM = "system/"
"""What MLflow puts before the names of its own samples of the machine."""

LARGE = 4 << 20
"""Bytes of a file whose points are not all held at once."""

_MOST = 1 << 63
"""Above every step and every time that MLflow has."""
_DIGITS = len(str(_MOST))
_STRETCH = 2 << 20
_LINE = 1 << 16
_ROWS = 50_000
_ROW_LENGTHS = frozenset({2, 3, 5})
"""Fields of a line: time and value; the step; name and digest of a dataset."""


def parse(data: bytes) -> tuple[list[Point], int]:
    """Points of a file of MLflow's file store in its order, and how many lines are damaged."""
    rows = [line.split(b" ") for line in data.splitlines()]
    if set(map(len, rows)) == {3}:
        times, values, steps = zip(*rows, strict=True)
        if max(map(len, steps)) < _DIGITS and max(map(len, times)) < _DIGITS:
            with suppress(ValueError):
                return [*zip(map(int, steps), map(int, times), map(float, values), strict=True)], 0
    points = [point for row in rows if (point := _point(row)) is not None]
    return points, sum(row != [b""] for row in rows) - len(points)


def _point(row: list[bytes]) -> Point | None:
    if len(row) not in _ROW_LENGTHS:
        return None
    try:
        step, time, value = int(row[2]) if len(row) > 2 else 0, int(row[0]), float(row[1])
    except ValueError:
        return None
    return (step, time, value) if abs(step) < _MOST and abs(time) < _MOST else None


def in_order(points: list[Point]) -> list[Point]:
    """By (step, time, value), exact repeats dropped; the last one is the one that MLflow's client takes."""
    steps = [point[0] for point in points]
    if all(map(lt, steps, islice(steps, 1, None))):
        return points
    unique = [*{(step, time, None if value != value else value): None for step, time, value in points}]
    ordered = sorted(unique, key=lambda point: (*point[:2], point[2] is not None, point[2] or 0.0))
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


def stretches(stream: BinaryIO) -> Iterator[tuple[list[Point], int]]:
    """Points of a large file by and by, and how many lines of each stretch are damaged."""
    rest = b""
    while chunk := stream.read(_STRETCH):
        whole, newline, rest = (rest + chunk).rpartition(b"\n")
        yield parse(whole + newline)
        if len(rest) > _LINE:
            rest = b"-"
    yield parse(rest)


def large(stream: BinaryIO) -> Iterator[list[Point]]:
    """Points of a large file in the order of `in_order`, by and by: sorted on disk where they are not yet."""
    before: float = -math.inf
    latest: Point | None = None
    is_ordered = True
    for points, _ in stretches(stream):
        steps = [before, *(point[0] for point in points)]
        is_ordered = is_ordered and all(map(lt, steps, islice(steps, 1, None)))
        before = steps[-1]
        for point in points:
            latest = point if latest is None or point > latest else latest
    stream.seek(0)
    series = (points for points, _ in stretches(stream) if points)
    if is_ordered or latest is None:
        yield from series
    else:
        yield from _sorted(series, latest)


def _sorted(series: Iterator[list[Point]], latest: Point) -> Iterator[list[Point]]:
    connection = sqlite3.connect("")  # a file of SQLite's own, which is gone when it is closed
    try:
        connection.execute("CREATE TABLE points (step, time, value REAL)")
        for points in series:
            connection.executemany("INSERT INTO points VALUES (?, ?, ?)", points)
        # NaN is NULL there, and NULL is before all numbers; a zero has no sign.
        rows = connection.execute("SELECT DISTINCT step, time, value FROM points ORDER BY 1, 2, 3")
        while batch := rows.fetchmany(_ROWS):
            points = [(step, time, math.nan if value is None else value) for step, time, value in batch]
            yield [point for point in points if not _are_same(point, latest)]
        yield [latest]
    finally:
        connection.close()


def _are_same(point: Point, other: Point) -> bool:
    return point == other or (point[:2] == other[:2] and point[2] != point[2] and other[2] != other[2])

"""A series of numbers as a small chart of braille dots."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gittrack.text.text import number

HEIGHT = 8
"""Rows of text."""

_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top


def chart(values: Sequence[float | None], columns: int = 60, rows: int = HEIGHT) -> list[str]:
    """Lines of a chart of `values` in their order, labelled with the largest and smallest.

    Holes and values that are not finite are left out; [] when no value remains.
    """
    points = [(at, v) for at, v in enumerate(values) if v is not None and math.isfinite(v)]
    if not points:
        return []
    low, high = min(v for _, v in points), max(v for _, v in points)
    labels = [number(high, 5), number(low, 5)] if high > low else [number(high, 5)]
    margin = max(map(len, labels))
    wide, tall = max(columns - margin - 3, 1) * 2, (rows if high > low else 1) * 4
    dots = [[0] * (wide // 2) for _ in range(tall // 4)]
    for x, y in _polyline(points, len(values), low, high, wide, tall):
        dots[y // 4][x // 2] |= _DOTS[x % 2][y % 4]
    lines = []
    for at, row in enumerate(dots):
        label = labels[0] if at == 0 else labels[-1] if at == len(dots) - 1 else ""
        drawn = "".join(chr(0x2800 + cell) if cell else " " for cell in row)
        lines.append(f"{label:>{margin}} ┤{drawn}".rstrip())
    return lines


def _polyline(
    points: Sequence[tuple[int, float]], count: int, low: float, high: float, wide: int, tall: int
) -> list[tuple[int, int]]:
    """The dots of the line through `points`: per column of dots, from its lowest to its highest value."""
    scale = max(high / 2 - low / 2, math.ulp(0.0))  # halves: the range itself may overflow
    columns: dict[int, tuple[int, int]] = {}
    previous: int | None = None
    for at, v in points:
        x = at * (wide - 1) // max(count - 1, 1)
        share = (v / 2 - low / 2) / scale if high > low else 0.5
        y = min(max(round((1 - share) * (tall - 1)), 0), tall - 1)
        top, bottom = columns.get(x, (y, y))
        if previous is not None and x not in columns:  # join this column to the one before
            top, bottom = min(y, previous), max(y, previous)
            if y != previous:
                top, bottom = (y, previous - 1) if y < previous else (previous + 1, y)
        columns[x] = (min(top, y), max(bottom, y))
        previous = y
    return [(x, y) for x, (top, bottom) in columns.items() for y in range(top, bottom + 1)]

"""Small tables and curves as HTML for notebooks. What comes from a record is escaped here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from gittrack.text.line_chart import Frame, Point, Scales, decimated, escaped, extent

_CURVE = Frame(160, 34, 2, 2, 2, 2)
_POINTS = 120
_CELL = 200
"""Columns of a cell."""


class Markup(str):
    """HTML that was made here, and goes into a table as it is."""


def table(rows: Iterable[Sequence[str]], header: Sequence[str] = ()) -> Markup:
    """A table; the first cell of a row is its name where there is no header."""
    lines = ["".join(f"<th>{_cell(word)}</th>" for word in header)] if header else []
    for first, *others in rows:
        name = "td" if header else "th"
        cells = "".join(f"<td>{_cell(cell)}</td>" for cell in others)
        lines.append(f'<{name} style="text-align:left">{_cell(first)}</{name}>{cells}')
    return Markup(f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>")


def caption(text: str) -> Markup:
    """A line above a table."""
    return Markup(f"<p><b>{_cell(text)}</b></p>")


def curve(points: Sequence[Point]) -> Markup:
    """A small line through what is finite of `points`; nothing where that is no line."""
    finite = [(step, value) for step, value in points if math.isfinite(value) and abs(value) < 1e300]
    if len(finite) < 2:
        return Markup("")
    scales = Scales(_CURVE, (finite[0][0], finite[-1][0]), extent([value for _, value in finite]))
    line = scales.path(decimated(finite, _POINTS))
    return Markup(
        f'<svg width="{_CURVE.width}" height="{_CURVE.height}" role="img">'
        f'<polyline points="{line}" fill="none" stroke="#1f77b4" stroke-width="1.2"/></svg>'
    )


def _cell(text: str) -> str:
    return text if isinstance(text, Markup) else escaped(text, _CELL)

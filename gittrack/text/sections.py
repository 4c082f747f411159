"""Tables of figures with notes below them, as terminal text and as Markdown. Texts are made safe here."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gittrack.text import text
from gittrack.text.table import Cell, Line, layout, left_out_words, markdown_cell
from gittrack.text.tables import comment, markdown_lines, table

_LONGEST = 40
_WIDE = 100
"""Columns that notes are wrapped to where no terminal says else."""


@dataclass(frozen=True, slots=True)
class Row:
    """The cells of a line, untrusted text; `rest` takes the place of those that are missing at the end."""

    cells: Sequence[str]
    rest: str = ""
    colour: str | None = None
    """Of the last cell, or of the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading, lines below it, a table, notes below that; each may be empty. Untrusted text throughout.

    A name in `header` that begins with ``>`` is that of a column of numbers.
    """

    title: str = ""
    lead: Sequence[str] = ()
    header: Sequence[str] = ()
    rows: Sequence[Row] = ()
    notes: Sequence[str] = ()
    level: int = 2


def terminal(sections: Sequence[Section], paint: text.Paint, columns: int | None) -> list[str]:
    """The lines to show, tables and notes indented below their heading."""
    lines: list[str] = []
    for section in sections:
        lines += [""] if lines else []
        indent = "  " * (section.level - 1)
        if section.title:
            lines.append(indent[2:] + paint("bold", text.one_line(section.title)))
        lines += [line for sentence in section.lead for line in _wrapped(sentence, indent, columns)]
        if section.rows:
            room = None if columns is None else columns - len(indent)
            lines += [f"{indent}{line}".rstrip() for line in _table(section, paint, room)]
        lines += [
            paint("dim", line) for sentence in section.notes for line in _wrapped(sentence, indent, columns)
        ]
    return lines


def _wrapped(sentence: str, indent: str, columns: int | None) -> list[str]:
    room = max(columns or _WIDE, 40)
    return textwrap.wrap(
        text.one_line(sentence),
        room,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_on_hyphens=False,
    )


def _table(section: Section, paint: text.Paint, columns: int | None) -> list[str]:
    right = [name.startswith(">") for name in section.header]
    lines = []
    for row in section.rows:
        texts = [text.cut(text.one_line(cell), _LONGEST) for cell in row.cells]
        last = len(texts) - 1
        cells = [
            Cell(cell, row.colour if at == last and not row.rest else None, right=right[at])
            for at, cell in enumerate(texts)
        ]
        lines.append(Line(cells, Cell(text.one_line(row.rest), row.colour) if row.rest else None))
    header = []
    for at, name in enumerate(section.header):  # a name stands above its numbers, to the right as they do
        under = (text.width(line.cells[at].text) for line in lines if at < len(line.cells))
        widest = max(under, default=0) if right[at] else 0
        title = text.cut(text.one_line(name.removeprefix(">")), _LONGEST)
        header.append(text.pad(title, widest, right=True))
    laid, hidden = layout(header, lines, paint, columns=columns)
    if hidden:
        words = left_out_words(header, hidden)
        laid.append(paint("dim", f"{words}: a wider terminal, --md or --json shows all"))
    return laid


def as_markdown(sections: Sequence[Section]) -> str:
    """The same as a Markdown document."""
    parts: list[str] = []
    for section in sections:
        if section.title:
            parts.append(f"{'#' * section.level} {markdown_cell(section.title)}")
        parts += [markdown_cell(sentence) for sentence in section.lead]
        if section.rows:
            parts.append("\n".join(_markdown_table(section)))
        if section.notes:
            parts.append("\n".join(f"- {markdown_cell(sentence)}" for sentence in section.notes))
    return "\n\n".join(parts) + "\n"


def _markdown_table(section: Section) -> list[str]:
    header, rows, numbers = _columns(section)
    names = [markdown_cell(name) for name in header]
    return markdown_lines(names, ([markdown_cell(cell) for cell in row] for row in rows), numbers)


def _columns(section: Section) -> tuple[list[str], list[list[str]], set[int]]:
    """Names, rows, and which columns are numbers."""
    numbers = {at for at, name in enumerate(section.header) if name.startswith(">")}
    rows = [[*row.cells, *([row.rest] if row.rest else [])] for row in section.rows]
    return [name.removeprefix(">") for name in section.header], rows, numbers


def as_format(sections: Sequence[Section], form: str) -> str:
    """The tables in one of `tables.FORMATS`; what stands around them is comments where it has some."""
    if form == "github":
        return as_markdown(sections)
    parts: list[str] = []
    for section in sections:
        above, below = [section.title, *section.lead], section.notes
        block = "".join(f"{comment(line, form)}\n" for line in above if line)
        if section.rows:
            header, rows, numbers = _columns(section)
            block += table(header, rows, form, numbers) + ("\n" if form == "rst" else "")
        parts.append(block + "".join(f"{comment(line, form)}\n" for line in below))
    return "\n".join(parts)


# --- numbers --------------------------------------------------------------------------------------


def measured(value: float, spread: float | None, *, sign: bool = False) -> str:
    """`value` to the digits that its spread leaves: two of the spread's; 5 significant ones without."""
    plus = "+" if sign else ""
    if spread is None or spread <= 0 or not math.isfinite(spread):
        return f"{value:{plus}.5g}" if sign else text.number(value, 5)
    digits = 1 - math.floor(math.log10(spread))
    largest = max(abs(value), spread)
    if digits > 9 or largest >= 1e15:
        precision = 1 + math.floor(math.log10(largest)) + digits
        return f"{value:{plus}.{min(precision, 17)}g}"
    return f"{value:{plus}.{max(digits, 0)}f}"


def between(low: float | None, high: float | None, spread: float | None, *, sign: bool = False) -> str:
    """An interval: ``0.8852..0.9348``, one-sided ``≥ 0.8931`` or ``≤ 0.9269``; empty without one."""
    ends = [None if end is None else measured(end, spread, sign=sign) for end in (low, high)]
    if ends[0] is None:
        return "" if ends[1] is None else f"≤ {ends[1]}"
    return f"≥ {ends[0]}" if ends[1] is None else f"{ends[0]}..{ends[1]}"


def chance(p: float | None) -> str:
    """A p value: two digits, or ``<0.001``."""
    if p is None:
        return ""
    return "<0.001" if p < 0.001 else f"{p:.2g}" if p < 0.1 else f"{p:.2f}"


def percent(confidence: float) -> str:
    """``95 %``."""
    return f"{round(100 * confidence, 10):g} %"


def settings(values: Mapping[str, Any]) -> str:
    """``lr=0.1 depth=3``."""
    return " ".join(f"{name}={text.value(item, 5)}" for name, item in values.items())

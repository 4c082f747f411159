"""Rows and columns as terminal text, Markdown and CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from gittrack.text.tables import markdown_lines
from gittrack.text.text import Paint, cut, one_line, pad, value, width

GAP = "  "
NARROWEST = 12
"""Columns of a terminal that a column of prose needs to be of use."""


class Cell(NamedTuple):
    """Clean text, and how it is shown."""

    text: str
    colour: str | None = None
    right: bool = False


class Line(NamedTuple):
    """A row: a cell for each column; `rest` takes the place of those that are missing at the end."""

    cells: Sequence[Cell]
    rest: Cell | None = None


def layout(
    header: Sequence[str], lines: Sequence[Line], paint: Paint, *, columns: int | None = None, fixed: int = 1
) -> tuple[list[str], list[int]]:
    """The lines of a table, and which columns were left out because `columns` is too narrow.

    The first `fixed` columns always stay, and so does the last one, which is cut to what is left.
    """
    widths = [max([width(name), *(width(line.cells[i].text) for line in lines if i < len(line.cells))])
              for i, name in enumerate(header)]  # fmt: skip
    visible = list(range(len(header)))
    if columns is not None:
        visible = _fitting(widths, columns, fixed)
        used = sum(widths[i] + len(GAP) for i in visible[:-1])
        widths[visible[-1]] = max(min(widths[visible[-1]], columns - used), 1)
    result = [_row([Cell(header[i], "bold") for i in visible], [widths[i] for i in visible], paint)]
    for line in lines:
        cells = [line.cells[i] for i in visible if i < len(line.cells)]
        text = _row(cells, [widths[i] for i in visible], paint, open_end=line.rest is not None)
        result.append(text + paint(line.rest.colour, line.rest.text) if line.rest is not None else text)
    return result, [i for i in range(len(header)) if i not in visible]


_MOST_NAMED = 8


def left_out_words(header: Sequence[str], hidden: Sequence[int]) -> str:
    """``2 columns left out (f1, lr)``; of many, the first few are named."""
    names = [one_line(header[i]) for i in hidden]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    plural = "column" if len(names) == 1 else "columns"
    return f"{len(names)} {plural} left out ({', '.join(names[:_MOST_NAMED])}{more})"


def _fitting(widths: Sequence[int], columns: int, fixed: int) -> list[int]:
    """Columns that fit: from the left, with room kept for the last."""
    last = len(widths) - 1
    room = columns - min(widths[last], NARROWEST)
    visible: list[int] = []
    for i in range(last):
        room -= widths[i] + len(GAP)
        if room < 0 and i >= fixed:
            break
        visible.append(i)
    return [*visible, last]


def _row(cells: Sequence[Cell], widths: Sequence[int], paint: Paint, *, open_end: bool = False) -> str:
    parts = []
    for cell, columns in zip(cells, widths, strict=False):
        text = cut(cell.text, columns)
        blank = pad("", columns - width(text))
        painted = paint(cell.colour, text)
        parts.append(blank + painted if cell.right else painted + blank)
    return GAP.join([*parts, ""]) if open_end else GAP.join(parts).rstrip()


def markdown(header: Sequence[str], rows: Iterable[Sequence[Any]], precision: int | None) -> str:
    """A table of GitHub's Markdown."""
    names = [markdown_cell(name) for name in header]
    cells = ([markdown_cell(value(item, precision)) for item in row] for row in rows)
    return "\n".join(markdown_lines(names, cells)) + "\n"


_MARKUP = re.compile(r"([\\`*_{}\[\]<>()#+!|~&@:-])")


def markdown_cell(text: str) -> str:
    """`text` as Markdown shows it letter by letter: no markup, link, HTML, mention or column break."""
    plain = one_line(text)
    if (
        re.fullmatch(r"[\w .,%/]*|[+-]?[0-9.]+(e[+-]?[0-9]+)?|[0-9]{8}-[0-9]{6}-[0-9a-f]+", plain)
        and "_" not in plain
    ):
        return plain
    return _MARKUP.sub(r"\\\1", plain).replace("\\<", "&lt;").replace("\\&", "&amp;").replace("\\@", "&#64;")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[Any]], precision: int | None) -> str:
    """RFC 4180 with ``\\n``; numbers in full unless `precision` says else."""
    import csv
    import io

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([csv_cell(name, None) for name in header])
    for row in rows:
        writer.writerow([csv_cell(item, precision) for item in row])
    return out.getvalue()


def csv_cell(item: Any, precision: int | None) -> str:
    """Numbers as they are; text that a spreadsheet would run as a formula gets a ``'`` in front."""
    text = item if isinstance(item, str) else value(item, precision)
    text = "".join(c for c in text if c >= " " or c in "\n\t" or c == "\r").replace("\x7f", "")
    if isinstance(item, (int, float)):
        return text
    return f"'{text}" if text.lstrip(" ")[:1] in ("=", "+", "-", "@", "\t", "\r") and text.strip() else text

"""CSV and its relatives: separated by comma, semicolon, tab or bar, with a point or a comma in numbers."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.results.documents import read_bytes, text_of
from gittrack.recording.results.losses import Losses, gathering
from gittrack.recording.results.rows import Row, series, word_or_number

SUFFIXES = (".csv", ".tsv")

_POINT = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]+)?")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_SEPARATORS = (",", ";", "\t", "|")


def read_table(
    path: Path, losses: Losses | None = None, *, name: str | None = None, silent: tuple[str, ...] = ()
) -> list[Row]:
    """The rows of a table whose first line names its columns: see `rows.series`.

    A cell that is no number costs that cell, a line with more cells than columns the cells beyond. The
    columns in `silent` are left out without a word. UsageError for a file that cannot be read or whose first
    line is a row of numbers.
    """
    name = name or str(path)
    text = text_of(read_bytes(path), name, "replace")
    with gathering(losses) as gathered:
        rows = _rows(text, path.suffix.lower(), name, gathered)
        for _, cells in rows:
            for column in silent:
                cells.pop(column, None)
        return series(rows, name, gathered)


def _rows(text: str, suffix: str, name: str, losses: Losses) -> list[tuple[str, dict[str, Any]]]:
    first, _, following = text.partition("\n")
    stated = re.fullmatch(r"sep=(.)\r?", first)
    if stated:
        text, first = following, following.partition("\n")[0]
    separator = stated[1] if stated else _separator(first, suffix)
    lines = _lines(text, separator, name, losses)
    if not lines:
        return []
    header = [cell.strip() for cell in lines[0][1]]
    if header and header[0].startswith("#"):
        header[0] = header[0].lstrip("# ")
    if all(_POINT.fullmatch(cell) for cell in header):
        raise UsageError(f"{name}: its first line is a row of numbers: name the columns there")
    columns = _columns(header, name, losses)
    has_point = any(
        re.fullmatch(r"[+-]?[0-9]*\.[0-9].*", cell.strip()) for _, cells in lines[1:] for cell in cells
    )
    with_comma = separator != "," and not has_point
    rows = []
    for line, cells in lines[1:]:
        place = f"line {line}"
        for extra in cells[len(header) :]:
            if extra.strip():
                losses.add(name, "cell", place, "it has more cells than the first line has names")
        rows.append((place, {key: _cell(cells[at], with_comma) for key, at in columns if at < len(cells)}))
    return rows


def _separator(header: str, suffix: str) -> str:
    """What most often stands between names, quoted ones apart; the suffix where nothing does."""
    bare = re.sub(r'"[^"]*"', "", header)
    usual = "\t" if suffix == ".tsv" else ","
    return max(_SEPARATORS, key=lambda separator: (bare.count(separator), separator == usual))


def _lines(text: str, separator: str, name: str, losses: Losses) -> list[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, skipinitialspace=True)
    lines = []
    try:
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        losses.add(name, "line", f"from line {reader.line_num} on", f"not valid CSV: {error}")
    return lines


def _columns(header: list[str], name: str, losses: Losses) -> list[tuple[str, int]]:
    """Names and positions; which of two columns of one name is meant cannot be known."""
    columns = []
    for at, key in enumerate(header):
        if header.count(key) > 1 and key:
            losses.add(name, "column", f"{key} (column {at + 1})", "another column has that name")
        elif key:
            columns.append((key, at))
    return columns


def _cell(text: str, with_comma: bool) -> Any:
    """A number, None for an empty cell, or the text that it is."""
    text = text.strip()
    if not text:
        return None
    if _INTEGER.fullmatch(text):
        return int(text)
    if with_comma and _COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if _POINT.fullmatch(text):
        return float(text)
    number = word_or_number(text)
    return text if number is None else number

"""The experiment log as RFC 4180 CSV and as an Excel workbook. No text in it is ever run as a formula."""

from __future__ import annotations

import csv
import io
import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from gittrack.errors import RepositoryError, UsageError
from gittrack.reading.sheet import Sheet
from gittrack.text import text
from gittrack.text.table import csv_cell

_MOST_COLUMNS, _MOST_ROWS, _MOST_TEXT = 16_384, 1_048_576, 32_767
"""What a worksheet holds: columns, rows, characters in a cell."""
_EXACT = 1 << 53
"""Whole numbers from here on would be rounded by a spreadsheet, and are text there."""
_TINY, _HUGE = 2.3e-308, 9.9e307
"""Between these it has numbers."""
_NO_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NARROW, _WIDE, _SAMPLE = 8, 60, 200


def as_csv(sheet: Sheet) -> str:
    """RFC 4180, lines ended by CR LF; text that a spreadsheet would run gets a ``'`` in front."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([csv_cell(name, None) for name in sheet.columns])
    for row in sheet.rows:
        writer.writerow([_plain(item) for item in row])
    return out.getvalue()


def _plain(item: Any) -> Any:
    if item is None or (isinstance(item, (int, float)) and not isinstance(item, bool)):
        return item  # which csv writes in full
    return csv_cell(item.isoformat() + "Z" if isinstance(item, datetime) else item, None)


def write_xlsx(sheets: Sequence[Sheet], file: Path) -> None:
    """A workbook with a worksheet for each of `sheets`, written whole or not at all.

    Numbers, dates and truth values are cells of their kind; UsageError without XlsxWriter, or where
    there is more than a worksheet holds.
    """
    if file.suffix.lower() != ".xlsx":
        raise UsageError(f"{file} has to end in .xlsx")
    try:
        from xlsxwriter import Workbook  # type: ignore[import-untyped]
        from xlsxwriter.exceptions import XlsxWriterException  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("--xlsx needs XlsxWriter: pip install 'gittrack[xlsx]'") from error
    for sheet in sheets:
        if len(sheet.columns) > _MOST_COLUMNS or len(sheet.rows) >= _MOST_ROWS:
            raise UsageError(f"{sheet.name} is more than a worksheet holds: choose fewer runs, or --csv")
    temporary = file.with_name(f".{secrets.token_urlsafe(12)}.xlsx")
    try:
        # In constant memory: a row is written out as soon as the next one begins.
        with temporary.open("wb") as out, Workbook(out, {"constant_memory": True}) as book:
            _fill(book, sheets)
        temporary.replace(file)
    except (OSError, XlsxWriterException) as error:
        raise RepositoryError(f"cannot write {file}: {getattr(error, 'strerror', '') or error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _fill(book: Any, sheets: Sequence[Sheet]) -> None:
    formats = {
        "header": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
        "date": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
    }
    for sheet, title in zip(sheets, titles([sheet.name for sheet in sheets]), strict=True):
        page = book.add_worksheet(title)
        for at, name in enumerate(sheet.columns):
            page.write_string(0, at, _clean(name), formats["header"])
            page.set_column(at, at, _width(name, [row[at] for row in sheet.rows[:_SAMPLE]]))
        for number, row in enumerate(sheet.rows, 1):
            for at, item in enumerate(row):
                _write(page, number, at, item, formats["date"])
        page.freeze_panes(1, min(2, len(sheet.columns)))
        if sheet.columns:
            page.autofilter(0, 0, len(sheet.rows), len(sheet.columns) - 1)


def _write(page: Any, row: int, column: int, item: Any, date: Any) -> None:
    if item is None:
        return
    if isinstance(item, bool):
        page.write_boolean(row, column, item)
    elif isinstance(item, datetime):
        page.write_datetime(row, column, item, date)
    elif isinstance(item, (int, float)) and _is_exact(item):
        page.write_number(row, column, item)
    else:
        page.write_string(row, column, _clean(item if isinstance(item, str) else text.value(item)))


def _is_exact(number: int | float) -> bool:
    size = abs(number)
    return size <= _EXACT if isinstance(number, int) else size == 0 or _TINY < size < _HUGE


def _clean(cell: str) -> str:
    """Text as XML and a cell can hold it."""
    plain = _NO_XML.sub("\ufffd", cell)
    return plain if len(plain) <= _MOST_TEXT else plain[: _MOST_TEXT - 1] + "…"


def _width(name: str, items: Sequence[Any]) -> int:
    longest = max((len(str(item)) for item in items if item is not None), default=0)
    return min(max(longest, len(name), _NARROW) + 2, _WIDE)


def titles(names: Sequence[str]) -> list[str]:
    """Names that Excel takes for worksheets: at most 31 characters, each once whatever the case."""
    taken: set[str] = {"history"}
    titles = []
    for name in names:
        title, number = name[:31] or "runs", 2
        while title.lower() in taken:
            tail = f"~{number}"
            title, number = name[: 31 - len(tail)] + tail, number + 1
        taken.add(title.lower())
        titles.append(title)
    return titles

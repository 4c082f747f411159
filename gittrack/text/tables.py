"""Tables for documents of others, by tabulate: Markdown, LaTeX, HTML, RST and plain text.

Only what is written here is laid out by tabulate, which is imported when it is used; a terminal
has `table.layout`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING

from gittrack.errors import UsageError
from gittrack.text.text import one_line, width

if TYPE_CHECKING:
    from tabulate import TableFormat

FORMATS = ("github", "html", "latex", "latex_booktabs", "plain", "psql", "rst", "simple")
"""Those of tabulate's formats that untrusted text can be escaped for; ``latex`` has booktabs, too."""

_LATEX = {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "[": "{[}", "]": "{]}", "*": "{*}", "±": r"$\pm$",
    "≤": r"$\leq$", "≥": r"$\geq$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "→": r"$\rightarrow$",
    "·": r"$\cdot$",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}  # fmt: skip

_JOINED = re.compile(r"([-'`,])(?=\1)|[?!](?=`)")
"""What fonts of LaTeX make one letter of with what comes after it."""
_LONGEST_RST_LINE = 10_000
"""docutils refuses longer ones."""


def require_one_form(form: str | None, **forms: bool) -> None:
    """A command's table goes out in one form: one of `FORMATS`, or one of the flags in `forms`."""
    if form is not None and form not in FORMATS:
        raise UsageError(f"--format {one_line(form)}: choose one of {', '.join(FORMATS)}")
    if sum(forms.values()) + (form is not None) > 1:
        flags = [f"--{name}" for name in forms] + (["--format"] if form is not None else [])
        raise UsageError(f"{', '.join(flags[:-1])} and {flags[-1]}: choose one")


def markdown_lines(
    header: Sequence[str], rows: Iterable[Sequence[str]], numbers: Collection[int] = ()
) -> list[str]:
    """The lines of a table of GitHub's Markdown, without padding; cells are Markdown already.

    `numbers` are the columns to be set to the right.
    """
    from tabulate import DataRow, TableFormat, tabulate

    rules = ["---:" if at in numbers else "---" for at in range(len(header))]
    row = DataRow("| ", " | ", " |")
    form = TableFormat(
        lineabove=None,
        linebelowheader=lambda _widths, _sides: "| " + " | ".join(rules) + " |",
        linebetweenrows=None,
        linebelow=None,
        headerrow=lambda cells, _widths, _sides: "|" + "".join(f" {c} |" if c else " |" for c in cells),
        datarow=row,
        padding=0,
        with_header_hide=None,
    )
    laid = tabulate(_filled(header, rows), header, form, disable_numparse=True, stralign=None, numalign=None)
    return laid.split("\n")


def table(
    header: Sequence[str], rows: Iterable[Sequence[str]], form: str, numbers: Collection[int] = ()
) -> str:
    """A table of untrusted text in one of `FORMATS` other than ``github``, escaped for it."""
    from tabulate import tabulate

    sides = ["right" if at in numbers else "left" for at in range(len(header))]
    names = [escaped(cell, form) for cell in header]
    cells = [[escaped(cell, form) for cell in row] for row in _filled(header, rows)]
    if form.startswith("latex"):
        laid = tabulate(cells, names, _booktabs(sides), disable_numparse=True, stralign=None)
    elif form == "rst" and not _has_columns([names, *cells]):
        laid = _list_table([names, *cells])
    else:
        laid = tabulate(cells, names, form, disable_numparse=True, colalign=sides if cells else None)
    return f"{laid}\n"


def _booktabs(sides: Sequence[str]) -> TableFormat:
    from tabulate import DataRow, Line, TableFormat

    columns = "".join(side[0] for side in sides)
    row = DataRow("", " & ", r" \\")
    return TableFormat(
        lineabove=Line(f"\\begin{{tabular}}{{{columns}}}\n\\toprule", "", "", ""),
        linebelowheader=Line(r"\midrule", "", "", ""),
        linebetweenrows=None,
        linebelow=Line("\\bottomrule\n\\end{tabular}", "", "", ""),
        headerrow=row,
        datarow=row,
        padding=0,
        with_header_hide=None,
    )


def _has_columns(rows: Sequence[Sequence[str]]) -> bool:
    """Whether docutils can read `rows` by columns: two or more of them, of letters that are one wide each."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    is_narrow = all(len(cell) == width(cell) for row in rows for cell in row)
    return is_narrow and len(widths) > 1 and sum(widths) + 4 * len(widths) <= _LONGEST_RST_LINE


def _list_table(rows: Sequence[Sequence[str]]) -> str:
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {'  -' if at else '* -'} {cell}".rstrip() for at, cell in enumerate(row)]
    return "\n".join(lines)


def _filled(header: Sequence[str], rows: Iterable[Sequence[str]]) -> list[list[str]]:
    return [[*row, *[""] * (len(header) - len(row))] for row in rows]


def escaped(text: str, form: str) -> str:
    """Untrusted `text` as one line that `form` shows letter by letter; for HTML, tabulate escapes it."""
    plain = one_line(text)
    if form.startswith("latex"):
        return _latex(plain)
    if form == "rst":
        return _rst(plain)
    return plain.replace("|", "¦") if form == "psql" else plain


def _latex(plain: str) -> str:
    """No command, and no ``[`` or ``*`` that the row's end before it would take; a minus is a minus."""
    parts = re.split(r"(?<!\w)(?<![^.]\.)-(?=\d)", plain)
    return "$-$".join(_JOINED.sub(r"\g<0>{}", "".join(_LATEX.get(c, c) for c in part)) for part in parts)


def _rst(plain: str) -> str:
    """Nothing that begins a block or is markup within a line."""
    inert = re.sub(r"([^\w\s.,%+\-])|(_)", r"\\\g<0>", plain)
    inert = re.sub(r"^(\w+)([.)])(?=\s|$)", r"\1\\\2", inert)
    return re.sub(r"^(?=[.,%+\-](?!\d))", r"\\", inert)


def comment(text: str, form: str) -> str:
    """Untrusted `text` beside a table: a comment where the format has some."""
    plain = one_line(text)
    if form.startswith("latex"):
        return f"% {plain}"
    if form == "rst":
        return f"..\n   {_rst(plain)}\n"
    if form == "html":
        from html import escape

        return f"<!-- {escape(plain).replace('-', '&#45;')} -->"
    return plain

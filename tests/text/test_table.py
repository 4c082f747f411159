"""Tables fit the terminal, and documents made of untrusted text stay what they are."""

from __future__ import annotations

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from gittrack.text.table import Cell, Line, csv_cell, csv_text, layout, markdown, markdown_cell
from gittrack.text.text import Paint, width
from tests.tables import rows


def _lines(*rows: tuple[str, ...]) -> list[Line]:
    return [Line([Cell(text) for text in row]) for row in rows]


def test_columns_line_up() -> None:
    """Wide characters take two columns, and everything is one below the other."""
    laid, left_out = layout(["a", "b", "c"], _lines(("日本", "x", "1"), ("é", "yy", "2")), Paint())
    assert laid == ["a     b   c", "日本  x   1", "é     yy  2"]
    assert left_out == []


def test_narrow_terminal() -> None:
    """The first columns and the last stay, no line is too wide, what is left out is counted."""
    rows = _lines(*[("run1", *["1234567890"] * 8, "a long hypothesis about many things")] * 2)
    laid, left_out = layout(["id", *"abcdefgh", "why"], rows, Paint(), columns=60, fixed=1)
    assert max(map(width, laid)) <= 60
    assert len(left_out) == 5
    assert laid[1].startswith("run1  1234567890  ")
    assert laid[1].endswith("…")


def test_rest_of_a_line() -> None:
    """A line may say one thing in place of its last cells."""
    laid, _ = layout(["id", "x"], [Line([Cell("a")], Cell("broken", "red"))], Paint())
    assert laid[1] == "a   broken"
    coloured, _ = layout(["id", "x"], [Line([Cell("a")], Cell("broken", "red"))], Paint(True))
    assert "\x1b[31mbroken\x1b[0m" in coloured[1]


@rows(
    ("raw", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "&lt;script\\>"),
        ("[x](http://a)", "\\[x\\]\\(http\\:\\/\\/a\\)".replace("\\/", "/")),
        ("`code`", "\\`code\\`"),
        ("@someone", "&#64;someone"),
        ("&lt;", "&amp;lt;"),
        ("0.91", "0.91"),
        ("a\nb", "a b"),
        ("-1e-05", "-1e-05"),
        ("20261122-142233-7f3a2c", "20261122-142233-7f3a2c"),
        ("https://evil.example", "https\\://evil.example"),
    ],
)
def test_markdown_cell(raw: str, shown: str) -> None:
    """No text of a record becomes markup, HTML, a link, a mention or a column."""
    assert markdown_cell(raw) == shown


@given(st.lists(st.text(max_size=20), min_size=2, max_size=2))
def test_markdown_rows_stay_rows(cells: list[str]) -> None:
    """Whatever the cells hold, a row is one line with the columns it should have, and holds no tag."""
    line = markdown(["a", "b"], [cells], 5).splitlines()[2:]
    assert len(line) == 1
    assert line[0].replace("\\\\", "").replace("\\|", "").count("|") == 3
    assert "<" not in line[0]


@rows("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "  =1"])
def test_formulas_are_text(text: str) -> None:
    """A spreadsheet runs nothing that came from a record; numbers stay numbers."""
    assert csv_cell(text, None) == f"'{text}"
    assert csv_cell(-1, None) == "-1"
    assert csv_cell(-1.5, None) == "-1.5"


@given(
    st.lists(
        st.one_of(st.text(alphabet="a,\"'\n=é", max_size=8), st.integers(), st.floats()),
        min_size=2,
        max_size=2,
    )
)
def test_csv_reads_back(row: list[object]) -> None:
    """What csv writes, csv reads."""
    written = csv_text(["a", "b"], [row], None)
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert read == [["a", "b"], [csv_cell(item, None) for item in row]]

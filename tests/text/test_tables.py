"""Tables for others: each format shows hostile text letter by letter, and nothing of it acts."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from gittrack.errors import UsageError
from gittrack.text.sections import Row, Section, as_format
from gittrack.text.tables import FORMATS, escaped, markdown_lines, require_one_form, table

HOSTILE = [
    r"\end{tabular}\input{/etc/passwd}",
    "[0.1, 0.2] & 5 % $x_1^2$ ~#{}",
    "<script>'\"&</td>",
    "a\nb|c|\u202e",
]


def test_markdown_is_not_padded_and_numbers_are_text() -> None:
    """A cell stays as it is written: no padding, no number read and written again."""
    lines = markdown_lines(["", "acc"], [["long name", "0.10"], ["b"]], {1})
    assert lines == ["| | acc |", "| --- | ---: |", "| long name | 0.10 |", "| b |  |"]


@pytest.mark.parametrize("form", ["latex", "latex_booktabs"])
def test_latex_has_booktabs_and_no_command_of_a_cell(form: str) -> None:
    """The only commands are ours; no row begins with what the end of a row takes."""
    laid = table(["what", "x"], [[cell, "-0.50"] for cell in HOSTILE], form, {1})
    lines = laid.splitlines()
    assert lines[:2] == [r"\begin{tabular}{lr}", r"\toprule"]
    assert lines[-2:] == [r"\bottomrule", r"\end{tabular}"]
    assert len(lines) == 6 + len(HOSTILE)
    for line in lines[4:-2]:
        assert line.endswith(r" & $-$0.50 \\")
        assert not re.search(r"(?<!\\)[%#_]", line)
        assert not re.search(r"\\(input|end)", line)
        assert not line.startswith(("[", "*"))
        assert len(re.findall(r"(?<!\\)&", line)) == 1


@pytest.mark.parametrize(
    ("text", "laid"),
    [
        ("-0.353..-0.235", "$-$0.353..$-$0.235"),
        ("-0.131..+0.045", "$-$0.131..+0.045"),
        ("a.-1 2026-11-29 1e-05", "a.-1 2026-11-29 1e-05"),
        ("--- ----", "-{}-{}- -{}-{}-{}-"),
        ("''x'' ``y`` ?` !` ,,", "'{}'x'{}' `{}`y`{}` ?{}` !{}` ,{},"),
    ],
)
def test_latex_makes_no_other_letters_of_those_that_stand_together(text: str, laid: str) -> None:
    """No dashes, quotes and marks that fonts join; each bound of an interval has a minus."""
    assert escaped(text, "latex") == laid


def test_html_holds_one_table_of_text() -> None:
    """A parser sees our elements alone, and the cells' own letters."""
    tags: list[str] = []
    texts: list[str] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

        def handle_data(self, data: str) -> None:
            texts.append(data.strip())

    Reader().feed(table(["what"], [[cell] for cell in HOSTILE], "html"))
    assert set(tags) == {"table", "thead", "tbody", "tr", "th", "td"}
    assert HOSTILE[2] in texts


def test_rst_has_no_markup_of_a_cell() -> None:
    """Directives, substitutions, bullets and references are escaped; the rules stay three."""
    laid = table(
        ["a", "b"], [["|x|", "name_"], ["", ".. raw:: html"], ["- x", "===="], ["1. x", "`a`"]], "rst"
    )
    assert len(re.findall(r"^=+ +=+$", laid, re.MULTILINE)) == 3
    for inert in (r"\|x\|", r"name\_", r"\.. raw\:\: html", r"\- x", r"\=\=\=\=", r"1\. x", r"\`a\`"):
        assert inert in laid


@pytest.mark.parametrize("text", ["\u65e5\u672c", "e\u0301", "\U0001f469\u200d\U0001f4bb", "x" * 10_000])
def test_rst_has_no_columns_where_they_cannot_be_counted(text: str) -> None:
    """Letters of another width, and rows longer than docutils reads, go into a list."""
    assert table(["a", "b"], [[text, "- x"], ["", "|y|"]], "rst").splitlines() == [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - a",
        "     - b",
        f"   * - {escaped(text, 'rst')}",
        "     - \\- x",
        "   * -",
        "     - \\|y\\|",
    ]


@pytest.mark.parametrize("form", FORMATS)
def test_a_section_keeps_its_lines_in_every_format(form: str) -> None:
    """A break of a line in a name begins no line of its own, in a table or beside it."""
    section = Section(title="a\nBAD", header=["x", ">n"], rows=[Row(["b\nBAD", "1"])], notes=["-->\nBAD"])
    laid = as_format([section], form)
    assert not re.search("^BAD", laid, re.MULTILINE)
    assert form != "html" or laid.count("-->") == laid.count("<!--") == 2


def test_one_form_alone() -> None:
    """An unknown format names those that there are; two forms are refused."""
    with pytest.raises(UsageError, match="latex_booktabs"):
        require_one_form("docx")
    with pytest.raises(UsageError, match="--json, --md and --format: choose one"):
        require_one_form("html", json=True, md=False)
    require_one_form("html", json=False)

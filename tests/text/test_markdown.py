"""Text of records in Markdown: nothing of it is markup, link, mention or reference."""

from __future__ import annotations

import re
from html import unescape

import pytest

from gittrack.text.markdown import code, label, prose
from tests.tables import rows

HOSTILE = [
    "<script>alert(1)</script>",
    "</code></summary></details><img src=x onerror=alert(1)>",
    "[click](javascript:alert(1)) ![x](http://evil/x.png)",
    "@everyone see #12, !3, $4, ~5, %6, &7, GH-8, owner/repo#9",
    "https://evil.example www.evil.example a@evil.example",
    "`code` ``` | a | b | **bold** _em_ ~~no~~ # h",
    "line\nbreak\r\n\r\n# heading\u2028- list",
    "\u202egpj.exe\u2066 \u200b\x1b[31m\x00",
    "$$\\frac{a}{b}$$ <!-- gittrack review -->",
]


@rows("text", HOSTILE)
@rows("show", [prose, code])
def test_only_letters_and_references_are_left(text: str, show: object) -> None:
    """No character that Markdown or HTML reads; one line; the text itself is still there."""
    shown = show(text)  # type: ignore[operator]
    inner = shown.removeprefix("<code>").removesuffix("</code>")
    bare = re.sub(r"&#[0-9]+;", "", inner)
    assert not re.search(r"[^\w .,;-]|_", bare), bare
    assert not re.search(r"(?i)www\.", bare)
    assert not re.search(r"[\x00-\x1f\u2028\u202a-\u202e\u2066-\u2069]", unescape(inner))


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_renders_it_as_text(text: str) -> None:
    """A renderer of GitHub's dialect makes no element of it."""
    markdown_it = pytest.importorskip("markdown_it", reason="pip install markdown-it-py")
    html = markdown_it.MarkdownIt("gfm-like", {"linkify": False}).render(
        f"| a |\n| --- |\n| {prose(text)} |\n"
    )
    assert set(re.findall(r"<(/?\w+)", html)) == {
        *("table", "/table", "thead", "/thead", "tbody", "/tbody", "tr", "/tr", "th", "/th", "td", "/td")
    }


@rows("text", ["@ada", "see #12", "!3", "GH-4"])
def test_a_forge_finds_nothing_to_link(text: str) -> None:
    """Forges look at the rendered text: a space of no width stands in between."""
    assert "\u200b" in unescape(prose(text))


def test_a_label_cannot_leave_its_string() -> None:
    """mermaid: no quotation mark, line break, directive, comment or bracket."""
    assert label('a"]\n%%{init: {}}%% `b`; <b>') == "a__ ___init_ _____ _b__ _b_"
    assert label("") == "_"


def test_long_text_is_cut_before_it_is_escaped() -> None:
    """So that no reference is cut in two."""
    assert prose("<" * 1000, 10) == "&#60;" * 9 + "&#8230;"

"""The document as one HTML file that asks nobody for anything: no script, no font, no picture from elsewhere.

Every text is escaped here, at the last moment; what is not escaped are tags of this file and SVG that
`gittrack.publishing.report.pictures` drew.
"""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterator
from importlib.resources import files

from gittrack.publishing.report.document import (
    Block,
    Bullets,
    Cell,
    Chapter,
    Code,
    Document,
    Facts,
    Inline,
    Mark,
    Para,
    Picture,
    Quote,
    Ref,
    Table,
    parts,
    without_empty,
)
from gittrack.text.text import clean

POLICY = "default-src 'none'; style-src 'sha256-{}'; base-uri 'none'; form-action 'none'"
"""Nothing is loaded, no script runs, and no style holds but the one of this page, named by its digest."""

LONGEST = 4000
"""Characters of one text that are shown."""


def as_html(document: Document) -> str:
    """The whole page."""
    style = "\n" + files("gittrack.publishing.report").joinpath("style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    lines = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY.format(digest)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        '<meta name="referrer" content="no-referrer">',
        f"<title>{_text(document.title)}</title>",
        f"<style>{style}</style>",
        "</head>",
        "<body>",
        '<a class="skip" href="#content">Skip to the report</a>',
        "<header>",
        f"<h1>{_text(document.title)}</h1>",
        f"<p>{_text(document.subtitle)}</p>",
        "</header>",
        '<main id="content">',
        '<section class="lead" aria-label="Summary">',
        *[line for block in document.lead for line in _block(block)],
        "</section>",
        *_contents(document),
        *[line for section in document.sections for line in _section(section)],
        "</main>",
        "</body>",
        "</html>",
    ]
    return "\n".join(lines) + "\n"


def _contents(document: Document) -> Iterator[str]:
    yield '<nav aria-label="Contents"><ol>'
    for section in document.sections:
        if section.level == 2:
            yield f'<li><a href="#{section.id}">{_text(section.title)}</a></li>'
    yield "</ol></nav>"


def _section(section: Chapter) -> Iterator[str]:
    tag = f"h{section.level}"
    yield f'<section id="{section.id}" class="level{section.level}" aria-labelledby="{section.id}-title">'
    yield f'<{tag} id="{section.id}-title">{_text(section.title)}</{tag}>'
    if section.about:
        yield f'<p class="about">{_text(section.about)}</p>'
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Para):
        yield (
            f"<p class='soft'>{_inline(block.parts)}</p>" if block.soft else f"<p>{_inline(block.parts)}</p>"
        )
    elif isinstance(block, Facts):
        yield "<dl>"
        yield from (f"<div><dt>{_text(name)}</dt><dd>{_inline(cell)}</dd></div>" for name, cell in block.rows)
        yield "</dl>"
    elif isinstance(block, Bullets):
        yield "<ul>"
        yield from (f"<li>{_inline(item)}</li>" for item in block.items)
        yield "</ul>"
    elif isinstance(block, Quote):
        yield f"<blockquote><p>{_text(block.text)}</p><footer>{_inline(block.who)}</footer></blockquote>"
    elif isinstance(block, Picture):
        yield f"<figure>{block.svg}<figcaption>{_text(block.caption)}.</figcaption></figure>"
        if block.values is not None:
            yield from _table(block.values)
    else:
        yield from _table(block)


def _table(given: Table) -> Iterator[str]:
    table = without_empty(given)
    # A region that can be scrolled has to be reached by the keyboard as well.
    yield f'<div class="table" role="region" tabindex="0" aria-label="{_text(table.caption)}">'
    yield f"<table><caption>{_text(table.caption)}</caption><thead><tr>"
    for at, name in enumerate(table.header):
        right = ' class="n"' if at in table.numbers else ""
        yield f'<th scope="col"{right}>{_text(name)}</th>' if name else "<td></td>"
    yield "</tr></thead>"
    yield from _noted(table) if table.notes else _plain(table)
    yield "</table></div>"


def _plain(table: Table) -> Iterator[str]:
    yield "<tbody>"
    for at in range(len(table.rows)):
        yield f"<tr{_anchor(table, at)}>{_cells(table, at)}</tr>"
    yield "</tbody>"


def _noted(table: Table) -> Iterator[str]:
    """Each row with the line below it, which a page does not part from it."""
    for at in range(len(table.rows)):
        note = f'<td colspan="{len(table.header)}">{_inline(table.notes[at])}</td>'
        yield f'<tbody{_anchor(table, at)}><tr>{_cells(table, at)}</tr><tr class="below">{note}</tr></tbody>'


def _anchor(table: Table, at: int) -> str:
    return f' id="{_text(table.anchors[at])}"' if table.anchors else ""


def _cells(table: Table, at: int) -> str:
    return "".join(
        _cell(cell, column in table.numbers, column == 0) for column, cell in enumerate(table.rows[at])
    )


def _cell(cell: Cell, number: bool, first: bool) -> str:
    content = _inline(cell)
    if first and content:
        return f'<th scope="row">{content}</th>'
    return f'<td class="n">{content}</td>' if number else f"<td>{content}</td>"


def _inline(cell: Cell) -> str:
    return "".join(map(_piece, parts(cell)))


def _piece(piece: Inline) -> str:
    if isinstance(piece, str):  # the blanks at its ends part it from its neighbours
        lead, tail = (" " if piece[:1] == " " else ""), (" " if piece[-1:] == " " else "")
        return f"{lead}{_text(piece)}{tail}" if piece.strip() else piece[:1]
    if isinstance(piece, Code):
        return f"<code>{_text(piece.text)}</code>"
    if isinstance(piece, Mark):
        return f'<span class="mark {piece.kind}">{_text(piece.text)}</span>'
    return _link(piece)


def _link(ref: Ref) -> str:
    label = f"<code>{_text(ref.text)}</code>" if ref.code else _text(ref.text)
    if not ref.target.startswith(("#", "https://", "http://")):
        return label
    outside = "" if ref.target.startswith("#") else ' rel="noopener noreferrer"'
    return f'<a href="{html.escape(ref.target, quote=True)}"{outside}>{label}</a>'


def _text(text: str) -> str:
    """Escaped, without control characters and what turns the direction of writing."""
    line = " ".join(clean(text[: LONGEST + 1]).split())
    return html.escape(line if len(line) <= LONGEST else line[:LONGEST] + "…", quote=True)

"""The document as Markdown that GitHub and GitLab render. Pictures become their words."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gittrack.publishing.report.document import (
    Block,
    Bullets,
    Cell,
    Code,
    Document,
    Facts,
    Inline,
    Mark,
    Para,
    Picture,
    Quote,
    Table,
    parts,
    without_empty,
)
from gittrack.text.markdown import code, prose
from gittrack.text.tables import markdown_lines

LONGEST = 2000
_ADDRESS = re.compile(r"https?://[A-Za-z0-9./_%~-]+")


def as_markdown(document: Document) -> str:
    """The whole document."""
    lines = [f"# {prose(document.title)}", "", prose(document.subtitle)]
    for block in document.lead:
        lines += ["", *_block(block)]
    for section in document.sections:
        lines += ["", f"{'#' * section.level} {prose(section.title)}"]
        lines += ["", f"<sub>{prose(section.about)}</sub>"] if section.about else []
        for block in section.blocks:
            lines += ["", *_block(block)]
    return "\n".join(lines) + "\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Para):
        yield _inline(block.parts)
    elif isinstance(block, Facts):
        yield from markdown_lines(["", ""], [[prose(name), _inline(cell)] for name, cell in block.rows])
    elif isinstance(block, Bullets):
        yield from (f"- {_inline(item)}" for item in block.items)
    elif isinstance(block, Quote):
        yield f"> {prose(block.text, LONGEST)}"
        yield ">"
        yield f"> {_inline(block.who)}"
    elif isinstance(block, Picture):
        yield f"{prose(block.caption)}. {prose(block.alternative, LONGEST)}"
        if block.values is not None:
            yield ""
            yield from _table(block.values)
    else:
        yield from _table(block)


def _table(given: Table) -> Iterator[str]:
    table = without_empty(given)
    yield f"**{prose(table.caption)}**"
    yield ""
    rows = []
    for at, row in enumerate(table.rows):
        first, *others = [_inline(cell) for cell in row]
        note = f"<br>{_inline(table.notes[at])}" if table.notes else ""
        rows.append([first + note, *others])
    yield from markdown_lines([prose(name) for name in table.header], rows, table.numbers)


def _inline(cell: Cell) -> str:
    return "".join(map(_piece, parts(cell)))


def _piece(piece: Inline) -> str:
    if isinstance(piece, str):
        # The blanks at its ends part it from its neighbours.
        lead, tail = (" " if piece[:1] == " " else ""), (" " if piece[-1:] == " " else "")
        return f"{lead}{prose(piece.strip(), LONGEST)}{tail}" if piece.strip() else piece[:1]
    if isinstance(piece, Code):
        return code(piece.text, 200)
    if isinstance(piece, Mark):
        return f"**{prose(piece.text)}**" if piece.kind in ("bad", "open") else prose(piece.text)
    label = code(piece.text) if piece.code else prose(piece.text)
    # Only what is sure to end the link where we want it to end; anything else is shown, and links nothing.
    return f"[{label}]({piece.target})" if _ADDRESS.fullmatch(piece.target) else label

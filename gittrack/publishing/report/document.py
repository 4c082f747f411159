"""A document in no format yet: sections of text, facts, tables, pictures. Every text in it is plain text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Ref:
    """A link: to ``#anchor`` in the document, or to a web address."""

    text: str
    target: str
    code: bool = False
    """Whether the text is set as code."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A word of a fixed vocabulary, such as a status, that may be set off."""

    text: str
    kind: str
    """``good``, ``bad``, ``open``, ``note`` or ``plain``."""


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be set as code."""

    text: str


Inline = str | Ref | Mark | Code
Cell = Inline | Sequence[Inline]


@dataclass(frozen=True, slots=True)
class Para:
    """A paragraph. `soft` ones may be set back."""

    parts: Sequence[Inline]
    soft: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """Names and what they are."""

    rows: Sequence[tuple[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a caption. `numbers` are the columns to set right.

    `anchors` and `notes` are one per row, or none at all: a note is a line below its row.
    """

    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    numbers: frozenset[int] = frozenset()
    anchors: Sequence[str] = ()
    notes: Sequence[Cell] = ()


@dataclass(frozen=True, slots=True)
class Bullets:
    """A list."""

    items: Sequence[Cell]


@dataclass(frozen=True, slots=True)
class Picture:
    """An SVG that we drew ourselves, what it shows in words, and its values in a table where it has some."""

    svg: str
    caption: str
    alternative: str
    values: Table | None = None


@dataclass(frozen=True, slots=True)
class Quote:
    """What somebody wrote, and who."""

    text: str
    who: Cell


Block = Para | Facts | Table | Bullets | Picture | Quote


@dataclass(frozen=True, slots=True)
class Chapter:
    """A section; `level` 2 stands for itself, 3 belongs to the one before."""

    id: str
    title: str
    blocks: Sequence[Block]
    level: int = 2
    about: str = ""
    """Provision that it is about."""
    module: int = 0
    """Module of the AISDP; 0 for what belongs to none."""


@dataclass(frozen=True, slots=True)
class Document:
    """The whole. `lead` stands before the first section."""

    title: str
    subtitle: str
    lead: Sequence[Block]
    sections: Sequence[Chapter]


def parts(cell: Cell) -> Sequence[Inline]:
    """The pieces of a cell."""
    return (cell,) if isinstance(cell, (str, Ref, Mark, Code)) else cell


def without_empty(table: Table) -> Table:
    """The table without columns that no row has anything in."""
    columns = [at for at in range(len(table.header)) if any(row[at] for row in table.rows)]
    return replace(
        table,
        header=[table.header[at] for at in columns],
        rows=[[row[at] for at in columns] for row in table.rows],
        numbers=frozenset(new for new, at in enumerate(columns) if at in table.numbers),
    )

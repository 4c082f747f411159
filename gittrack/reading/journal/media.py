"""The media that a journal has, but for those that made room for later ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.media import Medium, medium_of
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal

FOLDER = "media"
"""Of a journal: the files that the manifest will name."""


@dataclass(slots=True)
class Thinned:
    """Of a name with more media than there is room for: every so many calls stay, so many files do not."""

    every: int = 1
    files: int = 0


@dataclass(slots=True)
class Logged:
    """What a journal says of media."""

    calls: dict[tuple[str, int], list[Medium]] = field(default_factory=dict)
    """By name, and by how many calls that name had before, in the order of the log."""
    thinned: dict[str, Thinned] = field(default_factory=dict)
    first: int | None = None
    """The step of what was logged before the first `next_step`; None where there was none."""

    def __iter__(self) -> Iterator[Medium]:
        for media in self.calls.values():
            for medium in media:
                yield replace(medium, step=self.first) if medium.step is None else medium


def media_of(journal: StoredJournal) -> Logged:
    """The media of a journal; RecordError where it is damaged."""
    logged = Logged()
    for kind, *content in journal.events():
        if kind == Kind.COUNTING and logged.first is None:
            logged.first = content[0] if content else 0
        elif kind == Kind.MEDIA:
            try:
                _take(logged, *content)
            except (TypeError, ValueError, KeyError, IndexError) as error:
                raise RecordError(f"{journal.folder}: journal is damaged: {error}") from error
    return logged


def _take(
    logged: Logged,
    elapsed: float,
    step: int | float | None,
    media: list[dict[str, Any]],
    number: int,
    gone: dict[str, tuple[int, list[int]]],
) -> None:
    """One event."""
    place = {"time": round(elapsed, 3), **({} if step is None else {"step": step})}
    logged.calls[media[0]["name"], number] = [medium_of({**medium, **place}) for medium in media]
    for name, (every, numbers) in gone.items():
        thinned = logged.thinned.setdefault(name, Thinned())
        thinned.every = every
        thinned.files += sum(len(logged.calls.pop((name, call))) for call in numbers)

"""What of a person's file a record does not take: named by place, counted by reason."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

log = logging.getLogger("gittrack")

NAMED = 5
"""Places of one reason that are named; more are counted."""
LONGEST_PLACE = 120


@dataclass(slots=True)
class Losses:
    """What was left out of files, and where. `stated` is for the record's ``not_recorded``."""

    _places: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)
    _counts: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def add(self, file: str, noun: str, place: str, why: str) -> None:
        """One `noun` (``cell``, ``value``, ``column``, ``line``, ...) of `file` at `place` was left out."""
        key = (file, noun, why)
        self._counts[key] = self._counts.get(key, 0) + 1
        places = self._places.setdefault(key, [])
        if len(places) < NAMED:
            places.append(place if len(place) <= LONGEST_PLACE else place[: LONGEST_PLACE - 3] + "...")

    def stated(self) -> Iterator[tuple[str, str]]:
        """What and why, such as ``m.csv: 7 cells (line 4 loss, ... and 2 more)``, ``text, not a number``."""
        for (file, noun, why), places in self._places.items():
            count = self._counts[file, noun, why]
            named = ", ".join(places) + (f" and {count - len(places)} more" if count > len(places) else "")
            counted = f"{count} {noun}{'' if count == 1 else 's'} ({named})"
            yield f"{file}: {named if noun == 'value' and count == 1 else counted}", why


@contextmanager
def gathering(given: Losses | None) -> Iterator[Losses]:
    """The losses that a caller gathers; where none does, they are said in the log."""
    losses = Losses() if given is None else given
    yield losses
    if given is None:
        for what, why in losses.stated():
            log.warning("%s: not recorded: %s", what, why)

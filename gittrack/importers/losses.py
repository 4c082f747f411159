"""What a source has and a record will not, counted by what and why."""

from __future__ import annotations

from collections.abc import Iterable

from gittrack.formats.record import NotRecorded, clean_text
from gittrack.importers.foreign import Loss

_MOST = 5000
_LONGEST = 1000


class Losses:
    """Losses of one run, each told once, with how often it came."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}

    def add(self, what: str, why: str, count: int = 1) -> None:
        key = clean_text(what)[:_LONGEST], clean_text(why)[:_LONGEST]
        if key not in self._counts and len(self._counts) >= _MOST:
            key = "more", f"the list has room for {_MOST:,}"
        self._counts[key] = self._counts.get(key, 0) + count

    def take(self, losses: Iterable[Loss]) -> None:
        for loss in losses:
            self.add(loss.what, loss.why, loss.count)

    def listed(self) -> list[NotRecorded]:
        """As a record lists them."""
        return [
            NotRecorded(what=what, why=why, count=count if count > 1 else None)
            for (what, why), count in self._counts.items()
        ]

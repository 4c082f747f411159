"""Runs that other trackers keep of a program below `gittrack run`: who takes them up is handed down.

The wing of importers, which can read them, stands above this one.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import Protocol

from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.collect import Collector
from gittrack.recording.journal import Journal
from gittrack.recording.touched import is_touched

PLACES = "places.json"
"""In a journal: by place, what trackers had kept there before the program started."""


class Harvester(Protocol):
    """Takes up what the trackers of a program keep."""

    def kept(self, outputs: Sequence[str]) -> list[str]:
        """Files and folders in which trackers keep runs: they are no code. All paths are from here."""

    def look(self, journal: Journal, outputs: Sequence[str]) -> None:
        """Note in the journal's `PLACES` what there is, before the program starts."""

    def take(self, collector: Collector) -> None:
        """Put what is new into the journal when the program has ended; what cannot be taken is said there."""


@cache
def harvester(name: str) -> Harvester:
    """The one that is named so, ``module:class``."""
    module, _, kind = name.partition(":")
    made: Harvester = getattr(import_module(module), kind)()
    return made


def say_lost(stored: StoredJournal, journal: Journal) -> None:
    """Of a run that was lost: that trackers may have kept something of it, where they have written."""
    with suppress(OSError, ValueError):
        places: list[str] = [*json.loads((stored.folder / PLACES).read_text())]
        written = [place for place in places if is_touched(journal, place)]
        if written:
            why = (
                "the run was lost before they were looked at: gittrack import takes them as runs of their own"
            )
            journal.not_recorded(f"runs of other trackers in {', '.join(written)}", why)

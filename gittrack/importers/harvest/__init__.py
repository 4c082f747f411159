"""What other trackers kept of a program below `gittrack run`, taken up into the run's own journal.

places.py    where runs are kept, and which are there
finding.py   the runs that are new, and which of them is the run itself
taking.py    one of them into the journal; agreeing.py: what the journal has already
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from gittrack.importers.harvest.places import Place, TooMany, listed, places, went_on
from gittrack.recording.collect import Collector
from gittrack.recording.harvest import PLACES
from gittrack.recording.journal import Journal
from gittrack.recording.touched import is_touched, is_written

Seen = dict[str, dict[str, int] | None]
"""By place its units; None where they could not be listed."""


class Harvest:
    """Takes up what W&B, MLflow, TensorBoard and DVCLive kept: a `recording.harvest.Harvester`."""

    def kept(self, outputs: Sequence[str]) -> list[str]:
        """Stores and folders of runs."""
        found: list[str] = []
        for place in places(Path.cwd(), os.environ, outputs):
            with suppress(OSError, TooMany, RecursionError):
                found += place.kept()
        return found

    def look(self, journal: Journal, outputs: Sequence[str]) -> None:
        """Note which runs there are. Costs a look at names, and nothing where there are none."""
        self._outputs = outputs
        file = journal.folder / PLACES
        earlier: Seen = json.loads(file.read_text()) if file.exists() else {}
        found: Seen = {}
        for place in places(Path.cwd(), os.environ, outputs):
            try:
                found[str(place.path)] = units = place.units()
            except (OSError, TooMany):
                found[str(place.path)] = None
                continue
            known = earlier.get(str(place.path))
            if known is not None and units.keys() - known:
                why = f"kept by an attempt that was lost: gittrack import {place.system} takes it"
                journal.not_recorded(f"{place.system} {listed(units.keys() - known)}", why)
        file.write_text(json.dumps(found))

    def take(self, collector: Collector) -> None:
        """Take up the runs that are new. What cannot be taken is said in the journal, by name."""
        from gittrack.recording.overlap import tell

        file = collector.journal.folder / PLACES
        new = [*self._new(json.loads(file.read_text()), collector)]
        tell(collector.journal.folder, [place.path_of(unit) for place, units in new for unit in units])
        if new or (Path.cwd() / "dvclive").is_dir():
            from gittrack.importers.harvest.finding import Finding

            with tempfile.TemporaryDirectory(prefix="gittrack-") as scratch:
                Finding(collector, Path(scratch), self._outputs).take(new)
        file.unlink()

    def _new(self, before: Seen, collector: Collector) -> Iterator[tuple[Place, set[str]]]:
        """By place what was not there before, under no name."""
        inodes = {inode for units in before.values() if units for inode in units.values()} - {0}
        for place in places(Path.cwd(), os.environ, self._outputs):
            known = before.get(str(place.path), {})
            try:
                units = place.units()
            except OSError as error:
                collector.lose(f"{place.system} in {place.path}", error.strerror or str(error))
                continue
            except TooMany:
                why = f"too many names to tell which are new; gittrack import {place.system} reads them"
                collector.lose(f"{place.system} in {place.path}", why)
                continue
            if known is None:
                why = f"what was there before is not known; gittrack import {place.system} reads it"
                collector.lose(f"{place.system} in {place.path}", why)
                continue
            same = units.keys() & known.keys()
            if place.path.is_file():
                grown = [unit for unit in same if units[unit] != known[unit]]
            else:
                grown = [unit for unit in same if is_touched(collector.journal, str(place.sign_of(unit)))]
            if grown:
                collector.lose(f"{place.system} {listed(grown)}", went_on(place.system))
            moved = {unit for unit in units.keys() - known if units[unit] in inodes}
            new = {
                unit
                for unit in units.keys() - known
                if unit not in moved or is_written(collector.journal, str(place.sign_of(unit)))
            }
            if new:
                yield place, new

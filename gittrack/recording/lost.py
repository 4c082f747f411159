"""What a program under `gittrack run` had written when both were killed: read when the run is recovered."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.formats.record import parse_time
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.collect import Collector
from gittrack.recording.harvest import say_lost
from gittrack.recording.identity import BEFORE, Before, stamps
from gittrack.recording.journal import BEAT_S, Journal
from gittrack.recording.store import Store, relative_to_top

_AIMS = "aims.json"
"""In a journal: what `gittrack run` is to read when the program has ended."""
_READING = "reading"
"""A file beside that, once it has begun to."""


def note_aims(
    journal: Path, metrics: Sequence[str], usual: Sequence[str], outputs: Sequence[tuple[str, str]]
) -> None:
    """Write down what is to be read in the end. Paths are from here."""
    aims = {
        "cwd": os.getcwd(),  # noqa: PTH109
        "metrics": list(metrics),
        "usual": list(usual),
        "outputs": [path for path, _ in outputs],
    }
    (journal / _READING).unlink(missing_ok=True)  # of an attempt before
    (journal / _AIMS).write_text(json.dumps(aims))


def note_reading(journal: Path) -> None:
    """The program has ended, and all that is read now: a second time nothing is."""
    (journal / _READING).touch()


def forget_aims(journal: Path) -> None:
    """All has been read."""
    for name in (_AIMS, _READING):
        (journal / name).unlink(missing_ok=True)


def collect_lost(repo: Repository, stored: StoredJournal) -> None:
    """Put into the journal of a lost run what its program had written, as far as nobody wrote there later."""
    try:
        aims = json.loads((stored.folder / _AIMS).read_text())
    except FileNotFoundError:
        return
    was_read = (stored.folder / _READING).exists()
    forget_aims(stored.folder)
    journal = Journal(stored.folder)
    say_lost(stored, journal)
    try:
        _collect(repo, stored, journal, aims, was_read=was_read)
    except (OSError, ValueError, KeyError, TypeError) as error:
        journal.not_recorded("metrics files", f"what the lost run had written cannot be read: {error}")
    journal.close()


def _collect(
    repo: Repository, stored: StoredJournal, journal: Journal, aims: Mapping[str, Any], *, was_read: bool
) -> None:
    start = stored.start["record"]
    last = stored.last_sign()
    lasted = max(0.0, last - parse_time(start["started"]).timestamp())
    cwd = Path(aims["cwd"])
    own = []
    for name in aims["metrics"]:
        newest = max((stamp.mtime_ns / 1e9 for _, stamp in stamps(cwd / name)), default=0.0)
        if was_read:
            if newest:
                why = "gittrack was ended while it recorded the end of the run: points may be missing"
                journal.not_recorded(f"metrics file {name}", why)
        elif newest <= last + 2 * BEAT_S:
            own.append(name)
        else:
            why = "was written after the last sign of life of this run: by whom is not known"
            journal.not_recorded(f"metrics file {name}", why)
    store = Store(repo, journal, start["code"]["tree"])
    before = Before.of_lost(stored.folder / BEFORE, (stored.folder / "start.json").stat())
    Collector(store, journal, before, time.monotonic() - lasted, cwd=cwd).metrics(own, aims["usual"])
    logged = {event[1]["path"] for event in stored.events() if event[0] == Kind.OUTPUT}
    for path in aims["outputs"]:
        if relative_to_top(cwd / path, store.top) not in logged:
            journal.not_recorded(f"output {path}", "the run was lost before its outputs were kept")

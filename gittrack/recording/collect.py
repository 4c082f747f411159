"""What a program has written when it has ended: metrics files and outputs, as far as they are its own."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.record import clean_text
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording import result_files
from gittrack.recording.identity import Before, Written
from gittrack.recording.journal import LONGEST_LOSS, Journal
from gittrack.recording.overlap import note_written, rivals, whose
from gittrack.recording.params import log_params_file
from gittrack.recording.store import Store, relative_to_top

_NAMED = 10
_IS_READ = re.compile(r"(?:metrics|summary)\.json|params\.yaml|.*\.tsv")
"""What `result_files` reads of a DVCLive folder."""


@dataclass(slots=True)
class Collector:
    """Reads into the journal what the program wrote; what it cannot take is said, and costs no run."""

    store: Store
    journal: Journal
    before: Before
    started: float
    """`time.monotonic` of the program's start."""
    complaints: list[str] = field(default_factory=list)
    cwd: Path = field(default_factory=Path)
    """Where the paths are from."""

    def metrics(self, names: Sequence[str], usual: Sequence[str]) -> None:
        """The metrics files `names`; those that are `usual` need not be there."""
        read = []
        for name in names:
            path = self.cwd / name
            try:
                written = self._own(f"metrics file {name}", path, needed=name not in usual)
                if written is None:
                    continue
                losses = result_files.Losses()
                elapsed = time.monotonic() - self.started
                took_any = _log_metrics(self.journal, path, elapsed, written.stale, losses)
                for what, why in losses.stated():
                    self.lose(what, why)
                if not took_any:
                    self.lose(f"metrics file {name}", "no metric could be read from it")
                self._name_stale(f"metrics file {name}", [n for n in written.stale if _IS_READ.match(n)])
                read.append(relative_to_top(path, self.store.top) or str(path.absolute()))
            except Exception as error:  # whatever is in the file, the run ends well
                kind = "" if isinstance(error, (GittrackError, OSError)) else f"{type(error).__name__}: "
                self.lose(f"metrics file {name}", f"{kind}{error}")
        if read:
            code = StoredJournal(self.journal.folder).start["record"]["code"]
            self.journal.event(Kind.FACTS, {"code": {**code, "metrics_files": read}})

    def outputs(self, named: Sequence[tuple[str, str]]) -> None:
        """The outputs, by paths and roles. What the program has logged itself need not be a file."""
        events = StoredJournal(self.journal.folder).events()
        logged = {event[1]["path"] for event in events if event[0] == Kind.OUTPUT}
        for name, role in named:
            path = Path(name)
            try:
                needed = name not in logged and relative_to_top(name, self.store.top) not in logged
                written = self._own(f"output {name}", path, needed=needed)
                if written is not None:
                    self.store.log_output(name, role, without=written.stale)
                    self._name_stale(f"output {name}", written.stale)
            except (GittrackError, OSError) as error:
                self.lose(f"output {name}", str(error))

    def _own(self, what: str, path: Path, *, needed: bool) -> Written | None:
        """What of the path the program wrote itself; None, and said why, where that is nothing."""
        written = self.before.written(path)
        if not written.any:
            if written.unknown:
                self.lose(what, "whether this run wrote it cannot be told: only its ctime has changed")
            elif needed:
                why = "was not written by this run"
                self.lose(what, why, f"{what} {why}")
            return None
        note_written(self.journal.folder, path)
        others = rivals(StoredJournal(self.journal.folder), path)
        if others:
            self.lose(what, whose(others))
            return None
        return written

    def _name_stale(self, what: str, stale: Sequence[str]) -> None:
        if stale:
            names = ", ".join(stale[:_NAMED])
            more = f" and {len(stale) - _NAMED:,} more" if len(stale) > _NAMED else ""
            self.lose(what, f"without {names}{more}: there before the run, and not written by it")

    def lose(self, what: str, why: str, sentence: str = "") -> None:
        """Say what the record will not hold, and why."""
        self.complaints.append(sentence or f"{what}: {why}")
        with suppress(GittrackError):  # no room for one more in the record
            self.journal.event(Kind.NOT_RECORDED, clean_text(what), clean_text(why)[:LONGEST_LOSS])


def _log_metrics(
    journal: Journal, path: Path, elapsed: float, stale: Sequence[str], losses: result_files.Losses
) -> bool:
    """Whether the file held anything."""
    name = str(path)
    final, rows = result_files.read_metrics(path, losses, stale=stale)
    refused = set()
    for metric in dict.fromkeys(metric for _, values in rows for metric in values):
        try:
            journal.new_metric(metric)
        except UsageError as error:
            refused.add(metric)
            losses.add(name, "column", metric, str(error).partition(":")[0])
    count = 0
    known = _points_of(StoredJournal(journal.folder))
    for step, values in rows:
        admitted = {
            metric: value
            for metric, value in values.items()
            if metric not in refused and (step, metric, value) not in known
        }
        if admitted:
            journal.append_row((elapsed, step, admitted))
            count += 1
    journal.flush()
    _log_given(journal, path / "params.yaml", stale, losses)
    _log_final(journal, final, name, losses)
    return bool(final or count)


def _points_of(journal: StoredJournal) -> set[tuple[int | None, str, Any]]:
    """The points of a run that goes on: what an earlier attempt has read of a file is not read again."""
    if not journal.is_again:
        return set()
    events = (event for event in journal.events() if event[0] == Kind.METRICS)
    rows = (row for event in events for row in event[1])
    return {(step, metric, value) for _, step, values in rows for metric, value in values.items()}


def _log_final(journal: Journal, final: Mapping[str, Any], name: str, losses: result_files.Losses) -> None:
    """Final values, all at once; where the record has no room for all, as many as it has."""
    if not final:
        return
    try:
        journal.event(Kind.SUMMARY, final)
    except UsageError:
        for metric, value in final.items():
            try:
                journal.event(Kind.SUMMARY, {metric: value})
            except UsageError as error:
                losses.add(name, "value", metric, str(error).partition(":")[0])


def _log_given(journal: Journal, path: Path, stale: Sequence[str], losses: result_files.Losses) -> None:
    """The parameters that DVCLive keeps beside its metrics; a file that cannot be read costs no metric."""
    if path.is_file() and path.name not in stale:
        try:
            log_params_file(journal, path, losses)
        except UsageError as error:
            losses.add(str(path), "file", "all of it", str(error))

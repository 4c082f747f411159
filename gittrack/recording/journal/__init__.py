"""An unfinished run on disk: append-only, complete up to the last flush, readable after a crash.

A journal is a folder ``journal/<run-id>/`` in gittrack's folder of the git directory:

    start.json         what was true at the start; written once
    owner-<pid>.json   the processes that the run belongs to; program-<pid>.json: that of `gittrack run`
    standing.json      of a run that goes on: which attempt it is, and after which step
    environment.yaml   as it will lie beside the record
    events-*.jsonl     one JSON array a line, a file for each process: [kind, ...], see `events.Kind`
    system-*.jsonl     use of the machine, of a run of more than a minute, see `system.sampling`
    console.txt        tail of the command's output, under `gittrack run`
    heartbeat          its time of change: the last sign of life, every few seconds
    reserve            bytes to give back when the disk is full
    ended              made when the run has ended and could not be committed
    held               where a scheduler's queue has the run, see `StoredJournal.is_held`
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.errors import RepositoryError, UsageError
from gittrack.formats.record import clean_text
from gittrack.git.shared import as_folder
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.owner import owner_of
from gittrack.reading.journal.stored import HEARTBEAT, HELD, StoredJournal, journals_dir
from gittrack.recording.journal.allowance import Allowance
from gittrack.recording.journal.files import replace_file, write_json, write_owner
from gittrack.recording.journal.lines import Row, event_files, lines_of, metrics_line, open_events, take_out
from gittrack.recording.turns import Turns, say, thrown_in

FLUSH_EVERY_S = 0.5
BEAT_S = 2.0
"""Between signs of life, at most."""
BUFFER_POINTS = 2_000
"""Rows kept in memory before the caller itself writes them out."""

RESERVE_BYTES = 64 << 10
"""Given back when the disk is full, so that the end of the run can still be written down."""

LONGEST_LOSS = 2_000
"""Characters of what is not recorded, and of why."""

JOINED = "joined"
"""The file with the number of the process that has joined the run."""

LINE_ROWS = 400
"""Rows in one line: some 40 kB, which an allocator gives and takes back without asking the kernel."""


_Written = tuple[Sequence[bytes], Sequence[list[Any]]]


class Journal:
    """The journal of one run, open for writing by this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.rows: deque[bytes] = deque()
        self.row_limit = BUFFER_POINTS
        self._events: deque[list[Any]] = deque()
        self._written: _Written = ((), ())
        """Rows and events that are on disk, and perhaps not out of `rows` and `_events` yet."""
        self._drained = 0
        self._allowance = Allowance()
        self._lock = threading.Lock()
        self._turns = Turns()
        self._file: int | None = None
        self._closed = self._in_trouble = False
        self._wake = threading.Event()
        self._thread: threading.Thread | None = None
        self._pid = os.getpid()
        self._beat_at: float | None = None
        self.is_taken_up = False
        """Whether another process has begun the run, and this one goes on with it."""
        self._begun = 0
        self.append_json: Callable[[bytes], None] = self.rows.append
        """Takes a `Row` as orjson writes it, without its last bracket; true and false stand for 1 and 0.

        Cut, it is bytes of its own size: those that orjson returns hold a page of 4 kB until they are freed.
        """

    @property
    def state_dir(self) -> Path:
        """gittrack's folder of the git directory."""
        return self.folder.parent.parent

    @property
    def progress(self) -> int:
        """How much was logged so far: rows and events."""
        return self._drained + len(self.rows) + len(self._events)

    # --- making one ------------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        state_dir: Path,
        run_id: str,
        start: Mapping[str, Any],
        environment: bytes,
        events: Sequence[list[Any]] = (),
    ) -> Journal:
        """Put a run on disk, with its first events. It appears whole or not at all.

        UsageError when the schema of a record does not allow what it would say.
        """
        allowance = Allowance()
        allowance.declare(start["metrics"])
        allowance.admit_start(start["record"])
        for kind, *content in events:
            allowance.admit(kind, content)
        home = journals_dir(state_dir)
        draft = home / f".new-{os.getpid()}-{run_id}"
        try:
            draft.mkdir(parents=True)
            write_json(draft / "start.json", start)
            write_owner(draft)
            (draft / "environment.yaml").write_bytes(environment)
            (draft / f"events-000-{os.getpid()}.jsonl").write_bytes(lines_of(events))
            (draft / HEARTBEAT).touch()
            (draft / "reserve").write_bytes(os.urandom(RESERVE_BYTES))
            file = open_events(draft, os.getpid())
            draft.rename(home / run_id)
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            raise RepositoryError(
                f"cannot write the journal of the run in {home}: {error.strerror}"
            ) from error
        journal = cls(home / run_id)
        journal._allowance = allowance
        journal._file = file
        return journal

    def hold(self, sign: Path) -> None:
        """Leave it to a scheduler's queue whether the run is over, once its process is gone."""
        (self.folder / HELD).write_text(str(sign), encoding="utf-8")

    @classmethod
    def take_up(cls, folder: Path) -> Journal:
        """Go on with the journal of a run whose process is gone, as its only owner.

        The caller holds it `StoredJournal.alone`.
        """
        journal = cls(folder)
        journal.is_taken_up = True
        journal._begun = event_files(folder)
        journal._file = open_events(folder, journal._pid)
        journal._allowance.recall(StoredJournal(folder))
        write_owner(folder)
        for path in [*folder.glob("owner-*.json"), *folder.glob("program-*.json")]:
            if path.name != f"owner-{os.getpid()}.json":
                path.unlink()
        return journal

    def take_back(self) -> None:
        """Undo `take_up` and what was written since: the run is again one whose process is gone."""
        self.close()
        for path in self.folder.glob(f"events-*-{self._pid}.jsonl"):
            if int(path.name.split("-")[1]) >= self._begun:
                path.unlink()
        (self.folder / f"owner-{self._pid}.json").unlink(missing_ok=True)

    def note_program(self, pid: int) -> None:
        """Which process the program is: it may live on when `gittrack run` is killed."""
        with contextlib.suppress(OSError):
            write_json(self.folder / f"program-{pid}.json", owner_of(pid))

    def claim(self) -> bool:
        """Whether this process is the first to join the run (under `gittrack run`); it then owns it too."""
        try:
            with (self.folder / JOINED).open("x") as file:
                file.write(str(os.getpid()))
            as_folder(self.folder / JOINED)
        except FileExistsError:
            return False
        write_owner(self.folder)
        self._file = open_events(self.folder, self._pid)
        self._allowance.recall(StoredJournal(self.folder), only_again=True)
        return True

    # --- writing ---------------------------------------------------------------------------

    def event(self, kind: Kind, *content: Any) -> None:
        """Append one event, on disk when this returns. Metric rows logged before it come first.

        UsageError, and nothing is appended, when it would not fit into the record. While the disk
        is full it is kept in memory, and so it is tried again until `close`. In a signal handler that
        interrupts the journal it is appended when the handler has returned.
        """

        def append() -> None:
            if self._closed:
                raise _over(self.folder.name)
            self._allowance.admit(kind, content)
            self._events.append([kind, *content])
            self._try_drain()

        self._alone(append)

    def _alone(self, work: Callable[[], None]) -> None:
        """Do `work` while no other thread is at the journal, and nothing that a signal handler interrupts."""

        def locked() -> None:
            with self._lock:
                work()

        self._turns.take(locked)

    def not_recorded(self, what: str, why: str, count: int | None = None) -> None:
        """Say in the record what it does not hold, and why; never raises, and says so in the log too.

        What was said before is only counted, by `count`.
        """
        what, why = (clean_text(text)[:LONGEST_LOSS] or "(unnamed)" for text in (what, why))
        try:
            if count is None:
                say("%s: not recorded: %s", what, why)
            self.event(Kind.NOT_RECORDED, what, why, *([] if count is None else [count]))
        except UsageError as error:
            say("%s", error)

    def new_metric(self, name: str) -> None:
        """Ask before the first row with this metric. UsageError when the record has no room for it."""
        self.new_metrics([name])

    def new_metrics(self, names: Sequence[str]) -> None:
        """`new_metric` for several at once: when one of them is refused, none has taken any room."""
        self._alone(lambda: self._allowance.admit_metrics(names))

    def keep_flushing(self) -> None:
        """Start the thread that writes metric rows out at least once a second."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._flush_loop, name="gittrack-journal", daemon=True)
            self._thread.start()

    def flush(self) -> None:
        """Write out what was logged so far. Raises OSError; what could not be written stays queued."""
        self._alone(self._drain)

    def append_row(self, row: Row) -> None:
        import orjson

        self.append_json(orjson.dumps(row)[:-1])

    def beat(self) -> None:
        """Leave a sign of life, if the last one is old: of a run that is lost it tells how long it ran.

        For processes of the run alone: what puts an ended run on the ledger writes to its journal too.
        """
        if self._beat_at is None or time.monotonic() - self._beat_at >= BEAT_S:
            self._beat_at = time.monotonic()
            with contextlib.suppress(OSError):
                os.utime(self.folder / HEARTBEAT)

    def spill(self) -> None:
        """Write `rows` out because they are more than `row_limit`; keep them for later where that fails.

        UsageError where the journal was closed before they came.
        """

        def spill() -> None:
            if self._closed:
                if self.rows:
                    raise _over(self.folder.name)
                return
            self._try_drain()
            self.row_limit = BUFFER_POINTS + 2 * len(self.rows)

        self._alone(spill)

    def close(self) -> None:
        """Flush and let go of the file; the journal stays on disk. Raises OSError, and stays open then."""

        def close() -> None:
            self._drain()
            self._closed = True
            self.append_json = self._refuse_row
            self.row_limit = 0  # who still holds the old one is told by `spill` that it came too late
            self._drain()  # rows of other threads that came in between
            if self._file is not None:
                os.close(self._file)
                self._file = None

        self._alone(close)
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _refuse_row(self, row: bytes) -> None:
        raise _over(self.folder.name)

    def _flush_loop(self) -> None:
        while not self._wake.wait(FLUSH_EVERY_S):
            self.beat()
            self._alone(self._try_drain)

    def _try_drain(self) -> None:
        """Training goes on when the disk is full: complain once, and try again."""
        try:
            self._drain()
        except OSError as error:
            if thrown_in(error) is not None:
                raise
            if not self._in_trouble:
                say("cannot write to the journal (%s): kept in memory and tried again", error.strerror)
            self._in_trouble = True
        else:
            self._in_trouble = False

    def _drain(self) -> None:
        self._forget_written()
        rows, events = list(self.rows.copy()), list(self._events)
        if not rows and not events:
            return
        lines = [metrics_line(rows[at : at + LINE_ROWS]) for at in range(0, len(rows), LINE_ROWS)]
        try:
            self._write([*lines, lines_of(events)], (rows, events))
        except OSError as error:
            if error.errno != errno.EFBIG:
                raise
            self._write_singly(rows, events)
        self._forget_written()

    def _write_singly(self, rows: Sequence[bytes], events: Sequence[list[Any]]) -> None:
        """Where files may grow no more (``ulimit -f``): line by line, a new file where one is full."""
        for row in rows:
            self._write_somewhere(metrics_line([row]), ([row], ()))
        for event in events:
            self._write_somewhere(lines_of([event]), ((), [event]))

    def _write_somewhere(self, line: bytes, content: _Written) -> None:
        try:
            self._write([line], content)
        except OSError as error:
            if error.errno != errno.EFBIG or self._file is None or not os.fstat(self._file).st_size:
                raise
            os.close(self._file)
            self._file = None
            self._write([line], content)
        self._forget_written()

    def _forget_written(self) -> None:
        rows, events = self._written
        take_out(self.rows, rows)
        take_out(self._events, events)
        self._written = ((), ())
        self._drained += len(rows) + len(events)

    def _write(self, lines: Sequence[bytes], content: _Written) -> None:
        try:
            self._append(lines, content)
        except OSError as error:
            reserve = self.folder / "reserve"
            if error.errno not in (errno.ENOSPC, errno.EDQUOT) or not reserve.exists():
                raise
            reserve.unlink()
            self._append(lines, content)

    def _append(self, lines: Sequence[bytes], content: _Written) -> None:
        """Whole lines or nothing, so that neither a full disk nor Ctrl-C leaves a torn line in the middle."""
        if self._file is None:
            self._file = open_events(self.folder, self._pid)
        before = os.fstat(self._file).st_size
        try:
            for line in lines:
                written = 0
                while written < len(line):
                    written += os.write(self._file, line[written:] if written else line)
            self._written = content
        except BaseException:
            os.ftruncate(self._file, before)
            raise
        if self._beat_at is not None:
            self._beat_at = None
            self.beat()

    # --- console ---------------------------------------------------------------------------

    def write_console(self, tail: bytes, truncated: bool) -> None:
        """Keep the tail of what the command printed, replacing the one before."""
        replace_file(self.folder / "console.txt", (b"+" if truncated else b"=") + tail)

    def replace_environment(self, environment: bytes) -> None:
        replace_file(self.folder / "environment.yaml", environment)


def _over(run_id: str) -> UsageError:
    return UsageError(f"run {run_id} has ended; start another with gittrack.start_run()")

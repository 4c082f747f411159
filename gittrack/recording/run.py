"""`Run`: what a training script calls once its run has begun."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Any

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.record import Record, Status, parse_time
from gittrack.formats.values import (
    to_tags,
)
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording import exits
from gittrack.recording.active import OpenRuns
from gittrack.recording.begin import abandon
from gittrack.recording.endings import Ending, judge, not_stated, stated
from gittrack.recording.files import Files
from gittrack.recording.finish import commit, kept, preview
from gittrack.recording.interpreter import error_going_on
from gittrack.recording.journal import Journal
from gittrack.recording.media.logged import Media
from gittrack.recording.media.shelf import Shelf
from gittrack.recording.notebook import Work
from gittrack.recording.params import ParamsBook, shortened
from gittrack.recording.points import Points
from gittrack.recording.request import check_seeds
from gittrack.recording.shown import Shown
from gittrack.recording.store import Store
from gittrack.recording.system.sampling import Sampler, start
from gittrack.recording.verbs import Losses, turns, verb
from gittrack.recording.views import ParamsView, SummaryView

log = logging.getLogger("gittrack")

open_runs: OpenRuns[Run] = OpenRuns()


class Run(Points, Shown, Files, Media):
    """A run in progress. Made by `start_run`; ends with the ``with`` block, `finish`, or the process.

    A run of another rank than 0, or seen from a forked worker, has the same methods and
    does nothing.
    """

    def __init__(
        self, repository: Repository | None, journal: Journal | None, *, joined: bool = False
    ) -> None:
        self._repository = repository
        self._journal = journal
        self._joined = joined
        self._ended = False
        self._in_block = False
        self._work = Work()
        self._ending = threading.RLock()
        self._names: dict[str, str] = {}
        self._plain_names: list[str] | None = None
        self._book = ParamsBook()
        self._log_calls = 0
        self._counting = False
        self._sampler: Sampler | None = None
        self._losses = Losses()
        self.step: int | None = None
        """Step of metrics that are logged without one; `next_step` moves it."""
        self.record: Record | None = None
        """The committed record, once the run has ended; within `gittrack run`, what it will say so far."""
        self.config = ParamsView(self)
        self.summary = SummaryView(self)
        self._t0 = monotonic()
        self._began = 0.0
        self.id = ""
        self.experiment = ""
        self.parent: str | None = None
        """Id of the run that this one is part of."""
        self.resumed = False
        """Whether the run goes on from an earlier attempt, or continues a run that had ended."""
        self.last_step: int | None = None
        """The greatest step that was logged before, of a run that is `resumed`."""
        if repository is None or journal is None:
            return
        from orjson import dumps  # loaded by whoever logs

        self._to_json = dumps
        start = StoredJournal(journal.folder).start["record"]
        self.id = start["id"]
        self.experiment = start["experiment"]
        self.parent = start.get("parent")
        standing = StoredJournal(journal.folder).standing
        if standing:
            self._go_on(standing)
        self._began = parse_time(start["started"]).timestamp()
        self._t0 -= datetime.now(UTC).timestamp() - self._began
        self._shelf = Shelf(journal)
        self._store = Store(repository, journal, start["code"]["tree"])
        journal.keep_flushing()

    def _go_on(self, standing: Mapping[str, Any]) -> None:
        """Steps that are counted go on after the last one."""
        self.resumed = True
        self.last_step = standing.get("last_step")
        if self.last_step is not None:
            self._log_calls = self.last_step + 1
            if standing.get("counting"):
                self._counting, self.step = True, self.last_step + 1

    @property
    def active(self) -> bool:
        """Whether what is logged is recorded: not on another rank, in a forked worker, or after the end."""
        return self._journal is not None and not self._ended

    # --- parameters, tags, seeds ------------------------------------------------------------

    def log_param(self, key: str, value: Any) -> None:
        """Record one parameter; a nested mapping stays nested."""
        self.log_params({key: value})

    @verb("param", part=lambda run, param: run._book.check(param))
    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters. One that was logged before with another value keeps the first.

        Where another source, such as the command line, says something else, what is logged is recorded. Text
        that is too long for the record is kept as an output, which the parameter names.
        """
        journal = self._open("log_params")
        self._book.add(params if journal is None else shortened(params, self._store.keep_long), journal)

    @verb("param", subject="key")
    def _keep_param(self, key: str) -> None:
        raise UsageError(f"param {key!r} is recorded and cannot be taken back")

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag; a later value replaces an earlier one."""
        self.set_tags({key: value})

    @verb("tag", part=lambda run, tag: to_tags(tag), at_once=True)
    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        journal = self._open("set_tags")
        if journal is not None:
            journal.event(Kind.TAGS, to_tags(tags))

    @verb("seed", part=lambda run, seed: check_seeds(seed), at_once=True)
    def set_seeds(self, seeds: Mapping[str, int]) -> None:
        """Record the seeds of single libraries or workers, by name."""
        journal = self._open("set_seeds")
        if journal is not None:
            journal.event(Kind.SEEDS, check_seeds(seeds))

    @verb("preemption", at_once=True)
    def mark_preempted(self) -> None:
        """Say, in a handler say, that the program has to go: the run ends as killed, by preemption.

        ``resume="auto"`` then goes on with it, or continues it.
        """
        journal = self._open("mark_preempted")
        if journal is not None:
            journal.event(Kind.PREEMPTED)

    # --- the end ------------------------------------------------------------------------------

    def finish(
        self, status: Status | None = None, *, failure: Mapping[str, str] | None = None
    ) -> Record | None:
        """End the run and commit its record, which is returned (None for an inactive run).

        Within `gittrack run` that commits it, with the outputs and metrics that it reads itself.

        `status` is ``finished`` where none is given, and that of the error where one is on its way out:
        ``try: ... finally: run.finish()``. `failure` says why, as ``type`` and ``message``.

        Where the record cannot be committed, the journal stays, and `gittrack recover` commits it.
        In a signal handler that interrupts a call of its thread, the run ends as soon as that is done.
        """
        error = error_going_on() if status is None and failure is None else None
        if error is not None:
            ending = judge(error)
        else:
            try:
                ending = stated(status or "finished", failure)
            except UsageError as misuse:
                self._losses.take(self, "how the run ended", misuse)
                ending = not_stated(misuse)
        self._commit(ending)
        return self.record

    @verb(None)
    def _commit(self, ending: Ending) -> None:
        self._end(ending)

    def _end(self, ending: Ending) -> Record | None:
        return turns.share(lambda: self._end_now(ending))

    def _end_now(self, ending: Ending) -> Record | None:
        with self._ending:
            if not self._ended:
                try:
                    self._finish(ending)
                except (GittrackError, OSError) as error:
                    raise kept(error, self.id) from error
                except Exception as bug:
                    bug.add_note(f"The journal of run {self.id} is kept: gittrack recover commits it")
                    raise
        return self.record

    def _finish(self, ending: Ending) -> None:
        journal, repository = self._journal, self._repository
        if journal is not None:
            from gittrack.recording.capture.determinism import capture_determinism

            self._stop_sampling()
            end = self._work.end(journal.progress) if ending.ended_by == "process" else None
            flags = capture_determinism()
            if flags:
                journal.event(Kind.DETERMINISM, flags)
            self._store.note_changes()
            self._store.log_cells()
            self._losses.note_counts(self)
            elapsed = max(0.0, (end or monotonic()) - self._t0)
            journal.event(Kind.END, ending.status, ending.failure, elapsed, ending.ended_by)
            journal.close()  # if the disk is full, the run goes on, and can be finished later
        self._leave()
        if journal is not None and repository is not None:
            stored = StoredJournal(journal.folder)
            self.record = preview(repository, stored) if self._joined else commit(repository, stored)

    def _sample(self, every: float | None) -> None:
        """Sample what this process uses, every so many seconds, while the run goes on."""
        if self._journal is not None and not self._joined:
            self._sampler = start(self._journal, os.getpid(), lambda: monotonic() - self._t0, every)

    def _stop_sampling(self) -> None:
        if self._sampler is not None:
            self._sampler.stop()

    def _note_cell(self) -> None:
        """A cell of a notebook has ended."""
        if self._journal is not None:
            self._work.note(self._journal.progress)

    def _leave(self) -> None:
        """The run is not the active one any more."""
        self._ended = True
        open_runs.leave(self)
        exits.forget(self)

    def __enter__(self) -> Run:
        self._in_block = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self._commit(judge(None))
            return
        try:
            self._end(judge(error))
        except Exception as ours:  # the training's own error goes on
            log.error("%s", ours, exc_info=None if isinstance(ours, GittrackError) else ours)

    def _open(self, verb: str) -> Journal | None:
        """The journal to write to; None where logging does nothing; UsageError after the end."""
        if self._ended and self._journal is not None:
            raise UsageError(f"{verb}: run {self.id} has ended; start another with gittrack.start_run()")
        return self._journal

    def _abandon(self) -> None:
        """The run could not start: leave nothing behind, but for a run that `gittrack run` began."""
        journal, repository = self._journal, self._repository
        self._stop_sampling()
        self._leave()
        if journal is not None and repository is not None:
            if self._joined:
                journal.close()
            else:
                abandon(repository, journal)

    def _detach(self) -> None:
        """In a forked worker: the run is the parent's, so do nothing here."""
        self._journal = None
        self._ending = threading.RLock()  # another thread of the parent may have held it

    def __reduce__(self) -> Any:
        """A copy is the run itself; in a worker process it has the verbs and the params, and does nothing."""
        return _copied, (self.id, self.experiment, self._book.values)


def _copied(run_id: str, experiment: str, params: Mapping[str, Any]) -> Run:
    for run in open_runs:
        if run.id == run_id:
            return run
    copy = Run(None, None)
    copy.id, copy.experiment = run_id, experiment
    copy.log_params(params)
    return copy

"""`Run`: what a training script calls once its run has begun."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Any

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.flat import flatten, meeting
from gittrack.formats.record import Record, Role, Status, clean_text, parse_time
from gittrack.formats.values import (
    MAX_STEP,
    by_name,
    check_metric_name,
    check_step,
    metric_row,
    metric_value,
    to_tags,
)
from gittrack.git.repository import Repository
from gittrack.recording import exits
from gittrack.recording.begin import abandon
from gittrack.recording.endings import Ending, judge, stated
from gittrack.recording.finish import commit, kept, preview
from gittrack.recording.interpreter import error_going_on
from gittrack.recording.journal import Journal
from gittrack.recording.journal.events import Kind
from gittrack.recording.journal.stored import StoredJournal
from gittrack.recording.params import ParamsBook
from gittrack.recording.request import check_seeds
from gittrack.recording.rules import define
from gittrack.recording.store import Store
from gittrack.recording.views import ParamsView, SummaryView

log = logging.getLogger("gittrack")

_active: list[Run] = []


class Run:
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
        self._ending = threading.RLock()
        self._names: dict[str, str] = {}
        self._plain_names: list[str] | None = None
        self._book = ParamsBook()
        self._log_calls = 0
        self._counting = False
        self.step: int | None = None
        """Step of metrics that are logged without one; `next_step` moves it."""
        self.record: Record | None = None
        """The committed record, once the run has ended; within `gittrack run`, what it will say so far."""
        self.config = ParamsView(self)
        self.summary = SummaryView(self)
        self._t0 = monotonic()
        self.id = ""
        self.experiment = ""
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
        standing = StoredJournal(journal.folder).standing
        if standing:
            self._go_on(standing)
        self._t0 -= datetime.now(UTC).timestamp() - parse_time(start["started"]).timestamp()
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

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Record parameters. UsageError when one was logged before with another value.

        Where another source, such as the command line, says something else, what is logged is recorded.
        """
        self._book.add(params, self._open("log_params"))

    def set_tag(self, key: str, value: Any) -> None:
        """Set a tag; a later value replaces an earlier one."""
        self.set_tags({key: value})

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set several tags."""
        journal = self._open("set_tags")
        if journal is not None:
            journal.event(Kind.TAGS, to_tags(tags))

    def set_seeds(self, seeds: Mapping[str, int]) -> None:
        """Record the seeds of single libraries or workers, by name."""
        journal = self._open("set_seeds")
        if journal is not None:
            journal.event(Kind.SEEDS, check_seeds(seeds))

    # --- metrics ------------------------------------------------------------------------------

    def define_metric(self, name: str, summary: str | None = None, goal: str | None = None) -> None:
        """Say which value of a metric is the final one, as W&B's ``define_metric``; ``val/*`` means all such.

        `summary` is last (the default), greatest-step, min, max or best, `goal` maximize or minimize; best
        needs one, here or in gittrack.yaml. UsageError for anything else. Where gittrack.yaml says otherwise,
        this holds, with a warning.
        """
        define(self._open("define_metric"), name, summary, goal)

    def log_metric(self, key: str, value: float, step: int | None = None) -> None:
        """Record one value of a metric at a step."""
        self.log_metrics({key: value}, step)

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Record values of several metrics at one step. A memory write; on disk within a second.

        A value is anything that holds one number: int, float, bool, NumPy or torch scalar.
        """
        journal = self._journal
        if journal is None or self._ended:
            self._open("log_metrics")
            return
        line = None
        # Names that were logged just so before, with floats: what is written then needs no closer look.
        if [*metrics] == self._plain_names and type(step) is int and step <= MAX_STEP:
            try:
                total = sum(metrics.values())
                if type(total) is float and total - total == 0.0:  # all of them finite
                    line = self._to_json((monotonic() - self._t0, step, metrics))
            except Exception:
                line = None  # whatever that was, it is said below
        if line is None:
            row = metric_row(by_name(metrics), self._names, journal.new_metrics)
            plain = [*row] == [*metrics] and all(type(value) is float for value in metrics.values())
            self._plain_names = [*row] if plain else None
            step = self.step if step is None else check_step(step)
            line = self._to_json((monotonic() - self._t0, step, row))
        journal.append_json(line[:-1])
        if len(journal.rows) > journal.row_limit:
            journal.spill()

    def log(self, values: Mapping[str, Any], step: int | None = None) -> None:
        """Record metrics as W&B's ``log``: nested names joined by dots; without `step`, calls are counted."""
        step = self._log_calls if step is None else check_step(step)
        values = by_name(values)
        flat = flatten(values)
        name = None if flat.keys() == values.keys() else meeting(values)
        if name is not None:
            raise UsageError(f"metric {name!r} is there twice, nested and written with dots: rename one")
        self.log_metrics(flat, step)
        self._log_calls = step + 1

    def next_step(self) -> int:
        """Move on to the next step, as DVCLive's ``next_step``; the first step is 0."""
        journal = self._open("next_step")
        if not self._counting:
            self._counting = True
            first = 0 if self.last_step is None else self.last_step + 1
            if journal is not None:
                journal.event(Kind.COUNTING, *([first] if first else []))
            if self.step is None and first:
                self.step = first
        self.step = 1 if self.step is None else self.step + 1
        return self.step

    def _set_summary(self, name: str, value: Any) -> None:
        journal = self._open("summary")
        if journal is not None:
            name = check_metric_name(name)
            journal.event(Kind.SUMMARY, {name: metric_value(name, value)})

    # --- files --------------------------------------------------------------------------------

    def log_input(self, path: str | Path, role: Role | None = None, *, store: bool | None = None) -> None:
        """Record a file or folder that the run reads, with its digests.

        `role`: train, validation, test, holdout or reference; None states none. `store` also keeps the bytes
        of a file that neither DVC nor git tracks in the DVC cache.
        """
        if self._open("log_input") is not None:
            self._store.log_input(path, role, store=store)

    def log_artifact(self, path: str | Path, role: str = "artifact") -> None:
        """Keep a file or folder that the run produced in the DVC cache, now, and point to it."""
        if self._open("log_artifact") is not None:
            self._store.log_output(path, role)

    def log_model(self, path: str | Path) -> None:
        """`log_artifact` with the role ``model``."""
        self.log_artifact(path, role="model")

    def log_text(self, text: str, artifact_file: str) -> None:
        """Keep `text` as the output `artifact_file`."""
        if not isinstance(text, str):
            raise UsageError(f"log_text keeps text, not {type(text).__name__}: log_artifact keeps a file")
        if self._open("log_text") is not None:
            self._store.log_bytes(clean_text(text).encode(), artifact_file, "text")

    def log_dict(self, content: Any, artifact_file: str) -> None:
        """Keep plain values as a JSON or YAML output, by the file's name."""
        if self._open("log_dict") is not None:
            self._store.log_dict(content, artifact_file)

    def log_figure(self, figure: Any, artifact_file: str) -> None:
        """Keep a matplotlib figure (anything with ``savefig``, or plotly's ``write_html``)."""
        if self._open("log_figure") is not None:
            self._store.log_figure(figure, artifact_file)

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

        Raises LedgerError (RepositoryError for a full disk) when the record cannot be committed; the journal
        then stays, and `gittrack recover` commits it.
        """
        error = error_going_on() if status is None and failure is None else None
        return self._end(judge(error) if error is not None else stated(status or "finished", failure))

    def _end(self, ending: Ending) -> Record | None:
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
        from gittrack.recording.capture.determinism import capture_determinism

        journal, repository = self._journal, self._repository
        if journal is not None:
            flags = capture_determinism()
            if flags:
                journal.event(Kind.DETERMINISM, flags)
            self._store.note_changes()
            elapsed = max(0.0, monotonic() - self._t0)
            journal.event(Kind.END, ending.status, ending.failure, elapsed, ending.ended_by)
            journal.close()  # if the disk is full, the run goes on, and can be finished later
        self._leave()
        if journal is not None and repository is not None:
            stored = StoredJournal(journal.folder)
            self.record = preview(repository, stored) if self._joined else commit(repository, stored)

    def _leave(self) -> None:
        """The run is not the active one any more."""
        self._ended = True
        if self in _active:
            _active.remove(self)
        exits.forget(self)

    def __enter__(self) -> Run:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._end(judge(error))
        except Exception as ours:
            if error is None:
                raise
            # The training's own error goes on.
            log.error("%s", ours, exc_info=None if isinstance(ours, GittrackError) else ours)

    def _open(self, verb: str) -> Journal | None:
        """The journal to write to; None where logging does nothing; UsageError after the end."""
        if self._ended and self._journal is not None:
            raise UsageError(f"{verb}: run {self.id} has ended; start another with gittrack.start_run()")
        return self._journal

    def _abandon(self) -> None:
        """The run could not start: leave nothing behind, but for a run that `gittrack run` began."""
        journal, repository = self._journal, self._repository
        self._leave()
        if journal is not None and repository is not None:
            if self._joined:
                journal.close()
            else:
                abandon(repository, journal)

    def _detach(self) -> None:
        """In a forked worker: the run is the parent's, so do nothing here."""
        self._journal = None

"""Which run is to go on: by its name, or the newest one of the same program that did not finish.

It has a journal as long as nobody has committed it, and then the same run goes on; else its record is on the
ledger, and a new run continues it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from gittrack.errors import GittrackError, NotFoundError, UsageError
from gittrack.formats.config import Config
from gittrack.formats.flat import flatten
from gittrack.formats.masks import is_masked
from gittrack.formats.record import Record, run_path
from gittrack.formats.sources import (
    COMMAND_LINE,
    OFFERED,
    SETTING,
    START_RUN,
    Layer,
    layer_of,
    source_of,
)
from gittrack.git.repository import Repository
from gittrack.ledger.proposals import review_branch
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.scheduler import current_job, is_same_job
from gittrack.reading.journal.stored import StoredJournal, stored_journals
from gittrack.recording.own import OwnRun, own_runs
from gittrack.recording.request import Checked

AUTO = "auto"
Unfinished = StoredJournal | Record

_STATED = (COMMAND_LINE, SETTING, OFFERED, START_RUN)
"""Sources of parameters that whoever starts a program has in hand."""


def named(repo: Repository, name: str) -> Unfinished:
    """The run that `name` means, as ids are named everywhere; NotFoundError with the nearest."""
    journals = [j for j in stored_journals(repo.state_dir) if name and is_called(j.run_id, name)]
    journals = [j for j in journals if j.run_id == name] or journals
    if len(journals) > 1:
        raise NotFoundError(f"{name!r} is ambiguous: it may be {', '.join(j.run_id for j in journals)}")
    if journals:
        return journals[0]
    from gittrack.reading.entry import open_index
    from gittrack.text.nearest import nearest

    with open_index(repo) as index:
        try:
            return index.one(name).load()
        except NotFoundError as error:
            if "ambiguous" in str(error) or "runs:" in str(error):
                raise
            ids = [j.run_id for j in stored_journals(repo.state_dir)]
            ids += [row.id for row in index.search(limit=1000)]
            known = ids if len(name) > len("7f3a2c") else [run_id[-6:] for run_id in ids]
            raise NotFoundError(f"no run {name!r} to resume: {nearest(name, known)}") from error


def is_called(run_id: str, name: str) -> bool:
    return run_id.startswith(name) or run_id.endswith(name)


class StillRuns(UsageError):
    """The run is alive on this machine."""


class Gone(UsageError):
    """A journal was there a moment ago: its run has been committed meanwhile."""


def newest(repo: Repository, config: Config, checked: Checked, key: str) -> Unfinished | None:
    """The newest run of the program `key` in this work tree, if it did not finish; None where it did.

    Runs that go on are passed over, and those whose parameters contradict what is asked for now. UsageError
    for one of which nobody here can tell whether it still runs; Gone where it has to be looked again.
    """
    job = current_job(os.environ)
    restarted = job is not None and job["restarts"] > 0
    own = own_runs(repo.state_dir, key, str(job["id"]) if job and restarted else "")
    continued: set[str] = set()
    for journal in sorted(_journals(repo, key), key=lambda journal: journal.run_id, reverse=True):
        try:
            theirs = journal.start.get("job")
            before = str(journal.start["record"].get("continues"))
            is_other = restarted and not is_same_job(theirs, job)
            if is_other or _contradicts(checked, *_of_journal(journal)):
                continue
            alive = journal.alive or journal.program_runs or journal.alive
        except (GittrackError, OSError) as error:
            if journal.folder.is_dir():
                raise
            raise Gone(f"run {journal.run_id} has just been committed: resume it again") from error
        if alive is None and job is not None and theirs is not None and not is_same_job(theirs, job):
            continue  # another job is another run, as long as it is not known to be gone
        if not alive:
            # Of runs that began in the same second the order is not known: the unfinished one is taken.
            second = journal.run_id.rpartition("-")[0]
            later = [run for run in own if run.id.rpartition("-")[0] > second]
            if _newest_of(repo, config, checked, later) is not None:
                break  # somebody has begun anew since
            if alive is None:
                raise UsageError(_elsewhere(journal.run_id))
            return journal
        continued.add(before)
    record = _newest_of(repo, config, checked, own)
    return None if record is None or record.status == "finished" or record.id in continued else record


def with_other_params(repo: Repository, checked: Checked, key: str) -> list[str]:
    """The runs whose process is gone, of those that `newest` passes over for their parameters."""
    found = []
    for journal in _journals(repo, key):
        try:
            if journal.alive is False and not journal.program_runs:
                found += [journal.run_id] if _contradicts(checked, *_of_journal(journal)) else []
        except (GittrackError, OSError):
            continue  # committed meanwhile
    return sorted(found)


MOST_LOOKED = 200
"""Records that are read for the newest run with the same parameters: of a sweep, others have come since."""


def _newest_of(repo: Repository, config: Config, checked: Checked, own: Sequence[OwnRun]) -> Record | None:
    """The first of the runs whose parameters do not contradict what is asked for now."""
    records = (record_of(repo, config, run.experiment, run.id) for run in own[:MOST_LOOKED])
    return next((r for r in records if r is not None and not _contradicts(checked, *_of_record(r))), None)


def _elsewhere(run_id: str) -> str:
    return (
        f"run {run_id} may still run on another host or in another container: wait for its end, or if it is "
        f"gone run gittrack recover {run_id} --force, and resume again"
    )


def refuse_running(journal: StoredJournal) -> None:
    """UsageError for a run that still runs, or may."""
    alive = journal.alive
    if alive is None:
        raise UsageError(_elsewhere(journal.run_id))
    if alive or journal.program_runs:
        raise StillRuns(f"run {journal.run_id} still runs on this machine: end it before it is resumed")


def _journals(repo: Repository, key: str) -> Iterator[StoredJournal]:
    for journal in stored_journals(repo.state_dir):
        try:
            if journal.start.get("key") == key:
                yield journal
        except GittrackError:
            continue  # damaged, or just committed


def record_of(repo: Repository, config: Config, experiment: str, run_id: str) -> Record | None:
    """The record of a run of an experiment, on the ledger or proposed; None where neither has it."""
    from gittrack.formats.codec import load_record

    path = f"{run_path(experiment, run_id)}/run.yaml"
    with repo.objects() as objects:
        for branch in (config.ledger.branch, review_branch(run_id)):
            blob = objects.get(f"refs/heads/{branch}:{path}")
            if blob is not None:
                return load_record(blob.data, path)
    return None


# --- whether it is the same run that is asked for ---------------------------------------------


Said = Mapping[str, Mapping[str, Any]]
"""Parameters by source and dotted name."""


def _contradicts(checked: Checked, theirs: Said, seed: int | None) -> bool:
    """Whether the same source says something else now: ``--seed 2`` does not go on with ``--seed 1``."""
    mine = checked.facts.get("seed")
    if mine is not None and seed is not None and mine != seed:
        return True
    return any(
        theirs.get(source, {}).get(name, value) != value and not is_masked(theirs[source][name])
        for source, said in _by_source(checked.layers).items()
        for name, value in said.items()
    )


def _by_source(layers: Sequence[Layer]) -> dict[str, dict[str, Any]]:
    said: dict[str, dict[str, Any]] = {}
    for layer in layers:
        if layer.source in _STATED:
            said.setdefault(str(layer.source), {}).update(flatten(layer.params))
    return said


def _of_journal(journal: StoredJournal) -> tuple[Said, int | None]:
    events = [event for event in journal.events() if event[0] == Kind.PARAMS]
    layers = [layer_of(params, origin) for _, params, *origin in events]
    return _by_source(layers), journal.start["record"].get("seed")


def _of_record(record: Record) -> tuple[Said, int | None]:
    said: dict[str, dict[str, Any]] = {}
    for name, value in flatten(record.params).items():
        sides = record.param_conflicts.get(name) or {source_of(record.param_sources, name) or "": value}
        for sources, side in sides.items():
            for source in sources.split(", "):
                said.setdefault(source, {})[name] = side
    return said, record.seed

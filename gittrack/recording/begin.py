"""The start of a run: everything that could go wrong is asked first, then it is on disk."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gittrack.dvc.settings import ledger_config
from gittrack.errors import machine_errors
from gittrack.formats.config import Config, declared_metrics
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Tool, clean_text, format_time, new_id
from gittrack.formats.scrub import scrub_arguments
from gittrack.formats.values import without_secrets
from gittrack.git.repository import ObjectReader, Repository
from gittrack.git.shared import settle_rights
from gittrack.ledger import Ledger
from gittrack.ledger.proposals import target
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.scheduler import array_task, current_job
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording import live
from gittrack.recording.capture import Captured, capture
from gittrack.recording.capture.code import LIVE, Invocation, entry_of
from gittrack.recording.capture.slurm import scheduler_of
from gittrack.recording.journal import Journal
from gittrack.recording.masking import key_of, masked_command
from gittrack.recording.params import event_of
from gittrack.recording.ranks import ranks_fact
from gittrack.recording.recover import recover
from gittrack.recording.request import Checked
from gittrack.version import VERSION

log = logging.getLogger("gittrack")


@machine_errors("begin the run")
def begin(repo: Repository, config: Config, checked: Checked, invocation: Invocation) -> Journal:
    """Capture, and put the run on disk. Nothing has been run when this raises."""
    request, experiment = checked.request, checked.experiment
    started = datetime.now(UTC)
    run_id = request.run_id or new_id(started)
    key = key_of(repo.state_dir)
    who = repo.identity()
    branch, onto = target(config, request.propose, request.parent or run_id)
    ledger = Ledger(repo, branch, onto)
    with repo.objects() as objects:
        ledger.ready(objects)
        _recover_others(repo)
        captured = capture_for(repo, objects, config, checked, invocation, run_id)
    scheduler = scheduler_of()
    record = {
        "id": run_id,
        "experiment": experiment,
        "started": format_time(started),
        "author": {"name": clean_text(who.name), "email": clean_text(who.email)},
        **checked.facts,
        "code": to_dict(captured.code),
        "locks": [to_dict(lock) for lock in captured.locks],
        "environment": to_dict(captured.summary),
        **ranks_fact(),
        **({"scheduler": to_dict(scheduler)} if scheduler else {}),
        "protocol": captured.protocol,
        "masked": masked_command(captured.code.command, invocation.command, key),
        "tool": to_dict(Tool(version=VERSION)),
    }
    start = {
        "ledger": branch,
        "onto": onto,
        "dvc_config": ledger_config(repo.worktree).decode(),
        "given": sorted(
            k for k in ("experiment", "name", "hypothesis", "seed") if getattr(request, k) is not None
        ),
        "metrics": declared_metrics(config, experiment),
        "top": str(repo.top),
        "key": key_of_run(repo, experiment, invocation),
        "job": current_job(os.environ),
        "resumable": request.resume is not None,
        "params": without_secrets(checked.offered),
        **({} if invocation.in_process else {"surroundings": captured.surroundings}),
        "record": record,
        "notes": captured.notes,
    }
    events = [
        *(event_of(layer, key) for layer in checked.layers),
        [Kind.TAGS, checked.tags],
        [Kind.SEEDS, checked.seeds],
        [Kind.DETERMINISM, captured.determinism],
        *([Kind.NOT_RECORDED, what, why] for what, why in request.losses),
    ]
    try:
        journal = Journal.create(
            repo.state_dir, run_id, start, captured.environment, [e for e in events if e[1]]
        )
        settle_rights(repo)
    except BaseException:
        _release(repo, run_id)
        raise
    live.start(journal.folder, config.live)
    return journal


def capture_for(
    repo: Repository,
    objects: ObjectReader,
    config: Config,
    checked: Checked,
    invocation: Invocation,
    name: str,
) -> Captured:
    """What is true now; a snapshot of the code is kept under the run's `name` until the run has ended."""
    request, experiment = checked.request, checked.experiment
    return capture(
        repo,
        objects,
        config,
        invocation,
        name,
        dirty=request.dirty,
        exclude=written_by(config, checked),
        inputs=_with_targets([*request.inputs, *declared_inputs(config, experiment)], repo.top),
        image=request.image,
    )


def written_by(config: Config, checked: Checked) -> list[str]:
    """Paths from the top that the run writes."""
    return [*checked.request.exclude, *_declared_outputs(config, checked.experiment)]


def key_of_run(repo: Repository, experiment: str, invocation: Invocation) -> str:
    """Equal for runs of one work tree that are the same program, of which a later one may resume an earlier.

    In this process that is the script, else the command; of an array of jobs each task is its own.
    """
    entry = entry_of(invocation, repo.top)
    command = scrub_arguments(invocation.command, os.environ)
    program = [entry] if invocation.in_process and entry else [*command, str(invocation.cwd)]
    words = [str(repo.top.resolve()), experiment, array_task(os.environ), invocation.in_process, *program]
    return hashlib.sha256(json.dumps(words).encode()).hexdigest()[:32]


def _declared_outputs(config: Config, experiment: str) -> list[str]:
    """What gittrack.yaml says runs produce: neither code nor a change to it."""
    return [o.path for o in [*config.outputs, *config.experiment_config(experiment).outputs]]


def _with_targets(paths: Sequence[str], top: Path) -> list[str]:
    """The paths from the top, and what those that are links lead to within it."""
    real = ((top / path).resolve() for path in paths)
    within = [
        path.relative_to(top.resolve()).as_posix() for path in real if path.is_relative_to(top.resolve())
    ]
    return [*paths, *within]


def declared_inputs(config: Config, experiment: str) -> list[str]:
    """What gittrack.yaml says runs read, from the top."""
    return [i.path for i in [*config.inputs, *config.experiment_config(experiment).inputs]]


def abandon(repo: Repository, journal: Journal) -> None:
    """Take back a run that could not start: nothing was run, so there is nothing to record."""
    if journal.is_taken_up:
        withdraw(repo, journal)
        return
    journal.close()
    StoredJournal(journal.folder).remove()
    _release(repo, journal.folder.name)


def withdraw(repo: Repository, journal: Journal) -> None:
    """Take back an attempt that could not start: the journal is as it was, for the next one."""
    standing = StoredJournal(journal.folder).standing
    journal.take_back()
    repo.update_refs([(f"{LIVE}{journal.folder.name}.{standing.get('attempt', 2)}", None, None)])


def _release(repo: Repository, run_id: str) -> None:
    repo.update_refs([(LIVE + run_id, None, None)])


def _recover_others(repo: Repository) -> None:
    """Runs that were killed are committed by whoever comes next; what fails waits for `gittrack recover`."""
    for recovery in recover(repo, keep_resumable=True):
        if recovery.record is not None:
            status = recovery.record.status
            log.warning(
                "run %s was left uncommitted; it is on the ledger now, as %s", recovery.run_id, status
            )
        elif recovery.failed:
            log.warning("run %s could not be recovered: %s", recovery.run_id, recovery.why)

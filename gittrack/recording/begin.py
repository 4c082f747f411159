"""The start of a run: everything that could go wrong is asked first, then it is on disk."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from gittrack.dvc.settings import ledger_config
from gittrack.formats.config import Config, declared_metrics
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Tool, clean_text, format_time, new_id
from gittrack.formats.values import without_secrets
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.ledger.proposals import target
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording import live
from gittrack.recording.capture import capture
from gittrack.recording.capture.code import LIVE, Invocation
from gittrack.recording.journal import Journal
from gittrack.recording.masking import key_of, masked_command
from gittrack.recording.params import event_of
from gittrack.recording.recover import recover
from gittrack.recording.request import Checked
from gittrack.version import VERSION

log = logging.getLogger("gittrack")


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
        ledger.check(objects)
        _recover_others(repo)
        captured = capture(
            repo,
            objects,
            config,
            invocation,
            run_id,
            dirty=request.dirty,
            exclude=[*request.exclude, *_declared_outputs(config, experiment)],
            inputs=_with_targets([*request.inputs, *declared_inputs(config, experiment)], repo.top),
            image=request.image,
        )
    record = {
        "id": run_id,
        "experiment": experiment,
        "started": format_time(started),
        "author": {"name": clean_text(who.name), "email": clean_text(who.email)},
        **checked.facts,
        "code": to_dict(captured.code),
        "locks": [to_dict(lock) for lock in captured.locks],
        "environment": to_dict(captured.summary),
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
    except BaseException:
        _release(repo, run_id)
        raise
    live.start(journal.folder, config.live)
    return journal


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
    journal.close()
    StoredJournal(journal.folder).remove()
    _release(repo, journal.folder.name)


def _release(repo: Repository, run_id: str) -> None:
    repo.update_refs([(LIVE + run_id, None, None)])


def _recover_others(repo: Repository) -> None:
    """Runs that were killed are committed by whoever comes next; what fails waits for `gittrack recover`."""
    for recovery in recover(repo):
        if recovery.record is not None:
            status = recovery.record.status
            log.warning(
                "run %s was left uncommitted; it is on the ledger now, as %s", recovery.run_id, status
            )
        elif recovery.failed:
            log.warning("run %s could not be recovered: %s", recovery.run_id, recovery.why)

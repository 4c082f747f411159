"""A run that goes on: the same one from its journal, or a new one that continues one on the ledger."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from math import floor
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.environment import summarise
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Record, format_time, parse_time, run_path
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.scheduler import current_job
from gittrack.reading.journal.stored import STANDING, StoredJournal
from gittrack.recording import live
from gittrack.recording.attempts import (
    HOST_FACTS,
    facts_of,
    has_finished,
    last_step_of,
    note_environment,
    say_again,
)
from gittrack.recording.begin import begin, capture_for, key_of_run, withdraw, written_by
from gittrack.recording.capture import Captured
from gittrack.recording.capture.code import LIVE, Invocation
from gittrack.recording.capture.slurm import scheduler_of
from gittrack.recording.changes import note_code
from gittrack.recording.interpreters.settle import SETTLED
from gittrack.recording.interpreters.startup import sitecustomize
from gittrack.recording.journal import JOINED, Journal
from gittrack.recording.masking import key_of
from gittrack.recording.params import event_of
from gittrack.recording.recover import recover, settle_lost
from gittrack.recording.request import Checked
from gittrack.recording.unfinished import (
    AUTO,
    Gone,
    StillRuns,
    named,
    newest,
    record_of,
    refuse_running,
    with_other_params,
)

log = logging.getLogger("gittrack")

RESUMED_VARIABLE = "GITTRACK_RESUMED"
"""Set to 1 by `gittrack run` for a program whose run goes on, or takes up another."""


def open_run(repo: Repository, config: Config, checked: Checked, invocation: Invocation) -> Journal:
    """The journal of the run that is asked for: a new one, or one that goes on.

    UsageError where that one still runs, or may; NotFoundError where there is none of that name.
    """
    name = checked.request.resume
    if name is None:
        return begin(repo, config, checked, invocation)
    if not isinstance(name, str) or not name:
        raise UsageError(f"resume takes the id of a run or auto, not {name!r}")
    if name == AUTO:
        target = _newest(repo, config, checked, invocation)
    else:
        known = named(repo, name)
        target = (
            _tried(repo, config, checked, invocation, known) if isinstance(known, StoredJournal) else known
        )
    if isinstance(target, Journal):
        live.start(target.folder, config.live)
        return target
    if target is None:
        log.warning("%s: a new run begins", _why_new(repo, checked, invocation))
        return begin(repo, config, checked, invocation)
    return _continue(repo, config, checked, invocation, target)


def _why_new(repo: Repository, checked: Checked, invocation: Invocation) -> str:
    others = with_other_params(repo, checked, key_of_run(repo, checked.experiment, invocation))
    if not others:
        return "nothing of this program is left unfinished here"
    return f"what is left unfinished of this program has other parameters ({', '.join(others)})"


PATIENCE_S = 60.0
"""For other processes that decide about the same run at the same moment."""


def _newest(
    repo: Repository, config: Config, checked: Checked, invocation: Invocation
) -> Journal | Record | None:
    """What `newest` finds, taken up; looked for again where another process was faster."""
    key = key_of_run(repo, checked.experiment, invocation)
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            target = newest(repo, config, checked, key)
            if not isinstance(target, StoredJournal):
                return target
            return _tried(repo, config, checked, invocation, target)
        except (Busy, Gone, StillRuns):
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


class Busy(UsageError):
    """Another process decides about the run, or has just done so."""


def _tried(
    repo: Repository, config: Config, checked: Checked, invocation: Invocation, stored: StoredJournal
) -> Journal | Record | None:
    """The run of a journal, taken up; its record where it only had to be committed; None if it finished."""
    try:
        experiment = facts_of(stored)["experiment"]
        journal = _take_up(repo, config, checked, invocation, stored)
    except BlockingIOError as error:
        why = f"another process is resuming or recovering run {stored.run_id}: try again once it has"
        raise Busy(why) from error
    except FileNotFoundError as error:
        if stored.folder.is_dir():
            raise
        raise Busy(f"run {stored.run_id} has just been committed: resume it again") from error
    if journal is not None:
        return journal
    recover(repo, only=stored.run_id)
    record = record_of(repo, config, experiment, stored.run_id)
    if record is None:
        raise UsageError(f"run {stored.run_id} has ended, and could not be committed: run gittrack recover")
    return None if checked.request.resume == AUTO and record.status == "finished" else record


# --- a new run ---------------------------------------------------------------------------------


def _continue(
    repo: Repository, config: Config, checked: Checked, invocation: Invocation, before: Record
) -> Journal:
    """A new run of the same experiment, from where another has ended."""
    given = checked.request.experiment
    if given is not None and checked.experiment != before.experiment:
        raise UsageError(
            f"run {before.id} is of experiment {before.experiment}, not {checked.experiment}: "
            "a run is continued in its own experiment"
        )
    facts = {**checked.facts, "continues": before.id}
    request = replace(checked.request, continues=before.id)
    checked = replace(checked, request=request, experiment=before.experiment, facts=facts)
    last_step = _last_step(repo, config, before)
    journal = begin(repo, config, checked, invocation)
    _write_standing(journal, {"continues": before.id, "last_step": last_step})
    says = f"run {before.id} has ended ({before.status}): run {journal.folder.name} continues it"
    log.warning("%s%s", says, _after(last_step))
    return journal


def _last_step(repo: Repository, config: Config, before: Record) -> int | None:
    from gittrack.ledger.proposals import review_branch
    from gittrack.reading.chain import chained

    with repo.objects() as objects:
        for branch in (config.ledger.branch, review_branch(before.id)):
            ref = f"refs/heads/{branch}"
            if objects.get(f"{ref}:{before.path}/run.yaml") is not None:
                series = chained(objects, ref, before)
                steps = [s for table in series.tables for s in table.steps] if series else []
                last = max((step for step in steps if step is not None), default=None)
                return None if last is None else floor(last)
    return None


def _after(last_step: int | None) -> str:
    return "" if last_step is None else f", after step {last_step}"


# --- the same run ------------------------------------------------------------------------------


def _take_up(
    repo: Repository, config: Config, checked: Checked, invocation: Invocation, stored: StoredJournal
) -> Journal | None:
    """Go on with a run whose process is gone; None where it only has to be committed."""
    with stored.alone():
        refuse_running(stored)
        start, facts = stored.start, facts_of(stored)
        _refuse_other(repo, checked, start, facts)
        if has_finished(stored) or _is_on_ledger(repo, start, facts):
            return None
        settle_lost(repo, stored)
        number = stored.standing.get("attempt", 1) + 1
        checked = replace(checked, experiment=facts["experiment"])
        with repo.objects() as objects:
            Ledger(repo, start["ledger"], start.get("onto")).ready(objects)
            captured = capture_for(repo, objects, config, checked, invocation, f"{stored.run_id}.{number}")
        taken = _taken(stored, start, facts, captured)
        standing = {"attempt": number, "last_step": last_step_of(stored), "counting": _counts(stored)}
        journal = Journal.take_up(stored.folder)
        try:
            _write_standing(journal, standing)
            journal.event(Kind.ATTEMPT, taken)
            _make_room(repo, stored, facts, number, "code" in taken["facts"])
            _say(repo, config, checked, journal, facts, captured)
        except BaseException:
            withdraw(repo, journal)
            raise
    says = f"run {stored.run_id} goes on: attempt {number}"
    log.warning("%s%s", says, _after(standing["last_step"]))
    return journal


def _refuse_other(
    repo: Repository, checked: Checked, start: Mapping[str, Any], facts: Mapping[str, Any]
) -> None:
    run_id = facts["id"]
    if start["top"] != str(repo.top):
        raise UsageError(f"run {run_id} belongs to the work tree at {start['top']}: resume it there")
    given = checked.request.experiment
    if given is not None and given != facts["experiment"]:
        raise UsageError(f"run {run_id} is of experiment {facts['experiment']}, not {given}")


def _is_on_ledger(repo: Repository, start: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Whether its process died between the commit and the end of its journal."""
    path = f"refs/heads/{start['ledger']}:{run_path(facts['experiment'], facts['id'])}/run.yaml"
    with repo.objects() as objects:
        return objects.get(path) is not None


def _taken(
    stored: StoredJournal, start: Mapping[str, Any], facts: Mapping[str, Any], captured: Captured
) -> dict[str, Any]:
    """The event by which this attempt begins, see `attempts.Past`."""
    job = current_job(os.environ)
    begun = parse_time(facts["started"]).timestamp()
    here = {**to_dict(captured.summary), "host": captured.surroundings.get("host")}
    own = {name: here[name] for name in HOST_FACTS if here.get(name)}
    own |= {"restarts": job["restarts"]} if job else {}
    if captured.code.tree != facts["code"]["tree"] or captured.code.commit != facts["code"].get("commit"):
        code = to_dict(captured.code)
        own["code"] = {name: code[name] for name in ("commit", "tree", "snapshot") if name in code}
    taken = {
        "started": format_time(datetime.now(UTC)),
        "facts": own,
        "wrote": round(max(0.0, stored.last_sign() - begun), 3),
    }
    return taken if stored.is_again else {**taken, "own": _first(stored, start)}


def _first(stored: StoredJournal, start: Mapping[str, Any]) -> dict[str, Any]:
    """The facts of the first attempt, of which environment.yaml speaks so far."""
    from gittrack.formats.codec import read_yaml

    environment: Any = read_yaml(stored.environment, "environment.yaml")
    known = {**to_dict(summarise(environment, "")), "host": environment.get("host")}
    job = start.get("job")
    own = {name: known[name] for name in HOST_FACTS if known.get(name)}
    return {**own, **({"restarts": job["restarts"]} if job else {})}


def _counts(stored: StoredJournal) -> bool:
    return any(event[0] == Kind.COUNTING for event in stored.events())


def _make_room(
    repo: Repository, stored: StoredJournal, facts: Mapping[str, Any], number: int, keep: bool
) -> None:
    """What the process before has left and this one makes anew."""
    for name in (JOINED, "ended"):
        (stored.folder / name).unlink(missing_ok=True)
    if facts["environment"].get("python") is None:
        (stored.folder / sitecustomize.FOLDER / SETTLED).unlink(missing_ok=True)
    if not keep:
        repo.update_refs([(f"{LIVE}{stored.run_id}.{number}", None, None)])


def _say(
    repo: Repository,
    config: Config,
    checked: Checked,
    journal: Journal,
    facts: Mapping[str, Any],
    captured: Captured,
) -> None:
    """What this attempt says of the run, and what it has otherwise than those before."""
    key = key_of(repo.state_dir)
    events = [
        *(event_of(layer, key) for layer in checked.layers),
        [Kind.TAGS, checked.tags],
        [Kind.SEEDS, checked.seeds],
        [Kind.DETERMINISM, captured.determinism],
        *([Kind.NOT_RECORDED, what, why] for what, why in checked.request.losses),
    ]
    for kind, *content in events:
        if content[0]:
            journal.event(kind, *content)
    say_again(journal, checked.facts)
    if (scheduler := scheduler_of()) is not None:
        journal.event(Kind.FACTS, {"scheduler": to_dict(scheduler)})
    note_environment(journal, facts["environment"], to_dict(captured.summary))
    locks = {lock["path"]: lock["sha256"] for lock in facts["locks"]}
    for path, sha256 in {lock.path: lock.sha256 for lock in captured.locks}.items():
        if locks.pop(path, None) != sha256:
            before = {lock["path"]: lock["sha256"] for lock in facts["locks"]}.get(path)
            journal.event(Kind.CHANGED, f"lock {path}", before, sha256)
    for path, sha256 in locks.items():
        journal.event(Kind.CHANGED, f"lock {path}", sha256, None)
    note_code(journal, repo, written_by(config, checked))


def seconds_before(journal: Journal) -> float:
    """How long ago a run began that goes on; 0 for one that begins now."""
    stored = StoredJournal(journal.folder)
    if not stored.is_again:
        return 0.0
    return max(0.0, datetime.now(UTC).timestamp() - parse_time(stored.start["record"]["started"]).timestamp())


def _write_standing(journal: Journal, standing: Mapping[str, Any]) -> None:
    temporary = journal.folder / "standing.tmp"
    temporary.write_text(json.dumps(standing))
    temporary.replace(journal.folder / STANDING)

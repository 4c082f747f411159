"""Which run of the ledger is the result of a task that may have been begun several times."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gittrack.formats.record import Record, new_id
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import StoredJournal, journals_dir
from gittrack.recording.attempts import has_finished
from gittrack.recording.recover import recover
from gittrack.running.executor.node import exit_status, landed, ledger_of
from gittrack.running.executor.slurm.queue import Queue
from gittrack.running.executor.task import Done, Task


def is_result(record: Record) -> bool:
    """Whether a run came to its end; one that was killed, but for its own time limit, is an attempt."""
    return record.status != "killed" or (record.failure is not None and record.failure.type == "timeout")


def next_run(queue: Queue, repository: Repository, number: int, task: Task) -> tuple[Task, Record | None]:
    """The task as its next attempt has to run it, and the record if it has come to an end before.

    The same run goes on where an earlier attempt has left its journal. Where somebody has committed that,
    a run of another id continues it: one that was killed is no result.
    """
    ledger, killed = ledger_of(repository, task), None
    for run_id in (task.run_id, *queue.further_ids(number)):
        own = replace(task, run_id=run_id, resume=killed)
        journal = StoredJournal(journals_dir(repository.state_dir) / run_id)
        if journal.folder.is_dir() and has_finished(journal):
            recover(repository, only=run_id, force=True)
        record = landed(ledger, own)
        if record is None:
            return replace(own, resume=run_id) if journal.folder.is_dir() else own, None
        if is_result(record):
            return own, record
        killed = run_id
    further = new_id(datetime.now(UTC))
    queue.add_id(number, further)
    return replace(task, run_id=further, resume=killed), None


def done_of(task: Task, own: Task, record: Record, complaint: str = "") -> Done:
    """What a task came to, by the record of its run."""
    instead = "" if own.run_id == task.run_id else own.run_id
    return Done(task.run_id, exit_status(record), complaint, instead=instead)


def settle(repository: Repository, queue: Queue, number: int, why: str) -> Done:
    """End a task that Slurm does not run any more: what it came to, be that a killed run.

    `why` says what Slurm says.
    """
    order = queue.order(number)
    ledger = ledger_of(repository, order.task)
    ids = [order.task.run_id, *queue.further_ids(number)]
    left = ""
    for run_id in ids:
        for recovery in recover(repository, only=run_id, force=True):
            left = "" if recovery.record is not None else recovery.why
    for run_id in reversed(ids):
        own = replace(order.task, run_id=run_id)
        record = landed(ledger, own)
        if record is not None:
            return done_of(order.task, own, record, "" if is_result(record) else f"Slurm says {why}")
    said = left or queue.last_word(number)
    message = f"run {order.task.run_id} was not begun, or left nothing: Slurm says {why}"
    return Done(order.task.run_id, 1, error=f"{message}; {said}" if said else message, exit_code=5)

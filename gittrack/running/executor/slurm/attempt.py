"""One task on a node of Slurm: ``python -P -m gittrack.running.executor.slurm.attempt FOLDER FIRST``.

It works in the user's own clone, which the node sees: code, data and cache are there, and the run goes to
its ledger. It may be begun again by Slurm at any time: the task's id belongs to the run that ends.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from gittrack.errors import GittrackError, UsageError
from gittrack.git.repository import Repository
from gittrack.running.executor.janitor import clean
from gittrack.running.executor.local import run_tasks
from gittrack.running.executor.node import landed, ledger_of, planned_environment
from gittrack.running.executor.slurm.ended import done_of, is_result, next_run
from gittrack.running.executor.slurm.queue import Order, Queue
from gittrack.running.executor.task import Done, Task
from gittrack.running.executor.workspace import Workspace, guarded
from gittrack.version import VERSION

_PASSED_ON = ("SIGUSR1", "SIGUSR2", "SIGALRM", "SIGHUP", "SIGQUIT", "SIGXCPU")
"""Warnings of a scheduler, which are the program's affair."""


def main(folder: str, first: str) -> int:
    """The exit status of the job's task: 0 where it has come to an end, whatever that is."""
    queue = Queue(Path(folder).resolve())
    number = int(first) + int(os.environ.get("SLURM_ARRAY_TASK_ID", "0"))
    restarts = int(os.environ.get("SLURM_RESTART_COUNT", "0"))
    room = queue.room(number, restarts)

    def stop(_number: int, _frame: FrameType | None) -> None:
        queue.stopped(number, restarts).touch()
        raise KeyboardInterrupt

    def pass_on(warning: int, _frame: FrameType | None) -> None:
        for session in (room / "sessions").glob("[0-9]*"):
            with suppress(ProcessLookupError, ValueError):
                os.kill(int(session.name), warning)

    for name in _PASSED_ON:
        signal.signal(getattr(signal, name), pass_on)
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, stop)
    if queue.result(number) is not None:
        return 0
    try:
        result = _attempt(queue, number, restarts, room)
    except KeyboardInterrupt:
        return 128 + signal.SIGTERM
    queue.finish(number, result)
    return 0


def _attempt(queue: Queue, number: int, restarts: int, room: Path) -> Done:
    order = queue.order(number)
    task = replace(order.task, held=str(queue.stopped(number, restarts)))
    try:
        if order.version != VERSION:
            said = f"gittrack {VERSION} is installed and {order.version} asks"
            raise UsageError(f"{said}: install that one on all nodes")
        return _carry_out(queue, order, task, number, room)
    except GittrackError as error:
        message = f"node {os.environ.get('SLURMD_NODENAME') or os.uname().nodename}: {error}"
        return Done(task.run_id, error.exit_code, error=message, exit_code=error.exit_code)


def _carry_out(queue: Queue, order: Order, task: Task, number: int, room: Path) -> Done:
    repository = Repository.discover(order.top)
    ledger = ledger_of(repository, task)
    own, before = next_run(queue, repository, number, task)
    if before is not None:
        return done_of(task, own, before)
    for left in queue.folder.glob(f"{queue.name}-{number}.*"):
        clean(repository.common_dir, left)
    home = queue.home(number)
    if not any(home.glob("*.whole")):
        clean(repository.common_dir, home)  # an attempt that was killed while it made its work tree
    planned: Any = planned_environment(repository, ledger, own, order.environment, order.environment_command)
    try:
        with guarded(room, repository.common_dir):
            home.mkdir(exist_ok=True)
            result = run_tasks(Workspace(repository, room, home), [own], environment=planned)[0]
    except KeyboardInterrupt:
        ended = landed(ledger, own)  # it had come to its end when it was told to
        if ended is None or not is_result(ended):
            raise
        result = done_of(task, own, ended)
    clean(repository.common_dir, home)
    return replace(result, run_id=task.run_id, instead="" if own.run_id == task.run_id else own.run_id)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

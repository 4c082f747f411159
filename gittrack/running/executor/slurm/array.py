"""Tasks as arrays of Slurm jobs: queued, waited for, collected.

Slurm is asked by squeue alone: that works where nothing is accounted. What a task came to is read from
the folder of its queue, and from the ledger.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from gittrack.errors import GittrackError, RepositoryError
from gittrack.git.repository import Repository
from gittrack.running.executor.slurm import commands
from gittrack.running.executor.slurm.ended import settle
from gittrack.running.executor.slurm.queue import Array, Order, Queue, home_of
from gittrack.running.executor.task import Done, Task

log = logging.getLogger("gittrack")

Told = Callable[[Done], None]

LOOK_S = 0.5
"""Between looks at the folder."""
ASK_S = (1.0, 20.0)
"""Between questions to Slurm's controller, which others need too: at first, and at most."""
SURE_S = 5.0
"""For so long has a task to be over before it is believed: a shared file system may be behind."""
GRACE_S = 90.0
"""After an interrupt: time in which nodes end their programs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmOptions:
    """What sbatch is told of each task."""

    resources: Mapping[str, float] = field(default_factory=dict)
    sbatch: Sequence[str] = ()
    """Options as ``NAME=VALUE``."""
    at_once: int | None = None
    """How many run at a time; None: as many as Slurm lets."""

    def words(self) -> list[str]:
        """UsageError for what sbatch is not to be given."""
        return [*commands.checked_needs(self.resources), *commands.checked_options(self.sbatch)]


def enqueue(
    repository: Repository,
    tasks: Sequence[Task],
    options: SlurmOptions,
    call: Mapping[str, Any],
    *,
    name: str,
    environment: str = "current",
    environment_command: str | None = None,
) -> Queue:
    """Hand `tasks` to Slurm, in as many arrays as it takes; nothing is queued where this raises.

    `name` is the queue's id, `call` what its collector needs to know.
    """
    words = options.words()
    largest = commands.largest_array()
    queue = Queue.make(
        repository, _free(repository, name), call,
        [Order(task, repository.top, environment, environment_command) for task in tasks],
    )  # fmt: skip
    arrays: list[Array] = []
    try:
        for first in range(0, len(tasks), largest):
            count = min(largest, len(tasks) - first)
            # A limit on how many run at a time is one of each array: they go one after another then.
            after = [f"--dependency=afterany:{arrays[-1].number}"] if arrays and options.at_once else []
            number = commands.submit(
                queue.folder, queue.name, first, count, options.at_once, [*words, *after]
            )
            arrays.append(Array(number, first, count))
            queue.note(arrays)
    except BaseException:
        with suppress(GittrackError):
            commands.cancel([array.number for array in arrays])
        queue.remove(repository)
        raise
    return queue


def _free(repository: Repository, name: str) -> str:
    """`name`, or that with a number: a search that goes on queues more than once."""
    folder = home_of(repository)
    names = (name, *(f"{name}.{number}" for number in range(2, 100_000)))
    return next(candidate for candidate in names if not (folder / candidate).exists())


def run_tasks_on_slurm(
    repository: Repository,
    tasks: Sequence[Task],
    options: SlurmOptions,
    call: Mapping[str, Any],
    *,
    name: str,
    told: Told | None = None,
    environment: str = "current",
    environment_command: str | None = None,
) -> list[Done]:
    """`enqueue`, and `collect`."""
    queue = enqueue(
        repository, tasks, options, call, name=name, environment=environment,
        environment_command=environment_command,
    )  # fmt: skip
    return collect(repository, queue, told)


def collect(repository: Repository, queue: Queue, told: Told | None = None) -> list[Done]:
    """Wait until all tasks have ended, and take the queue away; in the order of its tasks.

    `told` hears of each as it ends. An interrupt cancels the jobs, whose runs are recorded as killed, and
    is raised again. NotFoundError where another call collects them first.
    """
    crowd = _Crowd(repository, queue, told)
    try:
        crowd.wait()
    except KeyboardInterrupt:
        crowd.cancel()
        raise
    queue.remove(repository)
    return [crowd.results[number] for number in sorted(crowd.results)]


class _Crowd:
    """The tasks of a queue that is waited for."""

    def __init__(self, repository: Repository, queue: Queue, told: Told | None) -> None:
        self.repository, self.queue, self.told = repository, queue, told
        self.results: dict[int, Done] = {}
        self.waiting = dict.fromkeys(range(queue.count))
        self._places = {a.first + i: (a.number, i) for a in queue.arrays for i in range(a.count)}
        self._over_since: dict[int, float] = {}
        self._is_unanswered = False

    def wait(self) -> None:
        pause, asked = ASK_S[0], 0.0
        while True:
            self._look()
            if not self.waiting:
                return
            if time.monotonic() - asked >= pause:
                self._settle(self._ask())
                pause, asked = min(pause * 1.3, ASK_S[1]), time.monotonic()
            time.sleep(LOOK_S)

    def _look(self) -> None:
        self.queue.require()
        for number in list(self.waiting):
            result = self.queue.result(number)
            if result is not None:
                self._end(number, result)

    def _end(self, number: int, result: Done) -> None:
        del self.waiting[number]
        self.results[number] = result
        if self.told is not None:
            self.told(result)

    def _ask(self) -> dict[int, str | None] | None:
        """The states of the tasks that are waited for; None where Slurm gives no answer."""
        try:
            states = commands.states(self.queue.name)
        except RepositoryError as error:
            if not self._is_unanswered:
                log.warning("%s; it is asked again", error)
            self._is_unanswered = True
            return None
        self._is_unanswered = False
        return {number: states.get(self._places.get(number, ("", -1))) for number in self.waiting}

    def _settle(self, states: Mapping[int, str | None] | None) -> None:
        """End the tasks that have been over for a while, and have not said to what they came."""
        now = time.monotonic()
        for number, state in (states or {}).items():
            if not commands.is_over(state):
                self._over_since.pop(number, None)
            elif now - self._over_since.setdefault(number, now) >= SURE_S:
                self._end(number, settle(self.repository, self.queue, number, state or "no more of it"))

    def cancel(self) -> None:
        """End the jobs, and record their runs; the queue stays where Slurm does not answer."""
        try:
            commands.cancel([array.number for array in self.queue.arrays])
            until = time.monotonic() + GRACE_S
            while self.waiting and not all(map(commands.is_over, (self._ask() or {0: "UNKNOWN"}).values())):
                self._look()
                if time.monotonic() > until:
                    raise RepositoryError("its jobs have not ended yet")
                time.sleep(LOOK_S)
            self._look()
            for number in list(self.waiting):
                self._end(number, settle(self.repository, self.queue, number, "CANCELLED"))
        except GittrackError as error:
            log.warning("%s: see squeue; later, --collect %s ends what is left", error, self.queue.id)
            return
        self.queue.remove(self.repository)

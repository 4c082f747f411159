"""Tasks that wait in Slurm's queue: a folder ``slurm/<id>/`` in gittrack's folder of the git directory.

    call.json       what was asked for, for whoever collects it
    arrays.json     the arrays of jobs: number, first order, how many
    N.order         a task and its environment, JSON
    N.done          how it ended, JSON; made when its run is on the ledger
    N.ids           further ids of its run, where killed attempts have been committed
    N.stopped-R     made when its R-th restart was told to end: the run is not over by that
    F-I.log         what the task's own process says
    gittrack-ID-N   where its work tree lies, also for a later attempt
    gittrack-ID-N.R what its R-th restart needs besides

All nodes see it, as they see the clone. It goes when everything has been collected.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.git.repository import Repository
from gittrack.running.executor.janitor import clean
from gittrack.running.executor.local import last_line
from gittrack.running.executor.task import Done, Task
from gittrack.version import VERSION

KEPT = "refs/gittrack/queued/"
"""Refs that keep the code of queued tasks, by the queue's id and a number."""


@dataclass(frozen=True, slots=True)
class Order:
    """A task, and what its node needs to know besides."""

    task: Task
    top: Path
    """The user's work tree."""
    environment: str
    environment_command: str | None
    version: str = VERSION
    """Of the gittrack that queued it."""


@dataclass(frozen=True, slots=True)
class Array:
    """One array of jobs."""

    number: str
    first: int
    """Its task 0 is this order."""
    count: int


@dataclass(frozen=True, slots=True)
class Queue:
    """The tasks of one call."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def jobs(self) -> str:
        """The numbers of its arrays, for people."""
        return ", ".join(array.number for array in self.arrays)

    @property
    def name(self) -> str:
        """Of its jobs."""
        return f"gittrack-{self.id}"

    @classmethod
    def make(
        cls, repository: Repository, name: str, call: Mapping[str, Any], orders: Sequence[Order]
    ) -> Queue:
        """Write everything down. RepositoryError where that cannot be done."""
        folder = home_of(repository) / name
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
            _write(folder / "call.json", call)
            for number, order in enumerate(orders):
                plain = {
                    "task": order.task.to_json(), "top": str(order.top), "environment": order.environment,
                    "environment_command": order.environment_command, "version": order.version,
                }  # fmt: skip
                _write(folder / f"{number}.order", plain)
        except OSError as error:
            raise RepositoryError(f"cannot write to {folder}: {error.strerror}") from error
        codes = sorted({order.task.commit for order in orders})
        repository.update_refs([(f"{KEPT}{name}/{n}", commit, None) for n, commit in enumerate(codes)])
        return cls(folder)

    # --- what is in it -----------------------------------------------------------------------

    @property
    def call(self) -> dict[str, Any]:
        return _read(self.folder / "call.json")

    @property
    def arrays(self) -> list[Array]:
        file = self.folder / "arrays.json"
        return [Array(**plain) for plain in _read(file)["arrays"]] if file.exists() else []

    def note(self, arrays: Sequence[Array]) -> None:
        _write(self.folder / "arrays.json", {"arrays": [asdict(array) for array in arrays]})

    @property
    def count(self) -> int:
        return sum(1 for _ in self.folder.glob("*.order"))

    def order(self, number: int) -> Order:
        plain = _read(self.folder / f"{number}.order")
        return Order(
            Task.from_json(plain["task"]), Path(plain["top"]), plain["environment"],
            plain["environment_command"], plain["version"],
        )  # fmt: skip

    def tasks(self) -> list[Task]:
        return [self.order(number).task for number in range(self.count)]

    def result(self, number: int) -> Done | None:
        """How a task ended; None as long as it has not."""
        file = self.folder / f"{number}.done"
        return Done(**_read(file)) if file.exists() else None

    def finish(self, number: int, result: Done) -> None:
        _write(self.folder / f"{number}.done", asdict(result))

    def further_ids(self, number: int) -> list[str]:
        file = self.folder / f"{number}.ids"
        return file.read_text(encoding="utf-8").split() if file.exists() else []

    def add_id(self, number: int, run_id: str) -> None:
        with (self.folder / f"{number}.ids").open("a", encoding="utf-8") as file:
            file.write(f"{run_id}\n")

    def stopped(self, number: int, restarts: int) -> Path:
        """The sign that a task has been told to end."""
        return self.folder / f"{number}.stopped-{restarts}"

    def home(self, number: int) -> Path:
        """Where the work tree of a task lies; named so that git's list of work trees has no other like it."""
        return self.folder / f"{self.name}-{number}"

    def room(self, number: int, restarts: int) -> Path:
        """For what one attempt needs besides."""
        return self.folder / f"{self.name}-{number}.{restarts}"

    def last_word(self, number: int) -> str:
        """The last line of what the task's own process said."""
        array = next((a for a in self.arrays if a.first <= number < a.first + a.count), None)
        return "" if array is None else last_line(self.folder / f"{array.first}-{number - array.first}.log")

    def remove(self, repository: Repository) -> None:
        """Take it away, with all that killed tasks have left in it."""
        for room in self.folder.glob(f"{self.name}-*"):
            clean(repository.common_dir, room)
        repository.update_refs([(ref, None, None) for ref in repository.refs(f"{KEPT}{self.id}/")])
        leaving = self.folder.with_name(f".{self.id}")
        with suppress(OSError):  # whoever waits for it, too, sees it whole or not at all
            self.folder.rename(leaving)
        shutil.rmtree(leaving, ignore_errors=True)

    def require(self) -> None:
        """NotFoundError where another call has taken it away."""
        if not self.folder.is_dir():
            raise NotFoundError(
                f"{self.id} is no longer in Slurm's queue: another call collected it; gittrack log shows them"
            )


def home_of(repository: Repository) -> Path:
    return repository.state_dir / "slurm"


def find_queue(repository: Repository, name: str, verb: str) -> Queue:
    """The queue of `verb` whose id ends with `name`. NotFoundError, with those there are."""
    queues = [Queue(folder) for folder in sorted(home_of(repository).glob("[!.]*")) if folder.is_dir()]
    own = [queue for queue in queues if _verb(queue) == verb]
    match = (
        [queue for queue in own if queue.id.endswith(name)] if re.fullmatch("[0-9a-f.-]{4,}", name) else []
    )
    if len(match) != 1:
        there = ", ".join(queue.id for queue in own) or "none"
        raise NotFoundError(f"--collect {name}: no such {verb} is in Slurm's queue; there is {there}")
    return match[0]


def _verb(queue: Queue) -> str | None:
    """Of the call; None where another call takes the queue away meanwhile."""
    try:
        verb: str | None = queue.call.get("verb")
    except NotFoundError:
        return None
    return verb


def _write(file: Path, content: Mapping[str, Any]) -> None:
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(file)


def _read(file: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        Queue(file.parent).require()
        raise RepositoryError(f"{file} is gone") from error
    except (OSError, ValueError) as error:
        raise RepositoryError(f"{file} cannot be read: {error}") from error
    return content

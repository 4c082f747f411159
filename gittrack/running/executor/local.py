"""Tasks on this machine: each in a work tree and a process of its own, some of them at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Lock

from gittrack.dvc.settings import cache_of
from gittrack.errors import GittrackError, RepositoryError
from gittrack.formats.record import Code, DataInput
from gittrack.git.repository import Repository, outside_environment
from gittrack.recording.recover import recover
from gittrack.running.executor import place
from gittrack.running.executor.environments import EnvironmentPlan
from gittrack.running.executor.janitor import GRACE_S, end_containers, kill_sessions
from gittrack.running.executor.surround import surround
from gittrack.running.executor.task import Done, Task
from gittrack.running.executor.workspace import Workspace

Told = Callable[[Done], None]


def run_tasks(
    space: Workspace,
    tasks: Sequence[Task],
    *,
    jobs: int = 1,
    told: Told | None = None,
    environment: EnvironmentPlan | None = None,
) -> list[Done]:
    """Run all `tasks`, at most `jobs` at a time; `told` hears of each as it ends. In the order of `tasks`.

    `environment` is made for each work tree; None: what is here now.

    An interrupt ends the programs, whose runs are recorded as killed, and is raised again.
    """
    crew = _Crew(space, environment)
    with ThreadPoolExecutor(max_workers=max(jobs, 1), thread_name_prefix="gittrack-task") as pool:
        futures = [pool.submit(crew.run, number, task) for number, task in enumerate(tasks, 1)]
        try:
            for future in _as_they_end(futures):
                if told is not None:
                    told(future.result())
        except BaseException:
            crew.stop()
            for future in futures:
                future.cancel()
            raise
        return [future.result() for future in futures]


def _as_they_end(futures: Sequence[Future[Done]]) -> Iterator[Future[Done]]:
    left = set(futures)
    while left:
        ended, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
        yield from ended


@dataclass
class _Crew:
    """The workers of one call."""

    space: Workspace
    environment: EnvironmentPlan | None = None

    def __post_init__(self) -> None:
        self._git = Lock()  # git's own lock on its list of work trees does not wait
        self._stopped = Event()
        self._running: set[int] = set()

    def run(self, number: int, task: Task) -> Done:
        if self._stopped.is_set():
            return Done(task.run_id, 130, error="interrupted", exit_code=130)
        try:
            return self._run(number, task)
        except GittrackError as error:
            return Done(task.run_id, error.exit_code, error=str(error), exit_code=error.exit_code)

    def _run(self, number: int, task: Task) -> Done:
        repository, tree = self.space.repository, self.space.tree(number)
        try:
            with self._git:
                self._prepare(task, tree)
            if self.environment is not None:
                home, log = self.space.folder / f"env-{number}", self.space.file(number, "build")
                task, ending = surround(task, self.environment, repository, tree, home, log)
                self.space.end_with(number, ending)
            self._work(number, task)
            return self._result(number, task)
        finally:
            end_containers(self.space.folder, number)
            if self.space.kept is None:
                with self._git, suppress(GittrackError):
                    repository.run("worktree", "remove", "--force", "--force", str(tree))

    def _prepare(self, task: Task, tree: Path) -> None:
        """The work tree of a task, as an earlier attempt has left it where that is to be found."""
        whole = tree.with_name(f"{tree.name}.whole")
        if self.space.kept is not None and whole.exists():
            return
        produced = [path for path, _ in task.outputs]
        prepare(self.space.repository, task.code, task.data, produced, tree)
        if self.space.kept is not None:
            whole.touch()

    def _work(self, number: int, task: Task) -> None:
        file = self.space.file
        file(number, "task").write_text(task.to_json())
        names = [str(self.space.tree(number)), str(file(number, "task")), str(file(number, "result"))]
        with file(number, "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "gittrack.running.executor.worker", *names],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.space.folder,
                env=outside_environment(), start_new_session=True,
            )  # fmt: skip
            self.space.register(process.pid)
            self._running.add(process.pid)
            try:
                process.wait()
            finally:
                self._running.discard(process.pid)
                kill_sessions({process.pid})  # what a program leaves would write into a tree that goes
                self.space.unregister(process.pid)

    def _result(self, number: int, task: Task) -> Done:
        result = self.space.file(number, "result")
        if result.is_file():
            return Done(**json.loads(result.read_text()))
        for recovery in recover(self.space.repository, only=task.run_id):
            if recovery.record is not None:
                return Done(task.run_id, 137, complaint="its process was killed")
        log = last_line(self.space.file(number, "log"))
        raise RepositoryError(f"the worker of run {task.run_id} ended without a word: {log}")

    def stop(self) -> None:
        """Ask the workers to end their programs and record that."""
        self._stopped.set()
        for session in list(self._running):
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGTERM)
        until = time.monotonic() + GRACE_S
        while self._running and time.monotonic() < until:
            time.sleep(0.05)
        for session in list(self._running):
            with suppress(ProcessLookupError):
                os.kill(session, signal.SIGKILL)


def prepare(
    repository: Repository, code: Code, data: Sequence[DataInput], produced: Iterable[str], tree: Path
) -> None:
    """A work tree with code, data, DVC's settings. GittrackError where something is missing."""
    cache, _ = cache_of(repository)
    sources = place.Sources(cache, repository.top)
    inputs = place.find_data(data, sources, produced)
    place.require(inputs)
    place.fetch(inputs, sources)
    place.make_tree(repository, code, tree)
    place.place_data(inputs, sources, tree)
    place.share_cache(tree, sources)


def last_line(log: Path) -> str:
    """The last line that says something; empty without one."""
    try:
        data = log.read_bytes()[-4096:]
    except OSError:
        return ""
    lines = [line.strip() for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""

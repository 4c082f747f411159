"""Tasks on a Ray cluster: each a Ray task of its own, tried again where its node dies.

The nodes work for themselves (`node.run_here`): from the git remote and the DVC remote, and back to
them. This side sends what they need there, waits, and brings the ledger back.
"""

from __future__ import annotations

import io
import logging
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.dvc.settings import ledger_config
from gittrack.dvc.transfer import missing_on_remote
from gittrack.errors import GittrackError, NotFoundError, RepositoryError, UsageError
from gittrack.formats.scrub import strip_url
from gittrack.git.repository import Repository
from gittrack.ledger.sync import choose_remote, fetch, merge, pull, push
from gittrack.running.executor.node import brought, ledger_of, require_on_remote, run_here, to_order
from gittrack.running.executor.task import Done, Task
from gittrack.version import VERSION

log = logging.getLogger("gittrack")

Told = Callable[[Done], None]

ATTEMPTS = 4
"""How often a task is begun whose node dies each time."""

GRACE_S = 40.0
"""After an interrupt: time in which nodes end their programs and push the killed runs."""

_EMPTY_MD5 = "d41d8cd98f00b204e9800998ecf8427e"
_SCP_LIKE = re.compile(r"[^/]+:")


def run_tasks_on_ray(
    repository: Repository,
    tasks: Sequence[Task],
    *,
    address: str | None = None,
    resources: Mapping[str, float] | None = None,
    told: Told | None = None,
    remote: str | None = None,
    dvc_remote: str | None = None,
    environment: str = "current",
    environment_command: str | None = None,
) -> list[Done]:
    """Run all `tasks` on the cluster at `address`; `told` hears of each as it ends. In the order of `tasks`.

    `address`: None for a cluster of this machine alone (or that of RAY_ADDRESS, as Ray has it).
    `resources`: what each needs of a node, such as ``{"CPU": 2, "GPU": 1}``; one CPU by default.
    `remote`, `dvc_remote`: where code, ledger and data come from and runs go to; None: the default ones.
    `environment`, `environment_command`: what each node makes for a task, as for ``--env``.

    The ledger and the code of the tasks are pushed first; after the last task the ledger is pulled.
    UsageError without Ray, for a wrong address, and where no node could ever run them; NotFoundError
    where the DVC remote lacks an input. An interrupt ends the programs, and is raised again.
    """
    ray = _import_ray()
    needs = check_needs(resources or {})
    chosen = choose_remote(repository, remote)
    _require_data(repository, tasks, dvc_remote)
    with _connected(ray, address):
        _check_room(ray, needs, address)
        send_code(repository, tasks, chosen)
        facts = {
            **_facts(repository, chosen, dvc_remote),
            "environment": environment,
            "environment_command": environment_command,
        }
        crowd = _Crowd(ray, _remote_function(ray, needs), facts, told)
        try:
            results = crowd.run(tasks)
        except BaseException:
            with suppress(GittrackError):
                _bring_back(repository, tasks, chosen)
            raise
    _bring_back(repository, tasks, chosen)
    return results


def _import_ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise UsageError("ray is not installed: pip install 'gittrack[ray]'") from error
    return ray


def check_needs(resources: Mapping[str, float]) -> dict[str, float]:
    """What a task needs of a node, by Ray's names; UsageError for an amount that there cannot be."""
    known = {"cpu": "CPU", "gpu": "GPU", "memory": "memory"}
    needs = {"CPU": 1.0, **{known.get(name.lower(), name): float(n) for name, n in resources.items()}}
    for name, amount in needs.items():
        if not name or not 0 <= amount < float("inf"):
            raise UsageError(f"a task cannot need {name}={amount:g}: give a name and 0 or more")
        if amount > 1 and not amount.is_integer():
            raise UsageError(f"a task cannot need {name}={amount:g}: above 1 only whole numbers can be had")
    return needs


# --- before and after ----------------------------------------------------------------------------


def _require_data(repository: Repository, tasks: Sequence[Task], dvc_remote: str | None) -> None:
    inputs = {(item.path, item.md5): item for task in tasks for item in brought(task)}
    require_on_remote(list(inputs.values()), repository.top, dvc_remote)
    if not inputs and any(task.outputs for task in tasks):  # they go there
        missing_on_remote(repository.top, {_EMPTY_MD5}, "md5", dvc_remote)


def send_code(repository: Repository, tasks: Sequence[Task], remote: str) -> None:
    """Have on the git remote what a node clones: the ledger, and an anchor that reaches the code.

    NotFoundError where this clone lacks a commit.
    """
    for ledger in {(t.branch, t.proposal): ledger_of(repository, t) for t in tasks}.values():
        merge(ledger, *fetch(ledger, remote), remote)
        ledger.append([])  # makes the branch where there is none yet
        for commit in {task.commit for task in tasks}:
            if repository.resolve(commit) is None:
                hint = "run gittrack pull, or git fetch --unshallow"
                raise NotFoundError(f"the code {commit[:12]} is not in this clone: {hint}")
            merge(ledger, None, commit, "this clone")
        push(ledger, remote)


def _bring_back(repository: Repository, tasks: Sequence[Task], remote: str) -> None:
    for ledger in {(t.branch, t.proposal): ledger_of(repository, t) for t in tasks}.values():
        pull(ledger, remote)


def _facts(repository: Repository, remote: str, dvc_remote: str | None) -> dict[str, Any]:
    """What every node is told besides its task. Credentials in URLs stay here: a node has its own."""
    who = repository.identity()
    urls = {
        key: repository.git("remote", "get-url", *options, remote, doing=f"read the URL of {remote}")
        for key, options in {"url": (), "push_url": ("--push",)}.items()
    }
    return {
        **{key: _portable(url.decode().strip(), repository.top) for key, url in urls.items()},
        "object_format": repository.object_format,
        "name": who.name,
        "email": who.email,
        "dvc_config": ledger_config(repository.worktree).decode(),
        "dvc_remote": dvc_remote,
    }


def _portable(url: str, top: Path) -> str:
    """A folder as an absolute path: what it is relative to is here and not there."""
    if "://" in url or _SCP_LIKE.match(url):
        return strip_url(url)
    return str((top / url).resolve())


# --- Ray -----------------------------------------------------------------------------------------


def _init(ray: Any, address: str | None) -> None:
    """A node of this machine that did not start within Ray's 30 s, as where much else runs, may once more."""
    for attempt in range(2):
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            return
        except Exception as error:
            if attempt or type(error) is not Exception or address is not None:
                raise
            ray.shutdown()


@contextmanager
def _connected(ray: Any, address: str | None) -> Iterator[None]:
    """A connection for the block; one that the caller has already is used, and stays."""
    if ray.is_initialized():
        yield
        return
    with _without_chatter():
        try:
            _init(ray, address)
        except Exception as error:  # Ray raises that itself where a node does not start in time
            raise UsageError(f"no Ray cluster at {address or 'this machine'}: {_one_line(error)}") from error
        try:
            yield
        finally:
            ray.shutdown()


class _WithoutRay(io.TextIOBase):
    """Standard output, less what Ray's own threads print: that would stand amid ``--json``."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        if threading.current_thread().name.startswith("ray_"):
            log.debug("ray: %s", text.strip())
            return len(text)
        return int(self.stream.write(text))

    def flush(self) -> None:
        self.stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def _without_chatter() -> Iterator[None]:
    before = sys.stdout
    sys.stdout = _WithoutRay(before)
    try:
        yield
    finally:
        sys.stdout = before


def _check_room(ray: Any, needs: Mapping[str, float], address: str | None) -> None:
    """Say it where no node has what is needed; a larger cluster may still get one."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in needs.items()) for node in nodes):
        return
    amounts = ", ".join(f"{name}={amount:g}" for name, amount in needs.items())
    if address is None:
        raise UsageError(f"this machine has not what a task needs ({amounts}): see --resource and --address")
    log.warning("no node of the cluster has %s: tasks wait until one joins", amounts)


def _remote_function(ray: Any, needs: Mapping[str, float]) -> Any:
    special = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}
    options: dict[str, Any] = {special[name]: n for name, n in needs.items() if name in special}
    if "memory" in options:
        options["memory"] = int(options["memory"])
    others = {name: amount for name, amount in needs.items() if name not in special}
    options.update(max_retries=0, retry_exceptions=False, scheduling_strategy="SPREAD")  # `_Crowd` retries
    return ray.remote(**options, resources=others)(run_here)


@dataclass
class _Crowd:
    """The tasks of one call on their nodes."""

    ray: Any
    function: Any
    facts: Mapping[str, Any]
    told: Told | None
    waiting: dict[Any, Task] = field(default_factory=dict)
    begun: Counter[str] = field(default_factory=Counter)

    def run(self, tasks: Sequence[Task]) -> list[Done]:
        results: dict[str, Done] = {}
        try:
            for task in tasks:
                self._begin(task)
            while self.waiting:
                ended, _ = self.ray.wait(list(self.waiting), timeout=1.0)
                for reference in ended:
                    result = self._take(reference)
                    if result is not None:
                        results[result.run_id] = result
                        if self.told is not None:
                            self.told(result)
        except BaseException:
            self._cancel()
            raise
        return [results[task.run_id] for task in tasks]

    def _begin(self, task: Task) -> None:
        self.begun[task.run_id] += 1
        named = self.function.options(name=f"gittrack {task.run_id}")
        self.waiting[named.remote(to_order(task, **self.facts))] = task

    def _take(self, reference: Any) -> Done | None:
        """How a task ended; None where its node died and it has been begun again."""
        task = self.waiting.pop(reference)
        errors = self.ray.exceptions
        try:
            return Done(**self.ray.get(reference))
        except (errors.RayTaskError, errors.TaskCancelledError) as error:
            return _failed(task, error)
        except (errors.RuntimeEnvSetupError, errors.TaskUnschedulableError) as error:
            return _failed(task, error)
        except errors.RayError as error:
            times = self.begun[task.run_id]
            if times >= ATTEMPTS:
                return _failed(task, error, f"its node died {times} times: ")
            log.warning("the node of run %s died; it is run again (attempt %d)", task.run_id, times + 1)
            self._begin(task)
        return None

    def _cancel(self) -> None:
        """Ask the nodes to end their programs, and wait until that is on the ledger."""
        for reference in self.waiting:
            self.ray.cancel(reference)
        if self.waiting:
            self.ray.wait(list(self.waiting), num_returns=len(self.waiting), timeout=GRACE_S)


def _failed(task: Task, error: BaseException, what: str = "") -> Done:
    """What went wrong outside of our own errors, which `run_here` returns."""
    cause = getattr(error, "cause", None) or error
    message = f"{type(cause).__name__}: {_one_line(cause)}"
    if "failed to import on the worker" in str(error) or isinstance(cause, ModuleNotFoundError):
        message = f"a node cannot import gittrack {VERSION}: install it on all nodes ({message})"
    return Done(
        task.run_id, 1, error=f"run {task.run_id}: {what}{message}", exit_code=RepositoryError.exit_code
    )


def _one_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else "no message"

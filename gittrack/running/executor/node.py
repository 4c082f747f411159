"""One task on a node of a cluster: clone, run as on any machine, push. It knows nothing of Ray.

A scheduler calls `run_here` by name, so gittrack has to be installed on the node. What goes in and what
comes out are plain values. A task may be tried any number of times, also at the same time: its run
is on the remote's ledger once, as whoever pushed first has it.
"""

from __future__ import annotations

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gittrack.dvc.hashing import Kind
from gittrack.dvc.settings import ledger_config
from gittrack.dvc.transfer import missing_on_remote
from gittrack.errors import GittrackError, LedgerError, NotFoundError, RepositoryError, UsageError
from gittrack.formats.codec import load_record, read_yaml
from gittrack.formats.record import DataInput, Record, run_path
from gittrack.git.repository import Repository
from gittrack.ledger import DVC_CONFIG, Ledger
from gittrack.ledger.proposals import review_branch
from gittrack.ledger.sync import fetch, pull, push
from gittrack.running.executor.environments import EnvironmentPlan
from gittrack.running.executor.local import run_tasks
from gittrack.running.executor.place import Sources, find_data
from gittrack.running.executor.surround import plan_environment
from gittrack.running.executor.task import Done, Task
from gittrack.running.executor.workspace import Workspace, guarded, sweep_folders
from gittrack.version import VERSION

PREFIX = "gittrack-node-"
"""Of the temporary folders of nodes."""

REMOTE = "origin"
KINDS: tuple[Kind, ...] = ("md5", "md5-dos2unix")

PAUSES_S = (1.0, 5.0, 30.0)
"""Before a transfer that failed is tried again: what a program has worked out for hours is at stake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeOrder:
    """A task and what a node needs to know besides. It holds no credentials: those are the node's own."""

    version: str
    """Of the gittrack that sends it."""
    run_id: str
    task: str
    """As JSON."""
    url: str
    push_url: str
    object_format: str
    name: str
    email: str
    """Whose runs these are."""
    dvc_config: str = ""
    """The DVC remotes; empty where those that the code names are meant."""
    dvc_remote: str | None = None
    """The one to use; None: the default one."""
    environment: str = "current"
    """The kind of environment to make there from the locks of the run that the task reproduces."""
    environment_command: str | None = None


def run_here(order: dict[str, Any]) -> dict[str, Any]:
    """Carry an order out; the fields of a `Done`. Whatever happens, nothing of it stays on this disk."""
    try:
        if order["version"] != VERSION:
            raise UsageError(
                f"gittrack {VERSION} is installed and {order['version']} asks: install that one on all nodes"
            )
        given = NodeOrder(**order)
        result = carry_out(given, Task.from_json(given.task))
    except GittrackError as error:
        message = f"node {os.uname().nodename}: {error}"
        result = Done(order["run_id"], error.exit_code, error=message, exit_code=error.exit_code)
    return asdict(result)


def carry_out(order: NodeOrder, task: Task) -> Done:
    """Clone, run, push. An interrupt ends the program, pushes the killed run, and is raised again."""
    with _room() as folder:
        repository = make_clone(order, folder / "clone")
        ledger = ledger_of(repository, task)
        pull(ledger, REMOTE)
        before = _landed(ledger, task)
        if before is not None:
            return before
        _set_dvc_up(repository, order, ledger, task)
        _require_data(repository, task)
        planned = planned_environment(repository, ledger, task, order.environment, order.environment_command)
        if planned is None:
            task = _in_own_environment(task)
        try:
            result = run_tasks(Workspace(repository, folder), [task], environment=planned)[0]
            return result if _landed(ledger, task) is None else publish(ledger, task, result)
        except KeyboardInterrupt:
            if _landed(ledger, task) is not None:
                publish(ledger, task)
            raise


@contextmanager
def _room() -> Iterator[Path]:
    """A private temporary folder that goes away, with all that runs for it, whoever is killed."""
    home = Path(tempfile.gettempdir())
    sweep_folders(home, PREFIX)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    with guarded(folder, folder / "clone" / ".git"):
        yield folder


def ledger_of(repository: Repository, task: Task) -> Ledger:
    """Where the run of `task` goes: the ledger, or the proposal that is cut from it."""
    if task.proposal is None:
        return Ledger(repository, task.branch)
    return Ledger(repository, review_branch(task.proposal), onto=task.branch)


# --- before --------------------------------------------------------------------------------------


def make_clone(order: NodeOrder, top: Path) -> Repository:
    """An empty clone at `top`: nothing is fetched and nothing is checked out yet."""
    git_dir = top / ".git"
    git_dir.mkdir(parents=True)
    bare = Repository(git_dir, git_dir, None, order.object_format)
    bare.git("init", "--quiet", "--template=", f"--object-format={order.object_format}", doing="make a clone")
    settings = {
        f"remote.{REMOTE}.url": order.url,
        f"remote.{REMOTE}.pushurl": order.push_url,
        "user.name": order.name,
        "user.email": order.email,
        "protocol.ext.allow": "never",
        "core.hooksPath": os.devnull,
        "gc.auto": "0",
        "core.bare": "false",  # nothing is checked out in it, but DVC looks for its settings there
    }
    for key, value in settings.items():
        if value.startswith("-"):
            raise UsageError(f"{key} cannot be {value!r}")
        bare.git("config", key, value, doing=f"set {key}")
    clone = Repository.discover(top)
    clone.variables = {"GIT_TERMINAL_PROMPT": "0"}  # nobody is there to answer
    return clone


def _set_dvc_up(repository: Repository, order: NodeOrder, ledger: Ledger, task: Task) -> None:
    """The DVC remotes of whoever asks, else those of the code, else the ledger's; none without any."""
    text = order.dvc_config.encode()
    with repository.objects() as objects:
        for place in (task.commit, ledger.state().tip):
            blob = None if text.strip() else objects.get(f"{place}:{DVC_CONFIG}")
            text = text if blob is None else blob.data
    if not text.strip():
        return
    file = repository.top / DVC_CONFIG
    file.parent.mkdir()
    file.write_bytes(text)
    file.write_bytes(ledger_config(repository.top))  # where the cache is, is the node's own affair
    if order.dvc_remote is not None:
        from configobj import ConfigObj

        settings = ConfigObj({"core": {"remote": order.dvc_remote}}, interpolation=False, encoding="utf-8")
        settings.filename = str(file.with_name("config.local"))
        settings.write()


def _require_data(repository: Repository, task: Task) -> None:
    """Say why the DVC remote cannot be asked, before what it holds is called nowhere to be had."""
    from gittrack.dvc.settings import cache_of

    cache, _ = cache_of(repository)
    inputs = find_data(brought(task), Sources(cache, repository.top))
    require_on_remote([item.data for item in inputs if item.where == "nowhere"], repository.top)


def brought(task: Task) -> list[DataInput]:
    """The inputs that a DVC remote has to bring: not in git, in the work tree, not made by the run."""
    made = {path for path, _ in task.outputs}
    return [
        item
        for item in task.data
        if (item.source != "git" or item.differs_from is not None)
        and not Path(item.path).is_absolute()
        and not (item.source == "file" and item.path in made)
    ]


def require_on_remote(inputs: Sequence[DataInput], top: Path, dvc_remote: str | None = None) -> None:
    """NotFoundError where the DVC remote lacks an input; DvcError where it cannot be asked."""
    for kind in KINDS:
        names = {item.md5: item.path for item in inputs if item.md5 and item.hash == kind}
        lacking = missing_on_remote(top, set(names), kind, dvc_remote) if names else set()
        for md5 in sorted(lacking):
            raise NotFoundError(
                f"data {names[md5]} ({md5}) is not on the DVC remote, where a node would get it: "
                "run dvc push, or gittrack push --artifacts --all"
            )
    for item in inputs:
        if item.hash not in KINDS or not item.md5:
            raise NotFoundError(f"data {item.path} is in no DVC cache: a node cannot get it; run dvc add")


def _in_own_environment(task: Task) -> Task:
    """With the interpreter that runs this: Ray and gittrack are installed where a node has its packages."""
    around = task.surroundings
    return replace(task, surroundings=replace(around, path=(str(Path(sys.executable).parent), *around.path)))


def planned_environment(
    repository: Repository, ledger: Ledger, task: Task, kind: str, command: str | None
) -> EnvironmentPlan | None:
    """How this node would make the environment; None for the one that it has."""
    if kind == "current":
        return None
    if task.reproduces is None:
        raise UsageError(f"--env {kind}: the task reproduces no run that names its locks")
    folder = run_path(task.experiment, task.reproduces)
    with repository.objects() as objects:
        record, listed = (
            objects.get(f"{ledger.state().tip}:{folder}/{name}") for name in ("run.yaml", "environment.yaml")
        )
    if record is None or listed is None:
        raise NotFoundError(f"run {task.reproduces} is not on the ledger of {REMOTE}")
    installed: Any = read_yaml(listed.data, f"{folder}/environment.yaml")
    original = load_record(record.data, f"{folder}/run.yaml")
    return plan_environment(repository, original, installed, kind, command)


# --- after ---------------------------------------------------------------------------------------


def publish(ledger: Ledger, task: Task, result: Done | None = None) -> Done:
    """Bytes to the DVC remote, then the run to origin's ledger. Where another attempt was first, its run.

    Where the bytes cannot be sent, the run is pushed all the same, and the complaint says so.
    """
    lost = _send_bytes(ledger)
    for pause in (*PAUSES_S, None):
        try:
            push(ledger, REMOTE)
            break
        except RepositoryError as error:
            first = _first(ledger, task)  # different bytes for one run, or an answer that got lost
            if first is not None:
                return first
            if pause is None:
                raise LedgerError(f"run {task.run_id} could not be pushed, and is lost: {error}") from error
            time.sleep(pause)
    result = result or _landed(ledger, task) or Done(task.run_id, 1)
    return Done(
        task.run_id, result.status, "; ".join(t for t in (result.error or result.complaint, lost) if t)
    )


def _send_bytes(ledger: Ledger) -> str:
    """Send what the runs that origin lacks point to; empty, or why that could not be done."""
    from gittrack.ledger.artifacts import push_artifacts

    why = ""
    pauses = PAUSES_S if (ledger.repository.top / ".dvc").is_dir() else ()
    for pause in (*pauses, 0.0):
        try:
            push_artifacts(ledger, REMOTE, False, None, None, lambda _done, _all: None)
            return ""
        except RepositoryError as error:
            why = f"what the run wrote is not on the DVC remote, and lost: {error}"
        time.sleep(pause)
    return why


def _landed(ledger: Ledger, task: Task, tip: str | None = None) -> Done | None:
    """What a run that is on the ledger came to; None where it is not there."""
    record = landed(ledger, task, tip)
    return None if record is None else Done(task.run_id, exit_status(record))


def landed(ledger: Ledger, task: Task, tip: str | None = None) -> Record | None:
    """The record of the run of `task`; None where it is not on the ledger."""
    path = f"{run_path(task.experiment, task.run_id)}/run.yaml"
    with ledger.repository.objects() as objects:
        blob = objects.get(f"{tip or ledger.state().tip}:{path}")
    return None if blob is None else load_record(blob.data, path)


def _first(ledger: Ledger, task: Task) -> Done | None:
    """The same run as another attempt has pushed it."""
    try:
        tip, _ = fetch(ledger, REMOTE)
    except RepositoryError:
        return None
    return None if tip is None else _landed(ledger, task, tip)


def exit_status(record: Record) -> int:
    """How the program of a run ended, as far as its record tells."""
    if record.status == "finished":
        return 0
    match = re.fullmatch(r"exit status ([0-9]{1,3})", record.failure.message) if record.failure else None
    return int(match[1]) if match else 1


def to_order(task: Task, **given: Any) -> dict[str, Any]:
    """The plain values of the `NodeOrder` for `task`."""
    made = NodeOrder(version=VERSION, run_id=task.run_id, task=task.to_json(), **given)
    return json.loads(json.dumps(asdict(made)))  # type: ignore[no-any-return]

"""The environments that a recorded command is run again in.

`plan` decides, and does nothing; `build` makes the environment, below a folder of its own and never in
the code tree. A tool that builds packages runs code of others: whoever calls has the user's consent.

    model.py       what is asked for, the plan, the environment
    locked.py      which lock, and whether it is the recorded one
    python.py      uv, Poetry, pip
    conda.py       conda, mamba, micromamba, conda-lock
    container.py   docker, podman
    process.py     running these tools
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from gittrack.errors import NotFoundError, RepositoryError, UsageError
from gittrack.formats.locks.entry import Malformed
from gittrack.formats.record import Lock
from gittrack.git.repository import Repository
from gittrack.running.executor.environments.conda import plan_conda
from gittrack.running.executor.environments.container import Mounts, make_container, plan_docker
from gittrack.running.executor.environments.locked import TOOLS, choose, tree_reader
from gittrack.running.executor.environments.model import Environment, EnvironmentPlan, Reader, Request
from gittrack.running.executor.environments.process import OURS, Runner, tool_environment
from gittrack.running.executor.environments.python import bin_of, plan_pip, plan_poetry, plan_uv

__all__ = ["KINDS", "Environment", "EnvironmentPlan", "Reader", "build", "plan", "tree_reader"]

KINDS = ("current", "lock", "uv", "poetry", "conda", "pip", "docker", "command")


def plan(
    kind: str,
    read: Reader,
    locks: Sequence[Lock],
    image: str | None,
    command_prefix: str | None,
    *,
    python: str | None = None,
    packages: Mapping[str, str] | None = None,
    network: bool = False,
    gpus: bool = False,
) -> EnvironmentPlan:
    """How to make an environment of `kind`, one of KINDS. Asks tools for versions; does nothing else.

    `read` reads files of the recorded code (`tree_reader`, or blobs of the commit). `locks` and
    `image` are the record's; `python` is ``environment.python`` of it and `packages` are the installed
    ones of environment.yaml (normalised name -> version): they decide whether the project itself and
    which of its extras are installed. `command_prefix` is for ``command``; `network` and `gpus` are for
    ``docker``. UsageError or NotFoundError for what is known to fail already, such as a tool that is
    not installed; RecordError for a record that is not what the code has.
    """
    if kind not in _PLANS:
        raise UsageError(f"{kind!r} is no kind of environment: take one of {', '.join(KINDS)}")
    request = Request(
        read=read, locks=locks, image=image, command_prefix=command_prefix,
        python=python, packages=packages or {}, network=network, gpus=gpus,
    )  # fmt: skip
    try:
        return _PLANS[kind](request)
    except Malformed as error:
        raise UsageError(f"the lock could not be read: {error}") from error


def _plan_current(_request: Request) -> EnvironmentPlan:
    return EnvironmentPlan(kind="current", notes=("what is here now",))


def _plan_command(request: Request) -> EnvironmentPlan:
    try:
        words = shlex.split(request.command_prefix or "")
    except ValueError as error:
        raise UsageError(
            f"the command in front of the program cannot be split into words: {error}"
        ) from error
    if not words:
        raise UsageError('--env command needs the command to put in front, such as "srun --gpus 1"')
    if shutil.which(words[0]) is None:
        raise NotFoundError(f"command not found: {words[0]}")
    return EnvironmentPlan(
        kind="command", prefix=tuple(words), notes=(f"in front of the command: {shlex.join(words)}",)
    )


def _plan_lock(request: Request) -> EnvironmentPlan:
    """By the tool that owns the best of the recorded locks."""
    lock, _, why = choose(request, "lock")
    made = _PLANS[TOOLS[lock.kind]](replace(request, locks=[x for x in request.locks if x.path == lock.path]))
    return replace(made, notes=(why, *made.notes[1:]))


_PLANS: dict[str, Callable[[Request], EnvironmentPlan]] = {
    "current": _plan_current,
    "lock": _plan_lock,
    "uv": plan_uv,
    "poetry": plan_poetry,
    "conda": plan_conda,
    "pip": plan_pip,
    "docker": plan_docker,
    "command": _plan_command,
}


def build(
    plan: EnvironmentPlan, tree: Path, home: Path, timeout: float, log: Path, *, mounts: Mounts | None = None
) -> Environment:
    """Make what `plan` says for the code at `tree`, below `home`; what the tools print goes to `log`.

    `tree` is a work tree of git; what a tool leaves in it that git would see is taken away again.
    `mounts`: further folders that a container gets, at the same place. Takes at most `timeout` seconds.
    RepositoryError, in one line, when a tool fails or takes too long; `home` is the caller's to remove.
    """
    if plan.kind in ("current", "command"):
        return Environment(kind=plan.kind, prefix=plan.prefix, note="; ".join(plan.notes))
    tree, home, log = tree.resolve(), home.resolve(), log.absolute()
    if home.is_relative_to(tree):
        raise UsageError(f"{home} is inside the code tree: an environment goes elsewhere")
    _make_room(plan, home, log)
    doing = f"build the environment of {plan.lock.path}" if plan.lock else f"provide the image {plan.image}"
    env = tool_environment(home)
    deadline = time.monotonic() + timeout
    if plan.kind == "docker":
        return make_container(plan, tree, Runner(doing, home, env, log, deadline), mounts or {})
    _check_lock(plan, tree)
    run = Runner(doing, tree / plan.folder, env, log, deadline)
    with _left_clean(tree):
        for command in plan.commands(tree, home):
            run(command)
    return _environment(plan, home)


def _environment(plan: EnvironmentPlan, home: Path) -> Environment:
    name = "CONDA_PREFIX" if plan.kind == "conda" else "VIRTUAL_ENV"
    return Environment(
        kind=plan.kind,
        path=(bin_of(home),),
        variables={name: str(home / "env")},
        unset=tuple(variable for variable in OURS if variable != name),
        note="; ".join(plan.notes),
    )


def _make_room(plan: EnvironmentPlan, home: Path, log: Path) -> None:
    try:
        (home / "tmp").mkdir(parents=True, exist_ok=True)
        log.parent.mkdir(parents=True, exist_ok=True)
        for name, content in plan.files.items():
            (home / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise RepositoryError(f"cannot write to {home}: {error.strerror}") from error


def _check_lock(plan: EnvironmentPlan, tree: Path) -> None:
    """The tools follow links: what they are given has to be the file in the tree."""
    if plan.lock is not None and tree_reader(tree)(plan.lock.path) is None:
        raise NotFoundError(f"{plan.lock.path} is no file of the code at {tree}")


@contextlib.contextmanager
def _left_clean(tree: Path) -> Iterator[None]:
    """What the block adds to the work tree is removed, what it changes put back, as far as git sees it.

    Building a project in place is how its package is imported from the tree, and many build systems
    leave a folder ``*.egg-info`` or ``build`` there, which nothing needs afterwards.
    """
    repo = Repository.discover(tree)
    if repo.worktree is None or repo.worktree.resolve() != tree:
        raise UsageError(f"{tree} is not the top of a work tree")
    before = {change.path for change in repo.status().changes}
    try:
        yield
    finally:
        after = [change for change in repo.status().changes if change.path not in before]
        for change in (c for c in after if c.state == "?"):
            _remove(tree, tree / change.path)
        changed = "".join(f"{change.path}\0" for change in after if change.state != "?")
        if changed:
            put_back = ("checkout-index", "--force", "-z", "--stdin")
            repo.git(*put_back, doing="put files back", data=os.fsencode(changed))


def _remove(tree: Path, path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
    for folder in path.parents:
        if folder == tree or any(folder.iterdir()):
            return
        folder.rmdir()

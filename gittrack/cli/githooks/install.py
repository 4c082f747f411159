"""Shims put in place, taken away and looked at. A hook that was there is kept, called, and given back."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

from gittrack.cli.githooks.watch import KEY as WATCH
from gittrack.errors import RepositoryError, UsageError
from gittrack.git.repository import Repository
from gittrack.git.shared import as_folder

DEFAULT = ("post-commit", "post-rewrite", "pre-push")
OPTIONAL = ("pre-commit", "prepare-commit-msg", "commit-msg")
"""Put in place with ``--all``: checks that may refuse, and a look-up that starts Python at each commit."""
SERVER = ("pre-receive",)
EVENTS = (*DEFAULT, *OPTIONAL, *SERVER)

PYTHON, LEDGER = "gittrack.python", "gittrack.ledger"

KEPT = ".gittrack-kept"
"""What the name of a hook that was there before ends in."""
_LEGACY = ".legacy"
"""Where pre-commit puts a hook that it finds; it calls it too."""

State = Literal["absent", "installed", "outdated", "foreign"]


@dataclass(frozen=True, slots=True)
class Hook:
    """One event: what lies at its place, and whether a hook of other people is called first."""

    event: str
    path: Path
    state: State
    chained: bool = False


def hooks_folder(repo: Repository) -> Path:
    """Where git looks for hooks here: core.hooksPath, or the folder that all work trees share."""
    out = repo.git("rev-parse", "--path-format=absolute", "--git-path", "hooks", doing="find its hooks")
    return Path(os.fsdecode(out).removesuffix("\n"))


def status(repo: Repository) -> list[Hook]:
    """How each event stands."""
    folder = hooks_folder(repo)
    return [_look(folder, event) for event in EVENTS]


def install(repo: Repository, events: Sequence[str]) -> list[Hook]:
    """Put the shims of `events` in place; safe to repeat. UsageError where that would disturb others."""
    folder = _own_folder(repo)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for event in events:
            _put(folder, event)
    except OSError as error:
        raise RepositoryError(f"cannot write hooks to {folder}: {error.strerror or error}") from error
    return [_look(folder, event) for event in events]


def uninstall(repo: Repository) -> list[Hook]:
    """Take all shims away and give back what was there; the hooks as they were before."""
    folder = hooks_folder(repo)
    before = [_look(folder, event) for event in EVENTS]
    try:
        for event in EVENTS:
            _take_away(folder, event)
    except OSError as error:
        raise RepositoryError(f"cannot write hooks to {folder}: {error.strerror or error}") from error
    for key in (PYTHON, LEDGER, WATCH):
        repo.run("config", "--local", "--unset-all", key)
    return [hook for hook in before if hook.state in ("installed", "outdated")]


def configure(repo: Repository, ledger: str, python: str) -> None:
    """Tell the shims which interpreter has gittrack, and what the ledger is called."""
    for key, value in ((PYTHON, python), (LEDGER, ledger)):
        repo.git("config", "--local", "--replace-all", key, value, doing="configure the hooks")


def shim(event: str) -> bytes:
    """The shim of an event, as it is shipped."""
    return resources.files("gittrack.hooks").joinpath(event).read_bytes()


def _look(folder: Path, event: str) -> Hook:
    path = folder / event
    chained = os.path.lexists(folder / (event + KEPT))
    if (state := _state(path, event)) == "foreign":
        below = _state(folder / (event + _LEGACY), event)
        if below in ("installed", "outdated"):  # pre-commit came after us, and calls us
            return Hook(event, folder / (event + _LEGACY), below, True)
    return Hook(event, path, state, chained)


def _state(path: Path, event: str) -> State:
    if not os.path.lexists(path):
        return "absent"
    data = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    if data == shim(event):
        return "installed" if os.access(path, os.X_OK) else "outdated"
    return "outdated" if data.startswith(b"#!/bin/sh\n# gittrack: ") else "foreign"


def _put(folder: Path, event: str) -> None:
    hook = _look(folder, event)
    if hook.state == "foreign":
        foreign = folder / (event + KEPT)
        if hook.chained:
            raise UsageError(
                f"{hook.path} and {foreign} are both there: remove the one that is no longer needed"
            )
        hook.path.rename(foreign)
    if hook.state != "installed":
        temporary = folder / f".{event}.{secrets.token_hex(4)}"
        temporary.write_bytes(shim(event))
        temporary.chmod(0o755)
        as_folder(temporary)
        temporary.replace(hook.path)


def _take_away(folder: Path, event: str) -> None:
    hook = _look(folder, event)
    foreign = folder / (event + KEPT)
    if hook.state not in ("installed", "outdated"):
        return
    if os.path.lexists(foreign):
        foreign.replace(hook.path)
    else:
        hook.path.unlink()


def _own_folder(repo: Repository) -> Path:
    folder = hooks_folder(repo)
    inside = [repo.common_dir.resolve(), *([repo.worktree.resolve()] if repo.worktree else [])]
    if not any(folder.resolve().is_relative_to(own) for own in inside):
        raise UsageError(
            f"hooks of this repository are looked for in {folder}, which it shares with others: run "
            f"git config core.hooksPath {repo.common_dir / 'hooks'}, or call gittrack hooks run from there"
        )
    if folder.name == "_" and (folder / "h").is_file():  # husky 9 tells by its file's name what to run
        raise UsageError(
            f"{folder} is written by husky, which runs the files in {folder.parent}: "
            'call gittrack hooks run <event> "$@" from there (docs/hooks.md)'
        )
    return folder

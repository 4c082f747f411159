"""gittrack hooks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.errors import LedgerError, UsageError

if TYPE_CHECKING:
    from gittrack.cli.githooks.install import Hook
    from gittrack.git.repository import Repository


class Action(StrEnum):
    """What is done with the hooks."""

    install = "install"
    uninstall = "uninstall"
    status = "status"
    run = "run"
    textconv = "textconv"


def command(
    action: Annotated[
        Action,
        typer.Argument(
            help="install, uninstall or status; run is what the hooks call, textconv what git diff calls."
        ),
    ],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[EVENT [ARGUMENTS] | FILE]", help="For run: the event; for textconv: the file."
        ),
    ] = None,
    every: Annotated[
        bool,
        typer.Option(
            "--all", help="Also pre-commit, commit-msg and prepare-commit-msg: they cost each commit more."
        ),
    ] = False,
    server: Annotated[
        bool, typer.Option("--server", help="The hook of a repository that others push to: pre-receive.")
    ] = False,
) -> None:
    """Record training commits and guard the ledger by git hooks.

    Hooks that are there stay, and are called first. post-commit records a training commit,
    post-rewrite notes the new names of rewritten commits, pre-push checks the ledger and sends
    the code anchor; with --all pre-commit refuses a training result that contradicts itself, and
    prepare-commit-msg names the runs whose code is committed. With --server pre-receive refuses
    whatever would damage the ledger.

    \b
    Examples:
      gittrack hooks install
      gittrack hooks status
      gittrack hooks install --server
      gittrack hooks uninstall
    """
    if action is Action.run:
        _run(arguments or [])
        return
    if action is Action.textconv:
        _textconv(arguments or [])
        return
    if arguments:
        raise UsageError(f"gittrack hooks {action} takes no arguments: {' '.join(arguments)}")
    from gittrack.cli.githooks import install as shims
    from gittrack.git.repository import Repository

    repo = Repository.discover()
    if action is Action.install:
        _show(_install(repo, every, server), "")
    elif action is Action.uninstall:
        _show(shims.uninstall(repo), "taken away")
    else:
        _show(shims.status(repo), "")


def _install(repo: Repository, every: bool, server: bool) -> list[Hook]:
    from gittrack.cli.githooks import install as shims
    from gittrack.cli.githooks import watch
    from gittrack.formats.config import Config, load

    bare = repo.worktree is None
    if bare and not server:
        raise UsageError("this repository is bare, nobody commits in it: use gittrack hooks install --server")
    config = Config() if bare else load(repo.worktree)
    events = shims.SERVER if server else (*shims.DEFAULT, *(shims.OPTIONAL if every else ()))
    hooks = shims.install(repo, events)
    shims.configure(repo, config.ledger.branch, sys.executable)
    if not server:
        watch.refresh(repo, config)
    return hooks


def _show(hooks: Sequence[Hook], state: str) -> None:
    for hook in hooks:
        chained = ", after the hook that was there" if hook.chained and not state else ""
        output.write(f"{hook.event:20}{state or hook.state}{chained}\n")


def _textconv(arguments: Sequence[str]) -> None:
    """What git calls for a series, where gittrack init --textconv has told it to."""
    from gittrack.cli.pages.series import summary_of

    if len(arguments) != 1:
        raise UsageError("gittrack hooks textconv takes one file")
    output.write_bytes(summary_of(Path(arguments[0])))


def _run(arguments: Sequence[str]) -> None:
    """What a shim calls. What it says goes to standard error, which git shows, also to who pushes."""
    from gittrack.cli.githooks import events
    from gittrack.text.text import one_line

    if not arguments:
        raise UsageError("gittrack hooks run takes the event, such as post-commit")
    reads = arguments[0] in ("pre-push", "pre-receive", "post-rewrite")
    given = sys.stdin.buffer.read().decode("utf-8", "surrogateescape").splitlines() if reads else []
    try:
        for note in events.run(arguments[0], arguments[1:], given):
            output.note(f"gittrack: {one_line(note)}")
    except LedgerError as error:
        for note in str(error).split("\n"):
            output.note(f"gittrack: {one_line(note)}")
        raise typer.Exit(1) from error

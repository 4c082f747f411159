"""gittrack propose."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.errors import UsageError


def command(
    runs: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN...]", help="Runs of this clone's ledger that the remote's lacks."),
    ] = None,
    branch: Annotated[
        str | None,
        typer.Option(
            "--branch", metavar="NAME", help="Use gittrack/review/NAME; default the first run's id."
        ),
    ] = None,
    push: Annotated[bool, typer.Option("--push", help="Send the proposal, and the code it names.")] = False,
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="NAME", help="With --push: a git remote; origin.")
    ] = None,
) -> None:
    """Put runs on a branch, so that a pull request adds them to the ledger.

    The branch gittrack/review/NAME is cut from the remote's ledger. The runs stay on this
    clone's ledger; until the pull request is merged, push the proposal and not the ledger.
    With --push and without RUN, what gittrack run --propose made is sent.

    \b
    Examples:
      gittrack propose latest --push
      gittrack propose 7f3a2c 9b21aa --branch wider-layers
      gittrack propose --branch wider-layers --push
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.ledger import Ledger, sync
    from gittrack.ledger.proposals import review_branch
    from gittrack.recording.propose import propose

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    if runs:
        proposed = propose(repo, config, runs, branch)
        name = proposed.branch
        output.note(f"{len(proposed.runs)} run{'s' if len(proposed.runs) > 1 else ''} proposed on {name}")
    elif push and branch is not None:
        name = review_branch(branch)
    else:
        raise UsageError("name the runs to propose, or the proposal to send: --branch NAME --push")
    if not push:
        short = name.removeprefix("gittrack/review/")
        output.note(f"next: gittrack propose --branch {short} --push, then open a pull request")
        return
    chosen = sync.choose_remote(repo, remote)
    ledger = Ledger(repo, name)
    if ledger.state().tip is None:
        raise UsageError(f"there is no proposal {name} in this clone: git branch --list 'gittrack/review/*'")
    sync.push(ledger, chosen)
    output.note(f"{chosen} has {name}; open a pull request from it into {config.ledger.branch}")

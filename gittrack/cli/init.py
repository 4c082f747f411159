"""gittrack init."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output


def command(
    no_config: Annotated[
        bool, typer.Option("--no-config", help="Do not write a first gittrack.yaml.")
    ] = False,
) -> None:
    """Set this repository up: the ledger branch, fetch refspecs, a first gittrack.yaml.

    Safe to repeat: what is there already stays as it is, but the DVC remotes that the ledger
    names are brought up to date. Run it again after adding a git or DVC remote.

    \b
    Examples:
      gittrack init
      gittrack init --no-config
    """
    from gittrack.config import load
    from gittrack.repository import Repository
    from gittrack.setup import set_up

    repo = Repository.discover()
    for step in set_up(repo, load(repo.worktree), write_config=not no_config):
        output.write(f"{'made' if step.done else 'kept'}  {step.what}\n")
    if repo.worktree is not None and not (repo.worktree / ".dvc").is_dir():
        output.note("hint: dvc init, and dvc remote add -d NAME URL, let others fetch data and models")
    output.note("next: gittrack run -- python train.py")

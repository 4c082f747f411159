"""gittrack init."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.errors import UsageError


def command(
    no_config: Annotated[
        bool, typer.Option("--no-config", help="Do not write a first gittrack.yaml.")
    ] = False,
    ci: Annotated[
        str | None,
        typer.Option(
            metavar="github|gitlab", help="Write a workflow that verifies and reviews pull requests."
        ),
    ] = None,
    textconv: Annotated[
        bool, typer.Option("--textconv", help="Have git show series as a few lines, in this clone.")
    ] = False,
) -> None:
    """Set this repository up: the ledger branch, fetch refspecs, a first gittrack.yaml.

    Safe to repeat: what is there already stays as it is, but the DVC remotes that the ledger
    names are brought up to date. Run it again after adding a git or DVC remote.

    \b
    Examples:
      gittrack init
      gittrack init --ci github
      gittrack init --no-config --textconv
    """
    from gittrack.cli.setup.setup import CI_FILES, set_textconv, set_up, write_ci
    from gittrack.formats.config import load
    from gittrack.git.repository import Repository

    if ci is not None and ci not in CI_FILES:
        raise UsageError(f"--ci takes {' or '.join(CI_FILES)}, not {ci!r}")
    repo = Repository.discover()
    config = load(repo.worktree)
    steps = set_up(repo, config, write_config=not no_config)
    if ci is not None:
        if repo.worktree is None:
            raise UsageError("--ci writes a file for the code branch: run it in a work tree")
        steps.append(write_ci(repo.worktree, ci, config.ledger.branch))
    if textconv:
        steps.append(set_textconv(repo))
    for step in steps:
        output.write(f"{'made' if step.done else 'kept'}  {step.what}\n")
    from gittrack.dvc.settings import project_of

    if repo.worktree is not None and project_of(repo.worktree) is None:
        output.note("hint: dvc init, and dvc remote add -d NAME URL, let others fetch data and models")
    if ci is not None:
        output.note(f"hint: commit {CI_FILES[ci]}; docs/ci/{ci}.md has what to set on the forge")
    output.note("next: gittrack run -- python train.py")

"""gittrack pull."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import DvcRemote


def command(
    remote: Annotated[
        str | None, typer.Argument(metavar="[REMOTE]", help="A git remote; origin by default.")
    ] = None,
    artifacts: Annotated[
        bool,
        typer.Option(
            "-a",
            "--artifacts",
            help="Also fetch the bytes that new runs point to into the DVC cache.",
        ),
    ] = False,
    run: Annotated[
        list[str] | None,
        typer.Option("--run", metavar="RUN", help="Artifacts of this run, new or not. Repeatable."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Artifacts of all runs.")] = False,
    dvc_remote: DvcRemote = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Transfers at a time.")] = None,
) -> None:
    """Bring the ledger, and artifacts if asked, from a remote.

    Runs made here and there are merged without touching your work tree. Tags of the model registry come too.

    \b
    Examples:
      gittrack pull
      gittrack pull --artifacts --run 7f3a2c
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.governance.registry.share import pull_tags
    from gittrack.ledger import Ledger
    from gittrack.ledger.artifacts import pull_artifacts
    from gittrack.ledger.sync import choose_remote, pull
    from gittrack.reading.entry import open_index

    repo = Repository.discover()
    ledger = Ledger(repo, load_cached(repo.worktree, repo.state_dir).ledger.branch)
    chosen = choose_remote(repo, remote)
    synced = pull(ledger, chosen)
    output.note("already up to date" if synced.before == synced.after else f"ledger brought from {chosen}")
    output.note_tags(pull_tags(ledger, chosen), "brought", chosen)
    if artifacts or run or every:
        folders = None
        if run:
            with open_index() as index:
                folders = [index.one(name).folder for name in run]
        since = None if every else synced.before
        moved = pull_artifacts(
            ledger, folders, since, dvc_remote, jobs, output.Progress("fetching artifacts")
        )
        hint = "" if moved or run or every else " for runs that are new here; --run or --all names others"
        output.note(f"{moved} artifact objects fetched{hint}")

"""gittrack push."""

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
        typer.Option("-a", "--artifacts", help="Also send the bytes that the new runs point to, by DVC."),
    ] = False,
    every: Annotated[
        bool, typer.Option("--all", help="Artifacts of all runs, not only of those new to the remote.")
    ] = False,
    dvc_remote: DvcRemote = None,
    jobs: Annotated[int | None, typer.Option("-j", "--jobs", min=1, help="Transfers at a time.")] = None,
) -> None:
    """Send the ledger, and artifacts if asked, to a remote.

    The ledger branch and the code anchor go out together. If others were faster, their runs are
    fetched and merged, and the push is repeated. Artifacts go first, so that no record that
    others see points to bytes that are not there. Tags of the model registry follow.

    \b
    Examples:
      gittrack push
      gittrack push origin --artifacts
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.governance.registry.share import push_tags
    from gittrack.ledger import Ledger
    from gittrack.ledger.artifacts import push_artifacts
    from gittrack.ledger.sync import choose_remote, push

    repo = Repository.discover()
    ledger = Ledger(repo, load_cached(repo.worktree, repo.state_dir).ledger.branch)
    chosen = choose_remote(repo, remote)
    if artifacts or every:
        moved = push_artifacts(ledger, chosen, every, dvc_remote, jobs, output.Progress("sending artifacts"))
        hint = "" if moved or every else " for runs that are new to it; --all looks at every run"
        output.note(f"{moved} artifact objects sent{hint}")
    synced = push(ledger, chosen)
    what = "is up to date" if synced.before == synced.after else "has the ledger"
    output.note(f"{chosen} {what}" + (", merged with runs of others" if synced.merged else ""))
    output.note_tags(push_tags(ledger, chosen), "sent", chosen)

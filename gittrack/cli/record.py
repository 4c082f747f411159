"""gittrack record."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output


def command(
    revisions: Annotated[
        str, typer.Argument(metavar="REV|A..B", help="A commit, or the training commits of a range.")
    ] = "HEAD",
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", help="For commits that name no experiment with a trailer."),
    ] = None,
) -> None:
    """Record past training commits: their parameters, metrics, data and outputs, as committed.

    Nothing is run. In a range, those commits count that change dvc.lock, a metrics file of
    dvc.yaml or a path of training_commit in gittrack.yaml, or that have the trailer
    Gittrack-Experiment. What is on the ledger already stays as it is, so that it can be repeated.

    \b
    Examples:
      gittrack record HEAD
      gittrack record v1.0..main
    """
    from gittrack.errors import RepositoryError
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.commits import record_commits
    from gittrack.recording.commits.select import training_commits

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    commits = training_commits(repo, config, revisions)
    progress = output.Progress("reading commits")
    recorded = record_commits(repo, config, commits, experiment=experiment, progress=progress)
    for complaint in recorded.complaints:
        output.note(f"gittrack: {complaint}")
    for record in recorded.records:
        output.write(f"{record.id}  {record.experiment}  {(record.code.commit or '')[:10]}\n")
    left = len(commits) - len(recorded.records) - len(recorded.present)
    output.note(
        f"{len(recorded.records)} recorded, {len(recorded.present)} were there already, {left} left out"
    )
    if left:
        raise typer.Exit(RepositoryError.exit_code)

"""gittrack record."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output


def command(
    revisions: Annotated[
        str | None,
        typer.Argument(
            metavar="[REV|A..B|..B]",
            help="A commit, the training commits of a range, or those from the first on.",
            show_default="HEAD",
        ),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="The training commits of all branches and tags, from the first on.")
    ] = False,
    refresh: Annotated[
        bool,
        typer.Option(
            "--refresh",
            help="What can be read by now of recorded commits goes to records that supersede theirs.",
        ),
    ] = False,
    experiment: Annotated[
        str | None,
        typer.Option("--experiment", "-e", help="For commits that name no experiment with a trailer."),
    ] = None,
) -> None:
    """Record past training commits: their parameters, metrics, data and outputs, as committed.

    Nothing is run. In a range, those commits count that bring results: stages of dvc.lock,
    metrics files of dvc.yaml or paths of training_commit in gittrack.yaml that no commit before
    them brought; and those that have the trailer Gittrack-Experiment. What is on the ledger
    already stays as it is, so that it can be repeated; what was recorded before `dvc pull` lacks
    metrics and digests of what DVC keeps, and --refresh adds them in a record of its own.

    \b
    Examples:
      gittrack record HEAD
      gittrack record v1.0..main
      gittrack record --all
      dvc pull && gittrack record --refresh --all
    """
    from gittrack.errors import RepositoryError, UsageError
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.recording.commits import record_commits
    from gittrack.recording.commits.select import training_commits

    if everything and revisions is not None:
        raise UsageError(f"gittrack record takes {revisions} or --all, not both")
    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    selection = training_commits(repo, config, None if everything else revisions or "HEAD")
    commits = selection.commits
    recorded = record_commits(
        repo,
        config,
        commits,
        experiment=experiment,
        results_from=selection.results_from,
        refresh=refresh,
        progress=output.Progress("reading commits"),
    )
    for complaint in (*selection.complaints, *recorded.complaints):
        output.note(f"gittrack: {complaint}")
    for commit, sources in selection.copies.items():
        names = " and ".join(source[:10] for source in sources)
        output.note(f"{commit[:10]} has the results of {names}: no run of its own")
    for record in recorded.records:
        output.write(f"{record.id}  {record.experiment}  {(record.code.commit or '')[:10]}\n")
    left = len(commits) - len(recorded.records) - len(recorded.present)
    output.note(
        f"{len(recorded.records)} recorded, {len(recorded.present)} were there already, {left} left out"
    )
    if recorded.poor:
        output.note(
            "some of what DVC keeps is not in its cache, and so not in the records: run dvc fetch "
            "--all-commits (or dvc pull), then gittrack record --refresh"
        )
    if left:
        raise typer.Exit(RepositoryError.exit_code)

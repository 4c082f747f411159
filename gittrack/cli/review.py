"""gittrack review."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import NoPager
from gittrack.errors import RepositoryError, UsageError
from gittrack.publishing.review import Review, review, to_dict


def command(
    span: Annotated[
        str | None,
        typer.Argument(metavar="[BASE..HEAD|HEAD]", help="Commits of the ledger or of a code branch; HEAD."),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="REF", help="Where the pull request goes; the ledger, or the default branch."
        ),
    ] = None,
    md: Annotated[
        bool, typer.Option("--md", help="Markdown for a comment; default without a terminal.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="JSON, whole.")] = False,
    assets: Annotated[
        Path | None,
        typer.Option("--assets", metavar="DIR", help="Also write the learning curves there, as SVG."),
    ] = None,
    no_fsck: Annotated[bool, typer.Option("--no-fsck", help="Verify without git fsck.")] = False,
    no_pager: NoPager = False,
) -> None:
    """Show the runs of a pull request: verified, beside the baseline, with what is to be decided.

    A pull request into the ledger is about the runs it adds; one into a code branch about the
    runs on the ledger whose code is among its commits. Nothing of it is checked out or run.
    The Markdown is what GitHub and GitLab render, and fits a comment.

    \b
    Examples:
      gittrack review gittrack/review/wider
      gittrack review origin/main..my-branch --md
      gittrack review --base origin/gittrack/runs pr-head --json
      gittrack review gittrack/review/wider --assets curves
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository

    if md and json_:
        raise UsageError("--md and --json: choose one")
    repo = Repository.discover()
    ledger = load_cached(repo.worktree, repo.state_dir).ledger.branch
    reviewed = review(repo, ledger, span, base, fsck=not no_fsck)
    _print(reviewed, "json" if json_ else "md" if md or not sys.stdout.isatty() else "", not no_pager)
    if assets is not None:
        output.note(f"{_write_assets(reviewed, assets)} pictures in {assets}")


def _print(reviewed: Review, form: str, pager: bool) -> None:
    if form == "json":
        from gittrack.publishing.review.questions import questions

        plain = to_dict(reviewed, questions(reviewed))
        output.write_json(plain)
    elif form == "md":
        from gittrack.publishing.review.markdown import as_markdown

        output.write(as_markdown(reviewed))
    else:
        from gittrack.publishing.review.terminal import terminal

        output.page(terminal(reviewed, output.paint(), output.columns()), pager=pager)


def _write_assets(reviewed: Review, folder: Path) -> int:
    """The curves of each experiment as ``<experiment>-<number>.svg``; how many there are."""
    from gittrack.publishing.review.charts import charts, svg

    pictures = [
        (f"{experiment.name}-{at}.svg", svg(chart))
        for experiment in reviewed.experiments
        for at, chart in enumerate(charts(experiment), 1)
    ]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures:
            (folder / name).write_text(picture, encoding="utf-8")
    except OSError as error:
        raise RepositoryError(f"cannot write to {folder}: {error.strerror}") from error
    return len(pictures)

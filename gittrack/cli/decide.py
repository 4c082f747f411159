"""gittrack decide."""

from __future__ import annotations

import enum
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet, Run
from gittrack.errors import UsageError


class Outcome(enum.StrEnum):
    """What a run can be to those who come later."""

    selected = "selected"
    rejected = "rejected"
    baseline = "baseline"


def command(
    run: Run,
    outcome: Annotated[Outcome, typer.Option(help="What the run is from now on.")],
    because: Annotated[str, typer.Option("-m", "--because", metavar="TEXT", help="Why.")],
    over: Annotated[
        list[str] | None,
        typer.Option(metavar="RUN", help="An alternative; default: all of the experiment. Repeatable."),
    ] = None,
    propose: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="On gittrack/review/NAME, for a pull request to approve."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="The decision as JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Give a run an outcome: selected, rejected or baseline, and say why.

    The decision goes to the ledger as a file of its own: the criteria that gittrack.yaml fixed when
    the run was made, every candidate with its figures, failed ones too, and who decided. A later one
    on the same run supersedes it; the record itself never changes. Signed where git signs commits;
    with --propose, whoever approves the pull request signs it off.

    \b
    Examples:
      gittrack decide 7f3a2c --outcome selected --because "best accuracy that passes the gate"
      gittrack decide latest --outcome rejected -m "overfits after epoch 3" --over 9b21aa
      gittrack decide 7f3a2c --outcome selected -m "release 2" --propose release-2
    """
    from gittrack.formats.config import load_cached
    from gittrack.formats.plain import to_dict
    from gittrack.git.repository import Repository
    from gittrack.governance.decide import decide

    if json_ and quiet:
        raise UsageError("--json and --quiet: choose one")
    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    made, branch = decide(repo, config, run, outcome.value, because, over=over or (), proposal=propose)
    if json_:
        output.write_json(to_dict(made))
    elif not quiet:
        among = f"{len(made.candidates)} specs, {sum(len(c.runs) for c in made.candidates)} finished runs"
        where = f"; proposed on {branch}" if branch != config.ledger.branch else ""
        output.note(f"gittrack: run {made.run} of {made.experiment}: {made.outcome}, among {among}{where}")

"""gittrack importance."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import FullJson, Md, NoPager
from gittrack.errors import UsageError
from gittrack.reading.entry import open_index
from gittrack.stats.importance import importance_of
from gittrack.stats.replicates import groups_of


def command(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="Whose runs.")],
    metric: Annotated[str, typer.Option("--metric", "-m", metavar="NAME", help="The metric to explain.")],
    filter: Annotated[
        str | None, typer.Option("-F", "--filter", metavar="EXPR", help="Runs that satisfy EXPR only.")
    ] = None,
    json_: FullJson = False,
    md: Md = False,
    no_pager: NoPager = False,
) -> None:
    """Rank the parameters of an experiment by their association with a metric.

    Permutation importance over a random forest, measured on settings that it has not seen, and
    Spearman's rank correlation; from 50 runs on PED-ANOVA and fANOVA, where Optuna is installed.
    It needs 10 runs, and tells association, not cause. Needs gittrack[importance]; Optuna comes
    with gittrack[optuna].

    \b
    Examples:
      gittrack importance digits --metric acc
      gittrack importance digits --metric acc -F "started > '7 days ago'" --json
    """
    if json_ + md > 1:
        raise UsageError("--json and --md: choose one")
    with open_index(progress=output.Progress("indexing runs")) as index:
        groups = groups_of(index, experiment, filter)
    if not groups:
        raise UsageError(
            f"no run of {experiment} satisfies the filter; gittrack log -e {experiment} lists them"
        )
    importance = importance_of(groups, metric)
    if json_:
        output.write_json(importance.to_dict())
        return
    from gittrack.cli.pages import importance as pages

    output.show_sections(pages.sections(importance), md=md, pager=not no_pager)

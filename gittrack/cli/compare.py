"""gittrack compare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import FullJson, Md, NoPager, TableFormat
from gittrack.errors import UsageError
from gittrack.reading.entry import open_index
from gittrack.reading.index import Index
from gittrack.stats.compare import contrast
from gittrack.stats.replicates import Group, damaged_runs, named_groups
from gittrack.text.tables import require_one_form


def command(
    names: Annotated[
        list[str],
        typer.Argument(metavar="A B...", help="Runs, specs, or experiments of one spec; A is compared with."),
    ],
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", metavar="NAME", help="This metric only; repeatable.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of all intervals and verdicts, between 0 and 1.")] = 0.95,
    margin: Annotated[
        float | None,
        typer.Option(metavar="M", help="Are they equivalent within ± M, fixed before the results were seen?"),
    ] = None,
    json_: FullJson = False,
    md: Md = False,
    format_: TableFormat = None,
    no_pager: NoPager = False,
) -> None:
    """Compare groups of replicates: is the difference real?

    Each name stands for all runs of its spec; an experiment named alone, for all its specs.
    Every group is compared with the first: by paired t tests where both have the same seeds,
    else by Welch's. Verdicts go by Holm's adjustment over all comparisons that are made, so name
    the metric that counts. gittrack diff says what differs between two runs.

    \b
    Examples:
      gittrack compare 7f3a2c 9b21aa
      gittrack compare baseline candidate --metric acc --margin 0.005
      gittrack compare digits --metric acc --md
      gittrack compare baseline candidate --metric acc --format latex > table.tex
    """
    require_one_form(format_, json=json_, md=md)
    with open_index(progress=output.Progress("indexing runs")) as index:
        groups = _groups(index, names)
        damaged = damaged_runs(index, [group.experiment for group in groups])
    contrasts = contrast(groups, metric or (), confidence, margin)
    if json_:
        output.write_json({**contrasts.to_dict(), "damaged": damaged})
        return
    from gittrack.cli.pages import compare as pages

    output.show_sections(pages.sections(contrasts, damaged), md=md, form=format_, pager=not no_pager)


def _groups(index: Index, names: Sequence[str]) -> list[Group]:
    """The group of each name; of a single one, all groups of that experiment."""
    groups_named = []
    for name in names:
        groups = named_groups(index, name)
        if len(groups) > 1 and len(names) > 1:
            specs = ", ".join(group.spec[:12] for group in groups[:10])
            more = f" and {len(groups) - 10} more" if len(groups) > 10 else ""
            experiments = {group.experiment for group in groups}
            where = "" if len(experiments) == 1 else f" (in experiments {', '.join(sorted(experiments))})"
            raise UsageError(
                f"{name!r} stands for {len(groups)} groups, which are not to be pooled{where}: name a run, "
                f"or one of the specs {specs}{more}"
            )
        groups_named += groups
    return groups_named

"""gittrack stats."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import FullJson, Md, NoPager, TableFormat
from gittrack.errors import UsageError
from gittrack.reading.entry import open_index
from gittrack.reading.index import Index
from gittrack.stats.means import MeansOptions, shown
from gittrack.stats.replicates import Group, damaged_runs, groups_of, named_groups
from gittrack.text.tables import FORMATS, require_one_form

LATEST = "latest"


class Side(enum.Enum):
    """Ends that an interval of the mean has."""

    TWO = "two"
    ONE = "one"
    LOWER = "lower"
    UPPER = "upper"


def command(
    name: Annotated[
        str,
        typer.Argument(metavar="[RUN|EXPERIMENT|SPEC]", help="Whose replicates; those of the latest run."),
    ] = LATEST,
    metric: Annotated[
        list[str] | None, typer.Option("--metric", "-m", metavar="NAME", help="This metric only; repeatable.")
    ] = None,
    confidence: Annotated[float, typer.Option(help="Of all intervals, between 0 and 1.")] = 0.95,
    sided: Annotated[
        Side,
        typer.Option(help="Ends of the mean's interval; one: on the bad side, by the metric's direction."),
    ] = Side.TWO,
    half_width: Annotated[
        float | None,
        typer.Option("--half-width", metavar="H", help="How many runs a mean known to ± H needs."),
    ] = None,
    samples: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Cases of the test set, with --metric; else as gittrack.yaml says."
        ),
    ] = None,
    bootstrap: Annotated[
        bool, typer.Option("--bootstrap", help="The mean's interval by bootstrap, too (from 10 runs on).")
    ] = False,
    by: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Over many tasks: group runs by it, such as params.algorithm."),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="With --by: what tells tasks apart, such as params.task."),
    ] = None,
    filter: Annotated[
        str | None,
        typer.Option("-F", "--filter", metavar="EXPR", help="Runs of an experiment that satisfy EXPR."),
    ] = None,
    json_: FullJson = False,
    md: Md = False,
    format_: TableFormat = None,
    no_pager: NoPager = False,
) -> None:
    """Say what replicates show: means with their intervals, by what was varied.

    Replicates are runs of one spec: the same code, data, parameters and locks, the seed apart.
    Runs on different seeds and reruns of one seed are shown apart, for they vary for different
    reasons. Failed runs are counted and are in no figure. Of each metric: the t interval of the
    mean, that of one more run, and the tolerance interval of 95 % of all runs.

    With --by and --task: the interquartile mean over many tasks, and performance profiles.

    \b
    Examples:
      gittrack stats
      gittrack stats digits --metric acc --sided one
      gittrack stats 7f3a2c --half-width 0.005
      gittrack stats digits --metric acc --format latex > table.tex
      gittrack stats atari --by params.algorithm --task params.game --metric score
    """
    require_one_form(format_, json=json_, md=md)
    if (by is None) != (task is None):
        raise UsageError("--by and --task go together: what is compared, and over what")
    if samples is not None and not metric:
        raise UsageError("--samples: say by --metric which metric is a share of so many cases")
    form = format_ or ("json" if json_ else "md" if md else "")
    with open_index(progress=output.Progress("indexing runs")) as index:
        if by is not None and task is not None:
            _over_tasks(index, name, by, task, metric or [], filter, confidence, form, not no_pager)
            return
        groups = _groups(index, name, filter)
        options = MeansOptions(
            confidence=confidence,
            sided=sided.value,
            metrics=tuple(metric or ()),
            samples=dict.fromkeys(metric or (), samples) if samples else _samples(index, groups),
            half_width=half_width,
            bootstrap=bootstrap,
        )
        _print(index, name, groups, options, form, not no_pager)


def _groups(index: Index, name: str, filter: str | None) -> list[Group]:
    if filter is None:
        return named_groups(index, name)
    groups = groups_of(index, name, filter)
    if not groups:
        raise UsageError(f"no run of {name} satisfies the filter; gittrack log -e {name} lists them")
    return groups


def _samples(index: Index, groups: Sequence[Group]) -> Mapping[str, int]:
    """Sizes of test sets, as gittrack.yaml in the work tree has them."""
    from gittrack.formats.config import load_cached

    config = load_cached(index.repository.worktree, index.repository.state_dir)
    metrics = [config.experiment_config(group.experiment).metrics for group in groups[:1]]
    return {
        name: m.samples for metrics_declared in metrics for name, m in metrics_declared.items() if m.samples
    }


def _print(
    index: Index, name: str, groups: Sequence[Group], options: MeansOptions, form: str, pager: bool
) -> None:
    entries = shown(groups, options)
    is_whole = name in {group.experiment for group in groups}
    damaged = damaged_runs(index, [name]) if is_whole else []
    if form == "json":
        plain = [entry.to_dict() for entry in entries]
        output.write_json({"confidence": options.confidence, "groups": plain, "damaged": damaged})
        return
    from gittrack.cli.pages import stats as pages

    output.show_sections(
        pages.sections(entries, options, damaged),
        md=form == "md",
        form=form if form in FORMATS else None,
        pager=pager,
    )


def _over_tasks(
    index: Index,
    name: str,
    by: str,
    task: str,
    metrics: Sequence[str],
    filter: str | None,
    confidence: float,
    form: str,
    pager: bool,
) -> None:
    from gittrack.stats.tasks import over_tasks

    if len(metrics) != 1:
        raise UsageError("--by: name one metric by --metric")
    experiment = index.one(LATEST).experiment if name == LATEST else name
    tasks = over_tasks(groups_of(index, experiment, filter), by, task, metrics[0], confidence)
    if form == "json":
        output.write_json({"confidence": confidence, **tasks.to_dict()})
        return
    from gittrack.cli.pages import stats as pages

    output.show_sections(
        pages.task_sections(tasks, confidence),
        md=form == "md",
        form=form if form in FORMATS else None,
        pager=pager,
    )

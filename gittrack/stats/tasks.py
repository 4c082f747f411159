"""One figure for many tasks: runs by one parameter (the algorithm) over the values of another (the task)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.flat import flatten
from gittrack.formats.record import Record
from gittrack.formats.spec import UNSEEDED, SeedKey, seed_key
from gittrack.stats.maths import CONFIDENCE, Aggregate, Profile, aggregate, performance_profile
from gittrack.stats.means import require_metrics
from gittrack.stats.metrics import direction_of, metric_names
from gittrack.stats.replicates import Group, final_value, finished_of, told_apart
from gittrack.text.nearest import nearest

THRESHOLDS = 11
"""Points of a performance profile, evenly from the smallest to the largest score."""


@dataclass(frozen=True, slots=True)
class Scores:
    """One value of the parameter that runs are grouped by: its scores on each task, and what they come to."""

    name: str
    tasks: Mapping[str, tuple[float, ...]]
    iqm: Aggregate
    profile: Profile


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """Groups over the tasks that all of them have; `left_out` counts runs that are in no figure, by why."""

    experiment: str
    by: str
    task: str
    metric: str
    direction: Literal["maximize", "minimize"] | None
    names: tuple[str, ...]
    scores: tuple[Scores, ...]
    left_out: Mapping[str, int]
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


_Cells = dict[tuple[str, str], list[tuple[Group, Record]]]


def over_tasks(
    groups: Sequence[Group], by: str, task: str, metric: str, confidence: float = CONFIDENCE
) -> Tasks:
    """The interquartile mean and performance profile of each value of `by` over the values of `task`.

    `by` and `task` are such as ``params.algorithm`` and ``tags.task``. One run for each seed of a spec;
    runs of one value and task have to be of one spec, else UsageError says in what they differ. Method and
    source: `gittrack.stats.maths.aggregate`. NotFoundError where no run has the parameters or the metric.
    """
    require_metrics([metric], metric_names(finished_of(groups)))
    _require_names(finished_of(groups), (by, task))
    cells, left_out = _cells(groups, by, task, metric)
    if not cells:
        raise NotFoundError(f"no finished run has {by}, {task} and {metric}: gittrack log lists the runs")
    _refuse_mixed(cells, by, task)
    values = list(dict.fromkeys(value for value, _ in cells))
    every = list(dict.fromkeys(name for _, name in cells))
    common = [name for name in every if all((value, name) in cells for value in values)]
    if not common:
        raise UsageError(
            f"no value of {task} was run with every {by}: figures over other tasks do not compare"
        )
    alone = {key for key in cells if key[1] not in common}
    if alone:
        left_out[f"of a {task} that not every {by} has"] = sum(len(cells[key]) for key in alone)
    direction = direction_of(finished_of(groups), metric)
    scores = {key: _values(runs, metric) for key, runs in cells.items() if key not in alone}
    return Tasks(
        experiment=groups[0].experiment,
        by=by,
        task=task,
        metric=metric,
        direction=direction,
        names=tuple(common),
        scores=tuple(_scores(values, common, scores, confidence, larger=direction != "minimize")),
        left_out=left_out,
        cautions=tuple(_cautions(scores, direction)),
    )


def _cells(groups: Sequence[Group], by: str, task: str, metric: str) -> tuple[_Cells, dict[str, int]]:
    """Finished runs by both parameters, and how many others there are, by what they lack."""
    cells: _Cells = {}
    left_out: Counter[str] = Counter()
    for group in groups:
        seen: set[SeedKey] = set()
        left_out["failed or killed"] += len(group.failed)
        for run in group.finished:
            value, name = _named(run, by), _named(run, task)
            if value is None or name is None:
                left_out[f"without {by if value is None else task}"] += 1
            elif final_value(run, metric) is None:
                left_out[f"without a finite {metric}"] += 1
            elif seed_key(run) != UNSEEDED and seed_key(run) in seen:
                left_out["with a seed that another run of the same spec has"] += 1
            else:
                seen.add(seed_key(run))
                cells.setdefault((value, name), []).append((group, run))
    return cells, {why: count for why, count in left_out.items() if count}


def _require_names(runs: Sequence[Record], wanted: Sequence[str]) -> None:
    """NotFoundError, with the nearest names, for a parameter or tag that no run has."""
    for name in wanted:
        if all(_named(run, name) is None for run in runs):
            names = [f"params.{key}" for run in runs for key in flatten(run.params)]
            names += [f"tags.{key}" for run in runs for key in run.tags]
            raise NotFoundError(f"no finished run has {name}; {nearest(name, names)}")


def _named(run: Record, name: str) -> str | None:
    """The value of ``params.NAME`` or ``tags.NAME`` as text; None where the run has none."""
    family, _, key = name.partition(".")
    if family not in ("params", "tags") or not key:
        raise UsageError(f"{name!r} is neither a parameter nor a tag: params.NAME or tags.NAME")
    values = flatten(run.params if family == "params" else run.tags)
    if key not in values:
        return None
    value = values[key]
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _refuse_mixed(cells: _Cells, by: str, task: str) -> None:
    for (value, name), runs in cells.items():
        groups = list({group.spec: group for group, _ in runs}.values())
        if len(groups) > 1:
            differ = dict.fromkeys(key for setting in told_apart(groups) for key in setting)
            raise UsageError(
                f"{by}={value} with {task}={name} has runs of {len(groups)} specs, which differ in "
                f"{', '.join(list(differ)[:5]) or 'data or locks'}: choose one with --filter"
            )


def _values(runs: Sequence[tuple[Group, Record]], metric: str) -> tuple[float, ...]:
    return tuple(value for _, run in runs if (value := final_value(run, metric)) is not None)


def _scores(
    values: Sequence[str],
    names: Sequence[str],
    scores_by_cell: Mapping[tuple[str, str], tuple[float, ...]],
    confidence: float,
    *,
    larger: bool,
) -> list[Scores]:
    every = [score for scores in scores_by_cell.values() for score in scores]
    low, high = min(every), max(every)
    step = high / (THRESHOLDS - 1) - low / (THRESHOLDS - 1)
    thresholds = [low + step * at for at in range(THRESHOLDS)] if high > low else [low]
    scores = []
    for value in values:
        tasks = {name: scores_by_cell[value, name] for name in names}
        strata = list(tasks.values())
        iqm = aggregate(strata, confidence)
        profile = performance_profile(strata, thresholds, confidence, larger=larger)
        scores.append(Scores(value, tasks, iqm, profile))
    return scores


def _cautions(
    scores_by_cell: Mapping[tuple[str, str], tuple[float, ...]], direction: str | None
) -> list[str]:
    sizes = {len(scores) for scores in scores_by_cell.values()}
    cautions = ["scores are taken as they are: they mean something together only in one scale for all tasks"]
    if len(sizes) > 1:
        cautions.append("tasks with more runs weigh more in the interquartile mean")
    if 1 < min(sizes) < 10:
        narrow = ((min(sizes) - 1) / min(sizes)) ** 0.5
        cautions.append(
            f"with {min(sizes)} runs a task, resampling makes intervals {narrow:.2f} times as wide as due"
        )
    if direction is None:
        cautions.append("no direction of the metric is known: larger is taken for better")
    return cautions

"""What replicates show: for each metric of each sample its mean, its intervals, and what they rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import Metric
from gittrack.formats.spec import UNSEEDED, seed_key
from gittrack.stats.maths import (
    CONFIDENCE,
    Interval,
    Share,
    Sided,
    Summary,
    bootstrap_interval,
    mean_interval,
    prediction_interval,
    runs_for,
    sd_interval,
    summary,
    tolerance_interval,
    wilson_interval,
)
from gittrack.stats.maths.intervals import check_confidence
from gittrack.stats.metrics import UNLIKE, direction_of, metric_names, rule_of
from gittrack.stats.replicates import Group, Sample, finished_of, told_apart
from gittrack.text.nearest import nearest

COVERAGE = 0.95
"""Share of runs that the tolerance interval is of."""

CAUTIONS = {
    "nothing": "same seed each time: the spread is that of the machine and its libraries, not of training",
    "not recorded": "no seed is recorded: what varies between these runs is not known",
    "data split": "splits of one data set overlap, so the runs are not independent: intervals are too narrow "
    "(Bengio and Grandvalet 2004)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeansOptions:
    """What a person asked for."""

    confidence: float = CONFIDENCE
    sided: Literal["two", "one", "lower", "upper"] = "two"
    """``one``: the bound on the bad side, by each metric's direction."""
    metrics: tuple[str, ...] = ()
    """None: all."""
    samples: Mapping[str, int] = field(default_factory=dict)
    """Cases of the test set, by metric."""
    half_width: float | None = None
    bootstrap: bool = False


@dataclass(frozen=True, slots=True)
class Needed:
    """Runs in all for a wanted half-width of the mean's interval, in the unit of the metric.

    `least` and `most` are for the ends of the interval of the spread itself, which few runs leave open;
    `most` is None beyond 10^9.
    """

    half_width: float
    runs: int
    least: int
    most: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One metric over one sample. Without `summary` there is no figure at all, and `why` says why."""

    metric: str
    direction: Literal["maximize", "minimize"] | None
    unit: str | None
    values: tuple[float, ...]
    missing: Mapping[str, str]
    """Runs of the sample that have no finite value: id, and ``absent``, ``nan``, ``inf``, ..."""
    summary: Summary | None = None
    mean: Interval | None = None
    next_run: Interval | None = None
    tolerance: Interval | None = None
    bootstrap: Interval | None = None
    test_set: Share | None = None
    needed: Needed | None = None
    why: str = ""
    notes: tuple[str, ...] = ()
    """What was asked for and cannot be had, and why."""


@dataclass(frozen=True, slots=True)
class Block:
    """The figures of one sample, which is of one kind of variance."""

    sample: Sample
    figures: tuple[Figure, ...]
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A group of replicates: `apart` are the parameters that tell it from the others shown."""

    group: Group
    apart: Mapping[str, Any]
    blocks: tuple[Block, ...]

    def to_dict(self) -> dict[str, Any]:
        group = self.group
        return {
            "experiment": group.experiment,
            "spec": group.spec,
            "apart": dict(self.apart),
            "finished": [run.id for run in group.finished],
            "failed": [{"id": run.id, "status": run.status} for run in group.failed],
            "samples": [_plain(block) for block in self.blocks],
        }


def _plain(block: Block) -> dict[str, Any]:
    runs = [{"id": run.id, "seed": run.seed, "seeds": dict(run.seeds)} for run in block.sample.runs]
    figures = [{**asdict(figure), "missing": dict(figure.missing)} for figure in block.figures]
    return {
        "varied": block.sample.varied,
        "runs": runs,
        "cautions": list(block.cautions),
        "metrics": figures,
    }


def shown(groups: Sequence[Group], options: MeansOptions) -> list[Shown]:
    """The figures of each group. NotFoundError for a metric that no finished run of any of them has."""
    check_confidence(options.confidence)
    if options.half_width is not None and not 0 < options.half_width < math.inf:
        raise UsageError(f"--half-width takes a number above 0, not {options.half_width}")
    require_metrics(options.metrics, metric_names(finished_of(groups)))
    entries = []
    for group, apart in zip(groups, told_apart(groups), strict=True):
        blocks = [_block(group.across, options)] if group.finished else []
        plain = replace(options, samples={}, half_width=None, bootstrap=False)
        blocks += [_block(sample, plain) for sample in group.reruns]
        entries.append(Shown(group, apart, tuple(blocks)))
    return entries


def require_metrics(wanted: Sequence[str], names: Sequence[str]) -> None:
    """NotFoundError, with the names there are, unless all that are wanted are among `names`."""
    for name in wanted:
        if name not in names:
            known = nearest(name, names) if names else "no finished run has any"
            raise NotFoundError(f"no metric {name!r}: {known}")


def _block(sample: Sample, options: MeansOptions) -> Block:
    names = [name for name in metric_names(sample.runs) if not options.metrics or name in options.metrics]
    return Block(sample, tuple(figure_of(sample, name, options) for name in names), tuple(cautions(sample)))


def cautions(sample: Sample) -> list[str]:
    """What a reader has to know of a sample before its figures."""
    if len(sample.runs) < 2:
        return []
    notes = [CAUTIONS[sample.varied]] if sample.varied in CAUTIONS else []
    if sample.varied == "seed and data split" and _crossed(sample):
        notes.append("seeds or splits occur more than once, and runs that share one are not independent")
    if sample.varied not in ("nothing", "not recorded"):
        unknown = sum(seed_key(run) == UNSEEDED for run in sample.runs)
        notes += ["one run states no seed: whether it repeats another is not known"] if unknown else []
    unlike = [name for name in metric_names(sample.runs) if rule_of(sample.runs, name) == UNLIKE]
    return [*notes, *([f"final values of {', '.join(unlike)} come {UNLIKE}"] if unlike else [])]


def _crossed(sample: Sample) -> bool:
    columns: dict[str, list[int | None]] = {"": [run.seed for run in sample.runs]}
    for name in {name for run in sample.runs for name in run.seeds}:
        columns[name] = [run.seeds.get(name) for run in sample.runs]
    return any(1 < len(set(column)) < len(column) for column in columns.values())


def figure_of(sample: Sample, metric: str, options: MeansOptions) -> Figure:
    """All that is known of one metric; what cannot be had is said, in `why` and `notes`."""
    metrics = {run.id: run.metrics.get(metric) for run in sample.runs}
    known = [found for found in metrics.values() if found is not None]
    direction = direction_of(sample.runs, metric)
    missing = {run: _lack(metrics[run]) for run in sample.without(metric)}
    values = tuple(sample.values(metric))
    base = Figure(
        metric=metric,
        direction=direction,
        unit=next((entry.unit for entry in known if entry.unit), None),
        values=values,
        missing=missing,
    )
    if not values:
        return replace(base, why="no run has a finite value")
    try:
        return _measured(base, options)
    except UsageError as error:  # a value beyond what can be squared
        return replace(base, why=str(error))


def _lack(metric: Metric | None) -> str:
    return "absent" if metric is None else metric.status or "too large"


def _measured(base: Figure, options: MeansOptions) -> Figure:
    values, confidence = base.values, options.confidence
    notes: list[str] = []
    mean = _mean(base, options)
    boot = bootstrap_interval(values, confidence=confidence) if options.bootstrap else None
    if boot is not None and boot.why:
        notes.append(boot.why)
    return replace(
        base,
        summary=summary(values),
        mean=mean,
        next_run=prediction_interval(values, confidence),
        tolerance=tolerance_interval(values, COVERAGE, confidence),
        bootstrap=boot,
        test_set=_test_set(base, options, notes),
        needed=_needed(values, mean.sided, options, notes),
        why=mean.why,
        notes=tuple(notes),
    )


def _mean(base: Figure, options: MeansOptions) -> Interval:
    if options.sided != "one":
        return mean_interval(base.values, options.confidence, options.sided)
    if base.direction is None:
        interval = mean_interval(base.values, options.confidence)
        why = interval.why or "no direction is known, so neither side is the bad one: --sided lower or upper"
        return replace(interval, low=None, high=None, why=why)
    side: Sided = "lower" if base.direction == "maximize" else "upper"
    return mean_interval(base.values, options.confidence, side)


def _test_set(base: Figure, options: MeansOptions, notes: list[str]) -> Share | None:
    """Wilson's interval at the mean, of shares between 0 and 1 or in percent."""
    samples = options.samples.get(base.metric)
    if samples is None:
        return None
    full_scale = 100.0 if base.unit == "%" else 1.0
    if not all(0 <= value <= full_scale for value in base.values):
        notes.append(
            f"no interval of test-set sampling: not every value is a share, from 0 to {full_scale:g}"
        )
        return None
    return wilson_interval(min(summary(base.values).mean / full_scale, 1.0), samples, options.confidence)


def _needed(values: Sequence[float], sided: Sided, options: MeansOptions, notes: list[str]) -> Needed | None:
    wanted, spread = options.half_width, sd_interval(values, options.confidence)
    if wanted is None:
        return None
    if spread.low is None or spread.high is None or spread.sd is None:
        notes.append(f"runs needed for ± {wanted:g}: not known, {spread.why}")
        return None
    counts: list[int | None] = []
    for sd in (spread.sd, spread.low, spread.high):
        try:
            counts.append(runs_for(wanted, sd, options.confidence, sided))
        except UsageError as error:  # more than anybody would make
            notes += [] if counts else [str(error)]
            counts.append(None)
    runs, least, most = counts
    return None if runs is None or least is None else Needed(wanted, runs, least, most)

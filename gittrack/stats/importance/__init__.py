"""Which parameters of an experiment go with a metric: association among the runs there are, never cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from gittrack.errors import UsageError
from gittrack.formats.record import Record
from gittrack.formats.spec import UNSEEDED, SeedKey, seed_key
from gittrack.stats.importance.forest import Forest, permutation_importance
from gittrack.stats.importance.parameters import Column, columns_of
from gittrack.stats.importance.tuning import MANY, Ranked, ped_anova_and_fanova
from gittrack.stats.maths import Correlation, holm, spearman, summary
from gittrack.stats.means import require_metrics
from gittrack.stats.metrics import direction_of, metric_names
from gittrack.stats.replicates import Group, final_value, finished_of

FEW = 10
ASSOCIATION = (
    "Association, not cause: runs were not assigned to settings at random, and parameters that were changed "
    "together share or trade importance."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. Figures that cannot be had are None, and `why` or `Correlation.why` says why."""

    name: str
    kind: Literal["number", "category", "constant", "label"]
    """``label``: text that differs in nearly every run, such as a path."""
    levels: int
    """Number of distinct values."""
    present: int
    """Runs that have it."""
    importance: float | None = None
    """By how much the forest's R² falls when the values are shuffled."""
    spread: float | None = None
    """Standard deviation of that over the shuffles."""
    correlation: Correlation | None = None
    holm: float | None = None
    """p of the correlation, adjusted for all parameters."""
    ped_anova: float | None = None
    fanova: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """Parameters, most important first; `left_out` counts runs that are in no figure, by why."""

    experiment: str
    metric: str
    direction: Literal["maximize", "minimize"] | None
    runs: int
    settings: int
    """Number of distinct combinations of parameters."""
    r2: float | None
    """Of the forest, on settings it was not fitted to; at 0 or below it explains nothing."""
    parameters: tuple[Parameter, ...]
    left_out: Mapping[str, int]
    cautions: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


def importance_of(groups: Sequence[Group], metric: str, *, tuned: bool = True) -> Importance:
    """Parameters of the finished runs of `groups` (of one experiment), by their association with `metric`.

    Permutation importance over a random forest (L. Breiman, Machine Learning 45, 2001) on settings that
    the forest has not seen, Spearman's rho with its p, and from 50 runs on PED-ANOVA (Watanabe et al.,
    IJCAI 2023, arXiv 2304.10255) and fANOVA (Hutter et al., ICML 2014) where Optuna is installed. One run
    for each seed of a spec. Without `tuned`, Optuna's, which take half a minute for a thousand runs, are left
    out. UsageError for fewer than 10 runs, or a metric or parameters that never change;
    NotFoundError for a metric that no run has.
    """
    require_metrics([metric], metric_names(finished_of(groups)))
    runs, left_out = _runs(groups, metric)
    values = [value for run in runs if (value := final_value(run, metric)) is not None]
    _refuse_few(len(runs), values, metric)
    columns = columns_of(runs)
    usable = [column for column in columns if column.kind in ("number", "category")]
    if not usable:
        raise UsageError(f"no parameter differs between the {len(runs)} runs in a way that can be ranked")
    direction = direction_of(runs, metric)
    forest = permutation_importance(usable, values)
    ranked = ped_anova_and_fanova(usable, values, direction) if tuned else Ranked()
    parameters = _adjusted([_parameter(column, values, forest, ranked) for column in columns])
    return Importance(
        experiment=groups[0].experiment,
        metric=metric,
        direction=direction,
        runs=len(runs),
        settings=len({tuple(column.codes[at] for column in usable) for at in range(len(runs))}),
        r2=forest.r2,
        parameters=tuple(sorted(parameters, key=_rank)),
        left_out=left_out,
        cautions=(ASSOCIATION, *_cautions(runs, usable), *filter(None, (forest.why, ranked.why))),
    )


def _runs(groups: Sequence[Group], metric: str) -> tuple[list[Record], dict[str, int]]:
    runs: list[Record] = []
    left_out: Counter[str] = Counter()
    for group in groups:
        left_out["failed or killed"] += len(group.failed)
        seen: set[SeedKey] = set()
        for run in group.finished:
            if final_value(run, metric) is None:
                left_out[f"without a finite {metric}"] += 1
            elif seed_key(run) != UNSEEDED and seed_key(run) in seen:
                left_out["with a seed that another run of the same spec has"] += 1
            else:
                seen.add(seed_key(run))
                runs.append(run)
    return runs, {why: count for why, count in left_out.items() if count}


def _refuse_few(count: int, values: Sequence[float], metric: str) -> None:
    if count < FEW:
        raise UsageError(
            f"importance over {count} independent runs is refused: below {FEW}, chance alone ranks "
            "parameters; run more settings, such as by gittrack sweep"
        )
    if summary(values).sd == 0:
        raise UsageError(f"{metric} is the same in all {count} runs: there is nothing to explain")


def _parameter(column: Column, values: Sequence[float], forest: Forest, tuned: Ranked) -> Parameter:
    base = Parameter(
        name=column.name, kind=column.kind, levels=column.levels, present=column.present, why=column.why
    )
    if column.kind not in ("number", "category"):
        return base
    importance, spread = forest.drops.get(column.name, (None, None))
    return replace(
        base,
        importance=importance,
        spread=spread,
        correlation=_correlation(column, values),
        ped_anova=tuned.ped_anova.get(column.name),
        fanova=tuned.fanova.get(column.name),
    )


def _correlation(column: Column, values: Sequence[float]) -> Correlation:
    """With the values of a number, or the two of a category in the order of the alphabet."""
    if column.kind == "category" and column.levels > 2:
        return Correlation(column.present, None, None, None, "no order")
    pairs = [(code, value) for code, value in zip(column.codes, values, strict=True) if code is not None]
    return spearman([code for code, _ in pairs], [value for _, value in pairs])


def _adjusted(parameters: Sequence[Parameter]) -> list[Parameter]:
    adjusted = holm([parameter.correlation.p if parameter.correlation else None for parameter in parameters])
    return [replace(parameter, holm=p) for parameter, p in zip(parameters, adjusted, strict=True)]


def _rank(parameter: Parameter) -> tuple[bool, float, float, str]:
    """Ranked before unranked ones, by importance, then by rho."""
    rho = (
        parameter.correlation.rho if parameter.correlation and parameter.correlation.rho is not None else 0.0
    )
    importance = parameter.importance if parameter.importance is not None else 0.0
    return parameter.kind not in ("number", "category"), -importance, -abs(rho), parameter.name


def _cautions(runs: Sequence[Record], columns: Sequence[Column]) -> list[str]:
    cautions = []
    together: dict[tuple[int | None, ...], list[str]] = {}
    for column in columns:
        together.setdefault(column.pattern, []).append(column.name)
    cautions += [
        f"{', '.join(names)} always change together: which of them matters cannot be told"
        for names in together.values()
        if len(names) > 1
    ]
    versions = len({run.code.tree for run in runs})
    if versions > 1:
        cautions.append(
            f"the runs are of {versions} versions of the code, which may explain what parameters seem to"
        )
    data = len({tuple(sorted((d.path, d.sha256 or d.md5 or d.blob or "") for d in run.data)) for run in runs})
    if data > 1:
        cautions.append(
            f"the runs read {data} versions of the data, which may explain what parameters seem to"
        )
    if len(runs) < MANY:
        cautions.append(f"PED-ANOVA and fANOVA are refused below {MANY} runs: there are {len(runs)}")
    return cautions

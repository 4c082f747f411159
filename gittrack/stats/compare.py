"""Groups of replicates beside the first of them: differences, tests, equivalence, the best of many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.config import Direction
from gittrack.formats.masks import unknown_masks
from gittrack.formats.spec import seed_key
from gittrack.stats.maths import (
    CONFIDENCE,
    Difference,
    Equivalence,
    Interval,
    Selection,
    Superiority,
    equivalence,
    holm,
    mean_interval,
    paired,
    superiority,
    welch,
    winners_curse,
)
from gittrack.stats.maths.intervals import check_confidence
from gittrack.stats.means import cautions, require_metrics
from gittrack.stats.metrics import UNLIKE, direction_of, metric_names, rule_of
from gittrack.stats.replicates import Group, Sample, final_value, finished_of, told_apart

FRESH = "gittrack reproduce {run} --seeds new --repeats 5"


@dataclass(frozen=True, slots=True)
class Side:
    """One group: its letter, the parameters that tell it from the others, and the sample that is compared."""

    letter: str
    group: Group
    apart: Mapping[str, Any]
    sample: Sample


@dataclass(frozen=True, slots=True)
class Mean:
    """A metric of one side. Without `interval` no run of it has a finite value."""

    letter: str
    interval: Interval | None
    missing: tuple[str, ...]
    """Ids of runs of the sample that have no finite value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """Side `b` beside side `a` (the first); differences are b - a."""

    a: str
    b: str
    difference: Difference
    because: str
    """Why the test is paired or not."""
    holm: float | None
    """p, adjusted for all comparisons that were made."""
    superiority: Superiority | None
    """P(b is better); larger, where no direction is known. None between samples of different kinds."""
    equivalence: Equivalence | None
    verdict: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricContrasts:
    """One metric over all sides."""

    metric: str
    direction: Direction | None
    unit: str | None
    means: tuple[Mean, ...]
    contrasts: tuple[Contrast, ...]
    selection: Selection | None
    """None where no direction is known, or fewer than two sides have a value."""
    winner: str | None
    """Letter of the side with the best mean; None if two share it."""
    fresh: str | None
    """The command that reruns it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrasts:
    """All of it. `asked` is the number of tests that Holm's adjustment counts."""

    sides: tuple[Side, ...]
    metrics: tuple[MetricContrasts, ...]
    confidence: float
    margin: float | None
    asked: int
    cautions: tuple[str, ...]
    left_out: tuple[str, ...]
    """Metrics that were not compared because no direction is known of them, or not every side has them."""

    def to_dict(self) -> dict[str, Any]:
        return {
            "groups": [_plain(side) for side in self.sides],
            "metrics": [asdict(metric) for metric in self.metrics],
            "confidence": self.confidence,
            "margin": self.margin,
            "comparisons": self.asked,
            "cautions": list(self.cautions),
            "left_out": list(self.left_out),
        }


def _plain(side: Side) -> dict[str, Any]:
    group = side.group
    return {
        "letter": side.letter,
        "experiment": group.experiment,
        "spec": group.spec,
        "apart": dict(side.apart),
        "varied": side.sample.varied,
        "runs": [run.id for run in side.sample.runs],
        "seeds": [run.seed for run in side.sample.runs],
        "finished": len(group.finished),
        "failed": [{"id": run.id, "status": run.status} for run in group.failed],
    }


def contrast(
    groups: Sequence[Group],
    metrics: Sequence[str] = (),
    confidence: float = CONFIDENCE,
    margin: float | None = None,
) -> Contrasts:
    """Every group beside the first, by every metric: by default those that have a direction, else all.

    Of each group the sample across seeds is compared, never reruns of one seed with it: spreads of different
    kinds give no test. Pairs are tested as pairs where both sides have the same seeds, else by Welch. The
    confidence is that of intervals; a difference is real where Holm's p over all comparisons is below
    1 - confidence. UsageError for fewer than two groups, or twice the same; NotFoundError for a metric that
    none has.
    """
    check_confidence(confidence)
    _require_different(groups)
    sides = tuple(
        Side(letter_of(at), group, apart, group.across)
        for at, (group, apart) in enumerate(zip(groups, told_apart(groups), strict=True))
    )
    chosen, left_out = _chosen(groups, metrics)
    compared = [_compared(sides, name, confidence, margin) for name in chosen]
    adjusted = iter(holm([pair.difference.p for metric in compared for pair in metric.contrasts]))
    judged = tuple(
        replace(
            metric,
            contrasts=tuple(_judged(pair, next(adjusted), metric.direction) for pair in metric.contrasts),
        )
        for metric in compared
    )
    questions = sum(pair.difference.p is not None for metric in judged for pair in metric.contrasts)
    return Contrasts(
        sides=sides,
        metrics=judged,
        confidence=confidence,
        margin=margin,
        asked=questions,
        cautions=(*_cautions(sides), *_unlike(sides)),
        left_out=tuple(left_out),
    )


def letter_of(at: int) -> str:
    """A to Z, then A2 to Z2."""
    return chr(ord("A") + at % 26) + (str(at // 26 + 1) if at >= 26 else "")


def _require_different(groups: Sequence[Group]) -> None:
    if len(groups) < 2:
        raise UsageError("a comparison needs two groups of runs: name a second run, experiment or spec")
    seen: set[tuple[str, str, str]] = set()
    for group in groups:
        hidden = next((run.id for run in group.runs[:1] if unknown_masks(run)), "")
        identity = (group.experiment, group.spec, hidden)
        if identity in seen:
            raise UsageError(
                f"spec {group.spec[:12]} of {group.experiment} was named twice: its runs are replicates "
                "of each other, and gittrack stats shows them"
            )
        seen.add(identity)


def _chosen(groups: Sequence[Group], wanted: Sequence[str]) -> tuple[list[str], list[str]]:
    """Metrics to compare, and those that are not though there are some."""
    runs = finished_of(groups)
    names = metric_names(runs)
    require_metrics(wanted, names)
    if wanted:
        return list(dict.fromkeys(wanted)), []
    shared = [name for name in names if all(name in metric_names(group.finished) for group in groups)]
    directed = [name for name in shared if direction_of(runs, name)]
    chosen = directed or shared
    return chosen, [name for name in names if name not in chosen]


def _compared(sides: Sequence[Side], metric: str, confidence: float, margin: float | None) -> MetricContrasts:
    direction = direction_of(finished_of(side.group for side in sides), metric)
    known = (run.metrics.get(metric) for side in sides for run in side.sample.runs)
    values = [side.sample.values(metric) for side in sides]
    means = tuple(
        Mean(
            side.letter,
            mean_interval(sample_values, confidence) if sample_values else None,
            tuple(side.sample.without(metric)),
        )
        for side, sample_values in zip(sides, values, strict=True)
    )
    filled = [at for at, sample_values in enumerate(values) if sample_values]
    selection = None
    if direction is not None and len(filled) > 1:
        selection = winners_curse([values[at] for at in filled], larger=direction == "maximize")
    winner = sides[filled[selection.winner]] if selection and not _tied(selection, means) else None
    pairs = [(sides[0], side) for side in sides[1:]] if values[0] else []
    return MetricContrasts(
        metric=metric,
        direction=direction,
        unit=next((m.unit for m in known if m is not None and m.unit), None),
        means=means,
        contrasts=tuple(
            _pair(a, b, metric, direction, confidence, margin) for a, b in pairs if b.sample.values(metric)
        ),
        selection=selection,
        winner=winner.letter if winner else None,
        fresh=FRESH.format(run=winner.sample.runs[-1].id) if winner else None,
    )


def _tied(selection: Selection, means: Sequence[Mean]) -> bool:
    return (
        sum(
            side_mean.interval is not None and side_mean.interval.mean == selection.mean
            for side_mean in means
        )
        > 1
    )


def _pair(
    a: Side, b: Side, metric: str, direction: Direction | None, confidence: float, margin: float | None
) -> Contrast:
    one, two, because = _matched(a.sample, b.sample, metric)
    alike = because.startswith("the same")
    difference = (paired if alike else welch)(one, two, confidence)
    mixed = a.sample.varied != b.sample.varied and not difference.why
    if mixed:
        why = f"{a.letter} varies {_varies(a)}, {b.letter} {_varies(b)}: spreads of different kinds"
        difference = Difference("Welch", difference.difference, confidence, why=why)
        because = "not tested"
    share = superiority(one, two, larger=direction != "minimize", paired=alike, confidence=confidence)
    return Contrast(
        a=a.letter,
        b=b.letter,
        difference=difference,
        because=because,
        holm=None,
        superiority=None if mixed else share,
        equivalence=None if margin is None else equivalence(difference, margin),
        verdict="",
    )


def _varies(side: Side) -> str:
    return {"not recorded": "nothing that is recorded"}.get(side.sample.varied, side.sample.varied)


def _matched(a: Sample, b: Sample, metric: str) -> tuple[list[float], list[float], str]:
    """Values of both sides, as pairs where they have the same seeds, and why so or not."""
    one, two = ({seed_key(run): final_value(run, metric) for run in s.runs} for s in (a, b))
    seeded = a.varied == b.varied and a.varied not in ("nothing", "not recorded")
    if seeded and one.keys() == two.keys():
        both = [(x, two[key]) for key, x in one.items()]
        pairs = [(x, y) for x, y in both if x is not None and y is not None]
        dropped = len(both) - len(pairs)
        lost = f", but {dropped} of {len(both)} pairs lack a value" if dropped else ""
        if pairs:
            return [x for x, _ in pairs], [y for _, y in pairs], f"the same seeds on both sides{lost}"
    partly = seeded and bool(one.keys() & two.keys())
    because = "only some seeds are on both sides" if partly else "no seeds in common"
    return a.values(metric), b.values(metric), because if seeded else "no pairs: the seeds were not varied"


def _judged(result: Contrast, adjusted: float | None, direction: Direction | None) -> Contrast:
    return replace(result, holm=adjusted, verdict=_verdict(result, adjusted, direction))


def _verdict(result: Contrast, adjusted: float | None, direction: Direction | None) -> str:
    difference, within = result.difference, result.equivalence
    small = within is not None and within.equivalent is True
    if adjusted is None:
        return "cannot tell"
    if adjusted < 1 - difference.confidence:
        up = difference.difference > 0
        words = ("higher", "lower") if direction is None else ("better", "worse")
        word = words[0] if up == (direction != "minimize") else words[1]
        return f"{word}, but small" if small else word
    return "equivalent" if small else "no difference shown"


def _unlike(sides: Sequence[Side]) -> list[str]:
    """Metrics of which the groups' final values are not like for like, though each group's own are."""
    runs = [run for side in sides for run in side.sample.runs]
    names = [name for name in metric_names(runs) if rule_of(runs, name) == UNLIKE]
    return [f"final values of {', '.join(names)} come {UNLIKE}"] if names else []


def _cautions(sides: Sequence[Side]) -> list[str]:
    notes = []
    for side in sides:
        group = side.group
        if group.failed:
            count, every = len(group.failed), len(group.runs)
            notes.append(f"{side.letter}: {count} of {every} runs did not finish: in no figure")
        again = len(group.finished) - len(side.sample.runs)
        if again:
            plural = "run repeats" if again == 1 else "runs repeat"
            notes.append(f"{side.letter}: {again} further {plural} a seed: in no figure")
        notes += [f"{side.letter}: {caution}" for caution in cautions(side.sample)]
    return notes

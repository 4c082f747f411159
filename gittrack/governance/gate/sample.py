"""Which runs of a group a gate judges, and what becomes of the others. None is left out unsaid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from gittrack.formats.record import Metric, Record
from gittrack.formats.spec import UNSEEDED, SeedKey, seed_key
from gittrack.governance.gate.rule import number
from gittrack.stats.replicates import Group, Sample

Part = Literal["judged", "failed", "left out"]
"""What a run is to the verdict: it counts, it counts as one that did not finish, it does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedRun:
    """A run of the group beside the gate."""

    record: Record
    part: Part
    value: float | None
    """The metric, where it is there and finite."""
    says: str = ""
    """Why it has no value, or why it is left out."""

    @property
    def id(self) -> str:
        return self.record.id


@dataclass(frozen=True)
class Chosen:
    """The sample that is judged, and every run of the group, oldest first."""

    sample: Sample
    runs: tuple[JudgedRun, ...]
    unseeded: int = 0
    """Runs that state no seed, where others of the sample do: which of them are alike is not known."""

    def part(self, part: Part) -> list[JudgedRun]:
        return [run for run in self.runs if run.part == part]

    @property
    def attempts(self) -> list[Record]:
        """The runs that count against the number that was fixed: those judged, and each seed that failed."""
        failed = {_attempt(run.record): run.id for run in reversed(self.part("failed"))}
        counting = {*failed.values(), *(run.id for run in self.sample.runs)}
        return [run.record for run in self.runs if run.id in counting]


def choose(
    group: Group,
    metric: str,
    planned: int | None = None,
    *,
    fresh: bool = False,
    others: Mapping[str, Record] | None = None,
) -> Chosen:
    """The sample of `group`: one run for each distinct seed, the first that finished.

    Left out are further runs with a seed that has finished, and runs that `gittrack reproduce` made
    beyond the `planned` number: they came after, and cannot change a verdict. A run that failed
    counts until another one finishes with its seed. With `fresh` only runs count that reproduce
    another one with a seed that none of the group's first runs had. `others` are runs of other
    groups by id, which a run of this one may reproduce.
    """
    out: dict[str, str] = {}
    if fresh:
        out.update(_not_fresh(group, others or {}))
    out.update(_repeated(run for run in group.runs if run.id not in out))
    if planned is not None and not fresh:
        out.update(_beyond([run for run in group.runs if run.id not in out], planned))
    counted = tuple(run for run in group.runs if run.id not in out)
    sample = Group(group.experiment, group.spec, counted).across
    unseeded = [run for run in counted if run.status == "finished" and seed_key(run) == UNSEEDED]
    mixed = len(unseeded) if sample.varied != "not recorded" and len(unseeded) > 1 else 0
    return Chosen(sample, tuple(_judged(run, metric, sample, out) for run in group.runs), mixed)


def _attempt(run: Record) -> SeedKey | str:
    """What is one try: a seed, or a run that states none."""
    return run.id if seed_key(run) == UNSEEDED else seed_key(run)


def _not_fresh(group: Group, others: Mapping[str, Record]) -> dict[str, str]:
    """Why runs were not made on fresh seeds."""
    known = {**others, **{run.id: run for run in group.runs}}
    first = {seed_key(run) for run in group.runs if run.reproduces is None}
    out = {}
    for run in group.runs:
        original = known.get(run.reproduces or "")
        if run.reproduces is None:
            out[run.id] = "not made by gittrack reproduce"
        elif seed_key(run) in first | {UNSEEDED} or (original and seed_key(run) == seed_key(original)):
            out[run.id] = f"reproduces {run.reproduces} without a fresh seed"
    return out


def _repeated(runs: Iterable[Record]) -> dict[str, str]:
    """Reproductions of a run whose seed has finished: they show the machine, and are no further runs."""
    finished: set[SeedKey] = set()
    out = {}
    for run in runs:
        if run.reproduces is not None and seed_key(run) in finished:
            seed = "and states no seed" if seed_key(run) == UNSEEDED else "with the same seed"
            out[run.id] = f"reproduces {run.reproduces} {seed}"
        elif run.status == "finished":
            finished.add(seed_key(run))
    return out


def _beyond(runs: Sequence[Record], planned: int) -> dict[str, str]:
    """Reproductions on new seeds after the planned number was reached, if nothing else went beyond it."""
    attempts: dict[SeedKey | str, list[Record]] = {}
    for run in runs:
        attempts.setdefault(_attempt(run), []).append(run)
    beyond = [run for tried in list(attempts.values())[planned:] for run in tried]
    if any(run.reproduces is None for run in beyond):
        return {}
    return {run.id: f"made after the {planned} that the protocol fixed" for run in beyond}


def _judged(run: Record, metric: str, sample: Sample, out: Mapping[str, str]) -> JudgedRun:
    value, lacks = value_of(run.metrics.get(metric))
    ending = "" if run.status == "finished" else _ending(run)
    if run.id in out:
        return JudgedRun(
            record=run, part="left out", value=value, says="; ".join(filter(None, [ending, out[run.id]]))
        )
    if any(run.id == other.id for other in sample.runs):
        return JudgedRun(record=run, part="judged", value=value, says=lacks)
    twin = next((other.id for other in sample.runs if seed_key(other) == seed_key(run)), None)
    if ending:
        mended = f"; finished with that seed in {twin}" if twin and seed_key(run) != UNSEEDED else ""
        return JudgedRun(
            record=run, part="left out" if mended else "failed", value=value, says=ending + mended
        )
    why = "states no seed, as" if seed_key(run) == UNSEEDED else "same seed as"
    return JudgedRun(record=run, part="left out", value=value, says=f"{why} {twin}")


def value_of(metric: Metric | None) -> tuple[float | None, str]:
    """The final value as a float, else why there is none."""
    if metric is None:
        return None, "has no such metric"
    if metric.value is None:
        return None, f"is {metric.status or 'without a value'}"
    value = number(metric.value)
    return (value, "") if value is not None else (None, "is too large")


def _ending(run: Record) -> str:
    failure = f": {run.failure.type}: {run.failure.message}" if run.failure else ""
    return f"{run.status}{failure}"

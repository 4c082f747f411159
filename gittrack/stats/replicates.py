"""Replicates: the runs of one spec, and what was varied between them.

Three kinds of variance are never mixed (X. Bouthillier et al., "Accounting for Variance in
Machine Learning Benchmarks", MLSys 2021): that of reruns with nothing varied, that of new seeds
or splits, and that of the test set's own size. A `Sample` is of one kind and says which.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from gittrack.errors import NotFoundError, RecordError
from gittrack.formats.masks import pool_of, shown_params
from gittrack.formats.record import Record
from gittrack.formats.spec import SEED_NAMES, UNSEEDED, SeedKey, seed_key, with_seed
from gittrack.reading.index import Index, Row

Varied = Literal["nothing", "seed", "data split", "seed and data split", "not recorded"]
"""What differs between the runs of a sample; ``not recorded`` where they state no seed."""

# Names in `seeds` that say how data was divided, rather than how a model was initialised.
_SPLIT = re.compile(r"(?i)(?:^|[._-])(?:split|fold|cv|data|subset|partition|bootstrap)(?:$|[._-])")


@dataclass(frozen=True, slots=True)
class Sample:
    """Finished runs of one spec that differ in one named respect, oldest first; seeds are distinct."""

    varied: Varied
    runs: tuple[Record, ...]

    def values(self, metric: str) -> list[float]:
        """Final values of `metric` where a run has a finite one, in the order of the runs."""
        return [value for run in self.runs if (value := final_value(run, metric)) is not None]

    def without(self, metric: str) -> list[str]:
        """Ids of the runs that lack the metric, or in which it is not finite."""
        return [run.id for run in self.runs if final_value(run, metric) is None]


@dataclass(frozen=True)
class Group:
    """Every ended run of one spec in one experiment, oldest first; failed and killed ones too."""

    experiment: str
    spec: str
    runs: tuple[Record, ...]

    @property
    def finished(self) -> tuple[Record, ...]:
        return tuple(run for run in self.runs if run.status == "finished")

    @property
    def failed(self) -> tuple[Record, ...]:
        """Runs that failed or were killed: shown wherever a figure of the others is."""
        return tuple(run for run in self.runs if run.status != "finished")

    @cached_property
    def across(self) -> Sample:
        """One run for each distinct seed (the first), or what there is where seeds are alike or absent."""
        first: dict[SeedKey, Record] = {}
        for run in self.finished:
            first.setdefault(seed_key(run), run)
        runs = tuple(first.values())
        if len(runs) < 2:
            known = any(seed_key(run) != UNSEEDED for run in self.finished[:1])
            return Sample("nothing" if known else "not recorded", self.finished)
        return Sample(_varied(runs), runs)

    @cached_property
    def reruns(self) -> tuple[Sample, ...]:
        """Runs that share their seed with another one, a sample for each such seed."""
        if len({seed_key(run) for run in self.finished}) < 2:
            return ()  # that is `across` already
        alike: dict[SeedKey, list[Record]] = {}
        for run in self.finished:
            alike.setdefault(seed_key(run), []).append(run)
        repeated = [(key, runs) for key, runs in alike.items() if len(runs) > 1]
        return tuple(
            Sample("not recorded" if key == UNSEEDED else "nothing", tuple(runs)) for key, runs in repeated
        )


_ABSENT = object()


def _varied(runs: Sequence[Record]) -> Varied:
    names = {"seed"} if len({run.seed for run in runs}) > 1 else set()
    for name in {name for run in runs for name in run.seeds}:
        if len({run.seeds.get(name) for run in runs}) > 1:
            names.add("data split" if _SPLIT.search(name) else "seed")
    return "seed and data split" if len(names) > 1 else "data split" if "data split" in names else "seed"


def final_value(run: Record, metric: str) -> float | None:
    """The final value of `metric`; None where the run has none, or one that is not finite."""
    final = run.metrics.get(metric)
    try:
        value = None if final is None or final.value is None else float(final.value)
    except OverflowError:  # a whole number beyond what a float holds
        return None
    return value if value is not None and math.isfinite(value) else None


def own_params(group: Group) -> dict[str, Any]:
    """The parameters that all runs of a group share, under dotted names; seeds are left out."""
    flat = shown_params(group.runs[0])
    return {name: value for name, value in flat.items() if name.rpartition(".")[2] not in SEED_NAMES}


def told_apart(groups: Sequence[Group]) -> list[dict[str, Any]]:
    """For each group the parameters by which it differs from another; where none does, its code, data, ..."""
    params = [own_params(group) for group in groups]
    names = dict.fromkeys(name for own in params for name in own)
    differ = [name for name in names if len({repr(own.get(name, _ABSENT)) for own in params}) > 1]
    settings = [{name: own[name] for name in differ if name in own} for own in params]
    keys = [repr(setting) for setting in settings]
    often = Counter(keys)
    unclear = [at for at, key in enumerate(keys) if often[key] > 1]
    facts = {at: _facts(groups[at]) for at in unclear}
    for at, setting in zip(unclear, _own_arguments([groups[at] for at in unclear]), strict=True):
        facts[at]["command"] = setting
    for name in ("code", "command", "data", "locks"):
        if len({facts_by_name[name] for facts_by_name in facts.values()}) > 1:
            for at in unclear:
                settings[at] = {**settings[at], name: facts[at][name]}
    return settings


def _own_arguments(groups: Sequence[Group]) -> list[str]:
    """Of each command the arguments that another lacks, with the option in front; seeds are no difference."""
    commands = [with_seed(group.runs[0].code.command, {}, 0)[0] for group in groups]
    common = set.intersection(*map(set, commands)) if commands else set()
    arguments = []
    for command in commands:
        own = [at for at, argument in enumerate(command) if argument not in common]
        options = [at - 1 for at in own if at and command[at - 1].startswith("-")]
        arguments.append(" ".join(command[at] for at in sorted({*own, *options})))
    return arguments


def _facts(group: Group) -> dict[str, str]:
    """What else makes a spec, in short."""
    run = group.runs[0]
    data = [d.sha256 or d.md5 or d.blob or "" for d in run.data]
    return {
        "code": run.code.revision[:7] if run.code.revision else "not known",
        "data": ",".join(digest[:7] for digest in data),
        "locks": ",".join(lock.sha256[:7] for lock in run.locks),
    }


def finished_of(groups: Iterable[Group]) -> list[Record]:
    """The finished runs of all of `groups`."""
    return [run for group in groups for run in group.finished]


# --- on the ledger -----------------------------------------------------------------------------


def group_of(index: Index, row: Row) -> Group:
    """The group that a run belongs to. RecordError if its own record is damaged."""
    if row.fault is not None or row.spec is None:
        raise RecordError(row.fault or f"run {row.id} has no spec")
    groups = _grouped(index.search(f"spec = '{row.spec}'", experiment=row.experiment)[::-1])
    return next(group for group in groups if any(run.id == row.id for run in group.runs))


def groups_of(index: Index, experiment: str, filter: str | None = None) -> list[Group]:
    """The groups of an experiment, by their first run, oldest first. NotFoundError if there is none such.

    UsageError for a filter that names what no run of it has.
    """
    index.require_experiment(experiment)
    if filter is not None:
        from gittrack.reading.index.known import require_known

        require_known([index], filter, experiment=experiment)
    return _grouped(index.search(filter, experiment=experiment)[::-1])


def damaged_runs(index: Index, experiments: Iterable[str]) -> list[str]:
    """Ids of the runs whose records cannot be read; of which spec they were nobody knows."""
    return [
        row.id
        for experiment in dict.fromkeys(experiments)
        for row in index.search("status = 'damaged'", experiment=experiment)[::-1]
    ]


def named_groups(index: Index, name: str) -> list[Group]:
    """All groups of an experiment called `name`, or the one of that run or spec (4 digits or more)."""
    if name in index.experiments():
        return groups_of(index, name)
    try:
        return [group_of(index, index.one(name))]
    except NotFoundError as error:
        if "no run" in str(error) and re.fullmatch(r"[0-9a-f]{4,64}", name):
            groups = _grouped(index.search(f"spec like '{name}%'")[::-1])
            if len({group.spec for group in groups}) == 1:
                return groups
            if groups:
                listed = ", ".join(group.spec[:12] for group in groups[:10])
                raise NotFoundError(f"{name!r} is ambiguous: it may be spec {listed}") from error
        raise NotFoundError(
            f"no run, experiment or spec {name!r}: gittrack log lists the runs there are"
            if str(error).startswith("no run ")
            else str(error)
        ) from error


def _grouped(rows: Iterable[Row]) -> list[Group]:
    """Runs by spec; one that masks a value without a digest is like no other, as nobody knows what it had."""
    runs: dict[tuple[str, str], list[Record]] = {}
    for row in rows:
        if row.fault is None:
            record = row.load()
            runs.setdefault((row.experiment, pool_of(record)), []).append(record)
    return [Group(experiment, records[0].spec, tuple(records)) for (experiment, _), records in runs.items()]

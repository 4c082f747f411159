"""What differs between two runs: parameters, metrics, data, locks, packages, code and environment."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from gittrack.errors import RepositoryError
from gittrack.formats.flat import flatten
from gittrack.formats.masks import COMMAND, PARAMS, Likeness, is_masked, likeness
from gittrack.formats.record import Code, DataInput, Lock, Metric, Record
from gittrack.reading.entry import Entry


@dataclass(frozen=True, slots=True)
class Pair:
    """One thing in both runs; None where a run lacks it."""

    name: str
    a: Any
    b: Any

    @property
    def same(self) -> bool:
        return repr(self.a) == repr(self.b)


@dataclass(frozen=True, slots=True)
class MaskedPair(Pair):
    """A value of which the records show ``***``."""

    likeness: Likeness = "not known"

    @property
    def same(self) -> bool:
        return self.likeness == "same"


@dataclass(frozen=True, slots=True)
class MetricPair(Pair):
    """A final value in both runs. A value that is not finite is its name (``nan``)."""

    unit: str | None = None
    direction: Literal["maximize", "minimize"] | None = None
    rules: tuple[str | None, str | None] = (None, None)
    """How each comes from its series; None where that is not recorded, or the run lacks the metric."""

    @property
    def unlike(self) -> str | None:
        """``max, last`` where the two are known to come by different rules: they are not like for like."""
        one, two = self.rules
        return f"{one}, {two}" if one and two and one != two else None

    @property
    def difference(self) -> float | int | None:
        """b - a, None unless both are finite."""
        if not isinstance(self.a, (int, float)) or not isinstance(self.b, (int, float)):
            return None
        try:
            difference: float | int = self.b - self.a
            return difference if math.isfinite(difference) else None
        except OverflowError:  # integers beyond what a float holds
            return None

    @property
    def percent(self) -> float | None:
        """The difference relative to a, None where a is 0."""
        difference = self.difference
        if difference is None or not self.a:
            return None
        share = float(difference) / abs(float(self.a)) * 100
        return share if math.isfinite(share) else None

    @property
    def verdict(self) -> Literal["better", "worse"] | None:
        """Of b, by the metric's direction; None where that or a value is unknown, or they are equal."""
        difference = self.difference
        if not difference or self.direction is None or self.unlike:
            return None
        return "better" if (difference > 0) == (self.direction == "maximize") else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Run `a` beside run `b`. `code` has git's status letter (A, M, D, T) for each file that differs."""

    a: Entry
    b: Entry
    facts: tuple[Pair, ...]
    params: tuple[Pair, ...]
    metrics: tuple[MetricPair, ...]
    data: tuple[Pair, ...]
    locks: tuple[Pair, ...]
    packages: tuple[Pair, ...]
    environment: tuple[Pair, ...]
    code: tuple[tuple[str, str], ...]
    unavailable: dict[str, str] = field(default_factory=dict)
    """Sections that could not be compared, and why."""

    @property
    def pairs(self) -> dict[str, tuple[Pair, ...]]:
        """The sections that compare values, in the order a reader wants them."""
        names = ("facts", "params", "metrics", "data", "locks", "packages", "environment")
        return {name: getattr(self, name) for name in names}

    @property
    def differ(self) -> bool:
        """Whether anything differs or could not be compared."""
        changed = any(not pair.same for pairs in self.pairs.values() for pair in pairs)
        return changed or bool(self.code) or bool(self.unavailable)

    def to_dict(self, *, everything: bool = False) -> dict[str, Any]:
        """Plain values: what differs, or with `everything` what is equal too."""
        result: dict[str, Any] = {"a": self.a.id, "b": self.b.id}
        for name, pairs in self.pairs.items():
            result[name] = {p.name: _plain(p) for p in pairs if everything or not p.same}
        result["code"] = [{"status": letter, "path": path} for letter, path in self.code]
        return {**result, "unavailable": self.unavailable}


def _plain(pair: Pair) -> dict[str, Any]:
    plain: dict[str, Any] = {"a": pair.a, "b": pair.b}
    if isinstance(pair, MaskedPair):
        plain["masked"] = pair.likeness
    if isinstance(pair, MetricPair):
        extra: dict[str, Any] = {
            "difference": pair.difference,
            "percent": pair.percent,
            "verdict": pair.verdict,
        }
        extra["rules"] = [*pair.rules] if pair.unlike else None
        plain |= {key: value for key, value in extra.items() if value is not None}
    return plain


def compare(a: Entry, b: Entry) -> Comparison:
    """Both runs side by side; RecordError if a record is damaged."""
    one, two = a.record, b.record
    unavailable: dict[str, str] = {}
    first, second = (_environment(entry, unavailable) for entry in (a, b))
    packages, machines = environments((first, one), (second, two))
    if first and second and (unknown := _unknown_sections(first, second)):
        unavailable["environment"] = f"{', '.join(unknown)} not known of one of them"
    return Comparison(
        a=a,
        b=b,
        facts=_told_apart(_pairs(_facts(one), _facts(two)), one, two, {"command": COMMAND}),
        params=_told_apart(_pairs(_params(one), _params(two)), one, two),
        metrics=_metrics(one.metrics, two.metrics),
        data=_pairs(_data(one.data), _data(two.data)),
        locks=_pairs(_locks(one.locks), _locks(two.locks)),
        packages=() if "packages" in unavailable else packages,
        environment=machines,
        code=_code(a, b, unavailable),
        unavailable=unavailable,
    )


Surroundings = tuple[Mapping[str, Any], Record]
"""The plain values of an environment.yaml, and the record beside it."""


def environments(a: Surroundings, b: Surroundings) -> tuple[tuple[Pair, ...], tuple[Pair, ...]]:
    """Installed packages, and all else about the machines and the determinism flags in force."""
    surroundings = [environment for environment, _ in (a, b)]
    unknown = {*_unknown_sections(*surroundings)} if all(surroundings) else set()
    if not all(environment.get("blas") for environment in surroundings):
        unknown.add("blas")  # seen only where the program itself called gittrack, once it had loaded them
    if "packages" in unknown:
        unknown.add("drift")  # of these packages from the locks
    compared = [{k: v for k, v in e.items() if k not in unknown} for e in surroundings]
    pythons = [e["python"] for e in compared if isinstance(e.get("python"), dict)]
    if len(pythons) == 2:  # a fact of an interpreter that was not asked for it is not known
        asked = pythons[0].keys() & pythons[1].keys() - {"executable"}  # `python`, `python3`: no difference
        compared = [{**e, "python": {k: v for k, v in e["python"].items() if k in asked}} for e in compared]
    machines = [_machine(e, record) for e, (_, record) in zip(compared, (a, b), strict=True)]
    return _pairs(*(_packages(environment) for environment in compared)), _pairs(*machines)


_ALWAYS_KNOWN = ("python", "packages", "os", "container", "cpu", "gpus", "variables")
"""Sections of environment.yaml that are absent only where they are not known."""


def _unknown_sections(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """Sections that one of the two does not know: not known is not different."""
    return [name for name in _ALWAYS_KNOWN if (name in a) != (name in b)]


def missing_tree(entry: Entry) -> str | None:
    """Why the code of a run cannot be read in this clone; None if it can."""
    code = entry.record.code
    with entry.repository.objects() as objects:
        if code.tree is not None and objects.tree(code.tree) is not None:
            return None
    if code.tree is None:
        return f"which files the code of run {entry.id} had is not known"
    name = f"commit {code.short}"
    return (
        f"{name} of run {entry.id} is not in this clone; gittrack pull, or git fetch --unshallow, brings it"
    )


def _pairs(a: Mapping[str, Any], b: Mapping[str, Any]) -> tuple[Pair, ...]:
    return tuple(
        Pair(name, a.get(name), b.get(name)) for name in sorted({*a, *b}, key=list({**a, **b}).index)
    )


def _told_apart(
    pairs: Sequence[Pair], a: Record, b: Record, places: Mapping[str, str] | None = None
) -> tuple[Pair, ...]:
    """`pairs` with what the records say of masked values; `places`: paths of facts, None for params."""
    known = []
    for pair in pairs:
        hidden = is_masked(pair.a) or is_masked(pair.b)
        if not hidden or repr(pair.a) != repr(pair.b):
            known.append(pair)
            continue
        path = f"{PARAMS}{pair.name}" if places is None else places.get(pair.name, "")
        known.append(MaskedPair(pair.name, pair.a, pair.b, likeness(a.masked.get(path), b.masked.get(path))))
    return tuple(known)


def _params(record: Record) -> dict[str, Any]:
    """By dotted name; null is a value, and not the absence of one."""
    return {name: "null" if value is None else value for name, value in flatten(record.params).items()}


def _facts(record: Record) -> dict[str, Any]:
    code: Code = record.code
    return {
        "experiment": record.experiment,
        "status": record.status,
        "ended_by": record.ended_by,
        "name": record.name,
        "hypothesis": record.hypothesis,
        "author": record.author_name,
        "duration_s": record.duration_s,
        "seed": record.seed,
        **{f"seeds.{k}": v for k, v in record.seeds.items()},
        **{f"tags.{k}": v for k, v in record.tags.items()},
        "commit": code.commit,
        "dirty": code.dirty,
        "branch": code.branch,
        "command": list(code.command),
        "cwd": code.cwd,
        "entry": code.entry,
        **{f"submodule {s.path}": s.commit for s in code.submodules},
        "attempts": len(record.attempts) or None,
        **{f"changed while it ran: {c.what}": c.shown for c in record.changed},
        **{f"at the same time: run {o.run}": list(o.paths) for o in record.overlaps if not o.unknown},
        **{f"perhaps at the same time: run {o.run}": list(o.paths) for o in record.overlaps if o.unknown},
    }


def _metrics(a: Mapping[str, Metric], b: Mapping[str, Metric]) -> tuple[MetricPair, ...]:
    def value(metric: Metric | None) -> Any:
        return None if metric is None else metric.status if metric.value is None else metric.value

    pairs = []
    for name in sorted({*a, *b}):
        one, two = a.get(name), b.get(name)
        known = [m for m in (two, one) if m is not None]
        unit = next((m.unit for m in known if m.unit), None)
        direction = next((m.direction for m in known if m.direction), None)
        rules = (one.rule if one else None, two.rule if two else None)
        pairs.append(MetricPair(name, value(one), value(two), unit, direction, rules))
    return tuple(pairs)


def _data(data: Sequence[DataInput]) -> dict[str, str]:
    return {f"{d.path} ({d.shown_role})": d.sha256 or d.md5 or d.blob or "no digest" for d in data}


def _locks(locks: Sequence[Lock]) -> dict[str, str]:
    return {lock.path: f"{lock.sha256} ({lock.kind}, pins {lock.pins})" for lock in locks}


def _environment(entry: Entry, unavailable: dict[str, str]) -> dict[str, Any]:
    environment = entry.environment()
    if not environment:
        unavailable["packages"] = f"run {entry.id} has no environment.yaml"
    elif "packages" not in environment:
        unavailable["packages"] = f"which packages the program of run {entry.id} had is not known"
    return environment


def _packages(environment: Mapping[str, Any]) -> dict[str, Any]:
    """Version by name; those of further interpreters of the job under what these ran."""
    packages = environment.get("packages", {})
    versions = {name: packages[name] for name in sorted(packages)} if isinstance(packages, dict) else {}
    for python in environment.get("interpreters", [])[1:]:
        ran = ", ".join(python.get("ran", [])) or f"Python {python['version']}"
        versions |= {f"{name} (of {ran})": text for name, text in sorted(python.get("packages", {}).items())}
    return versions


_APART = frozenset({"packages", "imported", "interpreters", "schema"})


def _machine(environment: Mapping[str, Any], record: Record) -> dict[str, Any]:
    """What a run ran on, packages apart, and the determinism flags in force."""
    facts = {k: v for k, v in environment.items() if k not in _APART}
    if not facts:
        summary = asdict(record.surroundings)
        facts = {k: v for k, v in summary.items() if k != "sha256" and v not in (None, ())}
    facts = {k: v for k, v in facts.items() if v != {}}  # no variable is none that differs
    ranks = {"ranks": record.ranks.sentence} if record.ranks else {}
    return {**flatten(facts), **ranks, **flatten(record.determinism, "determinism.")}


def _code(a: Entry, b: Entry, unavailable: dict[str, str]) -> tuple[tuple[str, str], ...]:
    one, two = a.record.code.tree, b.record.code.tree
    if one is not None and one == two:
        return ()
    missing = missing_tree(a) or missing_tree(b)
    if one is not None and two is not None and missing is None:
        try:
            return tuple((letter, path) for letter, _, _, path in a.repository.diff_tree(one, two))
        except RepositoryError as error:
            missing = str(error)
    unavailable["code"] = missing or ""
    return ()

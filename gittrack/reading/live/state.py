"""What a run has said of itself so far: the events of its journal, taken one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gittrack.reading.journal.events import Kind

Point = tuple[float, int | float | None, Mapping[str, Any]]
"""Seconds since the start, step, values by metric; one that is not finite as its name."""


class State:
    """Facts, parameters, tags and the last values of metrics."""

    def __init__(self, start: Mapping[str, Any]) -> None:
        self.facts: dict[str, Any] = dict(start["record"])
        self.tags: dict[str, str] = {}
        self.seeds: dict[str, int] = {}
        self.last: dict[str, tuple[Any, int | float | None]] = {}
        """By metric its last value, and the step of that."""
        self.elapsed: float | None = None
        """Of the last point."""
        self._params: list[tuple[Mapping[str, Any], list[Any]]] = []
        self._given: dict[str, Any] = {}
        self._declared: Mapping[str, Any] = start["metrics"]
        self._defined: dict[str, Any] = {}
        self._before: dict[str, Any] = {}
        """Parameters of earlier attempts: what a later one says of a parameter stands alone."""

    def take(self, event: list[Any]) -> Iterator[Point]:
        """Take one event; the points that it has."""
        match event:
            case [Kind.METRICS, list(rows)]:
                for elapsed, step, values in rows:
                    self._note(elapsed, step, values)
                    yield elapsed, step, values
            case [Kind.PARAMS, params, *origin]:
                self._params.append((params, origin))
            case [Kind.TAGS, tags]:
                self.tags.update(tags)
            case [Kind.SEEDS, seeds]:
                self.seeds.update(seeds)
            case [Kind.SUMMARY, metrics]:
                self._given.update(metrics)
            case [Kind.FACTS, facts]:
                self.facts.update(facts)
            case [Kind.DECLARED, declared]:
                self._declared = declared
            case [Kind.DEFINED, defined]:
                self._defined.update(defined)
            case [Kind.ATTEMPT, *_]:
                self._before = _laid_over(self._before, self._said()[0])
                self._params = []

    def _note(self, elapsed: float, step: int | float | None, values: Mapping[str, Any]) -> None:
        self.elapsed = elapsed if self.elapsed is None else max(self.elapsed, elapsed)
        for name, value in values.items():
            self.last[name] = value, step

    @property
    def started(self) -> float:
        """Seconds since the epoch."""
        return datetime.fromisoformat(self.facts["started"]).timestamp()

    @property
    def last_point(self) -> str | None:
        """When the last metric was logged, as a record writes times."""
        if self.elapsed is None:
            return None
        return datetime.fromtimestamp(self.started + self.elapsed, UTC).isoformat().replace("+00:00", "Z")

    def record(self, status: str) -> dict[str, Any]:
        """What a record would have of this, in plain values, and ``live``, which no record has."""
        facts = self.facts
        params, masked, seed = self._said()
        record = {
            **{name: value for name, value in facts.items() if value is not None},
            "status": status,
            "tags": self.tags,
            "params": _laid_over(self._before, params),
            "masked": {**facts.get("masked", {}), **{f"params.{k}": v for k, v in masked.items()}},
            **({} if seed is None else {"seed": seed}),
            "seeds": self.seeds,
            "metrics": self.metrics(),
            "live": {"last_point": self.last_point},
        }
        return {name: value for name, value in record.items() if value != {} or name in ("params", "metrics")}

    def _said(self) -> tuple[Mapping[str, Any], Mapping[str, str], int | None]:
        """Parameters, digests of the masked ones, and the seed, by the rules of `formats.sources`.

        Where each name is said once there is nothing to resolve, and a list of runs is quicker.
        """
        names = [name.replace("-", "_") for params, _ in self._params for name in params]
        is_masked = any(origin[1:2] not in ([], [None], [{}]) for _, origin in self._params)
        if len({*names, "seed"}) == len(names) + 1 and not is_masked:
            plain = {name: value for params, _ in self._params for name, value in params.items()}
            return plain, {}, self.facts.get("seed")
        from gittrack.formats.sources import choose_seed, layer_of, resolve

        said = resolve([layer_of(params, origin) for params, origin in self._params])
        seed, _, _ = choose_seed(self.facts.get("seed"), self.facts.get("seed_source"), said, {})
        return said.params, said.masked, seed

    def metrics(self) -> dict[str, dict[str, Any]]:
        """The last value of each metric, and what is declared of it; of one with a given value, that."""
        values = {**self.last, **{name: (value, None) for name, value in self._given.items()}}
        metrics = {}
        for name, (value, step) in sorted(values.items()):
            meaning = self._meaning(name) if self._declared or self._defined else {}
            rule = "given" if name in self._given else "last"
            facts = {"status" if isinstance(value, str) else "value": value, "step": step, **meaning}
            metrics[name] = {k: v for k, v in {**facts, "rule": rule}.items() if v is not None}
        return metrics

    def _meaning(self, name: str) -> dict[str, Any]:
        from gittrack.formats.finals import meaning_of

        return meaning_of(name, self._declared, self._defined)


def _laid_over(before: Mapping[str, Any], later: Mapping[str, Any]) -> dict[str, Any]:
    """`before` with what `later` says in its place, name by dotted name."""
    merged = dict(before)
    for name, value in later.items():
        known = merged.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping) and value:
            merged[name] = _laid_over(known, value)
        else:
            merged[name] = value
    return merged

"""The pass rule of one experiment, with its defaults filled in, so that two of them can be compared."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields
from typing import Literal

from gittrack.errors import ConfigError
from gittrack.formats.config import Config, Direction

CONFIDENCE = 0.95
"""Where gittrack.yaml states none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """`experiments.<name>.gate` of a gittrack.yaml. Equal rules judge alike; `why` is not compared."""

    metric: str
    threshold: float
    direction: Direction | None
    """The gate's own, else that of the metric."""
    confidence: float
    sided: Literal["one", "two"]
    runs: int | None
    unit: str | None
    split: str | None
    why: str | None = field(default=None, compare=False)

    @property
    def sign(self) -> int:
        """1 where more is better, -1 where less is."""
        return -1 if self.direction == "minimize" else 1

    @property
    def level(self) -> float:
        """Probability whose t quantile the bound uses; two-sided, half of the rest lies on each side."""
        return self.confidence if self.sided == "one" else (1 + self.confidence) / 2

    @property
    def end(self) -> str:
        return "upper" if self.direction == "minimize" else "lower"

    @property
    def bound(self) -> str:
        """What is compared with the threshold, in words."""
        return f"{self.end} {'bound' if self.sided == 'one' else 'end'}"

    @property
    def interval(self) -> str:
        """``one-sided 95 %``."""
        return f"{self.sided}-sided {100 * self.confidence:.12g} %"

    def __str__(self) -> str:
        """``accuracy (test) at least 0.9, one-sided 95 %, 5 runs``."""
        most = {"maximize": "at least", "minimize": "at most", None: "no direction,"}[self.direction]
        split = f" ({self.split})" if self.split else ""
        unit = f" {self.unit}" if self.unit else ""
        runs = "number of runs not fixed" if self.runs is None else plural(self.runs, "run")
        return f"{self.metric}{split} {most} {self.threshold:.12g}{unit}, {self.interval}, {runs}"

    def differences(self, new: Rule) -> list[str]:
        """What another rule changes, such as ``threshold 0.92, now 0.9``."""
        pairs = [(f.name, getattr(self, f.name), getattr(new, f.name)) for f in fields(self) if f.compare]
        return [f"{name} {_shown(old)}, now {_shown(now)}" for name, old, now in pairs if old != now]

    def is_as_strict_as(self, other: Rule) -> bool:
        """Whether all that passes this rule passes the other: only threshold and level may be harder."""
        same = all(
            getattr(self, name) == getattr(other, name)
            for name in ("metric", "direction", "runs", "unit", "split")
        )
        harder = self.sign * (self.threshold - other.threshold) >= 0
        return same and harder and self.level >= other.level


def rule_of(config: Config, experiment: str) -> Rule | None:
    """The rule that `config` states for the experiment; None where it states none.

    ConfigError for a threshold beyond what a float holds.
    """
    stated = config.experiment_config(experiment)
    gate = stated.gate
    if gate is None:
        return None
    metric = stated.metrics.get(gate.metric)
    threshold = number(gate.threshold)
    if threshold is None:
        raise ConfigError(f"the gate of {experiment} has a threshold that is too large: below 10^308, please")
    return Rule(
        metric=gate.metric,
        threshold=threshold,
        direction=stated.direction_of(gate.metric),
        confidence=CONFIDENCE if gate.confidence is None else gate.confidence,
        sided=gate.sided,
        runs=gate.runs,
        unit=metric.unit if metric else None,
        split=metric.split if metric else None,
        why=gate.why,
    )


def check(rule: Rule, experiment: str) -> None:
    """ConfigError for a rule by which nothing can be judged."""
    where = f"experiments.{experiment}"
    if rule.direction is None:
        raise ConfigError(
            f"the gate of {experiment} does not say which way {rule.metric} is better: commit "
            f"{where}.gate.direction (maximize or minimize), then run anew"
        )
    if rule.level < 0.5:
        raise ConfigError(
            f"the gate of {experiment} has a confidence of {rule.confidence:g}, which would let pass a mean "
            f"that misses: commit {where}.gate.confidence of at least 0.5, then run anew"
        )


def number(value: float) -> float | None:
    """`value` as a finite float; None where it is none (a whole number may be beyond what a float holds)."""
    try:
        as_float = float(value)
    except OverflowError:
        return None
    return as_float if math.isfinite(as_float) else None


def _shown(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else "not stated" if value is None else str(value)


def plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"

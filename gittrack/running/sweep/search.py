"""Which settings are tried: all of a grid, some drawn at random, or those that Optuna asks for."""

from __future__ import annotations

import json
import math
import random
import warnings
from collections.abc import Sequence
from itertools import product
from typing import Any, Literal

from gittrack.errors import UsageError
from gittrack.formats.config import Direction
from gittrack.running.sweep.space import LIMIT, Choices, Interval, Range, Setting, Space, Whole

Search = Literal["grid", "random", "optuna"]


def grid(space: Space, repeats: int = 1) -> list[Setting]:
    """Every combination, the last range changing fastest. UsageError where there is no end of them.

    `repeats`: runs of each setting.
    """
    finite: list[Choices | Whole] = []
    for span in space.ranges:
        if isinstance(span, Interval):
            raise UsageError(
                f"a grid has no end of values for {span.key}: list them, or use --search random --runs N"
            )
        finite.append(span)
    sizes = [span.size for span in finite]
    if math.prod(sizes) * repeats > LIMIT:
        parts = [f"{span.key} {span.size:,}" for span in finite]
        parts += [f"{repeats:,} seeds"] if repeats > 1 else []
        raise UsageError(
            f"the grid has {math.prod(sizes) * repeats:,} runs ({' × '.join(parts)}), more than {LIMIT:,}: "
            "take fewer values, or use --search random --runs N"
        )
    keys = [span.key for span in finite]
    return [dict(zip(keys, values, strict=True)) for values in product(*(span.values for span in finite))]


def sample(space: Space, count: int, seed: int) -> list[Setting]:
    """`count` settings drawn from `seed`, no two alike. More of them begin with the same ones.

    UsageError where the ranges do not have so many.
    """
    ranges = space.ranges
    size = math.prod(math.inf if isinstance(r, Interval) else r.size for r in ranges)
    if size < count:
        raise UsageError(f"--runs {count}: the ranges have only {size:,} settings; use --search grid for all")
    draw = random.Random(seed)  # noqa: S311
    settings: dict[str, Setting] = {}
    for _ in range(_PATIENCE * count):
        setting = {r.key: r.at(draw.random()) for r in ranges}
        settings.setdefault(json.dumps(setting), setting)
        if len(settings) == count:
            return list(settings.values())
    raise UsageError(f"--runs {count}: the ranges are too narrow for so many settings")


_PATIENCE = 1000
"""Draws for each setting: with all that there are wanted, some ten are the rule."""


class Tuner:
    """Optuna's tree-structured Parzen estimator: asked for settings, told what came of them."""

    def __init__(self, space: Space, direction: Direction, seed: int, *, parallel: bool) -> None:
        try:
            import optuna
        except ImportError as error:
            raise UsageError(
                "Optuna is not installed: pip install 'gittrack[optuna]', or use --search random"
            ) from error
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # constant_liar is experimental, and says so
            sampler = optuna.samplers.TPESampler(seed=seed, constant_liar=parallel)
        self._ranges = space.ranges
        self._study = optuna.create_study(direction=direction, sampler=sampler)
        self._failed = optuna.trial.TrialState.FAIL

    def ask(self, count: int) -> list[tuple[Any, Setting]]:
        """The next settings to try, each with what `tell` is to be given for it."""
        trials = [self._study.ask() for _ in range(count)]
        return [(trial, {r.key: _suggested(trial, r) for r in self._ranges}) for trial in trials]

    def tell(self, trial: Any, value: float | None) -> None:
        """What came of a setting; None: it failed."""
        if value is None:
            self._study.tell(trial, state=self._failed)
        else:
            self._study.tell(trial, value)


def _suggested(trial: Any, span: Range) -> Any:
    if isinstance(span, Interval):
        return span.rounded(trial.suggest_float(span.key, span.low, span.high, log=span.log))
    if isinstance(span, Whole):
        return trial.suggest_int(span.key, span.low, span.high)
    if _is_ordered(span.values):  # by place, as steps of a range need not be equal once they are rounded
        return span.values[trial.suggest_int(span.key, 0, span.size - 1)]
    return span.values[trial.suggest_categorical(span.key, range(span.size))]


def _is_ordered(values: Sequence[Any]) -> bool:
    """Numbers, from small to large or from large to small."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)
    return numbers and list(values) in (sorted(values), sorted(values, reverse=True))

"""Curves and texts of a run, from rows that are read anew, a bounded number of points at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from gittrack.importers import values
from gittrack.importers.foreign import Curve, Moment, TextPoint
from gittrack.importers.wandb.rows import Row
from gittrack.importers.wandb.state import State, text_of

HELD = 50_000
"""Points in memory at a time."""


@dataclass(slots=True)
class _Stretch:
    values: list[float] = field(default_factory=list)
    steps: list[int | float] = field(default_factory=list)
    times: list[Moment] = field(default_factory=list)

    def curve(self, name: str, axis: str | None) -> Curve:
        return Curve(
            name=name,
            values=self.values,
            steps=self.steps or None,
            times=self.times or None,
            axis=axis,
        )


def curves(rows: Iterator[Row], axis: Callable[[str], str | None]) -> Iterator[Curve]:
    """Numbers of the rows, by metric; stretches of one metric in the order of the rows."""
    held: dict[str, _Stretch] = {}
    count = 0
    for row in rows:
        stepped = row.step is not None and math.isfinite(row.step)
        timed = row.time is not None and math.isfinite(row.time)
        for name, value in values.flat(row.tree):
            number = values.number(value)
            if number is None:
                continue
            stretch = held.setdefault(name, _Stretch())
            if stretch.values and (bool(stretch.steps), bool(stretch.times)) != (stepped, timed):
                yield stretch.curve(name, axis(name))
                held[name] = stretch = _Stretch()
            stretch.values.append(number)
            if stepped and row.step is not None:
                stretch.steps.append(row.step)
            if timed and row.time is not None:
                stretch.times.append(row.time)
            count += 1
        if count >= HELD:
            for name, stretch in held.items():
                yield stretch.curve(name, axis(name))
            held, count = {}, 0
    for name, stretch in held.items():
        yield stretch.curve(name, axis(name))


def axis_of(state: State, name: str) -> str | None:
    """The metric over which W&B draws another, None for the step."""
    axis = state.definition(name).axis
    return axis if axis not in (name, "_step", "") else None


def texts(rows: Iterator[Row]) -> Iterator[TextPoint]:
    """Texts and lists of the rows."""
    for row in rows:
        for name, value in values.flat(row.tree):
            if isinstance(value, (str, list)) or value == {}:
                yield TextPoint(name=name, text=text_of(value), step=row.step, time=row.time)

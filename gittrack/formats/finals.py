"""Which value of a series is the final one, by the rules that a record names.

``last`` is the value that was logged last, whatever its step; ``greatest-step`` the one at the greatest step
(of several the last; a value without a step counts where none has one); ``min`` and ``max`` the smallest and
the largest, ``best`` that of the two which the metric's direction asks for. Of equal values it is the first.
NaN is neither smallest nor largest while there is another value. ``given`` comes from no series.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from gittrack.formats.tables import HEADING

_BEST = {"maximize": "max", "minimize": "min"}


def extreme_of(rule: str, direction: str | None) -> str | None:
    """The rule that `rule` comes to: of ``best`` min or max, None where there is no direction."""
    return _BEST.get(direction or "") if rule == "best" else rule


class Final:
    """The final value by one rule (not ``best``), among the cells that are taken in the order of the log."""

    __slots__ = ("_key", "_rule", "cell", "step")

    def __init__(self, rule: str) -> None:
        self._rule = rule
        self._key: int | float | None = None
        self.cell = ""
        self.step = ""

    def take(self, step: str, cell: str) -> None:
        """The texts of a step and of a value, neither empty but for a step that was not given."""
        key: int | float | None
        if self._rule == "last":
            key = None
        elif self._rule == "greatest-step":
            key = exact(step) if step else None
            if self._key is not None and (key is None or key < self._key):
                return
        else:
            value = exact(cell)
            key = None if value != value else value
            if self._key is not None and (key is None or not self._beats(key)):
                return
        self._key, self.cell, self.step = key, cell, step

    def _beats(self, key: int | float) -> bool:
        best = self._key
        return best is None or (key < best if self._rule == "min" else key > best)


def described(name: str, declared: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What is declared of a metric by its name, or by the longest ``beginning*`` of it."""
    if name in declared:
        return declared[name]
    stars = [key for key in declared if key.endswith("*") and name.startswith(key[:-1])]
    return declared[max(stars, key=len)] if stars else {}


AXIS = "axis"
"""What a program defines of a metric besides: the metric that it is to be drawn over."""


def meaning_of(
    name: str, declared: Mapping[str, Mapping[str, Any]], defined: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """What a record says beside the value: as gittrack.yaml declares, and the program, which goes before."""
    meaning = {**described(name, declared), **described(name, defined)}
    meaning.pop(AXIS, None)
    return meaning


def finals_in(
    lines: Iterable[str], rules: Mapping[str, str], names: Mapping[str, str] = MappingProxyType({})
) -> dict[str, tuple[str, str]]:
    """By metric of `rules`: the cells of its final value and of its step, in the lines of a metrics.csv.

    `names`: the metrics in columns that are called otherwise. ValueError for a cell that is no number.
    """
    finals = {name: Final(rule) for name, rule in rules.items()}
    wanted: list[tuple[int, Final]] = []
    for line in lines:
        if line.startswith(HEADING):
            columns = [names.get(name, name) for name in line.rstrip("\n").split(",")]
            wanted = [(at, finals[name]) for at, name in enumerate(columns) if name in finals]
        elif wanted:
            cells = line.rstrip("\n").split(",")
            for at, final in wanted:
                if cells[at]:
                    final.take(cells[0], cells[at])
    return {name: (final.cell, final.step) for name, final in finals.items() if final.cell}


def exact(text: str) -> int | float:
    """The number that a cell says, a whole one to its last digit. ValueError where it is none."""
    try:
        return int(text)
    except ValueError:
        return float(text)

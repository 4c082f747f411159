"""Which column of a table is what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.errors import UsageError

ONE = (
    "run", "experiment", "name", "status", "started", "ended", "note", "group", "step", "time", "metric",
    "value", "parent",
)  # fmt: skip
SEVERAL = ("params", "tags", "metrics", "texts", "ignore")


@dataclass(frozen=True, slots=True)
class Mapped:
    """Which column is what. A single word names a column; lists name several."""

    one: Mapping[str, str] = field(default_factory=dict)
    several: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, stated: Mapping[str, Any]) -> Mapped:
        """UsageError for what is no mapping of columns."""
        one: dict[str, str] = {}
        several: dict[str, tuple[str, ...]] = {}
        for key, value in stated.items():
            if key in ONE and isinstance(value, str):
                one[key] = value
            elif key in SEVERAL and isinstance(value, list) and all(isinstance(v, str) for v in value):
                several[key] = tuple(value)
            else:
                words = f"{', '.join(ONE)} name a column; {', '.join(SEVERAL)} list columns"
                raise UsageError(f"--map: {key}: {value!r} is not understood: {words}")
        if ("metric" in one) != ("value" in one):
            raise UsageError("--map: metric and value go together: the columns of a name and of its value")
        return cls(one, several)

    def column(self, what: str, among: Iterable[str], names: tuple[str, ...] = ()) -> str | None:
        """The column that is `what`: as mapped, else the first of `names` that is there."""
        if what in self.one:
            return self.one[what]
        return next((name for name in names if name in among), None)

    @property
    def columns(self) -> set[str]:
        """All that it names."""
        return {*self.one.values()}.union(*self.several.values())

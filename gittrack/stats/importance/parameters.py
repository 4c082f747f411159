"""Parameters of many runs as columns that can be ranked."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from gittrack.formats.masks import shown_params
from gittrack.formats.record import Record
from gittrack.formats.spec import SEED_NAMES

_ABSENT = object()
_ABSENT_LEVEL = "(absent)"
_BROADEST = 1e15
"""Numbers beyond it are categories: other tools do not take them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One parameter in each run. Where a run lacks it, a number is None, a category a level of its own."""

    name: str
    kind: Literal["number", "category", "constant", "label"]
    values: tuple[Any, ...]
    """Numbers as they are, categories as text."""
    codes: tuple[int | None, ...]
    """The place of each value among the distinct ones: by size, or by the alphabet."""
    present: int
    why: str = ""

    @property
    def levels(self) -> int:
        return len({code for code in self.codes if code is not None})

    @property
    def pattern(self) -> tuple[int | None, ...]:
        """Alike for two parameters that change in the same runs."""
        first: dict[int | None, int] = {}
        return tuple(first.setdefault(code, len(first)) for code in self.codes)


def columns_of(runs: Sequence[Record]) -> list[Column]:
    """Every parameter that a run has, seeds left out, in the order of the records."""
    flats = [shown_params(run) for run in runs]
    names = dict.fromkeys(name for flat in flats for name in flat)
    return [_column(name, flats) for name in names if name.rpartition(".")[2] not in SEED_NAMES]


def _column(name: str, flats: Sequence[Mapping[str, Any]]) -> Column:
    column = [flat.get(name, _ABSENT) for flat in flats]
    present = [value for value in column if value is not _ABSENT]
    numeric = all(_is_number(value) for value in present)
    if numeric:
        values: tuple[Any, ...] = tuple(None if value is _ABSENT else value for value in column)
    else:
        values = tuple(_ABSENT_LEVEL if value is _ABSENT else _text(value) for value in column)
    codes = _codes(values)
    kind, why = _kind(numeric, codes, len(present))
    return Column(name=name, kind=kind, values=values, codes=codes, present=len(present), why=why)


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= _BROADEST and math.isfinite(value)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


def _codes(values: Sequence[Any]) -> tuple[int | None, ...]:
    order = {value: at for at, value in enumerate(sorted({v for v in values if v is not None}))}
    return tuple(None if value is None else order[value] for value in values)


def _kind(
    numeric: bool, codes: Sequence[int | None], present: int
) -> tuple[Literal["number", "category", "constant", "label"], str]:
    levels = len({code for code in codes if code is not None})
    if len(set(codes)) == 1:
        return "constant", "the same in every run"
    if numeric and levels == 1:
        return "constant", f"the same in the {present} runs that have it"
    if not numeric and levels > len(codes) / 2:
        return "label", f"{levels} different texts in {len(codes)} runs: too many to be a category"
    return ("number" if numeric else "category"), ""

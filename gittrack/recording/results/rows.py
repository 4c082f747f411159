"""Rows of names and values as a series: which name is the step, and which cells are numbers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.values import MAX_STEP, check_metric_name, is_number, metric_value
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.yaml_text import Unreadable

Row = tuple[int | None, dict[str, Any]]
"""Step, None where the row does not say it, and values by metric."""
Rows = Sequence[tuple[str, Mapping[str, Any]]]
"""Where each row stands, such as ``line 4``, and its cells by name; None is an empty one."""

AXES = {
    "step": ("step", "global_step", "globalstep", "iteration", "timestep", "total_timesteps"),
    "count": ("iter", "epoch", "batch"),
}
"""Names of the axis, the best first. A count may begin anew, or be a fraction: then it is a metric."""
_CLOCKS = ("time", "timestamp", "wall_time", "walltime", "datetime", "date")
_WORDS = {"nan": "nan", "-nan": "nan", "+nan": "nan", "inf": "inf", "+inf": "inf", "-inf": "-inf",
          "infinity": "inf", "+infinity": "inf", "-infinity": "-inf"}  # fmt: skip
NOT_A_NUMBER = "text, not a number"


def series(rows: Rows, name: str, losses: Losses) -> list[Row]:
    """The rows of the file `name` as a series.

    The step is that of a column called step, global_step, iteration or timestep (a cell of it that is no
    whole number leaves its row without one), else of iter, epoch or batch where that is whole and never
    falls, in any case of letters. Without either, rows are counted from 0. A cell that is no number costs
    that cell.
    """
    columns = dict.fromkeys(key for _, cells in rows for key in cells)
    axis = _axis(columns, rows)
    names = _metric_names([key for key in columns if key != axis], rows, name, losses)
    made: list[Row] = []
    for at, (place, cells) in enumerate(rows):
        step = at if axis is None else _step(cells.get(axis), f"{place} {axis}", name, losses)
        values: dict[str, Any] = {}
        for key, metric in names.items():
            value = cells.get(key)
            if value is None:
                continue
            number = word_or_number(value)
            if number is None:
                losses.add(name, "cell", f"{place} {key}", why_none(value))
            else:
                values[metric] = metric_value(metric, number)
        made.append((step, values))
    return made


def word_or_number(value: Any) -> float | int | None:
    """The number that a value is, also where a word says that it is not finite; None where it is none."""
    if isinstance(value, (int, float)):  # true counts 1
        return value if is_number(value) else None
    if isinstance(value, str):
        word = _WORDS.get(value.strip().lower().lstrip("."))
        return None if word is None else float(word)
    return None


def why_none(value: Any) -> str:
    """Why a value is no number."""
    if isinstance(value, Unreadable):
        return value.why
    if isinstance(value, int):
        return f"a whole number of {value.bit_length()} bits, which neither 64 bits nor a float can hold"
    if isinstance(value, list):
        return f"a list of {len(value)}, not a number"
    return NOT_A_NUMBER if isinstance(value, str) else f"{type(value).__name__}, not a number"


def plain_name(key: str) -> str:
    return re.sub(r"[\s_]+", "_", key.strip().lower()).strip("_")


def _axis(columns: Mapping[str, None], rows: Rows) -> str | None:
    by_name: dict[str, str] = {}
    for key in columns:
        by_name.setdefault(plain_name(key), key)
    for kind, candidates in AXES.items():
        for key in [by_name[name] for name in candidates if name in by_name]:
            given = [cells[key] for _, cells in rows if cells.get(key) is not None]
            if given and (kind == "step" or _counts(given)):
                return key
    return None


def _counts(given: Sequence[Any]) -> bool:
    """Whether there are whole numbers, no others, and none falls below the one before."""
    whole = [number for number in map(_whole, given) if number is not None]
    return bool(whole) and len(whole) == sum(map(_is_real, given)) and whole == sorted(whole)


def _is_real(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _whole(value: Any) -> int | None:
    if not _is_real(value) or value != value or abs(value) > MAX_STEP or int(value) != value:
        return None
    return int(value)


def _step(value: Any, place: str, name: str, losses: Losses) -> int | None:
    step = _whole(value)
    if step is None and value is not None:
        losses.add(name, "cell", place, "no whole number of 64 bits, so that the row has no step")
    return step


def _metric_names(keys: Sequence[str], rows: Rows, name: str, losses: Losses) -> dict[str, str]:
    """The metric of each column; a column that is none is left out as a whole."""
    names: dict[str, str] = {}
    for key in keys:
        if plain_name(key) in _CLOCKS:
            losses.add(name, "column", key, "the time of a row is no metric")
        elif not any(word_or_number(cells.get(key)) is not None for _, cells in rows):
            if any(cells.get(key) is not None for _, cells in rows):
                losses.add(name, "column", key, "holds no number")
        else:
            checked = metric_name(key, name, losses, "column")
            if checked in names.values():
                losses.add(name, "column", key, f"another column is called {checked}")
            elif checked is not None:
                names[key] = checked
    return names


def metric_name(key: str, name: str, losses: Losses, noun: str) -> str | None:
    """The name as a metric may have it; None where it may not: that costs no other metric."""
    try:
        if "\ufffd" in key:
            raise UsageError("its name is not UTF-8")
        if key.strip() in ("step", "time"):  # in files these are no metrics
            raise UsageError(f"{key.strip()!r} is a column of every series")
        return check_metric_name(key.strip())
    except UsageError as error:
        losses.add(name, noun, key, str(error))
        return None

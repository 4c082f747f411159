"""Values as people log them (NumPy, torch, paths, dataclasses) as what a record can hold.

Everything is checked here, when it is logged, so that nothing can make the record
fail its schema hours later. Limits are those of ``schemas/run.schema.json``.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import os
from collections.abc import Mapping
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from gittrack.errors import UsageError
from gittrack.record import Value, clean_text

MAX_NAME = 250
MAX_TEXT = 20_000
MAX_ITEMS = 10_000
MAX_DEPTH = 20
MAX_INT_BITS = 4096
MAX_STEP = 2**63 - 1


def check_name(name: object, what: str) -> str:
    """A name of a parameter, tag or seed: text of 1 to 250 characters."""
    if not isinstance(name, str):
        name = str(name)
    if not 1 <= len(name) <= MAX_NAME:
        raise UsageError(f"{what} name must have 1 to {MAX_NAME} characters: {name[:40]!r}")
    return clean_text(name)


def check_metric_name(name: object) -> str:
    """A metric's name; it becomes a CSV column, so no comma, quote or control character."""
    if not isinstance(name, str):
        raise UsageError(f"a metric's name must be text, not {type(name).__name__}")
    checked = check_name(name, "metric")
    if checked[0] == " " or any(c in '",\x7f' or c < " " or "\x80" <= c <= "\x9f" for c in checked):
        raise UsageError(f"metric name {name!r} has a comma, quote, control character or leading space")
    if checked in ("step", "time"):
        raise UsageError(f"a metric cannot be called {checked!r}: that is a column of every series")
    return checked


def metric_value(name: str, value: Any) -> float | int | str:
    """A finite number, or the word nan, inf or -inf. Takes anything that holds one number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else metric_value(name, float(value))
    item = getattr(value, "item", None)
    try:
        number = item() if item is not None and not isinstance(value, float) else float(value)
        if isinstance(number, (bool, int)) and not isinstance(value, float):
            return metric_value(name, number)
        number = float(number)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UsageError(
            f"metric {name!r} must be a number, not {type(value).__name__} {str(value)[:40]!r}"
        ) from error
    return number if math.isfinite(number) else repr(number)


def check_step(step: Any) -> int:
    """A step: a whole number that fits 64 bits."""
    number = step.item() if hasattr(step, "item") else step
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > MAX_STEP:
        raise UsageError(f"a step must be a whole number, not {step!r}")
    return number


def to_value(value: Any, where: str = "value", depth: int = 0) -> Value:
    """The plain value (null, bool, int, finite float, text, list, mapping) that `value` is.

    Non-finite numbers become the words nan, inf and -inf; objects that are none of the
    known kinds become their `str`. Raises UsageError where a limit is passed.
    """
    if depth > MAX_DEPTH:
        raise UsageError(f"{where} is nested more than {MAX_DEPTH} deep")
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, enum.Enum):
        return to_value(value.value, where, depth + 1)
    if isinstance(value, int):
        return int(value) if value.bit_length() <= MAX_INT_BITS else _text(hex(value), where)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else repr(float(value))
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, PurePath):
        return _text(value.as_posix(), where)
    if isinstance(value, os.PathLike):
        return _text(os.fspath(value), where)
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    return _container(value, where, depth)


def _container(value: Any, where: str, depth: int) -> Value:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    elif type(value).__name__ == "Namespace":
        value = vars(value)
    if isinstance(value, Mapping):
        _limit(len(value), where)
        return {
            check_name(k, f"{where}: key"): to_value(v, f"{where}.{k}", depth + 1) for k, v in value.items()
        }
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple, range)):
        _limit(len(value), where)
        return [to_value(v, f"{where}[{i}]", depth + 1) for i, v in enumerate(value)]
    if callable(getattr(value, "tolist", None)):  # NumPy and torch: scalars, arrays, tensors
        _limit(int(getattr(value, "size", 1)) if isinstance(getattr(value, "size", 1), int) else 1, where)
        return to_value(value.tolist(), where, depth + 1)
    if isinstance(value, type) or callable(value):
        named = getattr(value, "__qualname__", None)
        return _text(f"{value.__module__}.{named}" if named else str(value), where)
    return _text(str(value), where)


def _text(text: str, where: str) -> str:
    if len(text) > MAX_TEXT:
        raise UsageError(
            f"{where} has {len(text)} characters, more than {MAX_TEXT}: keep it with log_text() instead"
        )
    return clean_text(text)


def _limit(count: int, where: str) -> None:
    if count > MAX_ITEMS:
        raise UsageError(
            f"{where} has {count} items, more than {MAX_ITEMS}: keep it with log_artifact() instead"
        )


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat

"""Values as people log them (NumPy, torch, paths, dataclasses) as what a record can hold.

Everything is checked here, when it is logged, so that nothing can make the record
fail its schema hours later. Limits are those of ``schemas/run.schema.json``.
"""

from __future__ import annotations

import dataclasses
import enum
import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.record import Value, clean_text
from gittrack.formats.scrub import MASK, looks_secret, scrub_text, secret_values

MAX_NAME = 250
MAX_TEXT = 20_000
MAX_ITEMS = 10_000
MAX_DEPTH = 20
MAX_VALUES = 50_000
MAX_INT_BITS = 4096
MAX_STEP = 2**63 - 1


# Characters that would end a cell or a line of a CSV file for one reader or another.
_NOT_IN_COLUMN = re.compile('[\x00-\x1f",\x7f-\x9f\u2028\u2029]')
_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def check_name(name: object, what: str) -> str:
    """A name of a parameter, tag or seed: text of 1 to 250 characters."""
    if not isinstance(name, str):
        name = str(name)
    name = clean_text(name)
    if not 1 <= len(name) <= MAX_NAME:
        raise UsageError(f"{what} name must have 1 to {MAX_NAME} characters: {name[:40]!r}")
    return name


def check_metric_name(name: object) -> str:
    """A metric's name; it becomes a CSV column, so no comma, quote or control character."""
    if not isinstance(name, str):
        raise UsageError(f"a metric's name must be text, not {type(name).__name__}")
    checked = check_name(name, "metric")
    if checked[0] == " " or _NOT_IN_COLUMN.search(checked):
        raise UsageError(f"metric name {name!r} has a comma, quote, control character or leading space")
    if checked in ("step", "time"):
        raise UsageError(f"a metric cannot be called {checked!r}: that is a column of every series")
    return checked


def metric_row(
    metrics: Mapping[str, Any], known: dict[str, str], admit: Callable[[str], None]
) -> dict[str, float | int | str]:
    """Checked names and values. `known` gathers names as they were given; `admit` sees each once."""
    row = {}
    for key, value in metrics.items():
        name = known.get(key)
        if name is None:
            name = check_metric_name(key)
            admit(name)
            known[key] = name
        row[name] = metric_value(name, value)
    return row


def metric_value(name: str, value: Any) -> float | int | str:
    """A finite number, or the word nan, inf or -inf. Takes anything that holds one number."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int):
        return value if abs(value) < 2**63 else metric_value(name, float(value))
    try:
        number = _item(value)
        if isinstance(number, (str, bytes)):
            raise TypeError("text")
        if isinstance(number, int) and not isinstance(value, int):
            return metric_value(name, number)
        number = float(number)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UsageError(
            f"metric {name!r} must be a number, not {type(value).__name__} {str(value)[:40]!r}"
        ) from error
    return number if math.isfinite(number) else repr(number)


def _item(value: Any) -> Any:
    """The number in a NumPy or torch scalar or array of one element; other values as they are."""
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, float) else value


def check_step(step: Any) -> int:
    """A step: a whole number that fits 64 bits."""
    try:
        number = _item(step)
    except (TypeError, ValueError, RuntimeError):
        number = None
    if isinstance(number, float) and number.is_integer():
        number = int(number)
    if not isinstance(number, int) or isinstance(number, bool) or abs(number) > MAX_STEP:
        raise UsageError(f"a step must be a whole number, not {step!r}")
    return number


def to_value(value: Any, where: str = "value", *, room: int = 1) -> Value:
    """The plain value (null, bool, int, finite float, text, list, mapping) that `value` is.

    Non-finite numbers become the words nan, inf and -inf; objects that are none of the
    known kinds become their `str`, without memory addresses. Raises UsageError where a limit is passed;
    a file has `room` times that of a record.
    """
    return _Plain(where, room).take(value, where, 0)


class _Plain:
    """Makes one value plain, up to a number of parts in all: a list may hold itself."""

    def __init__(self, value: str, room: int) -> None:
        self._whole = value
        self._room = room
        self._left = MAX_VALUES * room

    def take(self, value: Any, where: str, depth: int) -> Value:
        self._left -= 1
        if self._left < 0:
            raise _too_many(self._whole, f"more than {MAX_VALUES * self._room} values")
        if depth > MAX_DEPTH:
            raise UsageError(f"{where} is nested more than {MAX_DEPTH} deep")
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, enum.Enum):
            return self.take(value.value, where, depth + 1)
        if isinstance(value, int):
            return int(value) if value.bit_length() <= MAX_INT_BITS else self._text(hex(value), where)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else repr(float(value))
        if isinstance(value, str):
            return self._text(value, where)
        if isinstance(value, PurePath):
            return self._text(value.as_posix(), where)
        if isinstance(value, os.PathLike):
            return self._text(os.fsdecode(value), where)
        if isinstance(value, (datetime, date, time)):
            return value.isoformat()
        return self._container(value, where, depth)

    def _container(self, value: Any, where: str, depth: int) -> Value:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            value = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
        elif type(value).__name__ == "Namespace":
            value = vars(value)
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, (set, frozenset)):
            value = sorted(value, key=repr)
        if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
            self._limit(len(value), where)
            return [self.take(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        if callable(getattr(value, "tolist", None)):  # NumPy and torch: scalars, arrays, tensors
            self._limit(_size(value), where)
            return self.take(value.tolist(), where, depth + 1)
        return self._text(_described(value), where)

    def _text(self, text: str, where: str) -> str:
        text = clean_text(text)
        if len(text) > MAX_TEXT * self._room:
            most = MAX_TEXT * self._room
            raise UsageError(f"{where} has {len(text)} characters, more than {most}: keep it with log_text()")
        return text

    def _limit(self, count: int, where: str) -> None:
        if count > MAX_ITEMS * self._room:
            raise _too_many(where, f"{count} items, more than {MAX_ITEMS * self._room}")

    def _mapping(self, value: Mapping[Any, Any], where: str, depth: int) -> dict[str, Value]:
        self._limit(len(value), where)
        plain: dict[str, Value] = {}
        for key, item in value.items():
            name = check_name(key, f"{where}: key")
            if name in plain:
                raise UsageError(f"{where} has two keys that read {name!r}")
            plain[name] = self.take(item, f"{where}.{name}", depth + 1)
        return plain


def _size(array: Any) -> int:
    """Number of elements of a NumPy array or torch tensor."""
    for name in ("size", "numel"):
        size = getattr(array, name, None)
        count = size() if name == "numel" and callable(size) else size
        if isinstance(count, int):
            return count
    return 1


def _described(value: Any) -> str:
    """Functions and classes by name, anything else by its `str`, which is to be the same in every process."""
    name = getattr(value, "__qualname__", None)
    if name and callable(value):
        return f"{value.__module__}.{name}"
    return _ADDRESS.sub("", repr(value) if isinstance(value, (bytes, bytearray)) else str(value))


def _too_many(where: str, what: str) -> UsageError:
    return UsageError(f"{where} has {what}: keep it with log_dict() or log_artifact()")


def without_secrets(value: Value, name: str = "") -> Value:
    """`value` (plain) with ``***`` for text that its name or its shape tells to be a credential."""
    return _mask(value, name, sorted(secret_values(os.environ), key=len, reverse=True))


def _mask(value: Value, name: str, secrets: Sequence[str]) -> Value:
    if isinstance(value, dict):
        return {key: _mask(item, key, secrets) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, name, secrets) for item in value]
    if not isinstance(value, str):
        return value
    if looks_secret(name, value):
        return MASK
    for secret in secrets:
        value = value.replace(secret, MASK)
    return clean_text(scrub_text(value, {}))[:MAX_TEXT]


def to_params(params: Any) -> dict[str, Value]:
    """Parameters by name, from a mapping, dataclass or ``argparse.Namespace``."""
    plain = to_value(params, "params")
    if not isinstance(plain, dict):
        raise UsageError(f"params must be names with values, such as a dict, not {type(params).__name__}")
    return plain


def to_tags(tags: Any) -> dict[str, str]:
    """Tags by name; their values become text, without credentials."""
    if not isinstance(tags, Mapping):
        raise UsageError(f"tags must be a dict such as {{'stage': 'tuning'}}, not {type(tags).__name__}")
    plain = to_value({name: str(value) for name, value in tags.items()}, "tags")
    return dict(without_secrets(plain))

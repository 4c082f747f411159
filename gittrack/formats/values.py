"""Values as people log them (NumPy, torch, paths, dataclasses) as what a record can hold.

Everything is checked here, when it is logged, so that nothing can make the record
fail its schema hours later. Limits are those of ``schemas/run.schema.json``.
"""

from __future__ import annotations

import enum
import math
import numbers
import os
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from pathlib import PurePath
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.flat import meeting
from gittrack.formats.record import Value, clean_text
from gittrack.formats.scrub import MASK, is_key_of, looks_secret, scrub_text, secret_values
from gittrack.formats.structures import is_unset, is_used_up, parts_of

MAX_NAME = 250
MAX_TEXT = 20_000
MAX_LONG = 100_000
"""Characters of a parameter, and of a text at a step: what the schema allows."""
MAX_ITEMS = 10_000
MAX_DEPTH = 20
MAX_VALUES = 50_000
MAX_INT_BITS = 4096
MAX_STEP = 2**63 - 1


_ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def check_name(name: object, what: str) -> str:
    """A name of a parameter, tag or seed: text of 1 to 250 characters."""
    if not isinstance(name, str):
        name = _ADDRESS.sub("", str(name))
    name = clean_text(name)
    if not 1 <= len(name) <= MAX_NAME:
        raise UsageError(f"{what} name must have 1 to {MAX_NAME} characters: {name[:40]!r}")
    return name


def check_metric_name(name: object) -> str:
    """A metric's name: any text of 1 to 250 characters."""
    if not isinstance(name, str):
        raise UsageError(f"a metric's name must be text, not {type(name).__name__}")
    return check_name(name, "metric")


def check_text(name: object, text: str) -> dict[str, str]:
    """A text at a step by its name, without credentials."""
    checked, plain = check_metric_name(name), clean_text(str(text))
    if len(plain) > MAX_LONG:
        raise UsageError(f"text {checked!r} has more than {MAX_LONG} characters: keep it with log_text()")
    return {checked: without_secrets(plain, checked)}


def by_name(metrics: Any) -> Mapping[str, Any]:
    """`metrics` as a mapping; UsageError for what has no names."""
    parts = metrics if isinstance(metrics, Mapping) else parts_of(metrics)
    if not isinstance(parts, Mapping):
        raise UsageError(f"metrics must be a dict such as {{'loss': 0.1}}, not {type(metrics).__name__}")
    return parts


def metric_row(
    metrics: Mapping[str, Any], known: dict[str, str], admit: Callable[[Sequence[str]], None]
) -> dict[str, float | int | str]:
    """Checked names and values. `known` gathers names as they were given; `admit` sees each once.

    A row that is refused leaves neither of them changed.
    """
    row, new = {}, {}
    for key, value in metrics.items():
        name = known.get(key)
        if name is None:
            name = new[key] = check_metric_name(key)
        row[name] = metric_value(name, value)
    if len(row) != len(metrics):
        raise UsageError(f"two metrics of one call read the same: {', '.join(map(repr, metrics))[:200]}")
    if new:
        admit(list(dict.fromkeys(new.values())))
        known.update(new)
    return row


def metric_value(name: str, value: Any) -> float | int | str:
    """A finite number, or the word nan, inf or -inf. Takes anything that holds one number.

    UsageError for what does not, and for a whole number that neither 64 bits nor a float can hold.
    """
    if isinstance(value, int):
        return int(value) if _fits_64_bits(value) else _large(name, value)
    try:
        number = _item(value)
        if isinstance(number, (str, bytes)):
            raise TypeError("text")
        if isinstance(number, int) and not isinstance(value, int):
            return metric_value(name, number)
        number = float(number)
        if math.isinf(number) and value != number:
            raise OverflowError("finite, and too large for a float")
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise UsageError(
            f"metric {name!r} must be a number, not {type(value).__name__} {str(value)[:40]!r}"
        ) from error
    return number if math.isfinite(number) else repr(number)


def is_number(value: float) -> bool:
    """Whether a metric can have exactly that value."""
    return not isinstance(value, int) or _fits_64_bits(value) or _as_float(value) is not None


def _fits_64_bits(value: int) -> bool:
    return -(2**63) <= value < 2**64


def _as_float(value: int) -> float | None:
    try:
        return number if int(number := float(value)) == value else None
    except OverflowError:
        return None


def _large(name: str, value: int) -> float:
    number = _as_float(value)
    if number is not None:
        return number
    raise UsageError(
        f"metric {name!r} is a whole number of {value.bit_length()} bits, and no 64-bit integer or float has "
        "that value: log float(...) of it, or keep it as a param"
    )


def _item(value: Any) -> Any:
    """The number in a NumPy or torch scalar or array of one element; other values as they are."""
    if type(value).__module__.startswith("numpy.ma") and value.mask.any():
        raise TypeError("masked")  # `item()` would be 0
    item = getattr(value, "item", None)
    return item() if callable(item) and not isinstance(value, float) else value


def to_number(value: Any) -> Any:
    """What NumPy, torch and the like hold as one number; None where that is not one, others as they are."""
    try:
        return _item(value)
    except (TypeError, ValueError, RuntimeError):
        return None


def check_step(step: Any) -> int | float:
    """A step: a number that fits 63 bits; a whole one is an int."""
    number = to_number(step)
    if isinstance(number, float) and math.isfinite(number):
        number = int(number) if number.is_integer() else float(number)
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or not -MAX_STEP - 1 <= number <= MAX_STEP:
        raise UsageError(f"a step must be a number of at most 63 bits, not {str(step)[:80]!r}")
    return int(number) if isinstance(number, int) else float(number)


def check_timestamp(timestamp: Any) -> float:
    """Seconds since 1970, of a moment in milliseconds, as MLflow has it."""
    number = to_number(timestamp)
    is_number = isinstance(number, (int, float)) and not isinstance(number, bool)
    if not is_number or not 0 <= number <= _LATEST_MS:
        raise UsageError(f"a timestamp is in milliseconds since 1970, not {str(timestamp)[:80]!r}")
    return float(number) / 1000


_LATEST_MS = 253_402_300_799_999  # the end of the year 9999


def to_value(value: Any, where: str = "value", *, room: int = 1, longest: int = MAX_TEXT) -> Value:
    """The plain value (null, bool, int, finite float, text, list, mapping) that `value` is.

    Non-finite numbers become the words nan, inf and -inf; objects that are none of the
    known kinds become their `str`, without memory addresses. Raises UsageError where a limit is passed,
    such as `longest` for a text; a file has `room` times that of a record.
    """
    return _Plain(where, room, longest).take(value, where, 0)


class _Plain:
    """Makes one value plain, up to a number of parts in all: a list may hold itself."""

    def __init__(self, value: str, room: int, longest: int) -> None:
        self._whole = value
        self._room = room
        self._left = MAX_VALUES * room
        self._longest = longest * room

    def take(self, value: Any, where: str, depth: int) -> Value:
        self._left -= 1
        if self._left < 0:
            raise _too_many(self._whole, f"more than {MAX_VALUES * self._room} values")
        if depth > MAX_DEPTH:
            raise UsageError(f"{where} is nested more than {MAX_DEPTH} deep")
        if value is None or isinstance(value, bool):
            return value
        if is_unset(value):
            raise UsageError(f"{where} is not set: {type(value).__name__}")
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
        if is_used_up(value):
            kind = type(value).__name__
            raise UsageError(f"{where} is a {kind}, which logging would use up: give list(...) of it")
        return self._container(value, where, depth)

    def _container(self, value: Any, where: str, depth: int) -> Value:
        if getattr(type(value), "__pydantic_root_model__", False):
            return self.take(value.root, where, depth + 1)
        parts = self._parts(value, where)
        value = value if parts is None else parts
        if isinstance(value, Mapping):
            return self._mapping(value, where, depth)
        if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray, memoryview)):
            self._limit(len(value), where)
            return [self.take(item, f"{where}[{i}]", depth + 1) for i, item in enumerate(value)]
        for name in ("tolist", "to_list"):  # NumPy, torch, pandas, polars: scalars, arrays, tensors, series
            if callable(getattr(value, name, None)) and not isinstance(value, type):
                self._limit(_size(value), where)
                return self._listed(value, getattr(value, name), where, depth)
        return self._text(_described(value, where), where)

    def _parts(self, value: Any, where: str) -> Mapping[Any, Any] | list[Any] | None:
        try:
            return parts_of(value)
        except UsageError:
            raise
        except Exception as error:
            kind = type(value).__name__
            raise UsageError(f"{where} cannot be read: {kind}: {type(error).__name__}: {error}") from error

    def _listed(self, value: Any, listed: Callable[[], Any], where: str, depth: int) -> Value:
        if type(value).__module__ == "numpy" and value.dtype.kind in "mM":
            value = value.astype(str)  # times, some of which NumPy would list as numbers
            listed = value.tolist
        plain = listed()
        if type(plain) is not type(value):
            return self.take(plain, where, depth + 1)
        exact = float(plain) if isinstance(plain, numbers.Real) else math.nan  # wider than a float
        return exact if exact == plain and math.isfinite(exact) else self._text(str(plain), where)

    def _text(self, text: str, where: str) -> str:
        text = clean_text(text)
        if len(text) > self._longest:
            most = self._longest
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


def _described(value: Any, where: str) -> str:
    """Functions and classes by name, anything else by its `str`, which is to be the same in every process."""
    name = getattr(value, "__qualname__", None)
    if name and callable(value):
        return f"{value.__module__}.{name}"
    if isinstance(value, bytes):
        return repr(bytes(value))
    return _shown(repr(value) if isinstance(value, bytearray) else value, where)


def _shown(value: Any, where: str) -> str:
    if isinstance(value, str):
        return str(value)
    try:
        return _ADDRESS.sub("", str(value))
    except Exception as error:
        raise UsageError(f"{where} has no text: {type(value).__name__}: {error}") from error


def _too_many(where: str, what: str) -> UsageError:
    return UsageError(f"{where} has {what}: keep it with log_dict() or log_artifact()")


def without_secrets(value: Value, name: str = "") -> Value:
    """`value` (plain) with ``***`` for text that its name or its shape tells to be a credential.

    `name` has the names above it before it, with dots.
    """
    owner, _, own = name.rpartition(".")
    return _mask(value, own, sorted(secret_values(os.environ), key=len, reverse=True), owner)


def _mask(value: Value, name: str, secrets: Sequence[str], owner: str) -> Value:
    if isinstance(value, dict):
        return {key: _mask(item, key, secrets, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_mask(item, name, secrets, owner) for item in value]
    if not isinstance(value, str):
        return value
    if looks_secret(name, value) or is_key_of(owner, name, value):
        return MASK
    for secret in secrets:
        value = value.replace(secret, MASK)
    return clean_text(scrub_text(value, {}))[:MAX_LONG]


def to_params(params: Any) -> dict[str, Value]:
    """Parameters by name, from a mapping, dataclass, model or ``argparse.Namespace``.

    UsageError where two of them have one name once they are written with dots: ``a.b`` and ``a: {b: ...}``.
    """
    plain = to_value(params, "params", longest=MAX_LONG)
    if not isinstance(plain, dict):
        raise UsageError(f"params must be names with values, such as a dict, not {type(params).__name__}")
    name = meeting(plain)
    if name is not None:
        raise UsageError(f"params has {name!r} twice, nested and written with dots: rename one of them")
    return plain


def to_tags(tags: Any) -> dict[str, str]:
    """Tags by name; their values become text, without credentials."""
    if not isinstance(tags, Mapping):
        raise UsageError(f"tags must be a dict such as {{'stage': 'tuning'}}, not {type(tags).__name__}")
    plain = to_value({name: _shown(value, f"tag {name!r}") for name, value in tags.items()}, "tags")
    return dict(without_secrets(plain))

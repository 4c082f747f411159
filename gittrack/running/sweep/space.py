"""The ranges of ``-S``, spelled as users of DVC and Hydra know them, and the params that come of them.

    lr=0.1,0.01   lr=choice(0.1, 0.01)            values one by one
    depth=range(1, 10)   depth=range(1, 10, 2)    as in Python: the end is not in it
    width=int(1, 64)                              whole numbers, both ends in it
    drop=interval(0, 0.5)   drop=uniform(0, 0.5)  any number between
    lr=log(1e-4, 1e-1)   lr=loguniform(...)       any number between, evenly by its logarithm

Anything else is one value, as for `gittrack run`; so are commas in brackets or quotes.
"""

from __future__ import annotations

import copy
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.record import Value
from gittrack.formats.values import to_value
from gittrack.recording.passing import shown
from gittrack.recording.settings import parse_scalar, set_param

LIMIT = 10_000
"""Most values of a range that are listed one by one, and most runs of a sweep."""

DIGITS = 6
"""Digits of what is drawn from an interval: as good, readable, and the same with every C library."""

Setting = Mapping[str, Value]
"""A value for each range, by key."""


@dataclass(frozen=True, slots=True)
class Choices:
    """Values one by one."""

    key: str
    values: Sequence[Value]

    @property
    def size(self) -> int:
        return len(self.values)

    def at(self, place: float) -> Value:
        """The value at `place`, from 0 up to 1."""
        return self.values[int(place * len(self.values))]


@dataclass(frozen=True, slots=True)
class Whole:
    """Whole numbers, both ends in it."""

    key: str
    low: int
    high: int

    @property
    def size(self) -> int:
        return self.high - self.low + 1

    @property
    def values(self) -> Sequence[int]:
        return range(self.low, self.high + 1)

    def at(self, place: float) -> int:
        return self.low + int(place * self.size)


@dataclass(frozen=True, slots=True)
class Interval:
    """Any number from `low` to `high`, evenly, or evenly by its logarithm."""

    key: str
    low: float
    high: float
    log: bool = False

    def at(self, place: float) -> float:
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        value = low * (1 - place) + high * place
        return self.rounded(math.exp(value) if self.log else value)

    def rounded(self, value: float) -> float:
        """To DIGITS digits of the width (by logarithm: of the value, where that is less), within the ends."""
        scale = min(self.high - self.low, value) if self.log else self.high - self.low
        return min(max(round(value, DIGITS - 1 - math.floor(math.log10(scale))), self.low), self.high)


Range = Choices | Whole | Interval


@dataclass(frozen=True, slots=True)
class Space:
    """What ``-S`` gave: ranges, and the texts of those that are fixed, by key, in order."""

    given: Mapping[str, Range | str]

    @property
    def ranges(self) -> list[Range]:
        return [span for span in self.given.values() if not isinstance(span, str)]

    def example(self) -> Setting:
        """Some setting."""
        return {span.key: span.at(0) for span in self.ranges}

    def values(self, setting: Setting) -> dict[str, Value]:
        """The value of each key, fixed ones too."""
        values: dict[str, Value] = {}
        for key, span in self.given.items():
            if isinstance(span, str):
                values[key] = to_value(parse_scalar(span.partition("=")[2]), key)
            else:
                values[key] = setting[key]
        return values

    def params(self, base: Mapping[str, Any], setting: Setting) -> dict[str, Any]:
        """The parameters of a run: those of files, `base`, and what ``-S`` sets, as `gittrack run` has it."""
        params = copy.deepcopy(dict(base))
        for key, span in self.given.items():
            text = span if isinstance(span, str) else f"{key}={shown(setting[key], quoted=True)}"
            set_param(params, text)
        return params


def value_at(params: Mapping[str, Any], key: str) -> Any:
    """What `params` has at a dotted key; None without it."""
    node: Any = params
    for name in key.split("."):
        if not isinstance(node, Mapping) or name not in node:
            return None
        node = node[name]
    return node


# --- reading -----------------------------------------------------------------------------------


def parse(texts: Sequence[str]) -> Space:
    """The space that the ``key=...`` of `texts` describe; UsageError for a range that is none."""
    given: dict[str, Range | str] = {}
    for text in texts:
        key, equals, value = text.partition("=")
        set_param({}, f"{key}{equals}")  # complains of what is no key
        key = key.strip()
        if key in given:
            raise UsageError(f"-S {key} is given twice: name all its values at once")
        given[key] = _read(key, value, text)
    return Space(given)


_CALL = re.compile(r"\s*([A-Za-z_]\w*)\s*\((.*)\)\s*", re.DOTALL)


def _read(key: str, value: str, text: str) -> Range | str:
    parts = split(value)
    if parts is None:
        raise UsageError(f"-S {text}: a bracket or quote is not closed")
    if len(parts) > 1:
        return _choices(key, parts, text)
    call = _CALL.fullmatch(value)
    if call is None:
        return text
    inside = split(call[2])
    if inside is None:
        raise UsageError(f"-S {text}: a bracket or quote is not closed")
    return _called(key, call[1], [part.strip() for part in inside], text)


def split(text: str) -> list[str] | None:
    """`text` at its commas, but for those in brackets and quotes; None where one of these stays open."""
    parts, depth, before, at = [""], 0, "", 0
    while at < len(text):
        c = text[at]
        if c in "'\"" and before in ("", *"[{(,:"):
            end = _end_of_quote(text, at)
            if end is None:
                return None if "," in text[at:] else [text]
            parts[-1] += text[at : end - 1]
            c, at = text[end - 1], end - 1
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth = max(depth - 1, 0)
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
        before = c if c == "," or not c.isspace() else before
        at += 1
    return parts if depth == 0 or "," not in text else None


def _end_of_quote(text: str, at: int) -> int | None:
    """Where the quoted text that begins at `at` ends, as YAML has it: ``''`` and ``\\"`` do not end it."""
    pattern = r"'(?:[^']|'')*'" if text[at] == "'" else r'"(?:[^"\\]|\\.)*"'
    match = re.compile(pattern, re.DOTALL).match(text, at)
    return match.end() if match else None


def _choices(key: str, parts: Sequence[str], text: str) -> Choices:
    values: dict[str, Value] = {}
    for part in parts:
        if not part.strip():
            raise UsageError(f"-S {text}: a value between the commas is empty; '' is the empty text")
        if (call := _CALL.fullmatch(part)) and call[1] in _NAMES:
            raise UsageError(f"-S {text}: {call[1]}(...) cannot be one of several values")
        value = to_value(parse_scalar(part.strip()), key)
        name = json.dumps(value, sort_keys=True)
        if name in values:
            raise UsageError(f"-S {text}: {shown(value)} is there twice; to repeat a setting, use --seeds")
        values[name] = value
    return Choices(key, tuple(values.values()))


_NAMES = ("choice", "range", "int", "interval", "uniform", "log", "loguniform")


def _called(key: str, name: str, words: Sequence[str], text: str) -> Range:
    match name:
        case "choice":
            return _choices(key, words, text)
        case "range":
            return Choices(key, _stepped(words, text))
        case "int":
            low, high = _bounds(words, text, name)
            if not (low.is_integer() and high.is_integer() and max(-low, high) < 2**53):
                raise UsageError(f"-S {text}: int takes whole numbers; for others, use interval")
            return Whole(key, int(low), int(high))
        case "interval" | "uniform":
            return Interval(key, *_bounds(words, text, name))
        case "log" | "loguniform":
            low, high = _bounds(words, text, name)
            if low <= 0:
                raise UsageError(f"-S {text}: {name} takes numbers above 0")
            return Interval(key, low, high, log=True)
    raise UsageError(
        f"-S {text}: no range is called {name}: there are {', '.join(_NAMES)}; "
        f"text with brackets goes in quotes: -S \"{key}='...'\""
    )


def _bounds(words: Sequence[str], text: str, name: str) -> tuple[float, float]:
    numbers = [float(_number(word, text)) for word in words]
    if len(numbers) != 2:
        raise UsageError(f"-S {text}: {name} takes two numbers, as in {name}(1, 64)")
    low, high = numbers
    if low >= high or math.isinf(high - low):
        why = "has to be below the second" if low >= high else "is too far from the second"
        raise UsageError(f"-S {text}: the first number {why}")
    return low, high


def _number(word: str, text: str) -> Decimal:
    try:
        number = Decimal(word)
    except InvalidOperation:
        number = Decimal("nan")
    if not number.is_finite() or not math.isfinite(float(number)):
        raise UsageError(f"-S {text}: {word!r} is no number")
    return number


def _stepped(words: Sequence[str], text: str) -> list[Value]:
    """The numbers of ``range``, to the decimal; whole ones where all that was written is."""
    numbers = [_number(word, text) for word in words]
    if len(numbers) not in (1, 2, 3):
        raise UsageError(f"-S {text}: range takes a start, an end and a step, as in range(1, 10, 2)")
    start, stop = (Decimal(0), numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else Decimal(1)
    if float(step) == 0:
        raise UsageError(f"-S {text}: the step is 0")
    count = math.ceil((stop - start) / step)
    if count < 1:
        raise UsageError(f"-S {text}: the range is empty: its end is not in it")
    if count > LIMIT:
        raise UsageError(f"-S {text}: {count:,} values, more than {LIMIT:,}: use int or interval")
    integers = all(re.fullmatch(r"[+-]?[0-9]+", word) for word in words)
    return [int(start + step * n) if integers else float(start + step * n) for n in range(count)]

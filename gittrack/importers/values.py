"""Values of other trackers: JSON text with limits, names of nested keys, and numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gittrack.formats.record import Value
from gittrack.importers.foreign import Moment

DEEPEST = 64
LONGEST = 16 * 1024 * 1024
"""Characters of the JSON text of one value."""
Path = tuple[str, ...]


class NotRead(ValueError):
    """A value that is not read: no JSON, or nested too deeply."""


def load(text: str | bytes, longest: int | None = None) -> Value:
    """The value of JSON text, of at most `LONGEST` or `longest` characters; NaN and Infinity are numbers."""
    longest = LONGEST if longest is None else longest
    if len(text) > longest:
        raise NotRead(f"it is longer than {longest} characters")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotRead("it is no JSON, or nested too deeply") from error
    marks = (b"{", b"[", b"\\u") if isinstance(text, bytes) else ("{", "[", "\\u")
    opened, listed, escaped = (text.count(mark) for mark in marks)  # type: ignore[arg-type]
    if opened + listed > DEEPEST:
        check_depth(value)
    return _whole(value) if escaped else value


def _whole(value: Any) -> Any:
    """The value with ``?`` for halves of characters, which no UTF-8 can say."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, dict):
        return {_whole(key): _whole(inner) for key, inner in value.items()}
    return value


def check_depth(value: Any) -> None:
    level = [value]
    for _ in range(DEEPEST):
        level = [inner for outer in level for inner in _inner(outer)]
        if not level:
            return
    raise NotRead(f"it is nested deeper than {DEEPEST} levels")


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list):
        yield from value


def put(tree: dict[str, Any], path: Path, value: Value) -> None:
    """Sets the value at a nested key; a value in its way gives way."""
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            inner = tree[key] = {}
        tree = inner
    tree[path[-1]] = value


def remove(tree: dict[str, Any], path: Path) -> None:
    for key in path[:-1]:
        inner = tree.get(key)
        if not isinstance(inner, dict):
            return
        tree = inner
    tree.pop(path[-1], None)


def flat(tree: Mapping[str, Any], above: str = "", joint: str = ".") -> Iterator[tuple[str, Value]]:
    """The leaves of nested mappings by their names with `joint` between; what has a ``_type`` is a leaf."""
    for key, value in tree.items():
        name = f"{above}{key}"
        if isinstance(value, dict) and value and "_type" not in value:
            yield from flat(value, f"{name}{joint}", joint)
        else:
            yield name, value


def number(value: Value) -> float | None:
    """A number as a float, or as it is where a float would be another; True and False are 1 and 0."""
    if not isinstance(value, (int, float)):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return value if found != value and isinstance(value, int) else found


def utc(at: str | None) -> Moment | None:
    """The moment that a text in ISO 8601 states; without a zone it is in UTC."""
    try:
        date = datetime.fromisoformat((at or "").replace("Z", "+00:00"))
        moment = (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
    return moment if math.isfinite(moment) else None

"""A record's dataclasses as plain dicts, lists and scalars, and back."""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

# These are part of every record, even when empty: a reader must see that there was none, or, by null, that
# it is not known.
ALWAYS = frozenset(
    {"params", "metrics", "data", "locks", "determinism", "outputs", "dirty", "command", "cwd", "truncated"}
)


def to_dict(value: Any) -> dict[str, Any]:
    """Plain dicts, lists and scalars of a record dataclass, in field order."""
    result: dict[str, Any] = {}
    for name, always in _fields(typing.cast(Any, type(value))):
        item = getattr(value, name)
        if type(item) in _SCALARS:
            result[name] = item
        elif always or not (item is None or item is False or item == () or item == {}):
            result[name] = _plain(item)
    return result


_SCALARS = frozenset({str, int, float})


@functools.cache
def _fields(cls: Any) -> tuple[tuple[str, bool], ...]:
    return tuple((f.name, f.name in ALWAYS) for f in dataclasses.fields(cls))


def _plain(item: Any) -> Any:
    if type(item) in _SCALARS:
        return item
    if dataclasses.is_dataclass(item):
        return to_dict(item)
    if isinstance(item, Mapping):
        return {key: _plain(entry) for key, entry in item.items()}
    if isinstance(item, (tuple, list)):
        return [_plain(entry) for entry in item]
    return item


Build = Callable[[Any], Any]


def from_dict(cls: type[T], data: Mapping[str, Any]) -> T:
    """The dataclass that `data`, already validated against the schema, describes."""
    arguments = dict(data)
    for name, build in _builds(typing.cast(Any, cls)):
        if name in arguments:
            arguments[name] = build(arguments[name])
    return cls(**arguments)


@functools.cache
def _builds(cls: Any) -> tuple[tuple[str, Build], ...]:
    """What has to be done to the fields of `cls` that are no plain values."""
    builds = ((name, _build(hint)) for name, hint in typing.get_type_hints(cls).items())
    return tuple((name, build) for name, build in builds if build is not None)


def _build(hint: Any) -> Build | None:
    origin = typing.get_origin(hint)
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(from_dict, hint)
    if origin is types.UnionType or origin is typing.Union:
        inner = next(
            (b for a in typing.get_args(hint) if (b := _build(a)) and dataclasses.is_dataclass(a)), None
        )
        return None if inner is None else lambda item: inner(item) if isinstance(item, Mapping) else item
    if origin is tuple:
        build = _build(typing.get_args(hint)[0])
        return tuple if build is None else lambda item: tuple([build(entry) for entry in item])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        of_value = _build(typing.get_args(hint)[1])
        return dict if of_value is None else lambda item: {key: of_value(v) for key, v in item.items()}
    return None

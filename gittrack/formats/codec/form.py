"""Whether plain values are what `to_dict` makes of a record, told without making the record."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gittrack.formats.plain import ALWAYS

_NOTHING: tuple[Any, ...] = (None, False, (), {})
"""What a field holds that `to_dict` leaves out."""

_MOST_KNOWN = 1000

Test = Callable[[Any], bool]


class _Form(NamedTuple):
    """What `to_dict` makes of a dataclass."""

    names: tuple[str, ...]
    """Its keys in order."""
    always: frozenset[str]
    """Keys that are there even when there is nothing to say, or that have something to say by default."""
    inner: tuple[tuple[str, Test], ...]
    """Fields that hold other dataclasses, and the test of those."""
    known: set[tuple[str, ...]]
    """Keys that were in order; as a schema names them, there are few such."""


def is_in_form(cls: Any, data: Mapping[str, Any]) -> bool:
    """Whether ``to_dict(from_dict(cls, data))`` is `data`, its keys in the same order.

    `data` follows the schema. The order within free mappings (params, tags) is not looked at.
    """
    form = _form(cls)
    keys = tuple(data)
    if keys not in form.known:
        if keys != tuple(name for name in form.names if name in data) or not form.always <= data.keys():
            return False
        if len(form.known) < _MOST_KNOWN:
            form.known.add(keys)
    for name, item in data.items():
        if not item and (item is None or item is False or item == [] or item == {}) and name not in ALWAYS:
            return False
    return all(test(data[name]) for name, test in form.inner if name in data)


@functools.cache
def _form(cls: Any) -> _Form:
    fields = dataclasses.fields(cls)
    hints = typing.get_type_hints(cls)
    always = {f.name for f in fields if f.name in ALWAYS or not _is_nothing(f)}
    tests = ((f.name, _test(hints[f.name])) for f in fields)
    inner = tuple((name, test) for name, test in tests if test is not None)
    return _Form(tuple(f.name for f in fields), frozenset(always), inner, set())


def _is_nothing(field: dataclasses.Field[Any]) -> bool:
    """Whether a record that does not have the field says nothing by it."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory() in _NOTHING
    return field.default is None or field.default is False or field.default == ()


def _test(hint: Any) -> Test | None:
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return functools.partial(is_in_form, hint)
    tests = [test for part in typing.get_args(hint) if (test := _test(part)) is not None]
    if not tests:
        return None
    origin, inner = typing.get_origin(hint), tests[0]
    if origin is tuple:
        return lambda items: all(map(inner, items))
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return lambda items: all(map(inner, items.values()))
    return inner  # one dataclass, or None


def is_sorted(value: Any) -> bool:
    """Whether the keys of a free value are in order, at every depth."""
    kind = type(value)
    if kind is dict:
        keys = [*value]
        return keys == sorted(keys) and all(map(is_sorted, value.values()))
    return kind is not list or all(map(is_sorted, value))

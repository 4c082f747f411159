"""Nested values as dotted names. On the path of every command that reads: imports nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as dotted names: ``{"a": {"b": 1}}`` becomes ``{"a.b": 1}``."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def meeting(values: Mapping[str, Any], known: Mapping[str, str] | None = None) -> str | None:
    """The first dotted name that two values have: ``a.b`` beside ``a: {b: ...}``.

    `known` has the dotted names of earlier values, each with the key that it is below.
    """
    names: set[str] = set()
    for key, value in values.items():
        for name in dotted(f"{key}", value):
            if name in names or (known is not None and known.get(name, key) != key):
                return name
            names.add(name)
    return None


def dotted(name: str, value: Any) -> Iterator[str]:
    """The dotted names of a value that has the name `name`: one for each of its parts."""
    if isinstance(value, Mapping) and value:
        for key, part in value.items():
            yield from dotted(f"{name}.{key}", part)
    else:
        yield name

"""Objects with named or ordered parts, of whatever library, as mappings and lists. Imports none of them.

A field that is not set (attrs, pydantic, msgspec, a dataclass) is absent: nobody gave it a value.
"""

from __future__ import annotations

import dataclasses
import itertools
import types
from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, Set, ValuesView
from typing import Any

_UNSET_TYPES = frozenset(
    {
        ("attr", "_Nothing"),
        ("dataclasses", "_MISSING_TYPE"),
        ("msgspec", "UnsetType"),
        ("pydantic_core", "PydanticUndefinedType"),
    }
)
_ONE_USE = (types.GeneratorType, map, filter, zip, enumerate, reversed, itertools.chain, itertools.islice)


def is_unset(value: Any) -> bool:
    """Whether `value` is what a library puts where nobody gave one."""
    kind = type(value)
    return (kind.__module__.partition(".")[0], kind.__name__) in _UNSET_TYPES


def is_used_up(value: Any) -> bool:
    """Whether reading the values of `value` takes them from the program."""
    return isinstance(value, _ONE_USE) or (isinstance(value, Iterator) and not hasattr(value, "read"))


def parts_of(value: Any) -> Mapping[Any, Any] | list[Any] | None:
    """The parts of `value` by name, or in their order; None for what has no such parts.

    Raises what the object itself raises when it is read.
    """
    if isinstance(value, type):
        return None
    if type(value).__module__.startswith("omegaconf."):
        return _of_omegaconf(value)
    names = _field_names(value)
    if names is not None:
        return _set_fields(value, names)
    if isinstance(value, types.SimpleNamespace) or type(value).__name__ == "Namespace":
        return dict(vars(value))
    if isinstance(value, (KeysView, ItemsView, ValuesView)):
        return list(value)
    if isinstance(value, Set):
        alike = all(type(item) in (int, float) for item in value)
        return sorted(value) if alike else sorted(value, key=repr)
    return _of_table(value) if callable(getattr(value, "to_dict", None)) else _of_keys(value)


def _field_names(value: Any) -> Iterable[str] | None:
    kind = type(value)
    if dataclasses.is_dataclass(value):
        return [field.name for field in dataclasses.fields(value)]
    if isinstance(value, tuple):
        return getattr(kind, "_fields", None)
    if hasattr(kind, "__attrs_attrs__"):
        return [attribute.name for attribute in kind.__attrs_attrs__]
    if hasattr(kind, "__struct_fields__"):  # msgspec
        return kind.__struct_fields__  # type: ignore[no-any-return]
    fields = getattr(kind, "model_fields", None) if hasattr(value, "model_dump") else None  # pydantic 2
    more = getattr(value, "__pydantic_extra__", None) or {}
    if not isinstance(fields, Mapping):
        fields = getattr(kind, "__fields__", None) if hasattr(kind, "__fields_set__") else None  # pydantic 1
        more = dict.fromkeys(vars(value)) if isinstance(fields, Mapping) else {}
    if not isinstance(fields, Mapping):
        return None
    return [name for name in {**fields, **more} if not _is_left_out(fields.get(name))]


def _is_left_out(field: Any) -> bool:
    """Whether a model of pydantic says that the field is no part of what it gives away."""
    return True in (getattr(owner, "exclude", None) for owner in (field, getattr(field, "field_info", None)))


def _set_fields(value: Any, names: Iterable[str]) -> dict[str, Any]:
    fields = {}
    for name in names:
        try:
            field = getattr(value, name)
        except AttributeError:  # init=False, or made without its values
            continue
        if not is_unset(field):
            fields[name] = field
    return fields


def _of_omegaconf(config: Any) -> Mapping[Any, Any] | list[Any] | None:
    """Interpolations are resolved; what is missing, or cannot be resolved, is as it is written: ``???``."""
    if isinstance(config, Mapping):
        return {name: _node(config, name) for name in config}
    return [_node(config, index) for index in range(len(config))] if hasattr(config, "__len__") else None


def _node(config: Any, name: Any) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return config[name]
    except OmegaConfBaseException:
        return OmegaConf.to_container(config, resolve=False, throw_on_missing=False)[name]  # type: ignore[index]


def _of_table(value: Any) -> Mapping[Any, Any] | None:
    """A table of pandas or polars by column; a series of pandas whose index says what its values are."""
    numbered = type(getattr(value, "index", None)).__name__ == "RangeIndex"
    if hasattr(value, "columns"):
        if not hasattr(value, "index"):
            return value.to_dict(as_series=False)  # type: ignore[no-any-return]
        return value.to_dict("list") if numbered else value.to_dict()  # type: ignore[no-any-return]
    if hasattr(value, "index"):
        return None if numbered else value.to_dict()
    return _of_keys(value)


def _of_keys(value: Any) -> Mapping[Any, Any] | None:
    """What is used as a mapping without being registered as one."""
    if isinstance(value, Mapping) or not (hasattr(value, "keys") and hasattr(value, "__getitem__")):
        return None
    return {name: value[name] for name in value.keys()} if callable(value.keys) else None  # noqa: SIM118

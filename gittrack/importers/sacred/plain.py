"""Values that jsonpickle wrote for Sacred: numbers, lists and texts of them, and never a Python object."""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

_OBJECT = "py/object"
_KEY = "json://"
"""How jsonpickle begins a key that is no text."""
_MOST_BYTES = 1 << 20
"""Of one array."""
_DTYPES = frozenset(
    {
        "bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
        "float32", "float64",
    }
)  # fmt: skip
_LISTS = "py/tuple", "py/set"


def plain(value: Any, objects: Counter[str]) -> Any:
    """What is the same without Python; another object stays as it lies there, and its class is counted."""
    if isinstance(value, list):
        return [plain(inner, objects) for inner in value]
    if not isinstance(value, dict):
        return value
    marks = [key for key in value if key.startswith("py/")]
    if marks:
        known = _known(value, marks, objects)
        if known is not None:
            return known[0]
        objects[_class(value, marks)] += 1
    return {_key(key): inner if key in marks else plain(inner, objects) for key, inner in value.items()}


def _key(key: str) -> str:
    return key.removeprefix(_KEY)


def _class(value: dict[str, Any], marks: list[str]) -> str:
    named = value.get(_OBJECT) or value.get("py/type")
    reduced = value.get("py/reduce")
    if isinstance(reduced, list) and reduced and isinstance(reduced[0], dict):
        named = reduced[0].get("py/type") or reduced[0].get("py/function")
    return named if isinstance(named, str) else marks[0]


def _known(value: dict[str, Any], marks: list[str], objects: Counter[str]) -> tuple[Any] | None:
    """In a tuple what the value is, where that is known."""
    for name in _LISTS:
        if [name] == marks == [*value] and isinstance(value[name], list):
            return ([plain(inner, objects) for inner in value[name]],)
    kind = _class(value, marks)
    if kind == "numpy.ndarray":
        return _array(value)
    if kind.startswith("numpy.") and isinstance(value.get("value"), bool | int | float | str):
        return (value["value"],)
    if kind.startswith("pathlib."):
        return _path(value.get("py/reduce"))
    if kind in ("datetime.date", "datetime.datetime"):
        return _date(value)
    return None


def _array(value: dict[str, Any]) -> tuple[Any] | None:
    """An array of numbers: small ones are lists, those of more than 16 are packed, or show one that is."""
    import numpy as np

    if isinstance(value.get("values"), list):
        return (value["values"],)
    base = value.get("base")
    stated = base if isinstance(base, dict) and not {"strides", "offset"} & value.keys() else value
    packed, dtype, shape = stated.get("values"), stated.get("dtype"), value.get("shape")
    sides = shape.get("py/tuple") if isinstance(shape, dict) else shape
    if not isinstance(packed, str) or dtype not in _DTYPES or not isinstance(sides, list):
        return None
    try:
        unpacking = zlib.decompressobj()
        data = unpacking.decompress(base64.b64decode(packed), _MOST_BYTES)
        if unpacking.unconsumed_tail:
            return None
        kind = np.dtype(dtype).newbyteorder(">" if stated.get("byteorder") == ">" else "<")
        order: Any = "F" if stated.get("order") == "F" else "C"
        return (np.frombuffer(data, kind).reshape(sides, order=order).tolist(),)
    except (ValueError, TypeError, zlib.error):
        return None


def _path(reduced: Any) -> tuple[str] | None:
    """The parts of a path, joined."""
    try:
        parts = reduced[1]["py/tuple"]
        top, *below = parts
        return (top.rstrip("/") + "/" + "/".join(below) if top.startswith("/") else "/".join(parts),)
    except (TypeError, ValueError, LookupError, AttributeError):
        return None


def _date(value: dict[str, Any]) -> tuple[str] | None:
    """A date, or a moment without a zone, as ISO 8601 has it; Python packs them into bytes."""
    try:
        (packed,) = value["__reduce__"][1]
        year, rest, month, *more = base64.b64decode(packed)
        if len(more) == 1:
            return (date(year * 256 + rest, month, *more).isoformat(),)
        day, hour, minute, second, *micro = more
        at = datetime(year * 256 + rest, month, day, hour, minute, second, int.from_bytes(bytes(micro)))
        return (at.isoformat(),)
    except (TypeError, ValueError, LookupError):
        return None


def parts(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The leaves of nested mappings by joined names; a Python object is a leaf."""
    if isinstance(value, dict) and value and not any(key.startswith("py/") for key in value):
        for key, inner in value.items():
            yield from parts(f"{name}.{key}", inner)
    else:
        yield name, value


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

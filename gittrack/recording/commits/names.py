"""Values of several files under one set of names: where names meet, each keeps its file in front.

``lr`` of params.yaml and of head.yaml become ``params.yaml:lr`` and ``head.yaml:lr``, as DVC shows them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Path = tuple[str, ...]
"""The keys that lead to a value."""

_NOT_IN_METRIC = re.compile(r'[,"\x00-\x1f\x7f]')


def merge_params(sources: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """One nested mapping of the values of all `sources`, by the name of file or stage."""
    leaves = {source: dict(leaves_of(values)) for source, values in sources.items()}
    meeting = meeting_names({source: {".".join(path) for path in of} for source, of in leaves.items()})
    merged: dict[str, Any] = {}
    for source, of in leaves.items():
        for path, value in of.items():
            first, *more = path
            put(merged, (f"{source}:{first}", *more) if ".".join(path) in meeting else path, value)
    return merged


def meeting_names(names: Mapping[str, Iterable[str]]) -> set[str]:
    """Names that more than one source has, as they are or as the beginning of a deeper one."""
    counted = Counter(name for of in names.values() for name in set(of))
    if len(names) < 2:
        return set()
    meeting = {name for name, count in counted.items() if count > 1}
    for name in counted:
        deeper = [name[:at] for at, letter in enumerate(name) if letter == "."]
        meeting |= {part for short in deeper if short in counted for part in (short, name)}
    return meeting


def metric_name(source: str, name: str) -> str:
    """The name of a metric with its file in front, of characters that a column of a series may have."""
    return f"{_NOT_IN_METRIC.sub('_', source).strip()}:{name}"


def leaves_of(values: Mapping[str, Any], above: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Each value that is no mapping (or an empty one), with the keys that lead to it."""
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves_of(value, (*above, key))
        else:
            yield (*above, key), value


def put(values: dict[str, Any], path: Path, value: Any) -> None:
    """Set a nested value; what stands in the way is replaced."""
    node = values
    for key in path[:-1]:
        child = node.get(key)
        if not isinstance(child, dict):
            child = node[key] = {}
        node = child
    node[path[-1]] = value


def take_out(values: dict[str, Any], path: Path) -> None:
    """Remove a nested value, if it is there, and what is empty without it."""
    first, *more = path
    child = values.get(first)
    if more and isinstance(child, dict):
        take_out(child, tuple(more))
    if not more or child == {}:
        values.pop(first, None)


def path_of(values: Mapping[str, Any], dotted: str) -> Path:
    """The keys that a dotted name means in `values`, where a key may have dots of its own."""
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        key = ".".join(parts[:length])
        if length == len(parts):
            if key in values:
                return (key,)
        elif isinstance(values.get(key), Mapping):
            return (key, *path_of(values[key], ".".join(parts[length:])))
    return tuple(parts)

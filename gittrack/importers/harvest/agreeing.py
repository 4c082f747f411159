"""What the journal of a run has already of what a tracker kept: the first that said it has said it."""

from __future__ import annotations

import struct
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from gittrack.formats.flat import flatten
from gittrack.formats.sources import agree
from gittrack.formats.tables import Step
from gittrack.importers.points import Number
from gittrack.importers.values import put
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal

Points = list[tuple[Step | None, Number]]


def points_in(journal: StoredJournal, names: Collection[str]) -> dict[str, Points]:
    """The points of those metrics that the journal has."""
    found: dict[str, Points] = defaultdict(list)
    for event in journal.events():
        if event[0] == Kind.METRICS:
            for _, step, values in event[1]:
                for name in values.keys() & names:
                    found[name].append((step, values[name]))
    return found


def has_all(known: Points, given: Iterable[tuple[Step | None, Number]], *, single: bool) -> bool:
    """Whether `known` has each point of `given`, which are in 32 bits where they are `single`.

    Points that were logged without a step are known by their values.
    """
    steps = any(step is not None for step, _ in known)
    left = Counter((step if steps else None, as_single(value) if single else value) for step, value in known)
    for step, value in given:
        point = (step if steps else None, value)
        if not left[point]:
            return False
        left[point] -= 1
    return True


def has_value(given: Iterable[tuple[Step | None, Number]], final: Number, *, single: bool) -> bool:
    """Whether one of the points has that value."""
    wanted = as_single(final) if single else final
    return any(value == wanted for _, value in given)


def as_single(value: Number) -> Number:
    """A number as 32 bits hold it."""
    if isinstance(value, str):
        return value
    try:
        return float(struct.unpack("<f", struct.pack("<f", value))[0])
    except OverflowError:
        return "inf" if value > 0 else "-inf"


def placed(params: Mapping[str, Any], known: Mapping[str, Any], *, as_text: bool) -> dict[str, Any]:
    """`params` where `known` has them: below the same names, and, of one who keeps text alone, as values."""
    values = flatten(known)
    found: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            found[name] = value
            continue
        is_same = as_text and name in values and agree(values[name], value)
        is_same = is_same or (as_text and name in values and str(values[name]) == value)
        path = _path(name, known) if name in values and name not in known else (name,)
        put(found, path, values[name] if is_same else value)
    return found


def _path(name: str, tree: Mapping[str, Any]) -> tuple[str, ...]:
    """The nested keys that a dotted name stands for in `tree`."""
    for key, inner in tree.items():
        if isinstance(inner, Mapping) and name.startswith(f"{key}."):
            below = name.removeprefix(f"{key}.")
            if below in inner:
                return key, below
            if below in flatten(inner):
                return (key, *_path(below, inner))
    return (name,)

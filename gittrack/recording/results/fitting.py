"""Content of a file as what a record can hold: a part that it cannot hold costs that part alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.record import Value
from gittrack.formats.values import MAX_DEPTH, MAX_ITEMS, MAX_VALUES, check_name, to_value
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.yaml_text import Unreadable


def fit(content: Mapping[Any, Any], name: str, losses: Losses, *, room: int = 1) -> dict[str, Value]:
    """`content` of the file `name`, plain; what is refused goes to `losses` under its dotted name.

    A list is whole or not there: without one of its items it would be another list. `room` times as many
    values fit as into a record.
    """
    return _Fitting(name, losses, MAX_VALUES * room).mapping(content, "", 0)


class _Fitting:
    def __init__(self, name: str, losses: Losses, most: int) -> None:
        self._name, self._losses = name, losses
        self._left = most
        self._sizes: dict[int, int] = {}

    def mapping(self, values: Mapping[Any, Any], where: str, depth: int) -> dict[str, Value]:
        fitting: dict[str, Value] = {}
        for key, value in values.items():
            place = f"{where}.{key}".lstrip(".") if where else str(key)
            try:
                name = check_name(key, "a parameter's")
                if name in fitting:
                    raise UsageError(f"there are two names that read {name!r}")
                fitting[name] = self._value(value, place, depth + 1)
            except UsageError as error:
                self._losses.add(self._name, "value", place, str(error))
        return fitting

    def _value(self, value: Any, place: str, depth: int) -> Value:
        if isinstance(value, Unreadable):
            raise UsageError(value.why)
        if depth > MAX_DEPTH:
            raise UsageError(f"nested more than {MAX_DEPTH} levels deep")
        if not isinstance(value, (dict, list)):
            self._left -= 1
            if self._left < 0:
                raise UsageError("the file has too many values for a record")
            return to_value(value, place)
        if len(value) > MAX_ITEMS:
            raise UsageError(f"more than {MAX_ITEMS} items: keep them with --input")
        if self._size(value, depth) > self._left:
            raise UsageError("it has too many values for a record: keep it with --input")
        if isinstance(value, dict):
            return self.mapping(value, place, depth)
        return [self._item(item, f"{place}[{at}]", depth + 1) for at, item in enumerate(value)]

    def _item(self, value: Any, place: str, depth: int) -> Value:
        """A part of a list, in which nothing may be missing."""
        if isinstance(value, dict) and depth <= MAX_DEPTH:
            return {
                check_name(key, "a parameter's"): self._item(item, f"{place}.{key}", depth + 1)
                for key, item in value.items()
            }
        return self._value(value, place, depth)

    def _size(self, value: Any, depth: int) -> int:
        """Values in all, those of an alias wherever it stands; a few levels are enough to see too many."""
        if not isinstance(value, (dict, list)) or depth > MAX_DEPTH:
            return 1
        size = self._sizes.get(id(value))
        if size is None:
            items = value.values() if isinstance(value, dict) else value
            size = self._sizes[id(value)] = 1 + sum(self._size(item, depth + 1) for item in items)
        return size

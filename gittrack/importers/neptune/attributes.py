"""What a run of neptune.ai has: attributes by their paths, as changes made them one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gittrack.formats.record import Value
from gittrack.importers.foreign import Moment

Verb = Literal["set", "append", "add", "remove", "clear", "delete"]
Kind = Literal[
    "float", "int", "bool", "string", "datetime", "string_set",
    "float_series", "string_series", "histogram_series", "file_series",
    "file", "file_set", "artifact",
]  # fmt: skip
VALUES = frozenset({"float", "int", "bool", "string", "datetime"})
"""Kinds of attributes that are one value each."""
Lost = Counter[tuple[str, str]]
"""How often, by what and why."""
Step = int | float


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A file, or what is known of one. `below` ends the attribute's path as the name of the file."""

    below: str = ""
    content: Path | bytes | Callable[[], Iterator[bytes]] | None = None
    missing: str | None = None
    caption: str | None = None
    step: Step | None = None
    is_media: bool = False


class Tracked(NamedTuple):
    """What an artifact points to: neptune.ai keeps where it lies, or its hash, and no bytes."""

    source: str | None
    digest: str | None = None


class Histogram(NamedTuple):
    edges: list[float]
    values: list[float]
    what: str
    """What the values are: ``count``, ``density``, or ``value`` where that is not said."""


class Change(NamedTuple):
    """One operation on the attribute at `path`. Operations of one log have rising numbers."""

    number: int
    verb: Verb
    path: str
    kind: Kind | None = None
    value: Any = None
    step: Step | None = None
    time: Moment | None = None
    is_preview: bool = False


@dataclass(slots=True)
class Attribute:
    """One attribute as the changes so far have left it."""

    kind: Kind
    value: Value = None
    members: dict[str, None] = field(default_factory=dict)
    files: list[Found] = field(default_factory=list)
    tracked: list[Tracked] = field(default_factory=list)
    count: int = 0
    """Of the points of a series."""
    since: int = 0
    """Number of the first change whose points the series still has."""
    previews: dict[Step | None, int] = field(default_factory=dict)
    """By step, the change whose preview nothing has replaced."""

    def clear(self, number: int) -> None:
        self.members, self.files, self.tracked, self.previews = {}, [], [], {}
        self.count, self.since = 0, number + 1

    def has(self, change: Change) -> bool:
        """Whether the point of `change` is one of the series, as it is in the end."""
        if change.number < self.since or change.kind != self.kind:
            return False
        return not change.is_preview or self.previews.get(change.step) == change.number


class State:
    """All attributes of one run."""

    def __init__(self, lost: Lost) -> None:
        self.attributes: dict[str, Attribute] = {}
        self.lost = lost

    def take(self, change: Change) -> None:
        """Apply the next change."""
        known = self.attributes.get(change.path)
        if change.verb == "delete":
            if self.attributes.pop(change.path, None) is None:
                self.lost[f"deletion of {change.path}", "the log has nothing of that name"] += 1
            return
        if change.kind is None:
            return
        if known is not None and known.kind != change.kind:
            why = f"it is of the type {known.kind} already, and neptune.ai refuses {change.kind}"
            self.lost[f"a change of {change.path}", why] += 1
            return
        attribute = known or self.attributes.setdefault(change.path, Attribute(change.kind))
        _apply(attribute, change)

    def pop(self, path: str, kind: Kind) -> Value:
        """The value at `path`, which is taken away; None where there is none of that kind."""
        known = self.attributes.get(path)
        if known is None or known.kind != kind:
            return None
        del self.attributes[path]
        return known.value

    def text(self, path: str) -> str | None:
        value = self.pop(path, "string")
        return value if isinstance(value, str) and value else None

    def members(self, path: str) -> list[str]:
        """Of a set, in the order of the alphabet, as neptune.ai keeps none; it is taken away."""
        known = self.attributes.get(path)
        if known is None or known.kind != "string_set":
            return []
        del self.attributes[path]
        return sorted(known.members)


def _apply(attribute: Attribute, change: Change) -> None:
    if change.verb == "clear":
        attribute.clear(change.number)
    elif change.verb == "append":
        attribute.count += 1
        if change.kind == "file_series":
            attribute.files.append(change.value)
        if change.is_preview:
            attribute.previews[change.step] = change.number
        else:
            attribute.previews.pop(change.step, None)
    elif change.kind == "string_set":
        if change.verb == "set":
            attribute.members = {}
        for member in change.value:
            if change.verb == "remove":
                attribute.members.pop(member, None)
            else:
                attribute.members[member] = None
    elif change.kind in VALUES:
        attribute.value = change.value
    elif change.kind == "artifact":
        attribute.tracked = [*([] if change.verb == "set" else attribute.tracked), *change.value]
    elif change.verb == "remove":
        gone = tuple(change.value)
        attribute.files = [file for file in attribute.files if not _is_of(file, gone)]
    else:
        attribute.files = [*([] if change.verb == "set" else attribute.files), *change.value]


def _is_of(file: Found, names: tuple[str, ...]) -> bool:
    """Whether it is one of the files, or lies in one of the folders, of these names."""
    path = file.below.removeprefix("/")
    return any(path == name or path.startswith(f"{name.rstrip('/')}/") for name in names)

"""YAML as people write it and their own tools read it, safely: what no tool would run is not run here.

Anchors, aliases, merge keys, keys that are numbers and standard tags are read as PyYAML reads them. A value
that cannot be read (another tag, bytes, a part of itself, nested too deep) is `Unreadable`, and costs
nothing beside it. The strict reader of `gittrack.formats.codec` is for the ledger and gittrack.yaml.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.codec.plain import short
from gittrack.formats.codec.reader import library, syntax_error
from gittrack.formats.values import MAX_DEPTH
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.scalars import MOST_DIGITS, readings

MAX_NODES = 200_000
_YAML = "tag:yaml.org,2002:"
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """In place of a value that cannot be taken, with why."""

    why: str


def read_people_yaml(text: str, name: str, losses: Losses, *, by_dvc: bool = False) -> Any:
    """The value of the one document in `text`, None where there is none but comments.

    Scalars are as `scalars.readings` has them: as two of PyYAML, DVC and OmegaConf read them, or,
    `by_dvc`, as DVC does. What differs, and keys that are there twice (the last is taken, as by PyYAML),
    goes to `losses`. UsageError for what is no YAML, holds several documents or too many values.
    """
    errors, parser, events = library()
    try:
        return _Composer(parser(text).get_event, events, name, losses, by_dvc).document()
    except errors as error:
        raise UsageError(syntax_error(error, text, name, MAX_DEPTH)) from error


class _Composer:
    """Values from a parser's events. Aliases share the object that their anchor names."""

    def __init__(self, get_event: Any, events: Any, name: str, losses: Losses, by_dvc: bool) -> None:
        self._get_event, self._events = get_event, events
        self._name, self._losses, self._by_dvc = name, losses, by_dvc
        self._anchors: dict[str, Any] = {}
        self._left = MAX_NODES

    def document(self) -> Any:
        self._get_event()
        if type(self._get_event()) is self._events.StreamEndEvent:
            return None
        value = self._node(self._get_event(), "", 0)
        self._get_event()
        after = self._get_event()
        if type(after) is not self._events.StreamEndEvent:
            line = after.start_mark.line + 1
            raise UsageError(f"{self._name}:{line}: a second document: PyYAML, DVC and OmegaConf take one")
        return value

    def _node(self, event: Any, where: str, depth: int) -> Any:
        self._left -= 1
        if self._left < 0:
            raise UsageError(f"{self._name}: more than {MAX_NODES} values: parameters are fewer")
        kind, anchor = type(event), event.anchor
        if kind is self._events.AliasEvent:
            return self._anchors.get(anchor, Unreadable(f"there is no anchor &{anchor} before it"))
        if anchor is not None:
            self._anchors[anchor] = Unreadable(f"*{anchor} is a part of itself")
        if kind is self._events.ScalarEvent:
            value = self._scalar(event, where)
        elif depth > MAX_DEPTH:
            value = self._skipped()
        elif kind is self._events.SequenceStartEvent:
            value = _tagged_list(event.tag, self._sequence(where, depth))
        else:
            value = _tagged_map(event.tag, self._mapping(where, depth))
        if anchor is not None:
            self._anchors[anchor] = value
        return value

    def _skipped(self) -> Unreadable:
        opened = 1
        starts = (self._events.SequenceStartEvent, self._events.MappingStartEvent)
        ends = (self._events.SequenceEndEvent, self._events.MappingEndEvent)
        while opened:
            event = self._get_event()
            opened += isinstance(event, starts) - isinstance(event, ends)
        return Unreadable(f"nested more than {MAX_DEPTH} levels deep")

    def _sequence(self, where: str, depth: int) -> list[Any]:
        items: list[Any] = []
        while type(event := self._get_event()) is not self._events.SequenceEndEvent:
            items.append(self._node(event, f"{where}[{len(items)}]", depth + 1))
        return items

    def _mapping(self, where: str, depth: int) -> dict[str, Any]:
        own: dict[str, Any] = {}
        merged: list[dict[str, Any]] = []
        while type(event := self._get_event()) is not self._events.MappingEndEvent:
            key = self._key(event, where, depth)
            place = f"{where}.{key}".lstrip(".")
            value = self._node(self._get_event(), place, depth + 1)
            if key is None:
                self._losses.add(self._name, "key", where or "top", "a list or a mapping is no name")
            elif key == _MERGE and event.implicit[0] and event.tag is None:
                merged += self._merged(value, place)
            else:
                if key in own:
                    line = event.start_mark.line + 1
                    why = (
                        f"it is there again in line {line}: the last is taken, which DVC and OmegaConf refuse"
                    )
                    self._losses.add(self._name, "earlier value", place, why)
                own[key] = value
        values: dict[str, Any] = {}
        for mapping in reversed(merged):  # the first of several wins
            values.update(mapping)
        return {**values, **own} if merged else own

    def _key(self, event: Any, where: str, depth: int) -> str | None:
        """A key as it is written: a number, too, is a name here."""
        if type(event) is self._events.AliasEvent:
            value = self._anchors.get(event.anchor)
            return value if isinstance(value, str) else None
        if type(event) is self._events.ScalarEvent:
            text = str(event.value)
            if event.anchor is not None:
                self._anchors[event.anchor] = text
            return text
        self._node(event, where, depth + 1)
        return None

    def _merged(self, value: Any, place: str) -> list[dict[str, Any]]:
        mappings = value if isinstance(value, list) else [value]
        if all(isinstance(item, dict) for item in mappings):
            return mappings
        self._losses.add(self._name, "value", place, "<< takes a mapping, or a list of them")
        return []

    def _scalar(self, event: Any, where: str) -> Any:
        text, tag = str(event.value), event.tag
        if tag is None:
            return self._plain(text, where) if event.implicit[0] else text
        kind = tag.removeprefix(_YAML)
        if kind in ("str", "timestamp", "!"):
            return text
        value, _ = readings(text) if text else ("", "")
        if kind == "float" and type(value) is int:
            return float(value)
        matches = {"int": int, "float": float, "bool": bool}
        if kind in matches and type(value) is matches[kind]:
            return value
        if kind == "null":
            return None
        return _not_followed(tag)

    def _plain(self, text: str, where: str) -> Any:
        if len(text) > MOST_DIGITS and text.lstrip("+-").isdigit():
            return Unreadable(f"an integer of {len(text)} digits")
        common, dvc = readings(text)
        if common is dvc or repr(common) == repr(dvc):
            return common
        wanted, other = (dvc, common) if self._by_dvc else (common, dvc)
        tools = ("DVC", "PyYAML and OmegaConf") if self._by_dvc else ("PyYAML and OmegaConf", "DVC")
        why = f"{text} is {short(other)} to {tools[1]}; recorded is {short(wanted)}, as {tools[0]} read it"
        self._losses.add(self._name, "other reading", where, why)
        return wanted


def _tagged_list(tag: str | None, items: list[Any]) -> Any:
    known = (None, "!", f"{_YAML}seq", f"{_YAML}omap", f"{_YAML}pairs")
    return items if tag in known else _not_followed(tag)


def _tagged_map(tag: str | None, values: dict[str, Any]) -> Any:
    if tag == f"{_YAML}set":
        return list(values)
    return values if tag in (None, "!", f"{_YAML}map") else _not_followed(tag)


def _not_followed(tag: str | None) -> Unreadable:
    name = f"{tag}".replace(_YAML, "!!")
    return Unreadable(f"the tag {short(name)} is not followed: a safe reader makes nothing of it")

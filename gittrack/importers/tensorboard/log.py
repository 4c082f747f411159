"""The event files of one folder, in the order of time: a first look says what they have and where it is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.importers import folders, protobuf
from gittrack.importers.foreign import Moment
from gittrack.importers.protobuf import WireError
from gittrack.importers.tensorboard import events, records, tensors
from gittrack.importers.tensorboard.events import Event, Kind, Plugin, Restarts, Value
from gittrack.importers.tensorboard.hparams import Session

_STAMP = re.compile(r".*tfevents\.([0-9]{1,15})(?:\.|$)", re.DOTALL)
_HOST = re.compile(r".*tfevents\.[0-9]+\.(.+?)(?:\.[0-9]+\.[0-9]+(?:\..*)?)?$", re.DOTALL)
_DATED = re.compile(r"([A-Z][a-z]{2}[0-9]{2}_[0-9]{2}-[0-9]{2}-[0-9]{2})_(.+)$", re.DOTALL)
_OTHERS = {4: "graph", 6: "log message", 8: "run metadata", 9: "meta graph"}
"""What an event may have in place of a summary."""
_MOST_MEDIA = 5_000
OVERTAKEN = "written again after a restart: TensorBoard drops them"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value is: the file, the byte and the number of its event, and which value of that it is."""

    file: int
    byte: int
    number: int
    value: int


@dataclass(frozen=True, slots=True)
class Media:
    """A picture or a sound: which of its value, and how its bytes begin."""

    place: Place
    tag: str
    kind: Kind
    step: int
    part: int
    beginning: bytes


@dataclass(slots=True)
class _File:
    path: Path
    end: int = 0
    bad: frozenset[int] = frozenset()


@dataclass(slots=True)
class Log:
    """What the event files of a folder have; scalars are read anew from them."""

    folder: Path
    name: str
    """Of the folder, from the source on."""
    files: list[_File] = field(default_factory=list)
    first: bytes = b""
    """The first event as it lies there."""
    began: Moment | None = None
    plugins: dict[str, Plugin] = field(default_factory=dict)
    scalars: Counter[str] = field(default_factory=Counter)
    """By tag, how many points there are."""
    kinds: set[Kind] = field(default_factory=set)
    texts: list[tuple[Place, str, int]] = field(default_factory=list)
    """With the tag and the step of each."""
    media: list[Media] = field(default_factory=list)
    histograms: dict[str, list[tuple[Place, int]]] = field(default_factory=dict)
    session: Session = field(default_factory=Session)
    restarts: Restarts = field(default_factory=Restarts)
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    foreign: list[tuple[str, str]] = field(default_factory=list)
    """Files that are none of TensorBoard's, and why."""
    changed: Moment | None = None

    def look(self, paths: list[Path]) -> None:
        """Take up what the files at `paths` have."""
        number = 0
        for path in sorted(paths, key=_order):
            shown = f"{self.name}/{path.name}"
            if not folders.is_regular(path):
                self.foreign.append((shown, "a link, which is not followed, or no regular file"))
                continue
            file, bad = _File(path), dict[int, str]()
            self.files.append(file)
            try:
                with path.open("rb") as stream:
                    size = path.stat().st_size
                    for byte, data in records.records(stream, size, bad):
                        number += 1
                        self._take(data, Place(len(self.files) - 1, byte, number, 0))
                        file.end = byte + len(data) + records.AROUND
            except records.FrameError as error:
                if not file.end:
                    self.foreign.append((shown, f"no event file: {error}"))
                    self.files.pop()
                    continue
                self.losses[self._which(), str(error)] += 1
            except OSError as error:
                self.foreign.append((shown, error.strerror or "it cannot be read"))
                self.files.pop()
                continue
            file.bad = frozenset(bad)
            for why in bad.values():
                self.losses[self._which(), why] += 1
            self.changed = max(self.changed or 0, path.stat().st_mtime)

    def _which(self) -> str:
        """The file that is being looked at, by its number: its name has the host in it."""
        return f"event file {len(self.files)}"

    def _take(self, data: bytes, place: Place) -> None:
        try:
            event = events.event(data)
            self.first = self.first or data
            if self.began is None and event.time > 0:
                self.began = event.time
            for number, what in _OTHERS.items():
                if number in event.message:
                    self.losses[what, "a record has no place for it"] += 1
            self.restarts.see(place.number, event)
            for index, value in enumerate(event.values()):
                try:
                    self._value(event, value, Place(place.file, place.byte, place.number, index))
                except (WireError, OverflowError) as error:
                    self.losses[f"a value of {value.tag}", f"damaged: {error}"] += 1
        except (WireError, OverflowError) as error:
            self.losses[self._which(), f"an event that is damaged: {error}"] += 1

    def _value(self, event: Event, value: Value, place: Place) -> None:
        tag = value.tag
        stated = events.plugin_of(value)
        if stated is not None and tag not in self.plugins:
            self.plugins[tag] = stated
            if stated.description and stated.name != "hparams":
                self.losses[f"description of {tag}", "a record has no place for it"] += 1
        plugin = self.plugins.get(tag, Plugin())
        kind = events.kind_of(value, plugin)
        self.kinds.add(kind)
        if kind == "scalar":
            events.scalar(value)
            self.scalars[tag] += 1
        elif kind == "text":
            events.texts(value)
            self.texts.append((place, tag, event.step))
        elif kind in ("image", "audio"):
            self._media(value, kind, event.step, place)
        elif kind == "histogram":
            self.histograms.setdefault(tag, []).append((place, event.step))
        elif kind == "hparams":
            self.session.take((stated or plugin).content, self.losses)
        else:
            of = f" of the plugin {plugin.name}" if plugin.name else ""
            self.losses[f"{tag}{of}", "neither number, text, picture, sound nor histogram"] += 1

    def _media(self, value: Value, kind: Kind, step: int, place: Place) -> None:
        for part, data in enumerate(media_bytes(value, kind)):
            if len(self.media) >= _MOST_MEDIA:
                self.losses[f"{kind} of {value.tag}", f"a run has room for {_MOST_MEDIA:,} files"] += 1
            else:
                self.media.append(Media(place, value.tag, kind, step, part, data[:16]))

    def is_gone(self, place: Place, tag: str, step: int) -> bool:
        """Whether a restart has overtaken it; then it is told."""
        gone = self.restarts.takes(place.number, tag, step)
        if gone:
            self.losses[f"values of {tag}", OVERTAKEN] += 1
        return gone

    def values_again(self) -> Iterator[tuple[int, Event, Value]]:
        """All values with the numbers of their events."""
        number = 0
        for file in self.files:
            with file.path.open("rb") as stream:
                for _, data in records.good_records(stream, file.end, file.bad):
                    number += 1
                    try:
                        event = events.event(data)
                        for value in event.values():
                            yield number, event, value
                    except WireError:
                        continue

    def at(self, place: Place) -> tuple[Event, Value]:
        with self.files[place.file].path.open("rb") as stream:
            event = events.event(records.record(stream, place.byte))
        return event, [*event.values()][place.value]


def without_host(name: str, file: str) -> str:
    """The name of a run without the host that writers put into it, as into that of `file`."""
    host = _HOST.match(file)
    *above, last = name.split("/")
    dated = _DATED.match(last)
    if host and dated and dated[2].startswith(host[1]):
        last = dated[1] + dated[2].removeprefix(host[1])
    return "/".join([*above, last])


def _order(path: Path) -> tuple[int, str]:
    """The moment that the name of an event file has."""
    stamp = _STAMP.match(path.name)
    return int(stamp[1]) if stamp else 0, path.name


def media_bytes(value: Value, kind: Kind) -> list[bytes]:
    """The encoded pictures or sounds of a value."""
    number = events.OLD_IMAGE if kind == "image" else events.OLD_AUDIO
    if number in value.message:
        found = protobuf.message(value.message, number).get(4, [b""])[-1]
        return [found] if isinstance(found, bytes) else []
    tensor = protobuf.message(value.message, events.TENSOR)
    strings = tensors.strings(tensor)
    if kind == "image":
        return strings[2:]
    return strings[::2] if len(tensors.shape(tensor)) > 1 else strings

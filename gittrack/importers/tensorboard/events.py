"""Events of a run: what their values are, and which of them a restart has overtaken."""

from __future__ import annotations

import re
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from gittrack.importers import protobuf
from gittrack.importers.foreign import Moment
from gittrack.importers.protobuf import Message, WireError
from gittrack.importers.tensorboard import tensors

FILE_VERSION, SUMMARY, SESSION = 3, 5, 7
SIMPLE, OLD_IMAGE, OLD_HISTOGRAM, OLD_AUDIO, TENSOR, METADATA = 2, 4, 5, 6, 8, 9
START = 1
Kind = Literal["scalar", "text", "image", "audio", "histogram", "hparams", "other"]
_PLUGINS: dict[str, Kind] = {
    "scalars": "scalar",
    "text": "text",
    "images": "image",
    "audio": "audio",
    "histograms": "histogram",
    "hparams": "hparams",
}
_VERSION = re.compile(r"brain\.Event:([0-9]{1,3})")


@dataclass(frozen=True, slots=True)
class Plugin:
    """What the metadata of a tag say: whose it is, and in its bytes whatever that keeps."""

    name: str = ""
    content: bytes = b""
    description: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    tag: str
    message: Message


@dataclass(frozen=True, slots=True)
class Event:
    time: Moment
    step: int
    message: Message

    def values(self) -> Iterator[Value]:
        for summary in protobuf.messages(self.message, SUMMARY):
            for message in protobuf.messages(summary, 1):
                yield Value(protobuf.text(message, 1) or "", message)

    @property
    def version(self) -> int | None:
        """Of the format, where the event says it: the first of a file does."""
        found = _VERSION.match(protobuf.text(self.message, FILE_VERSION) or "")
        return int(found[1]) if found else None

    @property
    def starts(self) -> bool:
        return protobuf.integer(protobuf.message(self.message, SESSION), 1) == START


def event(data: bytes) -> Event:
    message = protobuf.parse(data)
    time = protobuf.double(message.get(1, [b""])[-1])
    return Event(0.0 if time is None else time, protobuf.integer(message, 2), message)


def plugin_of(value: Value) -> Plugin | None:
    """The metadata that a value has with it; only the first of a tag needs to."""
    if METADATA not in value.message:
        return None
    metadata = protobuf.message(value.message, METADATA)
    stated = protobuf.message(metadata, 1)
    content = stated.get(2, [b""])[-1]
    return Plugin(
        protobuf.text(stated, 1) or "",
        content if isinstance(content, bytes) else b"",
        protobuf.text(metadata, 3),
    )


def kind_of(value: Value, plugin: Plugin) -> Kind:
    message = value.message
    if plugin.name == "hparams":
        return "hparams"
    if SIMPLE in message:
        return "scalar"
    if OLD_IMAGE in message:
        return "image"
    if OLD_AUDIO in message:
        return "audio"
    if OLD_HISTOGRAM in message:
        return "histogram"
    if TENSOR not in message:
        return "other"
    if plugin.name:
        return _PLUGINS.get(plugin.name, "other")
    tensor = protobuf.message(message, TENSOR)
    return "scalar" if not tensors.shape(tensor) and tensors.texts(tensor) is None else "other"


def scalar(value: Value) -> float:
    """The number of a scalar; WireError where it is none."""
    if SIMPLE in value.message:
        data = value.message[SIMPLE][-1]
        if not isinstance(data, bytes) or len(data) != 4:
            raise WireError("a number of another size")
        return float(struct.unpack("<f", data)[0])
    found = tensors.numbers(protobuf.message(value.message, TENSOR))
    if found is None or len(found) != 1:
        raise WireError("a scalar that is no single number")
    return found[0]


def texts(value: Value) -> list[str]:
    """The texts of a value; WireError where it has none."""
    found = tensors.texts(protobuf.message(value.message, TENSOR))
    if found is None:
        raise WireError("a text that is none")
    return found


@dataclass(slots=True)
class _Cuts:
    """By number of the event, from which step on what came before it is gone; steps rise with the numbers."""

    events: list[int] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)

    def add(self, number: int, step: int) -> None:
        while self.steps and self.steps[-1] >= step:
            self.steps.pop()
            self.events.pop()
        self.events.append(number)
        self.steps.append(step)

    def takes(self, number: int, step: int) -> bool:
        later = bisect_right(self.events, number)
        return later < len(self.steps) and self.steps[later] <= step


class Restarts:
    """What a program that went on from a checkpoint has written again, by TensorBoard's own rule.

    A session that starts at a step takes from that step on all that came before it. Files of the first
    version do not say so: there a step below the latest takes what its tags have from that step on.
    """

    def __init__(self) -> None:
        self._all = _Cuts()
        self._of_tag: dict[str, _Cuts] = {}
        self._largest: dict[str, int] = {}
        self._version: int | None = None
        self._latest = 0

    def see(self, number: int, event: Event) -> None:
        """Take notice of the next event."""
        message = event.message
        if FILE_VERSION in message:
            self._version = event.version or self._version
        if (self._version or 0) >= 2:
            if SESSION in message and event.starts:
                self._all.add(number, event.step)
            return
        if SUMMARY not in message:
            self._latest = event.step
            return
        is_back = event.step < self._latest
        for value in event.values():
            if is_back and self._largest.get(value.tag, event.step - 1) >= event.step:
                self._of_tag.setdefault(value.tag, _Cuts()).add(number, event.step)
                self._largest[value.tag] = event.step
            self._largest[value.tag] = max(self._largest.get(value.tag, event.step), event.step)
        if not is_back:
            self._latest = event.step

    def takes(self, number: int, tag: str, step: int) -> bool:
        """Whether what `tag` has in that event was written again later."""
        cuts = self._of_tag.get(tag)
        return self._all.takes(number, step) or (cuts is not None and cuts.takes(number, step))

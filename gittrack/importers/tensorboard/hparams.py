"""What the hparams plugin keeps of a run: its session, with parameters and how it ended."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from gittrack.importers import protobuf
from gittrack.importers.foreign import Moment, Status
from gittrack.importers.protobuf import Message, WireError

_EXPERIMENT, _START, _END = 2, 3, 4
_STATUSES: dict[int, Status] = {1: "finished", 2: "failed", 3: "running"}
_DEEPEST = 20


@dataclass(slots=True)
class Session:
    """Of one run. `is_session` where there is more than a description of the experiment."""

    is_session: bool = False
    params: dict[str, Any] = field(default_factory=dict)
    group: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    status: Status = "unknown"
    started: Moment | None = None
    ended: Moment | None = None

    def take(self, content: bytes, losses: Counter[tuple[str, str]]) -> None:
        """Take up the bytes that the plugin has in the metadata of a tag."""
        data = protobuf.parse(content)
        if any(_says_more(experiment) for experiment in protobuf.messages(data, _EXPERIMENT)):
            losses["description of the hparams experiment", "a record has no place for it"] += 1
        for start in protobuf.messages(data, _START):
            self.is_session = True
            self._start(start, losses)
        for end in protobuf.messages(data, _END):
            self.is_session = True
            self.status = _STATUSES.get(protobuf.integer(end, 1), "unknown")
            self.ended = protobuf.double(end.get(2, [b""])[-1]) or None

    def _start(self, start: Message, losses: Counter[tuple[str, str]]) -> None:
        for entry in protobuf.messages(start, 1):
            name = protobuf.text(entry, 1) or ""
            try:
                self.params[name] = _value(protobuf.message(entry, 2))
            except (WireError, RecursionError) as error:
                losses[f"param {name}", str(error) or "nested too deeply"] += 1
        self.group = protobuf.text(start, 4)
        for number, name in ((2, "hparams.model_uri"), (3, "hparams.monitor_url")):
            if address := protobuf.text(start, number):
                self.tags[name] = address
        self.started = protobuf.double(start.get(5, [b""])[-1]) or None


def _says_more(experiment: Message) -> bool:
    """Whether it says more than names and types, such as a text or which values were to be tried."""
    params = protobuf.messages(experiment, 4)
    return any(number in experiment for number in (1, 2, 6)) or any(param.keys() - {1, 4} for param in params)


def _value(message: Message, depth: int = 0) -> Any:
    """The value of a ``google.protobuf.Value``: its numbers are all floats."""
    if depth > _DEEPEST:
        raise WireError("nested too deeply")
    if 2 in message:
        return protobuf.double(message[2][-1])
    if 3 in message:
        return protobuf.texts(message, 3)[-1]
    if 4 in message:
        return bool(protobuf.integer(message, 4))
    if 5 in message:
        entries = protobuf.messages(protobuf.message(message, 5), 1)
        return {protobuf.text(e, 1) or "": _value(protobuf.message(e, 2), depth + 1) for e in entries}
    if 6 in message:
        items = protobuf.messages(protobuf.message(message, 6), 1)
        return [_value(item, depth + 1) for item in items]
    return None

"""The lines of an archive's messages: what the program logged, in its order, of new clients and old."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

from gittrack.importers import values
from gittrack.importers.archives import DAMAGED, Archive

FILE = "messages.json"
_OLD = {
    "graph": "graph",
    "code": "code",
    "fileName": "file_name",
    "html": "html",
    "htmlOverride": "htmlOverride",
    "installed_packages": "installed_packages",
    "os_packages": "os_packages",
    "gpu_static_info": "gpu_static_info",
    "git_meta": "git_metadata",
    "log_system_info": "system_info",
}
"""Of the one kind of message that clients before 3.30 had: which kind of today each key is of. A message of
today has its value under the name of the kind."""


@dataclass(frozen=True, slots=True)
class Message:
    kind: str
    payload: dict[str, Any]
    line: bytes

    def text(self, name: str) -> str | None:
        """The text under a name, None for none and for an empty one."""
        found = self.payload.get(name)
        return found if isinstance(found, str) and found else None

    def mapping(self, name: str) -> dict[str, Any]:
        found = self.payload.get(name)
        return found if isinstance(found, dict) else {}


def read(
    archive: Archive, top: str, bad: Counter[str] | None = None, only: bytes | None = None
) -> Iterator[Message]:
    """The messages below `top` whose line has `only`; lines that are none are counted in `bad`, by why."""
    bad = Counter() if bad is None else bad
    if archive.find(top + FILE)[0] is None:
        bad[f"{FILE} is not there"] += 1
        return
    try:
        with archive.open(top + FILE) as file:
            for line in _lines(file, bad):
                if only is None or only in line:
                    yield from _messages(line, bad)
    except DAMAGED as error:
        bad[f"{FILE} is damaged: {error}"] += 1


def _lines(file: IO[bytes], bad: Counter[str]) -> Iterator[bytes]:
    while line := file.readline(values.LONGEST):
        if len(line) == values.LONGEST and not line.endswith(b"\n"):
            bad[f"a line has more than {values.LONGEST >> 20} MiB"] += 1
            while (more := file.readline(values.LONGEST)) and not more.endswith(b"\n"):
                pass
        elif line.strip():
            yield line


def _messages(line: bytes, bad: Counter[str]) -> Iterator[Message]:
    try:
        message = values.load(line)
    except values.NotRead as error:
        why = "a line is cut off" if not line.endswith(b"\n") else f"a line: {error}"
        bad[why] += 1
        return
    kind = message.get("type") if isinstance(message, dict) else None
    payload = message.get("payload") if isinstance(message, dict) else None
    if not isinstance(kind, str) or not isinstance(payload, dict):
        bad["a line is no message"] += 1
    elif kind == "ws_msg":
        yield from _of_old(payload, line)
    elif kind == "metric_msg" and not payload.get("metric"):
        bad["a metric without a name and a value"] += 1
    else:
        yield Message(kind, payload, line)


def _of_old(payload: dict[str, Any], line: bytes) -> Iterator[Message]:
    if payload.get("metric"):
        yield Message("metric_msg", payload, line)
    if payload.get("param") or payload.get("params"):
        yield Message("parameter_msg", payload, line)
    if payload.get("stdout") is not None:
        yield Message("standard_output", {"output": payload["stdout"]}, line)
    other = payload.get("log_other")
    if isinstance(other, dict):
        yield Message("log_other", {"key": other.get("key"), "value": other.get("val")}, line)
    for name, kind in (("env_details", "system_details"), ("log_dependency", "log_dependency")):
        if isinstance(payload.get(name), dict):
            yield Message(kind, payload[name], line)
    for name, kind in _OLD.items():
        if payload.get(name) is not None:
            yield Message(kind, {kind: payload[name]}, line)

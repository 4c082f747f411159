"""What the operations of the client ``neptune`` change, in its versions 0.9 to 1.14."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from gittrack.importers import values
from gittrack.importers.foreign import Moment
from gittrack.importers.media import suffix_of
from gittrack.importers.neptune.attributes import Change, Found, Kind, Lost, Step, Tracked, Verb
from gittrack.importers.neptune.log import Log, Operation
from gittrack.importers.neptune.places import Places

_ASSIGNED: dict[str, tuple[Kind, Any]] = {
    "AssignFloat": ("float", (int, float)),
    "AssignInt": ("int", int),
    "AssignBool": ("bool", bool),
    "AssignString": ("string", str),
    "AssignDatetime": ("datetime", (int, float)),
}
_CLEARED: dict[str, Kind] = {
    "ClearFloatLog": "float_series",
    "ClearStringLog": "string_series",
    "ClearImageLog": "file_series",
    "ClearStringSet": "string_set",
    "ClearArtifact": "artifact",
}
_SERIES: dict[str, Kind] = {
    "LogFloats": "float_series",
    "LogStrings": "string_series",
    "LogImages": "file_series",
}


_MARKS: dict[Kind, bytes] = {kind: f'"{name}"'.encode() for name, kind in _SERIES.items()}


class _Bad(ValueError):
    """An operation that is none."""


def moment_text(seconds: float) -> str:
    """A moment in ISO 8601; ValueError where it is none."""
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("no moment of the years 1 to 9999") from error
    exact = "microseconds" if moment.microsecond % 1000 else "milliseconds"
    return moment.isoformat(timespec=exact).replace("+00:00", "Z")


@dataclass(slots=True)
class Changes:
    """The changes of the logs of one run, one log after the other."""

    logs: list[Log]
    places: Places

    def __call__(self, lost: Lost, only: Kind | None = None) -> Iterator[Change]:
        mark = _MARKS[only] if only else b""
        before = 0
        for log in self.logs:
            number = before
            for operation in log.operations(lost, mark):
                number = before + operation.number
                name, path = operation.fields.get("type"), operation.fields.get("path")
                shown = str(name)[:80]
                try:
                    where = _path(path)
                    yield from self._changes(log, number, where, operation, lost)
                except (_Bad, ArithmeticError, LookupError, TypeError) as error:
                    why = str(error) if isinstance(error, _Bad) else "its fields are of other types"
                    lost[f"operation {shown}", why] += 1
            before = number

    def _changes(
        self, log: Log, number: int, path: str, operation: Operation, lost: Lost
    ) -> Iterator[Change]:
        fields = operation.fields
        name = fields.get("type")
        if not isinstance(name, str):
            raise _Bad("it has no type")
        if name in _ASSIGNED:
            kind, types = _ASSIGNED[name]
            value = fields["value"]
            if not isinstance(value, types) or (isinstance(value, bool) and kind != "bool"):
                raise _Bad(f"its value is no {kind}")
            if kind == "datetime":
                value = _bad_of(moment_text, value / 1000)
            elif kind == "float":
                value = _float(value)
            yield Change(number, "set", path, kind, value, time=operation.at)
        elif name in _SERIES:
            yield from self._points(log, number, path, operation, _SERIES[name])
        elif name in _CLEARED:
            yield Change(number, "clear", path, _CLEARED[name])
        elif name in ("AddStrings", "RemoveStrings"):
            verb: Verb = "add" if name == "AddStrings" else "remove"
            yield Change(number, verb, path, "string_set", _strings(fields["values"]))
        elif name == "DeleteAttribute":
            yield Change(number, "delete", path)
        elif name == "ConfigFloatSeries":
            said = [key for key in ("min", "max", "unit") if fields.get(key) is not None]
            if said:
                what = "monitoring" if path.startswith("monitoring/") else path
                lost[f"{', '.join(said)} of {what}", "a record has no place for them"] += 1
        elif name == "CopyAttribute":
            lost[path, "a copy of what another run has, which the log does not say"] += 1
        else:
            yield from self._files(log, number, path, operation)

    def _points(self, log: Log, number: int, path: str, operation: Operation, kind: Kind) -> Iterator[Change]:
        for index, point in enumerate(operation.fields["values"]):
            value, step, time = point["value"], _step(point.get("step")), _time(point.get("ts"))
            if kind == "float_series":
                value = _float(value)
            elif kind == "string_series":
                if not isinstance(value, str):
                    raise _Bad("a value of it is no text")
            else:
                value = _image(log, operation, index, value, step)
            yield Change(number, "append", path, kind, value, step, time)

    def _files(self, log: Log, number: int, path: str, operation: Operation) -> Iterator[Change]:
        fields = operation.fields
        name = fields["type"]
        if name == "UploadFile":
            below = _ending(path, fields.get("ext"))
            found = self.places.uploaded(log.folder, fields, below)
            yield Change(number, "set", path, "file", [found])
        elif name == "UploadFileContent":
            content = partial(_content, log, operation, lambda again: again["file_content"])
            below = _ending(path, fields.get("ext"))
            yield Change(number, "set", path, "file", [Found(below=below, content=content)])
        elif name == "UploadFileSet":
            verb: Verb = "add" if fields.get("reset") in ("False", False) else "set"
            globs = _strings(fields["file_globs"])
            yield Change(number, verb, path, "file_set", self.places.file_set(globs))
        elif name == "DeleteFiles":
            yield Change(number, "remove", path, "file_set", _strings(fields["file_paths"]))
        elif name == "TrackFilesToArtifact":
            sources = [entry[0] for entry in fields["entries"]]
            tracked = [Tracked(source) for source in _strings(sources)]
            yield Change(number, "add", path, "artifact", tracked)
        elif name == "AssignArtifact":
            yield Change(number, "set", path, "artifact", [Tracked(None, str(fields["hash"])[:200])])
        else:
            raise _Bad("an operation that is not known")


def _path(path: Any) -> str:
    if not isinstance(path, list) or not path or not all(isinstance(part, str) for part in path):
        raise _Bad("its path is no list of names")
    return "/".join(path)


def _strings(listed: Any) -> list[str]:
    if not isinstance(listed, list) or not all(isinstance(text, str) for text in listed):
        raise _Bad("its values are no list of texts")
    return listed


def _float(value: Any) -> float:
    number = None if isinstance(value, bool) else values.number(value)
    if number is None:
        raise _Bad("a value of it is no number")
    return number


def _step(step: Any) -> Step | None:
    if step is None:
        return None
    if isinstance(step, bool) or not isinstance(step, (int, float)):
        raise _Bad("a step of it is no number")
    return step


def _time(time: Any) -> Moment | None:
    return None if isinstance(time, bool) else values.number(time)


def _bad_of(function: Callable[[float], str], value: float) -> str:
    try:
        return function(value)
    except ValueError as error:
        raise _Bad(str(error)) from error


def _ending(path: str, suffix: Any) -> str:
    ending = f".{suffix}" if isinstance(suffix, str) and suffix else ""
    return "" if path.endswith(ending) else ending


def _image(log: Log, operation: Operation, index: int, value: Any, step: Step | None) -> Found:
    """A picture of a series; its bytes are read when they are asked for."""
    stated = value if isinstance(value, dict) else {"data": value}
    data = stated.get("data")
    if not isinstance(data, str):
        return Found(missing="the log has no bytes of it", step=step, is_media=True)

    def encoded(again: dict[str, Any]) -> Any:
        found = again["values"][index]["value"]
        return found["data"] if isinstance(found, dict) else found

    caption = stated.get("description") or stated.get("name")
    return Found(
        below=f".{suffix_of(_decoded(data[:24])) or 'bin'}",
        content=partial(_content, log, operation, encoded),
        caption=caption if isinstance(caption, str) else None,
        step=step,
        is_media=True,
    )


def _content(log: Log, operation: Operation, encoded: Callable[[dict[str, Any]], Any]) -> Iterator[bytes]:
    try:
        text = encoded(log.again(operation.place))
    except (LookupError, TypeError) as error:
        raise ValueError("the log was written to while it was read") from error
    yield _decoded(text)


def _decoded(text: Any) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (TypeError, ValueError) as error:
        raise _Bad("its bytes are no base64") from error

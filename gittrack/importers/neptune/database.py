"""The databases of the client ``neptune-scale``: operations as protocol buffers that wait to be sent."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.importers import folders, protobuf
from gittrack.importers.neptune.attributes import Change, Found, Histogram, Kind, Lost, Step, Verb
from gittrack.importers.neptune.operations import moment_text
from gittrack.importers.neptune.places import Places, name_of
from gittrack.importers.protobuf import Message, WireError
from gittrack.importers.sqlite import Tables

SUFFIX = ".sqlite3"
_SNAPSHOT, _CREATION = 0, 1
_STEP, _TIME, _ASSIGN, _MODIFY, _APPEND, _PREVIEW = 1, 2, 4, 5, 8, 10
_FLOAT, _INT, _BOOL, _STRING, _MOMENT, _SET, _FILE, _HISTOGRAM = 1, 3, 5, 6, 8, 12, 13, 14
_VERBS: dict[int, Verb] = {1: "add", 2: "remove"}
_SERIES: dict[int, Kind] = {
    _FLOAT: "float_series",
    _INT: "float_series",
    _STRING: "string_series",
    _FILE: "file_series",
    _HISTOGRAM: "histogram_series",
}
_UPLOADED = "its bytes were sent to neptune.ai and are no longer here"


class Other(ValueError):
    """A database of something else."""


@dataclass(slots=True)
class Database:
    """One database: what one process logged to a run. ValueError or sqlite3.Error where it is none."""

    path: Path
    tables: Tables = field(init=False)
    project: str = field(init=False)
    run_id: str = field(init=False)
    began: int = field(init=False)
    """Of its first operation, milliseconds since 1970, by which the databases of a run are in order."""

    def __post_init__(self) -> None:
        self.tables = Tables(self.path)
        if "run_operations" not in self.tables.columns:
            raise Other
        stated = next(self.tables.rows("metadata", ("project", "run_id"), "ORDER BY id LIMIT 1"), None)
        if stated is None or not all(isinstance(text, bytes) and text for text in stated):
            raise ValueError("it does not say of which run it is")
        self.project, self.run_id = (text.decode("utf-8", "replace") for text in stated)
        first = next(self.tables.rows("run_operations", ("timestamp",), "ORDER BY sequence_id LIMIT 1"), None)
        self.began = first[0] if first is not None and isinstance(first[0], int) else 0

    def operations(self, lost: Lost) -> Iterator[tuple[int, Message]]:
        """Their types and fields, in order."""
        latest = 0
        columns = ("sequence_id", "operation_type", "operation")
        try:
            for number, kind, data in self.tables.rows("run_operations", columns, "ORDER BY sequence_id"):
                if isinstance(number, int):
                    if number > latest + 1:
                        lost[f"operations of {self.path.name}", _absent(latest)] += number - latest - 1
                    latest = number
                try:
                    if not isinstance(kind, int) or not isinstance(data, bytes):
                        raise WireError("its fields are of other types")
                    yield kind, protobuf.parse(data)
                except WireError as error:
                    lost[f"an operation of {self.path.name}", str(error)] += 1
        except sqlite3.Error as error:
            lost[f"operations of {self.path.name}", f"all after number {latest}: {error}"] += 1

    def uploads(self) -> dict[str, tuple[str, bool]]:
        """Files by where neptune.ai was to keep them: where they lie, and whether the client made them."""
        columns = ("destination", "source_path", "is_temporary")
        found: dict[str, tuple[str, bool]] = {}
        for destination, source, is_temporary in self.tables.rows("file_upload_requests", columns):
            if isinstance(destination, bytes) and isinstance(source, bytes):
                place, path = destination.decode("utf-8", "replace"), source.decode("utf-8", "replace")
                found[place] = path, bool(is_temporary)
        return found


def _absent(latest: int) -> str:
    return "they are not in it" if latest else "they were sent to neptune.ai and are no longer here"


@dataclass(slots=True)
class Changes:
    """The changes of the databases of one run, one after the other."""

    databases: list[Database]
    places: Places

    def __call__(self, lost: Lost, only: Kind | None = None) -> Iterator[Change]:
        number = 0
        for database in self.databases:
            uploads = database.uploads()
            for kind, message in database.operations(lost):
                number += 1
                try:
                    if kind == _CREATION:
                        yield from _creation(number, message)
                    elif kind == _SNAPSHOT:
                        yield from self._snapshot(number, message, database, uploads)
                    else:
                        raise WireError("an operation that is not known")
                except (WireError, ArithmeticError, ValueError) as error:
                    lost[f"an operation of {database.path.name}", str(error)] += 1

    def _snapshot(
        self, number: int, message: Message, database: Database, uploads: dict[str, tuple[str, bool]]
    ) -> Iterator[Change]:
        time = protobuf.moment(message, _TIME)
        for path, value in _entries(message, _ASSIGN):
            kind, plain = self._value(value, database, uploads)
            yield Change(number, "set", path, kind, plain, time=time)
        for path, modified in _entries(message, _MODIFY):
            members = [*_entries(protobuf.message(modified, 1), 1, as_numbers=True)]
            for which, verb in _VERBS.items():
                texts = [text for text, done in members if done == which]
                if texts:
                    yield Change(number, verb, path, "string_set", texts, time=time)
        step = _step(message)
        is_preview = bool(protobuf.integer(protobuf.message(message, _PREVIEW), 1))
        for path, value in _entries(message, _APPEND):
            kind, point = self._point(value, database, uploads, step)
            yield Change(number, "append", path, kind, point, step, time, is_preview)

    def _value(
        self, value: Message, database: Database, uploads: dict[str, tuple[str, bool]]
    ) -> tuple[Kind, Any]:
        if _FLOAT in value:
            return "float", _double(value)
        if _INT in value:
            return "int", protobuf.integer(value, _INT)
        if _BOOL in value:
            return "bool", bool(protobuf.integer(value, _BOOL))
        if _STRING in value:
            return "string", protobuf.texts(value, _STRING)[-1]
        if _MOMENT in value:
            return "datetime", moment_text(protobuf.moment(value, _MOMENT) or 0.0)
        if _SET in value:
            return "string_set", protobuf.texts(protobuf.message(value, _SET), 1)
        if _FILE in value:
            return "file", [self._file(value, database, uploads, None)]
        raise WireError("a value of a type that is not known")

    def _point(
        self,
        value: Message,
        database: Database,
        uploads: dict[str, tuple[str, bool]],
        step: Step | None,
    ) -> tuple[Kind, Any]:
        number = next((number for number in _SERIES if number in value), None)
        if number == _FLOAT:
            return _SERIES[number], _double(value)
        if number == _INT:
            return _SERIES[number], float(protobuf.integer(value, _INT))
        if number == _STRING:
            return _SERIES[number], protobuf.texts(value, _STRING)[-1]
        if number == _FILE:
            return _SERIES[number], self._file(value, database, uploads, step)
        if number == _HISTOGRAM:
            return _SERIES[number], _histogram(protobuf.message(value, _HISTOGRAM))
        raise WireError("a point of a type that is not known")

    def _file(
        self,
        value: Message,
        database: Database,
        uploads: dict[str, tuple[str, bool]],
        step: Step | None,
    ) -> Found:
        stated = protobuf.message(value, _FILE)
        place = protobuf.text(stated, 1) or ""
        source, is_temporary = uploads.get(place, (None, False))
        content, missing = None, _UPLOADED
        if source is not None:
            if is_temporary:
                content, why = folders.find(database.path.parent, name_of(source))
            else:
                content, why = self.places.at(source)
            missing = why or missing
        kind = (protobuf.text(stated, 3) or "").partition("/")[0]
        return Found(
            below=_suffix(place),
            content=content,
            missing=None if content else missing,
            step=step,
            is_media=kind in ("image", "audio", "video"),
        )


def _creation(number: int, message: Message) -> Iterator[Change]:
    """What neptune.ai makes of the creation of a run."""
    created = protobuf.moment(message, 3)
    if created is not None:
        yield Change(number, "set", "sys/creation_time", "datetime", moment_text(created))
    name = protobuf.text(message, 5)
    if name:
        yield Change(number, "set", "sys/name", "string", name)
    for fork in protobuf.messages(message, 2):
        parent = protobuf.text(fork, 2)
        if parent:
            yield Change(number, "set", "sys/forking/parent", "string", parent)
        step = _step_of(protobuf.message(fork, 4))
        yield Change(number, "set", "sys/forking/step", "float", float(step))


def _entries(message: Message, number: int, *, as_numbers: bool = False) -> Iterator[tuple[str, Any]]:
    """Of a map from texts to messages, or to numbers; an absent value is an empty one."""
    for entry in protobuf.messages(message, number):
        key = (protobuf.texts(entry, 1) or [""])[-1]
        yield key, protobuf.integer(entry, 2) if as_numbers else protobuf.message(entry, 2)


def _step(message: Message) -> Step | None:
    return _step_of(protobuf.message(message, _STEP)) if _STEP in message else None


def _step_of(message: Message) -> Step:
    """Whole steps and millionths of one."""
    whole, micro = protobuf.integer(message, 1), protobuf.integer(message, 2)
    return whole + micro / 1_000_000 if micro else whole


def _double(value: Message) -> float:
    number = protobuf.double(value[_FLOAT][-1])
    if number is None:
        raise WireError("a number of another size")
    return number


def _histogram(message: Message) -> Histogram:
    edges = protobuf.doubles(message, 1)
    are_densities = 5 in message
    if are_densities:
        numbers = protobuf.doubles(protobuf.message(message, 5), 1)
    else:
        counts = protobuf.message(message, 4).get(1, [])
        numbers = [
            float(number)
            for data in counts
            for number in (protobuf.varints(data) if isinstance(data, bytes) else [data])
        ]
    if len(numbers) != len(edges) - 1:
        raise WireError("a histogram that is none")
    return Histogram(edges, numbers, "density" if are_densities else "count")


def _suffix(place: str) -> str:
    name = place.rpartition("/")[2]
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix}" if stem and dot else ""

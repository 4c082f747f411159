"""What the clients and the exporter of neptune.ai write, written by hand."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.importers.tensorboard.writer import field

RUN = "4e2755cc-5006-4d12-972f-e8fae68620e3"
START = 1_700_000_000.0
METADATA = {
    "mode": "offline",
    "containerId": RUN,
    "containerType": "run",
    "os": "Linux-6.1",
    "pythonVersion": "3.11.7 (main) [GCC]",
    "neptuneClientVersion": "1.14.0",
    "createdAt": "2023-11-14T22:13:20+00:00",
}


# --- the client neptune -------------------------------------------------------------------------


def operation(name: str, path: str, **fields: Any) -> dict[str, Any]:
    return {"type": name, "path": path.split("/"), **fields}


def assign(path: str, value: Any) -> dict[str, Any]:
    names = {bool: "Bool", int: "Int", float: "Float", str: "String"}
    return operation(f"Assign{names[type(value)]}", path, value=value)


def points(path: str, *listed: tuple[Any, Any], name: str = "LogFloats") -> dict[str, Any]:
    """Steps and values; a second after each other."""
    values = [
        {"value": value, "step": step, "ts": START + second} for second, (step, value) in enumerate(listed)
    ]
    return operation(name, path, values=values)


def write_log(folder: Path, operations: Iterable[dict[str, Any]], first: int = 1, **metadata: Any) -> Path:
    """A log whose operations have versions from `first` on; its path."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [
        {"obj": row, "version": version, "at": START + version}
        for version, row in enumerate(operations, first)
    ]
    file = folder / f"data-{first}.log"
    file.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    (folder / "last_put_version").write_text(str(first + len(rows) - 1))
    (folder / "metadata.json").write_text(json.dumps(METADATA | metadata))
    return file


def log_folder(top: Path, run: str = RUN, process: str = "1__abcdefgh") -> Path:
    return top / ".neptune" / "offline" / f"run__{run}__{process}"


# --- the client neptune-scale -------------------------------------------------------------------


def moment(seconds: float) -> bytes:
    return field(1, int(seconds)) + field(2, round(seconds % 1 * 1e9))


def entry(key: str, value: bytes) -> bytes:
    return field(1, key) + field(2, value)


def value(thing: Any) -> bytes:
    """A value of the type that Python has it in."""
    if isinstance(thing, bool):
        return field(5, int(thing))
    if isinstance(thing, list):
        return field(12, b"".join(field(1, text) for text in thing))
    return field({float: 1, int: 3, str: 6}[type(thing)], thing)


def file_of(place: str, mime: str = "application/octet-stream") -> bytes:
    return field(13, field(1, place) + field(2, 3) + field(3, mime))


def step(whole: int, micro: int = 0) -> bytes:
    return field(1, field(1, whole) + (field(2, micro) if micro else b""))


def assigned(**values: Any) -> bytes:
    return field(2, moment(START)) + b"".join(
        field(4, entry(key, thing if isinstance(thing, bytes) else value(thing)))
        for key, thing in values.items()
    )


def appended(at: bytes, time: float, preview: bool = False, **values: Any) -> bytes:
    return (
        at
        + field(2, moment(time))
        + (field(10, field(1, 1)) if preview else b"")
        + b"".join(
            field(8, entry(key, thing if isinstance(thing, bytes) else value(thing)))
            for key, thing in values.items()
        )
    )


def tagged(path: str, **tags: int) -> bytes:
    members = b"".join(field(1, field(1, tag) + field(2, done)) for tag, done in tags.items())
    return field(2, moment(START)) + field(5, entry(path, field(1, members)))


def created(name: str, fork: tuple[str, int] | None = None) -> bytes:
    point = field(2, field(2, fork[0]) + field(4, field(1, fork[1]))) if fork else b""
    return field(5, name) + field(3, moment(START)) + point


def write_database(
    file: Path,
    operations: Iterable[tuple[int, bytes]],
    *,
    run: str = "r 1",
    project: str = "ws/é",
    first: int = 1,
    uploads: Iterable[tuple[str, str, bool]] = (),
) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(file)) as base, base:
        base.executescript(
            "CREATE TABLE run_operations (sequence_id INTEGER PRIMARY KEY AUTOINCREMENT, timestamp INTEGER,"
            " operation_type INTEGER, operation BLOB, operation_size_bytes INTEGER);"
            "CREATE TABLE metadata (id INTEGER PRIMARY KEY, version TEXT, project TEXT, run_id TEXT);"
            "CREATE TABLE file_upload_requests (id INTEGER PRIMARY KEY, source_path TEXT, destination TEXT,"
            " mime_type TEXT, size_bytes INTEGER, is_temporary INTEGER);"
        )
        base.execute("INSERT INTO metadata VALUES (1, 'v5', ?, ?)", (project, run))
        base.executemany(
            "INSERT INTO run_operations VALUES (?, ?, ?, ?, ?)",
            [
                (number, 1000 * number, kind, data, len(data))
                for number, (kind, data) in enumerate(operations, first)
            ],
        )
        base.executemany(
            "INSERT INTO file_upload_requests (source_path, destination, mime_type, size_bytes, is_temporary)"
            " VALUES (?, ?, '', 0, ?)",
            uploads,
        )
    return file

"""neptune.ai: what its exporter wrote as Parquet, and what its clients left on disk.

The service is gone. Its client ``neptune`` leaves logs of operations below ``.neptune``, ``neptune-scale``
databases of them; a run may lie in several. Neither the clients nor protobuf are needed to read these.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from gittrack.importers import folders
from gittrack.importers.foreign import ForeignEnvironment, ForeignRun, Moment, Options, Skipped
from gittrack.importers.mlflow.values import reason
from gittrack.importers.neptune import database, operations, parquet
from gittrack.importers.neptune.database import Database, Other
from gittrack.importers.neptune.fields import Origin, foreign_run
from gittrack.importers.neptune.log import Log, log_of
from gittrack.importers.neptune.places import Places

_DEEPEST = 6
"""Folders below the source in which runs are looked for."""
_PASSED = frozenset({".git", ".dvc", "upload_path", "node_modules"})
_RUN = "run"
_Items = Iterator[ForeignRun | Skipped]


def read(source: Path, options: Options) -> _Items:
    """Runs at `source`: a Parquet file, a database of neptune-scale, or a folder that has such or logs."""
    source = source.resolve()
    places = Places(source if source.is_dir() else source.parent)
    logs, databases, tables = _found(source)
    items = chain(
        _of_logs(logs, places, options),
        _of_databases(databases, places, options),
        parquet.read_parquet(tables, places.top, options) if tables else (),
    )
    first = next(items, None)
    if first is None:
        first = Skipped(what=source.name, why="no log, database or Parquet file of neptune.ai lies in it")
    yield first
    yield from items


def _found(source: Path) -> tuple[list[Log], list[Path], list[Path]]:
    """Logs, databases and Parquet files at the source."""
    if not source.is_dir():
        kinds = (database.SUFFIX, ".parquet")
        databases, tables = ([source] if source.suffix == suffix else [] for suffix in kinds)
        return [], databases, tables
    logs: list[Log] = []
    databases, tables = [], []
    waiting = [(source, 0)]
    while waiting:
        folder, depth = waiting.pop()
        log = log_of(folder)
        if log is not None:
            logs.append(log)
        for path in reversed(folders.entries(folder)):
            if path.suffix == database.SUFFIX and folders.is_regular(path):
                databases.append(path)
            elif parquet.is_table(path):
                tables.append(path)
            elif depth < _DEEPEST and path.name not in _PASSED and folders.is_folder(path):
                waiting.append((path, depth + 1))
    return logs, sorted(databases), sorted(tables)


def _of_logs(logs: list[Log], places: Places, options: Options) -> _Items:
    """A run may have been logged to by several processes, each with a folder of its own."""
    logs.sort(key=lambda log: (log.kind, log.container, _created(log) or 0.0, log.folder))
    for (kind, container), own in groupby(logs, key=lambda log: (log.kind, log.container)):
        if kind != _RUN:
            why = f"it is of a {kind.replace('_', ' ')} of neptune.ai, and not of a run"
            yield Skipped(what=f"log of {container}", why=why, fault=False)
            continue
        yield from _taken(f"run {container}", partial(_logged, [*own], places, options))


def _logged(logs: list[Log], places: Places, options: Options) -> ForeignRun:
    stated = logs[-1].metadata
    origin = Origin(
        id=logs[0].container,
        changes=operations.Changes(logs, places),
        version=_text(stated.get("neptuneClientVersion")),
        started=_created(logs[0]),
        environment=_environment(stated),
        changed=_changed([file for log in logs for file in log.files()]),
    )
    return foreign_run(origin, options)


def _of_databases(paths: list[Path], places: Places, options: Options) -> _Items:
    heads: list[tuple[str, str, int, Path]] = []
    for path in paths:
        try:
            opened = Database(path)  # and closed again: there may be more than can be open
        except Other:
            continue
        except (sqlite3.Error, OSError, ValueError) as error:
            yield Skipped(what=path.name, why=reason(error))
            continue
        heads.append((opened.project, opened.run_id, opened.began, path))
    for (project, run_id), own in groupby(sorted(heads), key=lambda head: head[:2]):
        parts = [path for *_, path in own]
        yield from _taken(f"run {project}/{run_id}", partial(_stored, parts, places, options))


def _stored(paths: list[Path], places: Places, options: Options) -> ForeignRun:
    databases = [Database(path) for path in paths]
    first = databases[0]
    origin = Origin(
        id=f"{first.project}/{first.run_id}",
        changes=database.Changes(databases, places),
        project=first.project,
        name=first.run_id,
        changed=_changed(paths),
    )
    return foreign_run(origin, options)


def _taken(what: str, make: Callable[[], ForeignRun]) -> _Items:
    try:
        yield make()
    except (OSError, ValueError, sqlite3.Error) as error:
        yield Skipped(what=what, why=reason(error))


def _created(log: Log) -> Moment | None:
    stated = log.metadata.get("createdAt")
    try:
        return datetime.fromisoformat(stated).timestamp() if isinstance(stated, str) else None
    except (ValueError, OverflowError):
        return None


def _environment(stated: dict[str, Any]) -> ForeignEnvironment | None:
    python, system = _text(stated.get("pythonVersion")), _text(stated.get("os"))
    if python is None and system is None:
        return None
    return ForeignEnvironment(python=python.split()[0] if python else None, os=system)


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


def _changed(paths: list[Path]) -> Moment | None:
    return max((path.stat().st_mtime for path in paths if folders.is_regular(path)), default=None)

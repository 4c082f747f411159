"""MLflow: a file store, one experiment of it, or a SQLite database, of any version from 1.0 on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gittrack.importers.exported import restored
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.mlflow import database, files

_FOLDER = "mlruns"
_DATABASE = "mlflow.db"


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the store at `source`: its folder, its database, or the project's folder that has them."""
    for item in _read(source, options):
        yield restored(item) if isinstance(item, ForeignRun) else item


def _read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    source = source.resolve()
    if source.is_file():
        yield from database.read(source, options)
        return
    stores = 0
    if source.is_dir() and files.is_store(source):
        yield from files.read(source, options)
        return
    if (source / _DATABASE).is_file() and not (source / _DATABASE).is_symlink():
        stores += 1
        yield from database.read(source / _DATABASE, options)
    if files.is_store(source / _FOLDER) and not (source / _FOLDER).is_symlink():
        stores += 1
        yield from files.read(source / _FOLDER, options)
    if not stores:
        yield Skipped(what=source.name, why="no store of MLflow: no database and no folder with a meta.yaml")

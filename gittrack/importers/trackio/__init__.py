"""Trackio: its folder, the database of a project, or what it exports as Parquet."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from gittrack.importers import folders
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.sqlite import Tables
from gittrack.importers.trackio import parquet
from gittrack.importers.trackio.project import Project

_REGISTRY = "registry-"
"""What the databases of models that projects share begin with."""
_Faults = (sqlite3.Error, OSError, ValueError)


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of all projects at `source`; where a project has a database, its Parquet is a copy of that."""
    source = source.resolve()
    folder = source if source.is_dir() else source.parent
    databases = [path for path in _files(source) if path.suffix == ".db"]
    exports = parquet.projects(_files(source), folder)
    known = {path.stem for path in databases}
    for path in databases:
        yield from _database(path, path.stem, folder, options)
    for name, tables in exports.items():
        if name not in known:
            yield from _export(name, tables, folder, options)
    if not databases and not exports:
        yield Skipped(what=source.name, why="no database of Trackio, and no Parquet of its tables")


def _files(source: Path) -> list[Path]:
    paths = [source] if source.is_file() else folders.entries(source)
    return [path for path in paths if folders.is_regular(path)]


def _database(path: Path, name: str, home: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    if name.startswith(_REGISTRY):
        yield Skipped(what=path.name, why="a registry of Trackio: records are of runs", fault=False)
        return
    try:
        tables = Tables(path)
        if not {"run_name", "metrics"} <= {*tables.columns.get("metrics", ())}:
            raise ValueError("a SQLite database, but none of Trackio")
        yield from Project(tables, name, home, options).items()
    except _Faults as error:
        yield Skipped(what=path.name, why=str(error))
        return
    if tables.has_changed:
        yield Skipped(what=path.name, why="it was written to while it was read: import it again")


def _export(
    name: str, tables: dict[str, Path], home: Path, options: Options
) -> Iterator[ForeignRun | Skipped]:
    with TemporaryDirectory(prefix="gittrack-import-") as folder:
        target = Path(folder) / f"{name}.db"
        try:
            parquet.write_database(tables, target)
        except ImportError:
            why = "reading it needs pyarrow: pip install 'gittrack[parquet]'"
            yield Skipped(what=f"Parquet of {name}", why=why)
            return
        except _Faults as error:
            yield Skipped(what=f"Parquet of {name}", why=" ".join(str(error).split())[:500])
            return
        yield from _database(target, name, home, options)

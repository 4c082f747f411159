"""What Trackio exports as Parquet, as the tables that it is of: the keys of their JSON are columns."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

_ENDS = {
    "_system": "system_metrics",
    "_configs": "configs",
    "_traces": "traces",
    "_artifacts": "artifacts",
    "_artifact_versions": "artifact_versions",
    "_artifact_aliases": "artifact_aliases",
    "_run_artifact_links": "run_artifact_links",
    "_external_run_artifact_links": "external_run_artifact_links",
}
"""Of the files beside the one of a project, by table."""
_TABLES = frozenset({"metrics", *_ENDS.values()})
_JSON = {"metrics": "metrics", "system_metrics": "metrics", "configs": "config"}
_PLAIN = frozenset({"id", "run_id", "timestamp", "run_name", "step", "log_id", "space_id", "created_at"})
"""Columns of tables with JSON that are no keys of it."""
_ROWS = 5_000
_MOST_BYTES = 1 << 33


def projects(files: Iterable[Path], folder: Path) -> dict[str, dict[str, Path]]:
    """The files of each project, by table; those for a static page are of the project called as `folder`."""
    paths = {path.stem: path for path in files if path.suffix == ".parquet"}
    if "metrics" in paths and (folder / "aux").is_dir():
        beside = {name: folder / "aux" / f"{name}.parquet" for name in _TABLES - {"metrics"}}
        known = {name: path for name, path in beside.items() if path.is_file() and not path.is_symlink()}
        return {folder.name: {"metrics": paths["metrics"], **known}}
    found: dict[str, dict[str, Path]] = {}
    for stem, path in paths.items():
        ends = [end for end in _ENDS if stem.endswith(end) and len(stem) > len(end)]
        end = max(ends, key=len, default="")
        project = stem.removesuffix(end)
        if end and project not in paths:
            continue
        found.setdefault(project, {})[_ENDS.get(end, "metrics")] = path
    return found


def write_database(tables: Mapping[str, Path], target: Path) -> None:
    """The `tables` as a SQLite database. ImportError without pyarrow, ValueError for what is no Parquet."""
    with closing(sqlite3.connect(target)) as base:
        for name, path in tables.items():
            rows = _rows(path, _JSON.get(name))
            columns = next(rows)
            quoted = [_quoted(column) for column in columns]
            base.execute(f"CREATE TABLE {_quoted(name)} ({', '.join(quoted)})")
            marks = ", ".join("?" * len(columns))
            base.executemany(f"INSERT INTO {_quoted(name)} VALUES ({marks})", rows)  # noqa: S608
        base.commit()


def _rows(path: Path, packed: str | None) -> Iterator[tuple[Any, ...]]:
    """First the names of the columns, then the rows."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(path) as file:
            groups = range(file.metadata.num_row_groups)
            if sum(file.metadata.row_group(number).total_byte_size for number in groups) > _MOST_BYTES:
                raise ValueError(f"{path.name} unpacks to more than {_MOST_BYTES >> 30} GiB")
            names = file.schema_arrow.names
            plain = [name for name in names if packed is None or name in _PLAIN]
            yield (*plain, packed) if packed else tuple(plain)
            for batch in file.iter_batches(batch_size=_ROWS):
                for row in batch.to_pylist():
                    values = [_plain(row[name]) for name in plain]
                    yield (*values, _json(row, packed)) if packed else tuple(values)
    except arrow.ArrowException as error:
        raise ValueError(f"{path.name}: {error}") from error


def _json(row: Mapping[str, Any], packed: str) -> str:
    """Keys without a value were not logged in that row."""
    stated = row.get(packed)
    if isinstance(stated, str | bytes):  # of versions that did not unpack it
        return stated.decode() if isinstance(stated, bytes) else stated
    given = {key: _stated(value) for key, value in row.items() if key not in _PLAIN and value is not None}
    return json.dumps(given, default=str)


def _stated(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stated(inner) for key, inner in value.items() if inner is not None}
    return [_stated(inner) for inner in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, (int, float, str, bytes)) else str(value)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'

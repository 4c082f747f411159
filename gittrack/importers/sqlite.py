"""A SQLite database that another program wrote, and perhaps still writes: read, never written or locked.

What lies in a log beside it (``-wal``, ``-journal``) is read from a copy of both, so that no file is made
beside the source. Texts come as bytes, for they need not be UTF-8.
"""

from __future__ import annotations

import shutil
import sqlite3
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from urllib.parse import quote

_MAGIC = b"SQLite format 3\0"
_LOGS = ("-wal", "-journal")
_FETCH = 10_000


class Tables:
    """The tables of a database, by their columns. ValueError or sqlite3.Error where it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("no SQLite database")
        self._state = self._stated()
        logs = [log for end in _LOGS if _has_content(log := path.with_name(path.name + end))]
        if logs:
            folder = Path(mkdtemp(prefix="gittrack-import-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            copy = folder / path.name
            for file in (path, *logs):
                shutil.copyfile(file, copy.with_name(file.name))
            address = f"file:{quote(str(copy))}"
        else:
            address = f"file:{quote(str(path))}?mode=ro&immutable=1"
        self._connection = sqlite3.connect(address, uri=True, isolation_level=None)
        weakref.finalize(self, self._connection.close)
        self._connection.text_factory = bytes
        self._connection.execute("PRAGMA trusted_schema=OFF")
        self._connection.execute("PRAGMA temp_store=FILE")
        self.columns = {
            name.decode(): self._columns_of(name.decode())
            for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
        }
        self._places: dict[tuple[str, str], str] = {}

    def _stated(self) -> tuple[int, int]:
        status = self.path.stat()
        return status.st_size, status.st_mtime_ns

    @property
    def has_changed(self) -> bool:
        """Whether the file was written since it was opened: what was read may then not belong together."""
        return self._stated() != self._state

    def _columns_of(self, table: str) -> tuple[str, ...]:
        return tuple(
            row[1].decode() for row in self._connection.execute(f"PRAGMA table_info({_quoted(table)})")
        )

    def query(self, statement: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        cursor = self._connection.execute(statement, values)
        while batch := cursor.fetchmany(_FETCH):
            yield from batch

    def rows(
        self,
        table: str,
        columns: Sequence[str],
        rest: str = "",
        *,
        where: Mapping[str, str] | None = None,
        distinct: bool = False,
    ) -> Iterator[tuple[Any, ...]]:
        """Values of `columns` in the rows of `table`; NULL for one that this version has not.

        `where` is what columns have to be, the first of them the one to search by. Without the table,
        or a column of `where`, there are no rows.
        """
        known = self.columns.get(table, ())
        where = where or {}
        if not known or not where.keys() <= {*known}:
            return
        names = ", ".join(_quoted(name) if name in known else "NULL" for name in columns)
        place = self._searched(table, next(iter(where))) if where else _quoted(table)
        condition = "WHERE " + " AND ".join(f"{_quoted(name)}=?" for name in where) if where else ""
        select = "SELECT DISTINCT" if distinct else "SELECT"
        yield from self.query(f"{select} {names} FROM {place} {condition} {rest}", [*where.values()])

    def _searched(self, table: str, column: str) -> str:
        """Name of `table`, or of a copy of it with an index, where it has none that begins with `column`."""
        if (table, column) not in self._places:
            place = _quoted(table)
            if not self._is_indexed(table, column):
                copy, index = _quoted(f"{table} by {column}"), _quoted(f"index of {table} by {column}")
                self._connection.execute(f"CREATE TEMP TABLE {copy} AS SELECT * FROM {place}")  # noqa: S608
                self._connection.execute(f"CREATE INDEX temp.{index} ON {copy} ({_quoted(column)})")
                place = f"temp.{copy}"
            self._places[table, column] = place
        return self._places[table, column]

    def _is_indexed(self, table: str, column: str) -> bool:
        indexes = [row[1] for row in self._connection.execute(f"PRAGMA index_list({_quoted(table)})")]
        first = [next(self.query(f"PRAGMA index_info({_quoted(name.decode())})"), None) for name in indexes]
        return any(row is not None and row[2] == column.encode() for row in first)


def _has_content(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and path.stat().st_size > 0


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def text(value: Any) -> str:
    """A value as text; UnicodeDecodeError where it is not UTF-8."""
    return value.decode() if isinstance(value, bytes) else "" if value is None else str(value)

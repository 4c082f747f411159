"""The SQLite file behind the index: its tables, and what to do when the file is of no use.

It is a cache. A file that is damaged, foreign or of another version is deleted and made
anew; where none can be written (read-only repository, full disk, a lock that never goes
away) the index is kept in memory for this one process. The rollback journal is chosen
over WAL because it works on network file systems and a reader then needs no right to
write; writers keep their transactions short instead.
"""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from gittrack.git.repository import Repository
from gittrack.git.shared import as_folder

APPLICATION_ID = 0x67747278  # "gtrx"
FORMAT = 7
FILE_NAME = f"index-v{FORMAT}.sqlite"
PATIENCE_S = 20.0

CUT = "shallow"
"""Key of what `cut_of` said when runs got their places: more history may tell another order."""

SECOND = "CAST(started AS INTEGER)"
"""SQL of the second in which a run began. Within it, runs are in the ledger's order: their `place`."""

TABLES = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID",
    """CREATE TABLE runs (
        run INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, blob TEXT NOT NULL, id TEXT NOT NULL,
        tail TEXT NOT NULL, experiment TEXT NOT NULL, status TEXT NOT NULL, started REAL NOT NULL,
        duration_s REAL, author TEXT, email TEXT, name TEXT, hypothesis TEXT, commit_id TEXT,
        snapshot TEXT, branch TEXT, dirty INTEGER, seed, spec TEXT, fault TEXT, supersedes TEXT,
        continues TEXT, system TEXT, source TEXT, peak_memory INTEGER, gpu_hours REAL, energy_kwh REAL,
        place INTEGER)""",
    "CREATE TABLE records (run INTEGER PRIMARY KEY, json TEXT NOT NULL)",
    "CREATE TABLE params (key TEXT, run INTEGER, number, text TEXT, PRIMARY KEY (key, run)) WITHOUT ROWID",
    "CREATE TABLE metrics (key TEXT, run INTEGER, number, status TEXT, PRIMARY KEY (key, run)) WITHOUT ROWID",
    "CREATE TABLE tags (key TEXT, run INTEGER, text TEXT, PRIMARY KEY (key, run)) WITHOUT ROWID",
    """CREATE TABLE decisions (
        path TEXT PRIMARY KEY, blob TEXT NOT NULL, id TEXT NOT NULL, run_id TEXT NOT NULL,
        experiment TEXT NOT NULL, outcome TEXT NOT NULL, made TEXT NOT NULL, because TEXT NOT NULL,
        author TEXT NOT NULL) WITHOUT ROWID""",
    "CREATE INDEX decisions_run ON decisions (run_id, made, id)",
    f"CREATE INDEX runs_newest ON runs ({SECOND}, place, started, id)",
    f"CREATE INDEX runs_experiment ON runs (experiment, {SECOND}, place, started, id)",
    f"CREATE INDEX runs_unplaced ON runs ({SECOND}) WHERE place IS NULL",
    "CREATE INDEX runs_superseding ON runs (supersedes) WHERE supersedes IS NOT NULL",
    "CREATE INDEX runs_continuing ON runs (continues) WHERE continues IS NOT NULL",
    "CREATE INDEX runs_source ON runs (source, system) WHERE source IS NOT NULL",
    "CREATE INDEX runs_id ON runs (id)",
    "CREATE INDEX runs_tail ON runs (tail)",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
DATA_TABLES = ("meta", "runs", "records", "params", "metrics", "tags", "decisions")

# SQLite's primary result codes for a file whose content is wrong.
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})


Progress = Callable[[int, int], None]
"""Called with how many records are done, and how many there are."""


def standing_of(connection: sqlite3.Connection) -> dict[str, str]:
    """The ledger commit that the cache stands at (``tip``), those of builds that were cut off, and `CUT`."""
    return dict(connection.execute("SELECT key, value FROM meta"))


def stands_at(standing: dict[str, str], tip: str, cut: str) -> bool:
    return standing.get("tip") == tip and standing.get(CUT, "") == cut


def stand_at(connection: sqlite3.Connection, tip: str, cut: str) -> None:
    """Note, in a transaction, that the cache says what the ledger says at `tip`."""
    connection.execute("DELETE FROM meta")
    facts = {"tip": tip, CUT: cut} if cut else {"tip": tip}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", facts.items())


def cut_of(repository: Repository) -> str:
    """Where a shallow clone's history ends, as git has it; empty for one that has all of it."""
    try:
        return (repository.common_dir / "shallow").read_text("ascii", "replace")
    except OSError:
        return ""


def is_damage(error: sqlite3.Error) -> bool:
    """Whether `error` says that the file's content is wrong; else the file cannot be used as it lies."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is not None:
        return (code & 0xFF) in _DAMAGED or (code & 0xFF) == sqlite3.SQLITE_ERROR
    return not isinstance(error, sqlite3.OperationalError)


def open_file(path: Path) -> sqlite3.Connection:
    """The cache at `path`, created where there is none and made anew where it is of no use.

    Raises sqlite3.Error or OSError where the file cannot be used at all.
    """
    try:
        connection = _open(path)
    except sqlite3.Error as error:
        if not is_damage(error):
            raise
        discard(path)
        connection = _open(path)
    as_folder(path)
    return connection


def open_memory(copy_of: Path | None = None) -> sqlite3.Connection:
    """A cache that ends with this process, filled from the file `copy_of` where that can be read."""
    memory = _prepare(sqlite3.connect(":memory:", isolation_level=None))
    if copy_of is not None and copy_of.is_file():
        try:
            source = _prepare(sqlite3.connect(f"{copy_of.absolute().as_uri()}?mode=ro", uri=True, timeout=1))
            with_tables = _is_ours(source)
            if with_tables:
                source.backup(memory)
            source.close()
            if with_tables:
                return memory
        except sqlite3.Error:
            memory.close()
            memory = _prepare(sqlite3.connect(":memory:", isolation_level=None))
    _create(memory)
    return memory


def discard(path: Path) -> None:
    """Delete the cache at `path` if it is still of no use; another process may just have mended it."""
    with _alone(path.with_name("index.lock")):
        try:
            _open(path, thorough=True).close()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            for name in (path.name, f"{path.name}-journal", f"{path.name}-wal", f"{path.name}-shm"):
                path.with_name(name).unlink(missing_ok=True)


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """A write transaction: all of it or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything read in here is of one moment."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _open(path: Path, *, thorough: bool = False) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=PATIENCE_S, isolation_level=None)
    try:
        _prepare(connection)
        if not _is_ours(connection):
            _create(connection)
        if thorough and not _is_whole(connection):
            raise sqlite3.DatabaseError("the index is damaged")
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> sqlite3.Connection:
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA cache_spill = OFF")
    connection.create_function("matches", 3, _matches, deterministic=True)
    return connection


def _is_ours(connection: sqlite3.Connection) -> bool:
    """True with our tables, False when the file is empty; raises DatabaseError when it is something else."""
    application, version = (
        connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
    )
    if (application, version) == (APPLICATION_ID, FORMAT):
        return True
    if application or version or connection.execute("SELECT 1 FROM sqlite_master").fetchone():
        raise sqlite3.DatabaseError("not an index of this version of gittrack")
    return False


def _is_whole(connection: sqlite3.Connection) -> bool:
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return tables.issuperset(DATA_TABLES) and connection.execute("PRAGMA quick_check(1)").fetchone() == (
        "ok",
    )


def _create(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        if not _is_ours(connection):  # another process may have come first
            for statement in TABLES:
                connection.execute(statement)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """One process at a time in here."""
    handle = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _matches(text: str | None, pattern: str, any_case: int) -> int:
    """SQL's LIKE: ``%`` is any text, ``_`` any one character."""
    return int(text is not None and _like(pattern, bool(any_case)).fullmatch(str(text)) is not None)


@lru_cache(maxsize=64)
def _like(pattern: str, any_case: bool) -> re.Pattern[str]:
    parts = re.split(r"(%+|_)", pattern)
    regex = "".join(".*" if p[:1] == "%" else "." if p == "_" else re.escape(p) for p in parts)
    return re.compile(regex, re.DOTALL | (re.IGNORECASE if any_case else 0))

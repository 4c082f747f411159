"""Bringing the cache from the ledger tip that it knows to another one.

Only what differs between the two trees is read. Work is committed in batches, each of
which checks that no other process moved the cache on in the meantime; a build that was
cut off goes on where it stopped. The tips of unfinished builds are kept ("toward"), so
that rows that came from them are looked at again when the cache goes elsewhere.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice

from gittrack.formats.record import clean_text
from gittrack.git.partial import fetch_objects, promisor
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger.order import places_of
from gittrack.reading.index.parse import Decided, Parsed, Wanted, insert, is_decision, reading
from gittrack.reading.index.store import (
    CUT,
    DATA_TABLES,
    SECOND,
    Progress,
    cut_of,
    stand_at,
    standing_of,
    stands_at,
    transaction,
)

BATCH = 500
MANY = 4 * BATCH
"""From so many changes on, reading them on all cores pays."""
AT_ONCE = 20
"""Batches that are fetched together in a partial clone."""
ROOTS = ("runs", "decisions")
EMPTY_TREE = {
    "sha1": "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    "sha256": "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}

Change = tuple[str, str | None]
"""Path of a run.yaml or a decision, and its blob at the new tip; None if it is gone."""


def bring_to(
    connection: sqlite3.Connection, repository: Repository, tip: str, progress: Progress | None = None
) -> None:
    """Make the cache say what the ledger says at commit `tip`."""
    cut = cut_of(repository)
    while not stands_at(standing := standing_of(connection), tip, cut):
        with repository.objects() as objects:
            changes = _changes(connection, repository, objects, standing, tip)
            if changes is not None:
                batches = [changes[at : at + BATCH] for at in range(0, len(changes), BATCH)] or [[]]
                with closing(_rows(connection, repository, objects, batches)) as rows:
                    _apply(connection, repository, batches, rows, standing, tip, cut, progress)


def _changes(
    connection: sqlite3.Connection,
    repository: Repository,
    objects: ObjectReader,
    standing: dict[str, str],
    tip: str,
) -> list[Change] | None:
    """What differs; None (and an empty cache) when git no longer has a commit that rows came from."""
    sources = {oid for key, oid in standing.items() if key != CUT}
    if any(objects.get(f"{oid}^{{tree}}") is None for oid in sources):
        with transaction(connection):
            if standing_of(connection) == standing:
                for table in DATA_TABLES:
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608
        return None
    changes: dict[str, str | None] = {}
    if "tip" not in standing:
        sources.add(EMPTY_TREE[repository.object_format])
    for source in sources:
        for letter, _, blob, path in repository.diff_tree(source, tip, paths=ROOTS):
            if path.endswith("/run.yaml") or is_decision(path):
                changes[clean_text(path)] = None if letter == "D" else blob
    return list(changes.items())


def _apply(
    connection: sqlite3.Connection,
    repository: Repository,
    batches: Sequence[Sequence[Change]],
    rows: Iterator[list[Row]],
    standing: dict[str, str],
    tip: str,
    cut: str,
    progress: Progress | None,
) -> None:
    """Write the changes of each batch; returns early when another process took the cache elsewhere."""
    expected = {**standing, f"toward {tip}": tip}
    count, total = 0, sum(map(len, batches))
    for batch in batches:
        parsed = next(rows)
        count += len(batch)
        with transaction(connection):
            if {**standing_of(connection), f"toward {tip}": tip} != expected:
                return
            _write(connection, batch, parsed)
            if count == total:
                grew = standing.get(CUT, "") == cut and _grew(repository, standing, tip)
                place_ties(connection, repository, tip, rebuilt=not grew)
                stand_at(connection, tip, cut)
            else:
                connection.execute("INSERT OR IGNORE INTO meta VALUES (?, ?)", (f"toward {tip}", tip))
        if progress is not None:
            progress(count, total)


def _grew(repository: Repository, standing: dict[str, str], tip: str) -> bool:
    """Whether the ledger was only added to since the cache followed it last."""
    return "tip" not in standing or repository.is_ancestor(standing["tip"], of=tip)


def place_ties(
    connection: sqlite3.Connection, repository: Repository, tip: str, *, rebuilt: bool = False
) -> None:
    """Give runs that began in one second their places: those of seconds with a new run, or of all.

    Most seconds have one run, which needs no order and costs nothing.
    """
    if rebuilt:
        connection.execute("UPDATE runs SET place = NULL")
    tied = connection.execute(
        f"SELECT path, {SECOND} FROM runs WHERE {SECOND} IN "  # noqa: S608
        f"(SELECT DISTINCT {SECOND} FROM runs INDEXED BY runs_unplaced WHERE place IS NULL)"
    ).fetchall()
    places = places_of(repository, tip, dict(tied))
    connection.executemany(
        "UPDATE runs SET place = ? WHERE path = ?", [(place, path) for path, place in places.items()]
    )


def _known(connection: sqlite3.Connection, batch: Sequence[Change]) -> dict[str, str]:
    select = "SELECT path, blob FROM {} WHERE path = ?1"
    find = " UNION ALL ".join(select.format(table) for table in ("runs", "decisions"))
    return dict(row for path, _ in batch if (row := connection.execute(find, (path,)).fetchone()))


Row = Parsed | Decided


def _rows(
    connection: sqlite3.Connection,
    repository: Repository,
    objects: ObjectReader,
    batches: Sequence[Sequence[Change]],
) -> Generator[list[Row], None, None]:
    """The records and decisions of each batch that the cache lacks; of many they are read on all cores."""
    wanted = _fetched(repository, (_wanted(connection, batch) for batch in batches))
    if sum(map(len, batches)) < MANY:
        yield from map(reading(objects), wanted)
    else:
        from gittrack.workers import in_parts

        yield from in_parts("gittrack.reading.index.parse:elsewhere", repository, wanted)


def _fetched(repository: Repository, wanted: Iterator[Wanted]) -> Iterator[Wanted]:
    """`wanted`; what of it a partial clone left on its remote is brought, many batches at once."""
    if promisor(repository) is None:
        yield from wanted
        return
    while some := list(islice(wanted, AT_ONCE)):
        fetch_objects(repository, [blob for part in some for _, blob in part])
        yield from some


def _wanted(connection: sqlite3.Connection, batch: Sequence[Change]) -> Wanted:
    known = _known(connection, batch)
    return [(path, blob) for path, blob in batch if blob is not None and known.get(path) != blob]


def _write(connection: sqlite3.Connection, batch: Sequence[Change], parsed: Sequence[Row]) -> None:
    """In a transaction: another process may have written the same rows since they were read."""
    known = _known(connection, batch)
    _delete(connection, [path for path, blob in batch if path in known and known[path] != blob])
    for row in parsed:
        if known.get(row.path) != row.blob:
            insert(connection, row)


def _delete(connection: sqlite3.Connection, paths: Sequence[str]) -> None:
    """Rows of a ledger are hardly ever deleted (records are add-only): one scan of each table per batch."""
    if not paths:
        return
    connection.executemany("DELETE FROM decisions WHERE path = ?", [(path,) for path in paths])
    runs = [connection.execute("SELECT run FROM runs WHERE path = ?", (path,)).fetchone() for path in paths]
    numbers = ",".join(str(int(row[0])) for row in runs if row)
    for table in ("runs", "records", "params", "metrics", "tags"):
        connection.execute(f"DELETE FROM {table} WHERE run IN ({numbers})")  # noqa: S608

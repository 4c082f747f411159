"""A rebuildable SQLite cache of the ledger under the git directory: filters, sorting, names of runs.

The file can be deleted at any time. It follows the ledger tip incrementally: opening it
costs two git processes when nothing is new, plus the reading of what is. Nothing heavy is
imported unless a record is new.
"""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from gittrack.errors import NotFoundError
from gittrack.formats.experiments import experiment_of
from gittrack.git.repository import Repository
from gittrack.reading.index.branch import ledger_branch, ledger_tip
from gittrack.reading.index.rows import DAMAGED, SUPERSEDED, Row, no_experiment
from gittrack.reading.index.select import IMPORTS, NEWEST, SELECT, order_of, row_of, where_of
from gittrack.reading.index.store import (
    FILE_NAME,
    Progress,
    cut_of,
    discard,
    is_damage,
    open_file,
    open_memory,
    snapshot,
    standing_of,
    stands_at,
    transaction,
)
from gittrack.reading.names import before_latest

if TYPE_CHECKING:
    from gittrack.reading.index.filters import Field
    from gittrack.reading.index.parse import Decided, Parsed

__all__ = [
    "DAMAGED",
    "FILE_NAME",
    "Index",
    "Progress",
    "Row",
    "Where",
    "ledger_tip",
    "open_index",
    "open_newest",
]

T = TypeVar("T")

Where = Repository | Path | str | None
"""A repository, a folder in one, or None for the current directory."""


def open_index(where: Where = None, progress: Progress | None = None) -> Index:
    """The index of a repository's ledger, brought up to date. Close it, or use it in a with statement."""
    repository = where if isinstance(where, Repository) else Repository.discover(where)
    return Index.open(repository, ledger_branch(repository), progress)


def open_newest(
    limit: int, experiment: str | None = None, *, where: Where = None, progress: Progress | None = None
) -> Index:
    """`open_index` for a list of the newest `limit` runs: see `Index.open_newest`."""
    repository = where if isinstance(where, Repository) else Repository.discover(where)
    return Index.open_newest(repository, ledger_branch(repository), limit, experiment, progress)


class Index:
    """The runs of one ledger, as of the moment it was opened or last refreshed.

    `tip` is the ledger commit that answers are true of, None when there is no ledger. Use it
    as a context manager, or close() it.
    """

    def __init__(self, repository: Repository, branch: str, progress: Progress | None = None) -> None:
        self.repository = repository
        self.branch = branch
        self.tip: str | None = None
        self._progress = progress
        self._path: Path | None = repository.state_dir / FILE_NAME
        """None once the cache is in memory."""
        self._connection: sqlite3.Connection | None = None
        self._mended = self._apart = self._fresh = False
        self.partial = False
        """Whether only the newest runs are in it, see `open_newest`."""

    @classmethod
    def open(cls, repository: Repository, branch: str, progress: Progress | None = None) -> Index:
        """The index of `branch`, brought up to date."""
        index = cls(repository, branch, progress)
        index.refresh()
        return index

    @classmethod
    def open_newest(
        cls,
        repository: Repository,
        branch: str,
        limit: int,
        experiment: str | None = None,
        progress: Progress | None = None,
    ) -> Index:
        """An index that has at least the newest `limit` runs, and says so in `partial`.

        It has all of them, as `open`, unless the ledger is large and was never indexed: then nobody waits.
        """
        index = cls(repository, branch, progress)
        index.tip = ledger_tip(repository, branch)
        if index.tip is not None and not index._exists():
            from gittrack.reading.index.newest import newest_runs

            index._connection = newest_runs(repository, index.tip, limit, experiment)
            if index._connection is not None:
                index._path, index.partial = None, True
                return index
        index.refresh()
        return index

    @classmethod
    def apart(cls, repository: Repository, branch: str, rows: Iterable[Parsed]) -> Index:
        """An index of `rows` alone, in memory: runs that are on no ledger, newer than those that are."""
        from gittrack.reading.index.parse import insert

        index = cls(repository, branch)
        index.tip, index._path, index._apart, index._connection = "", None, True, open_memory()
        with transaction(index._connection) as connection:
            for row in rows:
                insert(connection, row)
            connection.execute("UPDATE runs SET place = 1 << 30")
        return index

    def _exists(self) -> bool:
        """Whether there is a cache that stands at some commit of the ledger."""
        if self._path is None or not self._path.exists():
            return False
        try:
            self._connection = open_file(self._path)
            return "tip" in standing_of(self._connection)
        except (sqlite3.Error, OSError):
            return True  # `refresh` sees to it

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def refresh(self) -> None:
        """Follow the ledger to where it is now. One git process, more when it has moved."""
        self.tip = ledger_tip(self.repository, self.branch)
        self._fresh = True
        if self.tip is not None:
            self._guarded(lambda connection: None)

    # --- questions -----------------------------------------------------------------------

    def search(
        self,
        filter: str | None = None,
        *,
        experiment: str | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
        offset: int = 0,
        ids: Sequence[str] | None = None,
    ) -> list[Row]:
        """The runs that satisfy `filter` (see `filters`), newest first or by `order_by`.

        Of a run whose record another supersedes it is the last of them, unless `ids` names it.

        `order_by` takes names as MLflow does: ``["metrics.acc DESC", "params.lr"]``; runs without
        the value come last. UsageError for a filter that cannot be read.
        """
        where, values = where_of(filter, experiment, ids)
        terms, bound = order_of(order_by)
        order = ", ".join([*terms, NEWEST])
        if limit is None and not offset:
            return [
                row_of(columns)
                for columns in self._ask(f"{SELECT} WHERE {where} ORDER BY {order}", values + bound)
            ]
        # The runs are chosen before their records are read, which are a hundred times as much.
        chosen = f"SELECT r.run FROM runs r WHERE {where} ORDER BY {order} LIMIT ? OFFSET ?"  # noqa: S608
        values += [*bound, -1 if limit is None else max(limit, 0), max(offset, 0)]
        return [row_of(columns) for columns in self._ask(chosen, values, f"{SELECT} WHERE r.run = ?")]

    def count(self, filter: str | None = None, *, experiment: str | None = None) -> int:
        """How many runs `search` would find."""
        where, values = where_of(filter, experiment, None)
        rows = self._ask(f"SELECT count(*) FROM runs r WHERE {where}", values)  # noqa: S608
        return int(rows[0][0]) if rows else 0

    def experiments(self) -> dict[str, int]:
        """The experiments on the ledger, and the number of runs of each."""
        counted = f"SELECT experiment, count(*) FROM runs r WHERE NOT {SUPERSEDED} GROUP BY 1 ORDER BY 1"  # noqa: S608
        return dict(self._ask(counted, []))

    def successor(self, run_id: str) -> str | None:
        """The id of the record that supersedes that of a run; None where none does."""
        sql = f"SELECT s.id FROM runs s, runs r WHERE s.supersedes = r.id AND r.id = ? AND {SUPERSEDED}"  # noqa: S608
        rows = self._ask(sql, [run_id])
        return str(rows[0][0]) if rows else None

    def continuations(self, run_id: str) -> list[str]:
        """The ids of the runs that continue a run, oldest first."""
        sql = f"SELECT r.id FROM runs r WHERE r.continues = ? AND NOT {SUPERSEDED} ORDER BY r.id"  # noqa: S608
        return [str(run) for (run,) in self._ask(sql, [run_id])]

    def names(self, experiment: str | None = None, only: Field | None = None) -> list[str]:
        """Full names of the metrics, parameters and tags that runs have, or `only` that one if they do."""
        names: list[str] = []
        for family in (only.family,) if only else ("metrics", "params", "tags"):
            values = [value for value in (only.key if only else None, experiment) if value is not None]
            key = "key = ? AND " if only else ""
            of_it = "1" if experiment is None else "run IN (SELECT run FROM runs WHERE experiment = ?)"
            sql = f"SELECT DISTINCT key FROM {family} WHERE {key}{of_it}{' LIMIT 1' if only else ''}"  # noqa: S608
            names += [f"{family}.{key}" for (key,) in self._ask(sql, values)]
        return names

    def imports(self, system: str) -> dict[str, tuple[str, str | None, str]]:
        """By a tracker's id each run imported, or taken up: the last record's id, digest, experiment."""
        return {source: tuple(facts) for source, *facts in self._ask(IMPORTS, [system])}

    def decisions(self, run_id: str) -> list[Decided]:
        """The decisions on a run, oldest first: the last one holds."""
        from gittrack.reading.index.parse import Decided

        rows = self._ask("SELECT * FROM decisions WHERE run_id = ? ORDER BY made, id", [run_id])
        return [Decided(*row) for row in rows]

    def require_experiment(self, name: str) -> str:
        """The experiment of that name; NotFoundError, with those there are, where the ledger has none."""
        known, experiment = self.experiments(), experiment_of(name)
        if experiment not in known:
            raise no_experiment(name, known)
        return experiment

    def known(self, ids: Sequence[str]) -> set[str]:
        """Those of `ids` that are runs of this ledger."""
        return {run for run in ids if self._ask("SELECT 1 FROM runs WHERE id = ?", [run])}

    def shortened(self, ids: Sequence[str], beside: Sequence[str] = ()) -> dict[str, str]:
        """For each full id the shortest name that `resolve` surely takes: its last six digits, or all.

        `beside`: ids of runs that are not on the ledger, and that a name must not mean either.
        """
        if self.partial or (beside and self.tip is None):
            return {name: name for name in [*ids, *beside]}
        names = {}
        tails = Counter(name[-6:] for name in beside)
        for name in [*ids, *beside]:
            tail = name[-6:]
            (others,) = self._ask(
                "SELECT (SELECT count(*) FROM runs WHERE tail = ?) + "
                "(SELECT count(*) FROM runs WHERE id >= ? AND id < ?)",
                [tail, tail, tail + "g"],
            )[0]
            names[name] = tail if others + tails[tail] == 1 else name
        return names

    def resolve(self, name: str) -> list[Row]:
        """The runs that `name` means, newest first; NotFoundError if there are none, or it is ambiguous.

        `name` is an unambiguous beginning or end of a run id, ``latest``, ``latest~2`` (two
        before), or an abbreviated code commit or snapshot (at least four digits), which
        means all the runs of that one commit. ``<experiment>/`` in front looks in that
        experiment alone. A run id wins over a tracker's id of an imported run, that over a commit.
        """
        experiment, slash, short = name.rpartition("/")
        rows = self._of_source(name, None) if slash else []
        if slash and not rows:
            experiment = self.require_experiment(experiment)
        rows = rows or self._named(short, experiment if slash else None)
        if not rows:
            raise NotFoundError(f"no run {name!r}: gittrack log lists the runs there are")
        return rows

    def one(self, name: str) -> Row:
        """The one run that `resolve` finds; NotFoundError lists the candidates if there are several."""
        rows = self.resolve(name)
        if len(rows) > 1:
            raise NotFoundError(f"{name!r} is a commit with {len(rows)} runs: name one, {_candidates(rows)}")
        return rows[0]

    # --- how names are resolved --------------------------------------------------------

    def _named(self, name: str, experiment: str | None) -> list[Row]:
        before = before_latest(name)
        if before is not None:
            return self.search(experiment=experiment, limit=1, offset=before)
        if not name:
            return []
        rows = self._matching(
            "(substr(r.id, 1, ?1) = ?2 OR substr(r.id, -?1) = ?2)", [len(name), name], experiment
        )
        rows = [row for row in rows if row.id == name] or rows or self._of_source(name, experiment)
        if len(rows) > 1:
            raise NotFoundError(f"{name!r} is ambiguous: it may be {_candidates(rows)}")
        return rows or self._of_commit(name.lower(), experiment)

    def _of_source(self, name: str, experiment: str | None) -> list[Row]:
        """The imported runs that another tracker calls so."""
        return self._matching(f"r.source = ?1 AND NOT {SUPERSEDED}", [name], experiment)

    def _of_commit(self, name: str, experiment: str | None) -> list[Row]:
        if not re.fullmatch(r"[0-9a-f]{4,64}", name):
            return []
        rows = self._matching(
            f"(substr(r.commit_id, 1, ?1) = ?2 OR substr(r.snapshot, 1, ?1) = ?2) AND NOT {SUPERSEDED}",
            [len(name), name],
            experiment,
        )
        commits = {c for row in rows for c in (row.commit, row.snapshot) if c and c.startswith(name)}
        if len(commits) > 1:
            listed = ", ".join(sorted(c[:12] for c in commits)[:10])
            raise NotFoundError(f"{name!r} is ambiguous: it may be commit {listed}")
        return rows

    def _matching(self, condition: str, values: list[Any], experiment: str | None) -> list[Row]:
        sql = f"{SELECT} WHERE {condition}"
        if experiment is not None:
            sql += f" AND r.experiment = ?{len(values) + 1}"
            values = [*values, experiment]
        return [row_of(columns) for columns in self._ask(f"{sql} ORDER BY {NEWEST}", values)]

    # --- the cache ----------------------------------------------------------------------

    def _ask(self, sql: str, values: Sequence[Any], per_row: str | None = None) -> list[tuple[Any, ...]]:
        """The rows that `sql` finds; with `each`, the one row that it finds for each of them."""
        if self.tip is None:
            return []

        def question(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            rows = connection.execute(sql, values).fetchall()
            return rows if per_row is None else [connection.execute(per_row, row).fetchone() for row in rows]

        return self._guarded(question)

    def _guarded(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of a cache that stands at the tip, whatever happens to the file."""
        while True:
            try:
                return self._answer(question)
            except (sqlite3.Error, OSError) as error:
                self._mend(error)

    def _answer(self, question: Callable[[sqlite3.Connection], T]) -> T:
        if self._connection is None and self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = open_file(self._path)
        connection = self._connection or open_memory()
        self._connection = connection
        while True:
            with snapshot(connection):
                if self._apart or (
                    self.tip and stands_at(standing_of(connection), self.tip, cut_of(self.repository))
                ):
                    return question(connection)
            if not self._fresh:  # another process took the cache on: follow the ledger rather than go back
                self.tip = ledger_tip(self.repository, self.branch) or self.tip
            if self.tip is not None:
                from gittrack.reading.index.follow import bring_to

                bring_to(connection, self.repository, self.tip, self._progress)
            self._fresh = False

    def _mend(self, error: sqlite3.Error | OSError) -> None:
        """A damaged file is made anew, once; one that cannot be used is replaced by memory, once."""
        path = self._path
        if path is None:
            raise error
        self.close()
        if isinstance(error, sqlite3.Error) and is_damage(error) and not self._mended:
            self._mended = True
            try:
                discard(path)
            except (sqlite3.Error, OSError):
                self._path = None  # in memory, then
            return
        self._path = None
        self._connection = open_memory(None if self._mended else path)


def _candidates(rows: Sequence[Row]) -> str:
    listed = ", ".join(f"{row.id} ({row.experiment})" for row in rows[:10])
    return listed + (f" and {len(rows) - 10} more" if len(rows) > 10 else "")

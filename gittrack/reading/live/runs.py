"""The runs of this clone that have no record yet, beside those on its ledger. Nothing is written for it.

Journals are read before the ledger: a run that is committed in between is then on the ledger at least.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

from gittrack.errors import GittrackError, NotFoundError
from gittrack.git.repository import Repository
from gittrack.reading.index import Index, Progress, Row, Where, open_index
from gittrack.reading.journal.glimpse import glimpse
from gittrack.reading.journal.status import ELSEWHERE, RUNNING, UNRECORDED
from gittrack.reading.journal.stored import StoredJournal, journals, journals_dir
from gittrack.reading.live.state import State
from gittrack.reading.names import before_latest
from gittrack.text.json_text import json_compact

UNREADABLE = (GittrackError, OSError, ValueError, TypeError, KeyError, AttributeError, IndexError)
"""What a journal can raise that another gittrack wrote, that is damaged, or that is taken away meanwhile."""


class AllRuns:
    """The ledger's runs, and beside them those without a record."""

    def __init__(self, index: Index, records: Sequence[dict[str, Any]] = ()) -> None:
        self.index = index
        self._records = records
        self._live: Index | None = None

    @property
    def live(self) -> Index | None:
        """An index of the runs without a record; None where there are none."""
        if self._live is None and self._records:
            from gittrack.reading.index.parse import rows_of

            rows = [rows_of(f"journal/{record['id']}", "", record) for record in self._records]
            self._live = Index.apart(self.index.repository, self.index.branch, rows)
        return self._live

    def close(self) -> None:
        """The index stays open."""
        if self._live is not None:
            self._live.close()

    @property
    def indexes(self) -> list[Index]:
        return [self.index] if self.live is None else [self.index, self.live]

    def search(
        self,
        filter: str | None = None,
        *,
        experiment: str | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[Row]:
        """As `Index.search`, of both in one order."""
        if not self._records:
            return self.index.search(filter, experiment=experiment, order_by=order_by, limit=limit)
        if not filter and not order_by:
            return self._newest(experiment, limit)
        from gittrack.reading.across import Across, Place

        both = Across([Place("", index) for index in self.indexes])
        entries = both.search(filter, experiment=experiment, order_by=order_by, limit=limit)
        return [entry.row for entry in entries]

    def _newest(self, experiment: str | None, limit: int | None) -> list[Row]:
        """Without an index of the runs that have no record, which would take as long again."""
        from gittrack.reading.index.parse import row_beside

        records = [record for record in self._records if experiment in (None, record["experiment"])]
        rows = [row_beside(f"journal/{record['id']}", record) for record in records]
        rows += self.index.search(experiment=experiment, limit=limit)
        return sorted(rows, key=lambda row: row.newest_key, reverse=True)[:limit]

    def count(self, filter: str | None = None, *, experiment: str | None = None) -> int:
        return sum(index.count(filter, experiment=experiment) for index in self.indexes)

    def require_experiment(self, name: str) -> None:
        """NotFoundError unless some run is of the experiment."""
        if all(record["experiment"] != name for record in self._records):
            self.index.require_experiment(name)

    def shortened(self, rows: Sequence[Row]) -> dict[str, str]:
        """As `Index.shortened`."""
        recorded = [row.id for row in rows if not row.is_live]
        return self.index.shortened(recorded, [record["id"] for record in self._records])

    def one(self, name: str) -> Row:
        """The run that `name` means, as `Index.one`. ``latest`` is the newest of those with a record."""
        if self.live is None or before_latest(name) is not None:
            return self.index.one(name)
        try:
            running = self.live.one(name)
        except NotFoundError:
            return self.index.one(name)
        try:
            recorded = self.index.one(name)
        except NotFoundError:
            return running
        if name in (running.id, running.id[-6:]) or not recorded.id.startswith(name):
            return running
        raise NotFoundError(f"{name!r} is ambiguous: it may be {running.id} or {recorded.id}")


def unrecorded(repository: Repository) -> list[dict[str, Any]]:
    """What each journal of this clone says so far, as a record would have it; see `State.record`.

    A journal that cannot be read is left out; `gittrack recover` says what is wrong with it.
    """
    records = []
    for journal in journals(repository.state_dir):
        try:
            state = State(journal.start)
            for event in glimpse(journal.folder):
                deque(state.take(event), 0)
            records.append(state.record(status_of(journal)))
        except UNREADABLE:
            continue
    return records


def in_full(repository: Repository, row: Row) -> Row:
    """`row`, of a run without a record by all that its journal says."""
    if not row.is_live:
        return row
    from gittrack.reading.journal.follow import Following

    journal = StoredJournal(journals_dir(repository.state_dir) / row.id)
    try:
        state = State(journal.start)
        with Following(journal.folder) as following:
            for event in following.look():
                deque(state.take(event), 0)
        return replace(row, text=json_compact(state.record(row.status)))
    except UNREADABLE:  # it was committed since
        return row


def status_of(journal: StoredJournal) -> str:
    """In place of a record's status."""
    alive = journal.alive
    if alive or journal.program_runs:
        return RUNNING
    return ELSEWHERE if alive is None or journal.is_held else UNRECORDED


def beside(index: Index, records: Sequence[dict[str, Any]]) -> AllRuns:
    """`index` with the runs of `records` that it does not have."""
    if not records:
        return AllRuns(index)
    known = index.known([record["id"] for record in records])
    return AllRuns(index, [record for record in records if record["id"] not in known])


@contextmanager
def open_runs(
    where: Where = None, opened: Callable[[Repository], Index] = open_index, remote: str | None = None
) -> Iterator[AllRuns]:
    """The runs of a clone, those without a record among them; `opened` opens the index.

    With `remote` also those of other clones that can be seen there.
    """
    repository = where if isinstance(where, Repository) else Repository.discover(where)
    records = unrecorded(repository)
    if remote is not None:
        from gittrack.reading.live.remote import watched

        own = {record["id"] for record in records}
        records += [record for run, record in watched(repository, remote).items() if run not in own]
    with opened(repository) as index, closing(beside(index, records)) as runs:
        yield runs


def opening(progress: Progress | None = None) -> Callable[[Repository, ExitStack], list[Index]]:
    """For `open_across`: the ledger's index of a repository, and one of the runs without a record."""

    def indexes(repository: Repository, opened: ExitStack) -> list[Index]:
        records = unrecorded(repository)
        runs = beside(opened.enter_context(open_index(repository, progress)), records)
        return [opened.enter_context(index) for index in runs.indexes]

    return indexes

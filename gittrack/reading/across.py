"""Several repositories asked as one: their runs in one list, in the order of one ledger that had them all.

Each repository keeps an index of its own. Each gives its sorted answer, and the answers are merged here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from heapq import heappop, heappush
from itertools import groupby, pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from gittrack.errors import NotFoundError
from gittrack.formats.experiments import experiment_of
from gittrack.formats.flat import flatten
from gittrack.git.repository import Repository
from gittrack.reading.index import Index, Progress, Row, open_index
from gittrack.reading.index.rows import no_experiment, number

if TYPE_CHECKING:
    from gittrack.reading.index.filters import Field

PAGE = 1000
"""Runs that `Across.pages` has in memory at a time."""


@dataclass(frozen=True, slots=True)
class Place:
    """One of the repositories: a short name that no other of them has, and its index."""

    name: str
    index: Index


@dataclass(frozen=True, slots=True)
class PlacedRun:
    """A run, and where it is."""

    row: Row
    place: Place


Opening = Callable[[Repository, ExitStack], list[Index]]
"""The indexes of a repository, to be closed with the stack."""


def open_across(
    where: Sequence[Path | str | None], progress: Progress | None = None, indexes: Opening | None = None
) -> Across:
    """The indexes of several repositories, brought up to date; close them, or use them in a with statement.

    `where`: folders in clones, bare or not; None is the current one. A repository that is named twice
    is read once. `indexes` opens those of a repository, where there are several. NotFoundError if none has
    a run.
    """
    repositories: dict[Path, Repository] = {}
    for path in where:
        repository = Repository.discover(path)
        repositories.setdefault(repository.common_dir.resolve(), repository)
    names = short_names([_folder(repository) for repository in repositories.values()])
    with ExitStack() as opened:
        places = [
            Place(name, index)
            for name, repository in zip(names, repositories.values(), strict=True)
            for index in (
                indexes(repository, opened)
                if indexes
                else [opened.enter_context(open_index(repository, progress))]
            )
        ]
        if all(place.index.tip is None for place in places):
            raise NotFoundError(f"no runs in {', '.join(names)}: name clones that have a ledger")
        opened.pop_all()
    return Across(places)


@dataclass(frozen=True, slots=True)
class Across:
    """The runs of several repositories. One that two of them have alike is there once, in the first."""

    places: Sequence[Place]

    def __enter__(self) -> Across:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        for place in self.places:
            place.index.close()

    @property
    def names(self) -> list[str]:
        """Of the repositories."""
        return list(dict.fromkeys(place.name for place in self.places))

    @property
    def without_ledger(self) -> list[str]:
        """Names of the repositories in which nothing was ever recorded."""
        return [place.name for place in self.places if place.index.tip is None]

    def require_experiment(self, name: str) -> None:
        """NotFoundError, with the names there are, unless one of the ledgers has the experiment `name`."""
        known = {experiment for place in self.places for experiment in place.index.experiments()}
        if experiment_of(name) not in known:
            raise no_experiment(name, known)

    def count(self) -> int:
        """How many runs there are, those that two repositories have counted twice."""
        return sum(place.index.count() for place in self.places)

    def search(
        self,
        filter: str | None = None,
        *,
        experiment: str | None = None,
        order_by: Sequence[str] = (),
        limit: int | None = None,
    ) -> list[PlacedRun]:
        """As `Index.search`: what one ledger with the runs of all would answer, in that order."""
        entries = [
            PlacedRun(row, place)
            for place in self.places
            for row in place.index.search(filter, experiment=experiment, order_by=order_by, limit=limit)
        ]
        entries = list(_once(entries, set()))
        _sort(entries, order_by, self.places)
        return entries[: None if limit is None else max(limit, 0)]

    def shortened(self, entries: Sequence[PlacedRun]) -> dict[str, str]:
        """For each id the shortest name that the repositories with such a run surely take."""
        names: dict[str, str] = {}
        for place in self.places:
            own = [entry.row.id for entry in entries if entry.place is place]
            for run_id, name in place.index.shortened(own).items():
                names[run_id] = max(name, names.get(run_id, ""), key=len)
        return names

    def pages(self, *, experiment: str | None = None, size: int = PAGE) -> Iterator[list[PlacedRun]]:
        """Every run once, one repository after the other, newest first, in lists of at most `size`."""
        seen: set[Any] = set()
        for place in self.places:
            at = 0
            while rows := place.index.search(experiment=experiment, limit=size, offset=at):
                at += len(rows)
                # What another process adds meanwhile moves the rest on: some of it comes again.
                yield list(_once((PlacedRun(row, place) for row in rows), seen))


def _once(entries: Sequence[PlacedRun] | Iterator[PlacedRun], seen: set[Any]) -> Iterator[PlacedRun]:
    """`found` without what is there already: clones of one ledger have the same runs."""
    for entry in entries:
        row = entry.row
        same = (row.path, row.blob, row.outcome, row.fault)
        if same not in seen:
            seen.add(same)
            yield entry


# --- names ------------------------------------------------------------------------------------


def _folder(repository: Repository) -> Path:
    """What the repository is called by: its work tree, or its own folder where that is bare."""
    if repository.worktree is not None:
        return repository.worktree
    folder = repository.common_dir
    return folder.parent if folder.name == ".git" else folder


def short_names(folders: Sequence[Path]) -> list[str]:
    """The end of each path that no other has, as short as can be; ``x`` for ``x.git``."""
    bare = [folder.with_suffix("") if folder.suffix == ".git" else folder for folder in folders]
    paths = [full if bare.count(short) > 1 else short for full, short in zip(folders, bare, strict=True)]
    lengths = [1] * len(paths)
    while True:
        names = [str(Path(*path.parts[-n:])) for path, n in zip(paths, lengths, strict=True)]
        alike = [
            at
            for at, path in enumerate(paths)
            if names.count(names[at]) > 1 and lengths[at] < len(path.parts)
        ]
        if not alike:
            return [name.encode("utf-8", "backslashreplace").decode() for name in names]
        for at in alike:
            lengths[at] += 1


# --- order ------------------------------------------------------------------------------------


def _newest(entry: PlacedRun) -> tuple[int, int, float, str]:
    return entry.row.newest_key


def _in_order(second: list[PlacedRun], places: Sequence[Place]) -> list[PlacedRun]:
    """The runs of one second, newest first, so that each ledger that has them agrees.

    Between runs that no ledger has both of, the clock is all there is; it also decides should ledgers
    contradict each other, which takes another history of one of them.
    """
    if len({entry.place.name for entry in second}) == 1:
        return second
    by_clock = {
        entry.row.path: at
        for at, entry in enumerate(sorted(second, key=lambda e: (e.row.started, e.row.id), reverse=True))
    }
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(by_clock, ()))
    for place in places:
        rows = place.index.search(ids=[entry.row.id for entry in second])
        paths = [row.path for row in rows if row.path in by_clock]
        for newer, older in pairwise(paths):
            sorter.add(older, newer)
    try:
        sorter.prepare()
    except CycleError:
        return sorted(second, key=lambda entry: by_clock[entry.row.path])
    ordered: list[str] = []
    ready: list[tuple[int, str]] = []
    while sorter.is_active():
        for path in sorter.get_ready():
            heappush(ready, (by_clock[path], path))
        ordered.append(heappop(ready)[1])
        sorter.done(ordered[-1])
    return sorted(second, key=lambda entry: ordered.index(entry.row.path))


def _sort(entries: list[PlacedRun], order_by: Sequence[str], places: Sequence[Place]) -> None:
    """As `gittrack.reading.index.sql` orders: by each value, those without it last; then newest first."""
    entries.sort(key=_newest, reverse=True)
    seconds = groupby(entries, lambda entry: int(entry.row.started))
    entries[:] = [entry for _, second in seconds for entry in _in_order(list(second), places)]
    if not order_by:
        return
    from gittrack.reading.index.filters import parse_order

    for text in reversed(order_by):
        field, descending = parse_order(text)
        keyed = [(_value(entry.row, field), entry) for entry in entries]
        present = [pair for pair in keyed if pair[0] is not None]
        present.sort(key=lambda pair: (isinstance(pair[0], str), pair[0]), reverse=descending)
        entries[:] = [entry for _, entry in present] + [entry for value, entry in keyed if value is None]


_ROW_NAMES = {"duration": "duration_s", "started": "began", "imported": "system"}


def _value(row: Row, field: Field) -> int | float | str | None:
    """What the index sorts `row` by."""
    if field.family == "attributes":
        if field.key == "ended":
            return None if row.duration_s is None or row.began is None else row.began + row.duration_s
        value: int | float | str | None = getattr(row, _ROW_NAMES.get(field.key, field.key))
        return value
    if field.family == "tags":
        tag: str | None = row.record.get("tags", {}).get(field.key)
        return tag
    if field.family == "metrics":
        return _metric(row.record.get("metrics", {}).get(field.key, {}))
    return _param(flatten(row.record.get("params", {})).get(field.key))


def _metric(metric: dict[str, Any]) -> int | float | None:
    """Its value; of one that is infinite, infinity."""
    if metric.get("status") in ("inf", "-inf"):
        return float(metric["status"])
    value = metric.get("value")
    return None if value is None else number(value)


def _param(value: Any) -> int | float | str | None:
    """A number as such; true, false, lists and mappings as JSON text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value)
    from gittrack.text.json_text import json_line

    return json_line(value)

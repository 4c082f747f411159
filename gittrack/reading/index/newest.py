"""The newest runs of a large ledger that was not indexed yet, straight from its folders.

A run's folder tells its day, and its id the second that it began, so that a list of the newest runs,
which is what one asks for first after `git clone`, has to read no other record.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from gittrack.formats.decision import ROOT as DECISIONS
from gittrack.formats.experiments import experiment_of
from gittrack.formats.record import clean_text
from gittrack.git.objects import TreeEntry
from gittrack.git.partial import fetch_objects
from gittrack.git.repository import ObjectReader, Repository
from gittrack.reading.index.follow import MANY, place_ties
from gittrack.reading.index.parse import Wanted, insert, reading
from gittrack.reading.index.rows import no_experiment
from gittrack.reading.index.store import cut_of, open_memory, stand_at, transaction

_SECOND = len("YYYYMMDD-HHMMSS")

Folder = tuple[str, str, str]
"""Run id, path, and tree of a run."""


def newest_runs(
    repository: Repository, tip: str, limit: int, experiment: str | None
) -> sqlite3.Connection | None:
    """An index in memory of at least the newest `limit` runs at `tip`; None where all are as quickly read.

    NotFoundError for an experiment that the ledger does not have.
    """
    with repository.objects() as objects:
        roots = _folders(objects, f"{tip}:runs")
        if experiment is not None:
            experiment = experiment_of(experiment)
            if experiment not in roots:
                raise no_experiment(experiment, roots)
            roots = {experiment: roots[experiment]}
        folders = _newest(objects, roots, max(limit, MANY))
        if len(folders) < MANY or limit >= MANY:
            return None
        chosen = _first(folders, limit)
        since = min(path.split("/")[2] for _, path, _ in chosen)
        wanted = [*_records(objects, chosen), *_decisions(objects, tip, since)]
        fetch_objects(repository, [blob for _, blob in wanted])
        rows = reading(objects)(wanted)
    connection = open_memory()
    with transaction(connection):
        for row in rows:
            insert(connection, row)
        place_ties(connection, repository, tip)
        stand_at(connection, tip, cut_of(repository))
    return connection


def _newest(objects: ObjectReader, roots: dict[str, TreeEntry], enough: int) -> list[Folder]:
    """Runs by day, the latest day first, until there are `enough`."""
    days: dict[str, list[tuple[str, str]]] = {}
    for root, folder in roots.items():
        for day, entry in _folders(objects, folder.oid).items():
            days.setdefault(day, []).append((f"runs/{root}/{day}", entry.oid))
    folders: list[Folder] = []
    for day in sorted(days, reverse=True):
        for path, oid in days[day]:
            folders += [(run, f"{path}/{run}", e.oid) for run, e in _folders(objects, oid).items()]
        if len(folders) >= enough:
            break
    return folders


def _first(folders: Sequence[Folder], limit: int) -> list[Folder]:
    """The newest `limit`, and those of the same second as the last of them."""
    ordered = sorted(folders, reverse=True)
    last = ordered[max(limit, 1) - 1][0][:_SECOND]
    return [folder for folder in ordered if folder[0][:_SECOND] >= last]


def _records(objects: ObjectReader, chosen: Sequence[Folder]) -> Wanted:
    files = ((path, _entries(objects, oid).get("run.yaml")) for _, path, oid in chosen)
    return [(clean_text(f"{path}/run.yaml"), e.oid) for path, e in files if e is not None and not e.is_tree]


def _decisions(objects: ObjectReader, tip: str, since: str) -> Iterator[tuple[str, str]]:
    """Decisions from the day on that the oldest of the runs began: none on them can be older."""
    for root, folder in _folders(objects, f"{tip}:{DECISIONS}").items():
        for day, entry in _folders(objects, folder.oid).items():
            if day >= since:
                path = f"{DECISIONS}/{root}/{day}"
                files = _entries(objects, entry.oid).items()
                yield from ((clean_text(f"{path}/{n}"), e.oid) for n, e in files if n.endswith(".yaml"))


def _entries(objects: ObjectReader, name: str) -> dict[str, TreeEntry]:
    return objects.tree(name) or {}


def _folders(objects: ObjectReader, name: str) -> dict[str, TreeEntry]:
    return {name: entry for name, entry in _entries(objects, name).items() if entry.is_tree}

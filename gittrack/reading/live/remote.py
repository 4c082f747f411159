"""Runs of other clones that still go on, as they let others see them on a remote."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.live import load, record_of
from gittrack.git.repository import Repository
from gittrack.ledger.live import listed, received
from gittrack.reading.journal.status import RUNNING, SILENT
from gittrack.reading.live.state import Point

log = logging.getLogger("gittrack")

ATTEMPTS = 3
"""A snapshot may be replaced between the two questions that are asked."""
MISSED = 3
"""Snapshots that were due and did not come, after which a run is silent."""
GRACE_S = 10.0
MOST_RUNS = 200
"""Snapshots that are looked at, the newest ones."""


def watched(repository: Repository, remote: str, only: str | None = None) -> dict[str, dict[str, Any]]:
    """The snapshots on `remote` by run (or of the run `only`), newest first, in the form of records.

    What is no snapshot of the run that its ref names is left out, and so are all but the newest runs; both
    with a warning.
    """
    records: dict[str, dict[str, Any]] = {}
    asked: dict[str, str] = {}
    for _ in range(ATTEMPTS):
        there = [(run, oid) for run, oid in listed(repository, remote).items() if only in (None, run)]
        refs = dict(there[:MOST_RUNS])
        new = {run: oid for run, oid in refs.items() if run not in records and asked.get(run) != oid}
        if not new:
            break
        asked |= new
        records |= _read(received(repository, remote, new))
    _warn("read", remote, [run for run in refs if run not in records])
    _warn("looked at", remote, [run for run, _ in there[MOST_RUNS:]])
    return {run: records[run] for run in refs if run in records}


def _warn(verb: str, remote: str, runs: Sequence[str]) -> None:
    if runs:
        more = f" and {len(runs) - 1} more" if len(runs) > 1 else ""
        log.warning("not %s on %s: the snapshot of run %s%s", verb, remote, runs[0], more)


def _read(files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    records = {}
    for run, data in files.items():
        try:
            snapshot = load(data, f"snapshot of run {run}")
            if snapshot["id"] == run:
                records[run] = record_of(snapshot, _status(snapshot))
        except (RecordError, ValueError):
            continue
    return records


def _status(snapshot: dict[str, Any]) -> str:
    """ValueError for a time that the calendar does not have."""
    for name in ("started", "last_point"):
        datetime.fromisoformat(snapshot.get(name, snapshot["sent"]))
    late = time.time() - datetime.fromisoformat(snapshot["sent"]).timestamp()
    return SILENT if late > MISSED * snapshot["every"] + GRACE_S else RUNNING


def points_of(record: dict[str, Any], after: float) -> Sequence[Point]:
    """What its curves have after that many seconds since the start, in the order of the log."""
    points: dict[tuple[float, int | None], dict[str, Any]] = {}
    for name, curve in record["live"]["curves"].items():
        for step, elapsed, value in curve:
            if elapsed > after:
                points.setdefault((elapsed, step), {})[name] = value
    ordered = sorted(points.items(), key=lambda item: item[0][0])
    return [(elapsed, step, values) for (elapsed, step), values in ordered]

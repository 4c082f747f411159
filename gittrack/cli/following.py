"""`gittrack show --follow`: the points of a run as they come, until it ends."""

from __future__ import annotations

import math
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from gittrack.cli import output
from gittrack.cli.pages import show as pages
from gittrack.cli.pages.statuses import silence
from gittrack.errors import NotFoundError
from gittrack.git.repository import Repository
from gittrack.ledger.sync import choose_remote
from gittrack.reading.index import Index, Row, open_index
from gittrack.reading.journal.status import RUNNING, SILENT, UNRECORDED
from gittrack.reading.live.follow import Watch
from gittrack.reading.live.remote import points_of, watched
from gittrack.reading.live.runs import AllRuns, open_runs
from gittrack.text.json_text import json_compact

if TYPE_CHECKING:
    from gittrack.reading.live.state import Point

EVERY_S = 0.5
"""Between two looks into a journal, which is written as often."""
LONGEST_S = 3.0
"""Between two looks at a remote, whose snapshots may come much more seldom."""
FIRST = 10
"""Points that there were before, which are shown to begin with."""
AT_ONCE = 40
"""Lines for people that one look gives at most."""
LOST = 1
"""Exit status where the run's process is gone and nobody has recorded it."""


Show = Callable[[Index, Row], None]


def follow(name: str | None, remote: str | None, *, as_json: bool, show: Show) -> int:
    """Follow the run `name`, or the newest that runs, and `show` its record at the end; the exit status.

    Where it is not known here it is looked for on `remote`, or on the default one.
    """
    with open_runs(remote=remote) as runs:
        repository = runs.index.repository
        try:
            row = _newest(runs) if name is None else runs.one(name)
        except NotFoundError:
            if remote is not None or name is None or not repository.remotes():
                raise
            return follow(name, choose_remote(repository, None), as_json=as_json, show=show)
        if not row.is_live:
            show(runs.index, row)
            return 0
    if remote is not None and "sent" in row.record["live"]:
        return _follow_remote(repository, remote, row, as_json=as_json)
    try:
        with Watch(repository.state_dir, row.id) as watch:
            branch = watch.branch
            status = _follow(watch, row, as_json=as_json)
    except NotFoundError:
        branch, status = None, ""  # it was committed since
    if status == UNRECORDED:
        output.note(f"gittrack: the process of run {row.id} is gone: gittrack recover records the run")
        return LOST
    with open_index(repository) if branch is None else Index.open(repository, branch) as index:
        for recorded in index.search(ids=[row.id]):
            show(index, recorded)
            return 0
    output.note(f"gittrack: run {row.id} was given up, and has no record")
    return LOST


def _newest(runs: AllRuns) -> Row:
    """The run that began last of those that run."""
    rows = [] if runs.live is None else runs.live.search(f"status = '{RUNNING}'", limit=1)
    if not rows:
        raise NotFoundError(
            "no run is running here: name the one to follow; gittrack log --live lists those of a remote"
        )
    return rows[0]


def _follow(watch: Watch, row: Row, *, as_json: bool) -> str:
    """Show points until the run has ended; what it ended as."""
    if not as_json:
        output.write(f"run {row.id}  {watch.state.facts['experiment']}, {pages.last_point(row)}\n")
    points: Sequence[Point] = watch.look()
    points = points if as_json else points[-FIRST:]
    while True:
        _write(points, as_json=as_json)
        if watch.status in ("", UNRECORDED):
            return watch.status
        time.sleep(EVERY_S)
        points = watch.look()


def _follow_remote(repository: Repository, remote: str, row: Row, *, as_json: bool) -> int:
    """Show what each snapshot has more than the one before, while there are some."""
    if not as_json:
        output.write(f"run {row.id}  {row.experiment} on {remote}, {pages.last_point(row)}\n")
    record: dict[str, Any] | None = row.record
    elapsed, is_silent, first = -math.inf, False, True
    while record is not None:
        points = points_of(record, elapsed)
        elapsed = points[-1][0] if points else elapsed
        _write(points[-FIRST:] if first and not as_json else points, as_json=as_json)
        if record["status"] == SILENT and not is_silent:
            output.note(silence(replace(row, text=json_compact(record))))
        is_silent, first = record["status"] == SILENT, False
        time.sleep(min(max(record["live"]["every"] / 4, 1.0), LONGEST_S))
        record = watched(repository, remote, row.id).get(row.id)
    output.note(
        f"gittrack: run {row.id} is not on {remote} any more: "
        "gittrack pull brings its record once it is pushed"
    )
    return 0


def _write(points: Sequence[Point], *, as_json: bool) -> None:
    if as_json:
        lines = [json_compact(_plain(point)) for point in points]
    else:
        lines = list(deque(map(pages.point_line, points), AT_ONCE))
        if len(points) > len(lines):
            lines.insert(0, f"    ... {len(points) - len(lines):,} more points")
    output.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def _plain(point: Point) -> dict[str, object]:
    elapsed, step, values = point
    return {"step": step, "time": elapsed, "metrics": dict(values)}

"""The series of a run that continues another: one curve of both, and of what that one continues."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gittrack.errors import RecordError
from gittrack.formats.record import Record, run_path
from gittrack.formats.tables import Step
from gittrack.reading.series import Rows, Series, parse_series

if TYPE_CHECKING:
    from gittrack.git.repository import ObjectReader

LONGEST = 1000
"""Runs of a chain that are looked at."""


def chained(objects: ObjectReader, commit: str, record: Record) -> Series | None:
    """The series of `record`, with that of the runs that it continues in front, as `commit` has them.

    From the first step of the later run on its points stand alone. Times are from the start of the first
    run. What is not there, or damaged, ends the chain; RecordError for a damaged series of `record` itself.
    """
    series = _own(objects, commit, record)
    known = {record.id}
    first = record
    while first.continues is not None and first.continues not in known and len(known) < LONGEST:
        try:
            before = _record(objects, commit, first.experiment, first.continues)
            earlier = None if before is None else _own(objects, commit, before)
        except RecordError:
            break
        if before is None:
            break
        known.add(before.id)
        if first.began is None or before.began is None:
            break
        pause = first.began.timestamp() - before.began.timestamp()
        series = joined(earlier, series, pause)
        first = before
    return series


def _record(objects: ObjectReader, commit: str, experiment: str, run_id: str) -> Record | None:
    from gittrack.formats.codec import load_record

    path = f"{run_path(experiment, run_id)}/run.yaml"
    blob = objects.get(f"{commit}:{path}")
    return None if blob is None or blob.kind != "blob" else load_record(blob.data, path)


def _own(objects: ObjectReader, commit: str, record: Record) -> Series | None:
    path = f"{record.path}/metrics.csv"
    blob = objects.get(f"{commit}:{path}")
    return (
        None
        if blob is None or blob.kind != "blob"
        else parse_series(blob.data, path, record.series.names if record.series else {})
    )


def joined(earlier: Series | None, later: Series | None, pause: float) -> Series | None:
    """Both as one; the later one began `pause` seconds after the earlier."""
    if earlier is None and later is None:
        return None
    moved = [_moved(table, pause) for table in later.tables] if later else []
    begins = min((s for table in moved for s in table.steps if s is not None), default=None)
    kept = [_until(table, begins) for table in earlier.tables] if earlier else []
    if [[*table.values] for table in kept] == [[*table.values] for table in moved]:
        return Series(tuple(_appended([a, b]) for a, b in zip(kept, moved, strict=True)))
    names = dict.fromkeys(name for table in [*kept, *moved] for name in table.values)
    return Series(tuple(_of_metric(name, [*kept, *moved]) for name in names))


def _moved(table: Rows, seconds: float) -> Rows:
    return Rows(table.steps, tuple(None if t is None else t + seconds for t in table.times), table.values)


def _until(table: Rows, step: Step | None) -> Rows:
    """The rows below `step`, and those without one."""
    if step is None:
        return table
    rows = [at for at, own in enumerate(table.steps) if own is None or own < step]
    return Rows(
        tuple(table.steps[at] for at in rows),
        tuple(table.times[at] for at in rows),
        {name: tuple(cells[at] for at in rows) for name, cells in table.values.items()},
    )


def _appended(tables: Sequence[Rows]) -> Rows:
    return Rows(
        tuple(step for table in tables for step in table.steps),
        tuple(time for table in tables for time in table.times),
        {name: tuple(cell for table in tables for cell in table.values[name]) for name in tables[0].values},
    )


def _of_metric(name: str, tables: Sequence[Rows]) -> Rows:
    """A table of one metric alone, where the runs have logged theirs in different company."""
    curves = [table.curve(name) for table in tables if name in table.values]
    return _appended([Rows(curve.steps, curve.times, {name: curve.values}) for curve in curves])

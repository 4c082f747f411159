"""The points of a run as they are on the ledger, and as another tracker has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gittrack.formats.record import Record
from gittrack.importers.foreign import ForeignRun
from gittrack.reading.entry import entry_of, open_index

Points = dict[str, list[tuple[Any, ...]]]
"""By metric, of each point the step, milliseconds from the start, and the value as Python writes it."""


def points_of(run: ForeignRun) -> Points:
    assert run.started is not None
    return {
        curve.name: [
            (step, round((time - run.started) * 1000), repr(float(value)))
            for step, time, value in zip(curve.steps or (), curve.times or (), curve.values, strict=True)
        ]
        for curve in run.curves()
    }


def recorded_points(top: Path, record: Record) -> Points:
    with open_index(top) as index:
        series = entry_of(index, index.one(record.id)).series()
    return {
        name: [
            (step, round((time or 0.0) * 1000), repr(float(value)))
            for step, time, value in zip(curve.steps, curve.times, curve.values, strict=True)
        ]
        for name, curve in (series.curves if series else {}).items()
    }

"""What a reader takes from a source: runs, and what it skipped."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.systems import Read


def taken(read: Read, source: Path, options: Options | None = None) -> tuple[list[ForeignRun], list[Skipped]]:
    items = [*read(source, options or Options())]
    return [i for i in items if isinstance(i, ForeignRun)], [i for i in items if isinstance(i, Skipped)]


def only(read: Read, source: Path, options: Options | None = None) -> ForeignRun:
    """The one run that is there, where nothing is skipped."""
    runs, skipped = taken(read, source, options)
    assert not skipped
    (run,) = runs
    return run


def curves(run: ForeignRun) -> dict[str, list[tuple[Any, float]]]:
    """Steps and values, by metric."""
    return {
        curve.name: [*zip(curve.steps or [None] * len(curve.values), curve.values, strict=True)]
        for curve in run.curves()
    }


def losses(run: ForeignRun) -> dict[str, str]:
    """Why, by what."""
    return {loss.what: loss.why for loss in run.lost}

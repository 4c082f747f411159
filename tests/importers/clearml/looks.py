"""What the tests of ClearML's importer look at in a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.importers.clearml import read
from gittrack.importers.foreign import Curve, ForeignFile, ForeignRun, Options, Skipped
from tests.importers import taking
from tests.importers.clearml.writer import START


def taken(source: Path) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source)


def only(source: Path, **options: bool) -> ForeignRun:
    return taking.only(read, source, Options(**options))


def points(curves: Iterator[Curve]) -> dict[str, list[tuple[Any, Any, float]]]:
    """Step, milliseconds since the start and value, by metric."""
    found: dict[str, list[tuple[Any, Any, float]]] = {}
    for curve in curves:
        nothing = [None] * len(curve.values)
        steps = curve.steps or nothing
        times = [None if at is None else round(at * 1000) - START for at in curve.times or nothing]
        found.setdefault(curve.name, []).extend(zip(steps, times, curve.values, strict=True))
    return found


def content(file: ForeignFile) -> bytes:
    if isinstance(file.content, Path):
        return file.content.read_bytes()
    assert file.content is not None
    return file.content if isinstance(file.content, bytes) else b"".join(file.content())


def losses(run: ForeignRun) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for loss in run.lost:
        counts[loss.what] += loss.count
    return dict(counts)

"""A metrics.csv as a few lines, for `git diff` and `git show`.

``gittrack hooks textconv FILE``: git hands over the bytes in a temporary file. What is no series is shown
as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gittrack.errors import RecordError, UsageError
from gittrack.reading.entry import MAX_SERIES_BYTES, parse_series
from gittrack.text.text import clean, number

SAMPLES = 8
"""Values of each metric that are shown, spread evenly from first to last."""


def summary_of(path: Path) -> bytes:
    """`summary` of a file; no more of it is read than a series may have. UsageError where it cannot be."""
    try:
        with path.open("rb") as file:
            return summary(file.read(MAX_SERIES_BYTES + 1))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error


def summary(data: bytes) -> bytes:
    """Rows and steps, then for each metric: first, last, smallest, largest, and a few values between."""
    try:
        series = parse_series(data, "metrics.csv")
    except RecordError:
        return data
    steps = [step for table in series.tables for step in table.steps if step is not None]
    span = f", steps {min(steps)} to {max(steps)}" if steps else ""
    tables = f" in {len(series.tables)} tables" if len(series.tables) > 1 else ""
    lines = [f"{series.rows} rows{tables}{span}"]
    for name, curve in series.curves.items():
        lines += [f"{clean(name)}:", *(f"  {line}" for line in _metric(curve.values))]
    return ("\n".join(lines) + "\n").encode()


def _metric(values: Sequence[float]) -> list[str]:
    if not values:
        return ["no value"]
    finite = [v for v in values if v - v == 0]
    odd = len(values) - len(finite)
    extremes = f"min {number(min(finite), 6)}  max {number(max(finite), 6)}  " if finite else ""
    every = max((len(values) - 1) / (SAMPLES - 1), 1)
    sampled = [values[round(at * every)] for at in range(min(SAMPLES, len(values)))]
    lines = [f"{extremes}{len(values)} values" + (f", {odd} not finite" if odd else "")]
    return [*lines, " ".join(number(v, 6) if v - v == 0 else str(v) for v in sampled)]

"""Seeds in words."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.formats.record import Record
from gittrack.text.seeds import seed_words


def seeds(runs: Sequence[Record], most: int = 12) -> str:
    """The seeds of runs: ``0..4, 7``, with named ones ``0 (split 1)``."""
    if any(run.seeds or run.seed is None for run in runs):
        words = [seed_words(run.seed, run.seeds) for run in runs]
    else:
        words = _ranges(sorted(run.seed for run in runs if run.seed is not None))
    more = [f"and {len(words) - most} more"] if len(words) > most else []
    return ", ".join([*words[:most], *more])


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Three or more in a row as the first and the last."""
    ranges: list[list[int]] = []
    for number in numbers:
        if ranges and number == ranges[-1][-1] + 1:
            ranges[-1].append(number)
        else:
            ranges.append([number])
    return [
        word
        for row in ranges
        for word in ([f"{row[0]}..{row[-1]}"] if len(row) > 2 else [str(number) for number in row])
    ]

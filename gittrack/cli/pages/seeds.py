"""Seeds in words."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.formats.record import Record
from gittrack.text.seeds import seed_words


def seeds(runs: Sequence[Record], most: int = 12) -> str:
    """The seeds of runs: ``0..4, 7``, with named ones ``0 (split 1)``."""
    if any(run.seeds or run.seed is None for run in runs):
        said = [seed_words(run.seed, run.seeds) for run in runs]
    else:
        said = _ranges(sorted(run.seed for run in runs if run.seed is not None))
    more = [f"and {len(said) - most} more"] if len(said) > most else []
    return ", ".join([*said[:most], *more])


def _ranges(numbers: Sequence[int]) -> list[str]:
    """Three or more in a row as the first and the last."""
    found: list[list[int]] = []
    for number in numbers:
        if found and number == found[-1][-1] + 1:
            found[-1].append(number)
        else:
            found.append([number])
    return [
        said
        for row in found
        for said in ([f"{row[0]}..{row[-1]}"] if len(row) > 2 else [str(number) for number in row])
    ]

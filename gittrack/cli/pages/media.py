"""What a run has shown at steps, name by name."""

from __future__ import annotations

from collections.abc import Sequence

from gittrack.errors import GittrackError
from gittrack.formats.media import Medium
from gittrack.reading.entry import Entry
from gittrack.text import text


def rows(entry: Entry) -> list[tuple[str, ...]]:
    """Name, kind, how many, their steps and size; none where the manifest is damaged, as verify says."""
    names: dict[tuple[str, str], list[Medium]] = {}
    try:
        manifest = entry.manifest()
    except GittrackError:
        return []
    for medium in manifest:
        names.setdefault((medium.name, medium.kind), []).append(medium)
    return [_row(name, kind, files) for (name, kind), files in names.items()]


def _row(name: str, kind: str, files: Sequence[Medium]) -> tuple[str, ...]:
    steps = [medium.step for medium in files if medium.step is not None]
    between = "" if not steps else f"step {min(steps)}"
    if steps and max(steps) != min(steps):
        between = f"steps {min(steps)} to {max(steps)}"
    count = f"{len(files):,} file{'s' if len(files) > 1 else ''}"
    return text.one_line(name), kind, count, between, text.size(sum(medium.size for medium in files))

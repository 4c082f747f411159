"""Which distributions the modules come from that a program had imported."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from gittrack.recording.capture.environment import Distribution, normalise
from gittrack.recording.capture.hardware import read

_LIST_BYTES = 16 << 20


def imported(modules: Sequence[str], installed: Mapping[str, Distribution]) -> list[str]:
    """Names of the distributions, sorted. `modules`: top names of what was imported from where these lie."""
    names = {normalise(module): module for module in modules}
    distributions = names.keys() & installed.keys()
    missing = {module for name, module in names.items() if name not in distributions}
    for name in sorted(installed.keys() - distributions):
        if not missing:
            break
        provided = missing.intersection(_modules(Path(installed[name].place)))
        if provided:
            distributions.add(name)
            missing -= provided
    return sorted(distributions)


def _modules(metadata: Path) -> Iterator[str]:
    """Top names of what a distribution holds, by its metadata folder."""
    stated = read(metadata / "top_level.txt", 65536).split()
    if stated:
        yield from stated
        return
    for row in csv.reader(read(metadata / "RECORD", _LIST_BYTES).splitlines()):
        top, _, below = row[0].partition("/") if row else ("", "", "")
        yield top if below else top.partition(".")[0]

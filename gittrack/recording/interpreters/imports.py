"""Which distributions the modules come from that a program had imported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        provided = set(_provided(Path(installed[name].place), missing))
        if provided:
            distributions.add(name)
            missing -= provided
    return sorted(distributions)


def _provided(metadata: Path, modules: Iterable[str]) -> Iterator[str]:
    """Those of the modules that a distribution holds, by its metadata folder."""
    stated = read(metadata / "top_level.txt", 65536).split()
    files = "" if stated else f"\n{read(metadata / 'RECORD', _LIST_BYTES)}"
    for module in modules:
        if module in stated or f"\n{module}/" in files or f"\n{module}." in files:
            yield module

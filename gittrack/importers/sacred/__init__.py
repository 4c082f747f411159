"""Sacred: the folders of its FileStorageObserver, a run each."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from gittrack.importers import folders, values
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.reading import why
from gittrack.importers.sacred.run import CONFIG, CONSOLE, RUN, Run

_DEEPEST = 5
"""Folders below the source in which a run is looked for."""
_STATED = frozenset({"experiment", "host", "meta", "heartbeat", "start_time"})
"""Keys of which what the observer writes has some."""


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs at `source`: the folder of one, or a folder that has such."""
    source = source.resolve()
    known: set[str] = set()
    found = False
    for folder in sorted(_folders(source), key=_order):
        name = folder.relative_to(source).as_posix() if folder != source else source.name
        try:
            run = _run(source, folder, name, options)
        except (OSError, ValueError) as error:
            found = True
            yield Skipped(what=name, why=why(error))
            continue
        if run is None:
            continue
        found = True
        if run.id in known:
            run.id += f":{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
        known.add(run.id)
        yield run
    if not found:
        yield Skipped(what=source.name, why=f"no run of Sacred: no folder has its {RUN} and {CONFIG}")


def _order(folder: Path) -> tuple[Path, int, str]:
    """Runs of a folder by their numbers."""
    return folder.parent, int(folder.name) if folder.name.isdecimal() else -1, folder.name


def _folders(source: Path) -> Iterator[Path]:
    """Folders with a file of the observer."""
    waiting = [(source, 0)] if source.is_dir() else []
    while waiting:
        folder, depth = waiting.pop()
        if folders.is_regular(folder / RUN) or all(folders.is_regular(folder / n) for n in (CONFIG, CONSOLE)):
            yield folder
        elif depth < _DEEPEST:
            below = (path for path in folders.entries(folder) if path.name != ".git")
            waiting += [(path, depth + 1) for path in below if folders.is_folder(path)]


def _run(source: Path, folder: Path, name: str, options: Options) -> ForeignRun | None:
    """None for a ``run.json`` of something else; ValueError for one that is damaged."""
    if not folders.is_regular(folder / RUN):
        raise ValueError(f"the run died before its {RUN} was written")
    data = folders.read_small(folder / RUN)
    if data is None:
        raise ValueError(f"{RUN} has more than 16 MiB, or cannot be read")
    try:
        stated = values.load(data)
    except values.NotRead as error:
        if not folders.is_regular(folder / CONFIG):
            return None
        raise ValueError(f"{RUN}: {error}") from error
    if not isinstance(stated, dict) or len(_STATED & stated.keys()) < 2:
        return None
    return Run(source, folder, name, stated, options).read()

"""Runs that ran at the same time and write the same paths: whose a file is then, nobody can tell.

A journal has two lists for this. ``writes.jsonl``: the paths that the run may write, and those at which
something was written when it ended. ``beside.jsonl``: the same of runs that ended while this one ran, put
there by them, as their journals are gone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.during import Overlap
from gittrack.formats.record import clean_text, parse_time
from gittrack.git.shared import as_folder
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.identity import Stamp, stamp_of

_WRITES = "writes.jsonl"
_BESIDE = "beside.jsonl"
_TOLD = "told"
"""A file of a journal that says: all that the run kept for other trackers is in its list."""


@dataclass(frozen=True, slots=True)
class _Beside:
    """Another run of the same time. `writes`: by path, the file as that run left it; None while it may
    still write, and of a folder."""

    run_id: str
    writes: dict[str, Stamp | None]


def claim(journal: Path, paths: Iterable[Path]) -> None:
    """Say which paths a run may write, before its program starts."""
    _append(journal / _WRITES, [{"path": place} for path in paths for place in _places(path)])


def note_written(journal: Path, path: Path) -> None:
    """Say that something was written at a path that the run takes, or would take, for its own."""
    stamp = None if path.is_dir() else stamp_of(os.fspath(path))
    rows = [{"path": place, "left": stamp, "written": True} for place in _places(path)]
    _append(journal / _WRITES, rows)


def rivals(journal: StoredJournal, path: Path) -> list[str]:
    """The runs that may have written what is at `path` now."""
    mine, now = _places(path), stamp_of(os.fspath(path))
    return [
        run.run_id
        for run in _beside(journal, _others(journal))
        if any(
            (left is None or left == now) and any(_meet(place, theirs) for place in mine)
            for theirs, left in run.writes.items()
        )
    ]


def tell(journal: Path, kept: Iterable[Path]) -> None:
    """Say what the run, which has ended, has kept for other trackers: all of it."""
    for path in kept:
        note_written(journal, path)
    (journal / _TOLD).touch()


def company(journal: StoredJournal, top: Path) -> list[str]:
    """The runs of the same time that may have kept anything for other trackers in the work tree `top`.

    They go on, or have ended without telling.
    """
    ended = [row["run"] for row in _rows(journal.folder / _BESIDE) if row.get("untold") == str(top.resolve())]
    others = [other for other in _others(journal) if not (other.folder / _TOLD).exists()]
    return sorted({*ended, *(other.run_id for other in others if _is_of(other, top))})


def whose(others: Iterable[str]) -> str:
    """Why something is no run's, in a sentence."""
    return (
        f"run {', '.join(others)} ran at the same time and writes there too, so that nobody can tell "
        "whose it is; give each run a work tree of its own (gittrack run --isolated)"
    )


def overlaps(journal: StoredJournal, top: Path) -> tuple[Overlap, ...]:
    """The runs of the same time that write, or still may, where this one has written; with these paths."""
    mine = sorted({row["path"] for row in _rows(journal.folder / _WRITES) if row.get("written")})
    if not mine:
        return ()
    found = {}
    others = _others(journal)
    below = [path for path in mine if _meet(path, str(top.resolve()))]
    for other in others:
        if below and _may_write_anywhere(other, top):
            found[other.run_id] = Overlap(run=other.run_id, paths=_shown(below, top), unknown=True)
    for run in _beside(journal, others):
        if shared := [path for path in mine if any(_meet(path, theirs) for theirs in run.writes)]:
            found[run.run_id] = Overlap(run=run.run_id, paths=_shown(shared, top))
    return tuple(overlap for _, overlap in sorted(found.items()))


def _may_write_anywhere(other: StoredJournal, top: Path) -> bool:
    """Whether a run of the same work tree goes on and has not declared beforehand what it writes."""
    return (
        _is_of(other, top)
        and other.alive is not False
        and all(row.get("written") for row in _rows(other.folder / _WRITES))
    )


def _is_of(run: StoredJournal, top: Path) -> bool:
    """Whether a run that has not left yet is one of that work tree."""
    try:
        return Path(run.start["top"]).resolve() == top.resolve()
    except (GittrackError, OSError, KeyError):
        return False  # it has just ended, and left word


def leave_word(journal: StoredJournal) -> None:
    """Tell the runs that go on what this one has written; of one that was lost, what it may have."""
    others = _others(journal)
    rows = list(_rows(journal.folder / _WRITES)) if others else []
    written = [row for row in rows if row.get("written")] or ([] if _has_ended(journal) else rows)
    untold = None if (journal.folder / _TOLD).exists() else str(Path(journal.start["top"]).resolve())
    if written or untold:
        writes = {row["path"]: row.get("left") for row in written}
        word = {"run": journal.run_id, "writes": writes, "untold": untold}
        for other in others:
            with suppress(OSError):  # it has just ended
                _append(other.folder / _BESIDE, [word])


def _beside(journal: StoredJournal, others: Iterable[StoredJournal]) -> Iterator[_Beside]:
    for row in _rows(journal.folder / _BESIDE):
        writes = {path: Stamp(*left) if left else None for path, left in row["writes"].items()}
        yield _Beside(row["run"], writes)
    for other in others:
        yield _Beside(other.run_id, {row["path"]: None for row in _rows(other.folder / _WRITES)})


def _others(journal: StoredJournal) -> list[StoredJournal]:
    """Journals of runs that ran while this one did; not of the run that started it, or that it started."""
    with suppress(OSError):
        folders = [f for f in journal.folder.parent.iterdir() if f != journal.folder and f.name[:1] != "."]
        return [StoredJournal(folder) for folder in folders if _ran_beside(journal, StoredJournal(folder))]
    return []


def _ran_beside(journal: StoredJournal, other: StoredJournal) -> bool:
    try:
        mine, theirs = journal.start["record"], other.start["record"]
        if mine.get("parent") == other.run_id or theirs.get("parent") == journal.run_id:
            return False
        return _reached(journal, theirs["started"]) and _reached(other, mine["started"])
    except (GittrackError, OSError, KeyError, ValueError):
        return False  # it has just ended, and left word; or it is damaged


def _reached(journal: StoredJournal, moment: str) -> bool:
    """Whether a run was still there at a moment."""
    if journal.alive:
        return True
    with os.scandir(journal.folder) as entries:
        files = [entry.stat().st_mtime for entry in entries]
    return max(files, default=0.0) >= parse_time(moment).timestamp()


def _has_ended(journal: StoredJournal) -> bool:
    from gittrack.reading.journal.events import Kind

    return any(event[0] == Kind.END for event in journal.events())


def _meet(path: str, other: str) -> bool:
    """Whether they are the same, or one lies in the other."""
    return path == other or path.startswith(other + os.sep) or other.startswith(path + os.sep)


def _places(path: Path) -> list[str]:
    """The path, absolute; of a link also the file that is written through it."""
    full = Path.cwd() / path
    own = clean_text(os.path.normpath(full.parent.resolve() / full.name))
    return [own, clean_text(os.fspath(full.resolve()))] if full.is_symlink() else [own]


def _shown(paths: Iterable[str], top: Path) -> tuple[str, ...]:
    relative = ((path, os.path.relpath(path, top.resolve())) for path in paths)
    return tuple(path if below.startswith("..") else below.replace(os.sep, "/") for path, below in relative)


def _append(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    if lines:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        as_folder(file)
        try:
            os.write(descriptor, lines.encode())
        finally:
            os.close(descriptor)


def _rows(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of a list; a torn line ends it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return
    for line in lines:
        try:
            yield json.loads(line)
        except ValueError:
            return

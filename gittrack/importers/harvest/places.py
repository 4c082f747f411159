"""Where trackers keep their runs, and which are there: names alone, no file is opened but a database."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit
from zlib import crc32

_WANDB = ("wandb", ".wandb")
_MLFLOW = ("mlruns", "mlflow.db")
_BOARDS = ("runs", "lightning_logs", "logs", "tb_logs")
"""Folders in which programs keep event files; the first of them also in a folder of the current one."""
MOST = 100_000
"""Names that are looked at in a place."""


_NAMED = 5


class TooMany(Exception):
    """A place has more names than are looked at."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder or a database of a tracker, which need not be there. `path` is absolute."""

    system: str
    path: Path

    def units(self) -> dict[str, int]:
        """What is there, by names that stay (folders or ids of runs, event files), with their inodes, or, of
        runs in a database, a number that is another one when the run has gone on.

        OSError, `TooMany`.
        """
        return dict(_event_files(self.path) if self.system == "tensorboard" else self._runs())

    def kept(self) -> list[str]:
        """Paths of all that is there: the store, or folders of nothing but event files, and others.

        A store that a variable names may be any folder, also one of code: there it is what MLflow has made.
        """
        if self.system == "tensorboard":
            return _boards(str(self.path), iter(range(MOST)))[0]
        folders = _folders(self.path)
        if self.system == "mlflow" and self.path.name != _MLFLOW[0] and folders:
            return [f.path for f in folders if any(map(_is_mlflows, [f, *_folders(f.path)]))]
        has_runs = next(iter(self._runs()), None) is not None or self._has_artifacts(folders)
        return [str(self.path)] if has_runs else []

    def _has_artifacts(self, folders: Iterable[os.DirEntry[str]]) -> bool:
        """Of runs that a database has, by MLflow's own rule beside it."""
        return self.system == "mlflow" and any(_folders(folder.path) for folder in folders)

    def _runs(self) -> Iterable[tuple[str, int]]:
        if self.system == "wandb":
            return _folders_of_wandb(self.path)
        return _ids(self.path) if self.path.is_file() else _run_folders(self.path)

    def path_of(self, unit: str) -> Path:
        """Where a unit lies; of a run in a database, a path that no file has."""
        return self.path / unit

    def sign_of(self, unit: str) -> Path:
        """The file that is written when a unit goes on."""
        if self.system == "wandb":
            from gittrack.importers.wandb.folder import RUN

            named = RUN.fullmatch(unit)
            return self.path / unit / f"run-{named['id'] if named else unit}.wandb"
        return self.path / unit / "meta.yaml" if self.system == "mlflow" else self.path / unit


def places(cwd: Path, environ: Mapping[str, str], outputs: Sequence[str]) -> list[Place]:
    """The places where a program that starts in `cwd` keeps its runs, there or not; by system, in order."""
    found = [Place("wandb", folder / name) for folder in _wandb_folders(cwd, environ) for name in _WANDB]
    found += [Place("mlflow", cwd / name) for name in _MLFLOW]
    store = _store(environ.get("MLFLOW_TRACKING_URI", ""))
    found += [Place("mlflow", cwd / store)] if store and "\0" not in store else []
    boards: list[Path] = []
    for path in [*(cwd / name for name in _BOARDS), *_inner(cwd), *(cwd / name for name in outputs)]:
        real = path.resolve()
        if not any(real.is_relative_to(other.resolve()) for other in boards):
            boards.append(path)
    found += [Place("tensorboard", path) for path in boards]
    normal = (Place(place.system, Path(os.path.normpath(place.path))) for place in found)
    return list(dict.fromkeys(normal))


def _wandb_folders(cwd: Path, environ: Mapping[str, str]) -> list[Path]:
    named = environ.get("WANDB_DIR")
    return [cwd, *([cwd / named] if named else [])]


def _store(uri: str) -> str | None:
    """The path in a tracking URI of MLflow, None where it names a server or nothing."""
    if uri.startswith("sqlite:///"):
        return unquote(uri.removeprefix("sqlite:///").partition("?")[0]) or None
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    return unquote(parts.path) or None if parts.scheme in ("", "file") and not parts.netloc else None


def _inner(cwd: Path) -> Iterator[Path]:
    """``runs`` in the folders of the current one, as trainers keep them beside their checkpoints."""
    with suppress(OSError), os.scandir(cwd) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
                path = os.path.join(entry.path, _BOARDS[0])  # noqa: PTH118  (Path is slow by the hundred)
                if os.path.isdir(path):  # noqa: PTH112
                    yield Path(path)


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What lies there; nothing where there is no such folder."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return []
    if len(found) > MOST:
        raise TooMany
    return found


def _folders(folder: Path | str) -> list[os.DirEntry[str]]:
    return [entry for entry in _entries(folder) if entry.is_dir(follow_symlinks=False)]


def _folders_of_wandb(folder: Path) -> list[tuple[str, int]]:
    found = _folders(folder)
    if not found:
        return []
    from gittrack.importers.wandb.folder import RUN

    return [(entry.name, entry.inode()) for entry in found if RUN.fullmatch(entry.name)]


def _run_folders(store: Path) -> Iterator[tuple[str, int]]:
    """``experiment/run`` of a file store."""
    count = 0
    for experiment in _folders(store):
        if experiment.name.startswith(".") or experiment.name == "models":
            continue
        for run in _folders(experiment.path):
            count += 1
            if count > MOST:
                raise TooMany
            if _is_mlflows(run):
                yield f"{experiment.name}/{run.name}", run.inode()


def _is_mlflows(folder: os.DirEntry[str]) -> bool:
    """Whether it is a run, an experiment or a model of a store of files."""
    return os.path.isfile(os.path.join(folder.path, "meta.yaml"))  # noqa: PTH113, PTH118


def _ids(database: Path) -> list[tuple[str, int]]:
    """Ids of the runs of a database, with a number that is another one when a run was resumed; none where it
    is none of MLflow.

    OSError for one that cannot be read now: what was there then is not known, which is not nothing.
    """
    import sqlite3

    from gittrack.importers.sqlite import Tables

    try:
        rows = Tables(database).rows("runs", ("run_uuid", "status", "end_time"))
        return [
            (row[0].decode("utf-8", "replace"), -crc32(repr(row).encode()))  # no inode
            for row in rows
            if isinstance(row[0], bytes)
        ]
    except ValueError:
        return []
    except sqlite3.Error as error:
        raise OSError(str(error)) from error


def _event_files(folder: Path) -> Iterator[tuple[str, int]]:
    count = 0
    waiting = [(str(folder), "")]
    while waiting:
        path, prefix = waiting.pop()
        for entry in _entries(path):
            count += 1
            if count > MOST:
                raise TooMany
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    waiting.append((entry.path, f"{prefix}{entry.name}/"))
            elif _is_event_file(entry):
                yield f"{prefix}{entry.name}", entry.inode()


def _boards(folder: str, room: Iterator[int]) -> tuple[list[str], bool]:
    """Event files by the largest folders that have nothing else; whether `folder` is one of these."""
    found: list[str] = []
    has_others = False
    for entry in _entries(folder):
        if next(room, None) is None:
            raise TooMany
        if entry.is_dir(follow_symlinks=False):
            below, is_board = _boards(entry.path, room)
        else:
            is_board = _is_event_file(entry)
            below = [entry.path] if is_board else []
        found += below
        has_others = has_others or not is_board
    is_board = bool(found) and not has_others
    return [folder] if is_board else found, is_board


def _is_event_file(entry: os.DirEntry[str]) -> bool:
    return "tfevents" in entry.name and entry.is_file(follow_symlinks=False)


def listed(names: Iterable[str]) -> str:
    """The first of them, in order, and how many more there are."""
    known = sorted(names)
    more = f" and {len(known) - _NAMED:,} more" if len(known) > _NAMED else ""
    return ", ".join(known[:_NAMED]) + more


def went_on(system: str) -> str:
    """Why what came to a run that was there is not taken."""
    return (
        "there before the run, and written while it ran: what came to it is not taken; "
        f"gittrack import {system} takes it as a run of its own"
    )

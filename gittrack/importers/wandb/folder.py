"""Folders of runs: which there are, and files in them that are safe to open."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

RUN = re.compile(r"(?:offline-)?(?:run|dryrun)-(?P<at>\d{8}_\d{6})-(?P<id>.+)", re.DOTALL)
MOST_FILES = 100_000
_DEEPEST = 64


@dataclass(frozen=True, slots=True)
class Part:
    """One process's share of a run: its log, where there is one, and its folder."""

    id: str
    at: str
    folder: Path | None
    log: Path | None
    around: Path | None = None
    """The ``wandb`` folder that has it, where that belongs to the source."""

    @property
    def files(self) -> Path | None:
        """Where the run's files are: ``files``, or the folder itself in old ones."""
        if self.folder is None:
            return None
        inner = self.folder / "files"
        return inner if _is_folder(inner) else self.folder

    @property
    def name(self) -> str:
        return (self.folder or self.log or Path(self.id)).name


def parts(source: Path) -> Iterator[Part]:
    """The parts at `source`: a log, a run's folder, a ``wandb`` folder, or what has one."""
    if source.is_file():
        inside = RUN.fullmatch(source.parent.name)
        folder = source.parent if inside else None
        stem = source.name.removesuffix(".wandb").removeprefix("run-")
        yield Part(stem, inside["at"] if inside else "", folder, source)
        return
    single = RUN.fullmatch(source.name)
    if single is not None or _logs(source):
        yield _part(source)
        return
    for folder in _folders(source):
        if RUN.fullmatch(folder.name):
            yield replace(_part(folder), around=source)
    if source.name != "wandb" and _is_folder(source / "wandb"):
        yield from parts(source / "wandb")


def _part(folder: Path) -> Part:
    named = RUN.fullmatch(folder.name)
    logs = _logs(folder)
    log = logs[0] if logs else None
    if named is not None:
        return Part(named["id"], named["at"], folder, log)
    stem = log.name.removesuffix(".wandb").removeprefix("run-") if log else folder.name
    return Part(stem, "", folder, log)


def _folders(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if _is_folder(path)]


def _logs(folder: Path) -> list[Path]:
    return [path for path in _entries(folder) if path.name.endswith(".wandb") and is_regular(path)]


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except (OSError, ValueError):
        return []


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except (OSError, ValueError):
        return 0


def is_regular(path: Path) -> bool:
    """Whether it is a file itself, no link and no device."""
    return stat.S_ISREG(_mode(path))


def _is_folder(path: Path) -> bool:
    return stat.S_ISDIR(_mode(path))


def logical(path: str) -> str | None:
    """The path with ``/`` in plain form, None where it is absolute or leads out."""
    plain = PurePosixPath(path.replace("\\", "/"))
    if plain.is_absolute() or ".." in plain.parts or not plain.parts or "\0" in path or ":" in plain.parts[0]:
        return None
    return plain.as_posix()


def find(root: Path | None, path: str) -> tuple[Path | None, str | None]:
    """The regular file at a path below `root`, or why it is not to be had. No link is followed."""
    plain = logical(path)
    if plain is None:
        return None, "its path leads out of the run"
    if root is None:
        return None, "the run's folder is not here"
    found = root
    for part in plain.split("/"):
        found = found / part
        if stat.S_ISLNK(_mode(found)):
            return None, "a link, which is not followed"
    if not is_regular(found):
        return None, "its file is not in the run's folder"
    return found, None


def walk(root: Path) -> Iterator[tuple[str, Path, bool]]:
    """Files below `root` with their logical paths, and whether they are regular; no link is followed."""
    waiting = [(root, "", 0)]
    while waiting:
        folder, prefix, depth = waiting.pop()
        for path in _entries(folder):
            name = prefix + path.name
            if _is_folder(path):
                if depth < _DEEPEST:
                    waiting.append((path, f"{name}/", depth + 1))
                else:
                    yield name, path, False
            else:
                yield name, path, is_regular(path)


def read_small(path: Path, largest: int = 16 * 1024 * 1024) -> bytes | None:
    """The bytes of a regular file of at most `largest` bytes, None where there is none such."""
    if not is_regular(path):
        return None
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            data = file.read(largest + 1)
    except OSError:
        return None
    return data if len(data) <= largest else None

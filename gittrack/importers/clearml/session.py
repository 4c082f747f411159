"""Where offline sessions lie: folders and zips, and their files by name. Nothing is unpacked."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

from gittrack.importers import folders, values
from gittrack.importers.archives import DAMAGED, UNPACKING
from gittrack.importers.foreign import Skipped
from gittrack.importers.reading import why

TASK, METRICS, LOG = "task.json", "metrics.jsonl", "log.jsonl"
LARGEST = 32 << 20
"""Bytes of a task, or of a line of events."""
_LINK = "a link, which is not followed, or no regular file"
_DEEPEST = 5
"""Folders below the source in which a session is looked for."""
_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a session; with `refused`, why it is not read."""

    size: int
    path: Path | None = None
    info: zipfile.ZipInfo | None = None
    refused: str | None = None


@dataclass(slots=True)
class Session:
    """The files of one session by their names in it, with ``/``."""

    members: dict[str, Member] = field(default_factory=dict)
    archive: zipfile.ZipFile | None = None
    """Open as long as the session is in use: what reads a run does so after it was listed."""
    is_cut: bool = False
    """Whether it has more files than are looked at."""
    _unpacking: IO[bytes] | None = None

    def open(self, name: str) -> IO[bytes]:
        """ValueError for what is not there, or not to be read; OSError."""
        member = self.members.get(name)
        if member is None or member.refused:
            raise ValueError(member.refused if member and member.refused else "it is not in the session")
        if self.archive is None or member.info is None:
            return os.fdopen(os.open(member.path or name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")
        try:
            return self.archive.open(member.info)
        except UNPACKING as error:
            raise ValueError(f"it cannot be unpacked: {error}") from error

    def parts(self, name: str) -> Iterator[bytes]:
        """The bytes of a file; ValueError where they are damaged."""
        with self.open(name) as file:
            try:
                while part := file.read(_PART):
                    yield part
            except UNPACKING as error:
                raise ValueError(f"it cannot be unpacked: {error}") from error

    def line(self, name: str, at: int) -> bytes:
        """The line that begins at a byte; of a zip, lines in their order are unpacked once."""
        if self.archive is None:
            with self.open(name) as file:
                file.seek(at)
                return file.readline(LARGEST)
        if self._unpacking is None:
            self._unpacking = self.open(name)
        self._unpacking.seek(at)
        return self._unpacking.readline(LARGEST)

    def task(self) -> dict[str, Any]:
        """ValueError and OSError where there is none to be read."""
        with self.open(TASK) as file:
            try:
                data = file.read(LARGEST + 1)
            except UNPACKING as error:
                raise ValueError(f"it cannot be unpacked: {error}") from error
        task = values.load(data, LARGEST)
        if not isinstance(task, dict) or not isinstance(task.get("id"), str) or not task["id"]:
            raise ValueError(f"{TASK} states no id")
        return task

    @property
    def length(self) -> int:
        """Bytes of its events, which only grow."""
        return sum(self.members[name].size for name in (METRICS, LOG) if name in self.members)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session is: a folder, or the folder `prefix` of a zip."""

    path: Path
    name: str
    prefix: str | None = None

    def session(self) -> Session:
        """ValueError, OSError or one of `archives.UNPACKING` where it cannot be read."""
        archive = None if self.prefix is None else zipfile.ZipFile(self.path)
        members = _in_folder(self.path) if archive is None else _in_zip(archive, self.prefix or "")
        first = dict(islice(members, folders.MOST_FILES))
        return Session(first, archive, is_cut=next(members, None) is not None)


def _in_folder(folder: Path) -> Iterator[tuple[str, Member]]:
    for name, path, is_regular in folders.walk(folder):
        size = path.lstat().st_size if is_regular else 0
        yield name, Member(size, path=path, refused=None if is_regular else _LINK)


def _in_zip(archive: zipfile.ZipFile, prefix: str) -> Iterator[tuple[str, Member]]:
    """Those at the top first, where the task and the events are."""
    for info in sorted(archive.infolist(), key=lambda info: info.filename.count("/")):
        if info.is_dir() or not info.filename.startswith(prefix):
            continue
        name = info.filename.removeprefix(prefix)
        mode = info.external_attr >> 16
        refused = None
        if folders.logical(name) != name:
            refused = "its path leads out of the session"
        elif stat.S_IFMT(mode) not in (0, stat.S_IFREG):
            refused = _LINK
        elif info.flag_bits & 1:
            refused = "it is encrypted"
        yield name, Member(info.file_size, info=info, refused=refused)


def places(source: Path) -> Iterator[Place | Skipped]:
    """All sessions of a folder or a zip, and what could not be looked into."""
    if not source.is_dir():
        yield from _zipped(source, source.name)
        return
    waiting = [(source, source.name, 0)]
    while waiting:
        folder, name, depth = waiting.pop()
        if folders.is_regular(folder / TASK):
            yield Place(folder, name)
            continue
        for path in reversed(folders.entries(folder)):
            below = path.name if folder == source else f"{name}/{path.name}"
            if folders.is_folder(path):
                if depth < _DEEPEST and not path.name.startswith("."):
                    waiting.append((path, below, depth + 1))
            elif path.suffix.lower() == ".zip" and folders.is_regular(path):
                yield from _zipped(path, below)


def _zipped(path: Path, name: str) -> Iterator[Place | Skipped]:
    try:
        with zipfile.ZipFile(path) as archive:
            prefixes = _prefixes(archive.namelist())
    except DAMAGED as error:
        yield Skipped(what=name, why=f"no zip that can be read: {why(error)}")
        return
    for prefix in prefixes:
        yield Place(path, f"{name}/{prefix}".rstrip("/"), prefix)


def _prefixes(names: list[str]) -> list[str]:
    """The folders of a zip in which a task is, but for those within the files of a session."""
    prefixes: list[str] = []
    for name in sorted(names, key=lambda name: (name.count("/"), name)):
        prefix = name.removesuffix(TASK)
        if prefix != name and prefix[-1:] in ("", "/") and not name.startswith(tuple(prefixes)):
            prefixes.append(prefix)
    return prefixes

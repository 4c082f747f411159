"""What stood at a path before a program ran, and so what of it the program wrote.

A file is known by its inode, size and times. A write can leave these as they were: times that are set
back, a disk with coarse ones, a memory map on one that does not note it. There the bytes tell, where there
were few enough of them to be read before the run.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

BEFORE = "before.json"
"""The file of a journal in which a run keeps its `Before`."""

DIGEST_BYTES = 64 << 20
"""How much is read before a run, of all that lies where it will write."""
_LEAST_BYTES = 64 << 10
"""What a smaller file counts for, as opening it costs the same."""


class Stamp(NamedTuple):
    """What the disk says of a file; of a link, of the file that it leads to."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Known(NamedTuple):
    """A file as it stood before the run; `digest` is None where its bytes were too many to be read."""

    stamp: Stamp
    digest: bytes | None


@dataclass(frozen=True, slots=True)
class Written:
    """What a program wrote at a path."""

    any: bool
    """Whether the file, or a file of the folder, is the program's."""
    stale: tuple[str, ...] = ()
    """Files of the folder, relative to it, that were there before and that it did not write."""
    unknown: tuple[str, ...] = ()
    """Those of `stale`, or ``.`` for the path itself, that it may have written: only their ctime tells so."""


class Before:
    """The files at some paths, and below them, before a program runs."""

    def __init__(self, paths: Iterable[Path], clock: os.stat_result | None = None) -> None:
        """`clock`: of a file that was made just now, for the time as its disk writes it down."""
        self._clock = clock
        self._files: dict[str, Known] = {}
        self._folders: dict[str, Stamp | None] = {}
        self._paths: list[str] = []
        room = DIGEST_BYTES
        for path in paths:
            self._paths.append(os.fspath(path))
            if path.is_dir():
                self._folders[os.fspath(path)] = stamp_of(os.fspath(path))
            for name, stamp in stamps(path):
                if name in self._files:
                    continue
                cost = max(stamp.size, _LEAST_BYTES)
                digest = _digest(name) if cost <= room else None
                room -= cost if digest is not None else 0
                self._files[name] = Known(stamp, digest)
        self._inodes = {known.stamp[:2]: known for known in self._files.values()}

    def keep(self, file: Path) -> None:
        """For a later attempt of the run: what lay there before the first."""
        files = {
            name: [known.stamp, known.digest and known.digest.hex()] for name, known in self._files.items()
        }
        content = {
            "cwd": os.fspath(Path.cwd()),
            "paths": self._paths,
            "files": files,
            "folders": self._folders,
        }
        file.write_text(json.dumps(content))

    @classmethod
    def kept(cls, file: Path, paths: Iterable[Path], clock: os.stat_result) -> Before:
        """What was kept for the same paths; where nothing was, what lies there now."""
        names = [os.fspath(path) for path in paths]
        try:
            content = json.loads(file.read_text())
        except (OSError, ValueError):
            content = {}
        if content.get("cwd") != os.fspath(Path.cwd()) or not set(names) <= set(content["paths"]):
            return cls(map(Path, names), clock)
        return cls._from(content, Path(), clock)

    @classmethod
    def of_lost(cls, file: Path, clock: os.stat_result) -> Before:
        """What was kept, by absolute paths, for a reader who is elsewhere."""
        content = json.loads(file.read_text())
        return cls._from(content, Path(content["cwd"]), clock)

    @classmethod
    def _from(cls, content: dict[str, Any], base: Path, clock: os.stat_result) -> Before:
        before = cls((), clock)
        before._paths = content["paths"]
        before._folders = {
            os.fspath(base / name): stamp and Stamp(*stamp) for name, stamp in content["folders"].items()
        }
        for name, (stamp, digest) in content["files"].items():
            known = Known(Stamp(*stamp), digest and bytes.fromhex(digest))
            before._files[os.fspath(base / name)] = known
        before._inodes = {known.stamp[:2]: known for known in before._files.values()}
        return before

    def covers(self, path: str) -> bool:
        """Whether that path, as it was given, was looked at."""
        return path in self._paths

    def written(self, path: Path) -> Written:
        """What of `path` is there now and was written since."""
        fresh, stale, unknown = False, [], []
        for name, stamp in stamps(path):
            verdict = self._is_written(name, stamp)
            fresh = fresh or verdict is True
            if verdict is not True:
                relative = os.path.relpath(name, path)
                stale.append(relative)
                unknown += [relative] if verdict is None else []
        if not path.is_dir():
            return Written(fresh, (), tuple(unknown))
        is_emptied = not stale and self._folders.get(os.fspath(path)) != stamp_of(os.fspath(path))
        return Written(fresh or is_emptied, tuple(stale), tuple(unknown))

    def _is_written(self, name: str, stamp: Stamp) -> bool | None:
        """Whether the file is another than before, or has other bytes; None where nothing can tell."""
        known = self._files.get(name)
        if known is None or known.stamp[:2] != stamp[:2]:
            known = self._inodes.get(stamp[:2])  # a file that was there before under another name
        if known is None or known.stamp[:4] != stamp[:4]:
            return True
        # A link, a rename or a change of rights moves ctime alone. So does a write whose mtime is set back.
        if known.digest is not None:
            return _digest(name) != known.digest
        return False if known.stamp == stamp and self._is_settled(stamp) else None

    def _is_settled(self, stamp: Stamp) -> bool:
        """Whether a later change would have moved the ctime: the disk's own time had passed it by then."""
        clock = self._clock
        return clock is not None and clock.st_dev == stamp.device and stamp.ctime_ns < clock.st_ctime_ns


def stamps(path: Path) -> Iterator[tuple[str, Stamp]]:
    """The files at or below `path`, by their paths; linked folders below it are not entered."""
    if not path.is_dir():
        stamp = stamp_of(os.fspath(path))
        return iter([(os.fspath(path), stamp)] if stamp else [])
    return _below(path)


def _below(folder: Path) -> Iterator[tuple[str, Stamp]]:
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            full = f"{place}{os.sep}{name}"
            stamp = stamp_of(full)
            if stamp is not None:
                yield full, stamp


def stamp_of(path: str) -> Stamp | None:
    """None where nothing can be read there."""
    try:
        status = os.stat(path)  # noqa: PTH116  (Path is slow by the 10,000)
    except OSError:
        return None
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _digest(path: str) -> bytes | None:
    """None for what cannot be read, such as a pipe."""
    with suppress(OSError):
        if Path(path).is_file():
            with Path(path).open("rb") as stream:
                return hashlib.file_digest(stream, "sha256").digest()
    return None

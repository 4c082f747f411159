"""Which pointer tracks a path, in the work tree or in a tree of git."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from gittrack.dvc.documents import read_document
from gittrack.dvc.files import Out, Pointer, outs_of_pointer
from gittrack.dvc.locks import Stage, read_lock
from gittrack.dvc.templates import resolve
from gittrack.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracking:
    """`file` (a ``.dvc`` file or ``dvc.lock``, relative to the top) tracks the path by `pointer`."""

    file: str
    pointer: Pointer
    """Its `path` is relative to the top."""
    inside: str | None = None
    """Path inside the tracked folder, where it is the folder that is tracked."""

    @property
    def from_lock(self) -> bool:
        return posixpath.basename(self.file) == "dvc.lock"


class Files(Protocol):
    """Where pointers are looked for; paths are relative to the top, with ``/``."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None if there is none."""

    def names(self, folder: str) -> list[str]:
        """The names of the files in a folder."""


def find_tracking(top: Path, path: Path) -> Tracking | None:
    """The pointer for `path` (absolute, under `top`), looked for in its folder and those above.

    A ``.dvc`` file of the same name comes first, then each folder's ``dvc.lock``, then its other ``.dvc``
    files. RecordError if one that has to be read is malformed, or tracks the path by something else
    than md5.
    """
    return find_tracking_in(_WorkTree(top), path.relative_to(top).as_posix())


def find_tracking_in(files: Files, relative: str) -> Tracking | None:
    """As `find_tracking`, for a path relative to the top of `files`."""
    chain = [relative, *(parent.as_posix() for parent in PurePosixPath(relative).parents)]
    chain = chain[:-1] if len(chain) > 1 else chain  # without the top itself
    for out, file in _candidates(files, chain):
        if out.path in chain and out.fields.get("cache") is not False:
            inside = None if out.path == relative else posixpath.relpath(relative, out.path)
            return Tracking(file=file, pointer=out.pointer(), inside=inside)
    return None


def dependencies(files: Files, folder: str) -> Iterator[Out]:
    """What the stages of the ``dvc.lock`` of a folder read, by paths from the top of `files`."""
    for stage in _stages(files, folder):
        yield from stage.deps


@dataclass(frozen=True, slots=True)
class _WorkTree:
    top: Path

    def read(self, path: str) -> bytes | None:
        file = self.top / path
        try:
            return file.read_bytes() if file.is_file() else None
        except OSError as error:
            raise UsageError(f"{file} cannot be read: {error.strerror}; check its rights") from error

    def names(self, folder: str) -> list[str]:
        with os.scandir(self.top / folder) as listing:
            return [entry.name for entry in listing if entry.name.endswith(".dvc") and entry.is_file()]


def _candidates(files: Files, chain: list[str]) -> Iterator[tuple[Out, str]]:
    named = {f"{root}.dvc": files.read(f"{root}.dvc") for root in chain}
    for file, data in named.items():
        if data is not None:
            yield from _pointer_outs(data, file, chain)
    for root in chain:
        folder = posixpath.dirname(root)
        lock = posixpath.join(folder, "dvc.lock")
        yield from ((out, lock) for stage in _stages(files, folder) for out in stage.outs)
        names = sorted(name for name in files.names(folder) if name.endswith(".dvc"))
        for file in (posixpath.join(folder, name) for name in names):
            data = None if named.get(file) is not None else files.read(file)
            if data is not None:
                yield from _pointer_outs(data, file, chain)


_PLAIN = re.compile(r"[A-Za-z0-9_.-]+\Z")


def _pointer_outs(data: bytes, file: str, chain: list[str]) -> Iterator[tuple[Out, str]]:
    names = [posixpath.basename(root) for root in chain]
    if all(_PLAIN.match(name) and name.encode() not in data for name in names):
        return  # thousands of pointers may lie in one folder, and parsing is a thousand times slower
    folder = posixpath.dirname(file)
    for out in outs_of_pointer(data, file):
        resolved = posixpath.normpath(posixpath.join(folder, out.path))
        yield Out(resolved, out.fields, out.where), file


def _stages(files: Files, folder: str) -> tuple[Stage, ...]:
    """The stages of a folder's dvc.lock, in the working folders that its dvc.yaml gives them."""
    lock, pipeline = posixpath.join(folder, "dvc.lock"), posixpath.join(folder, "dvc.yaml")
    data = files.read(lock)
    if data is None:
        return ()
    text = files.read(pipeline) or b""
    stages = {}
    if b"wdir" in text:
        stages = resolve(read_document(text, pipeline), folder, files.read)[0]["stages"]
    wdirs = {name: body["wdir"] for name, body in stages.items() if isinstance(body.get("wdir"), str)}
    return read_lock(data, lock, wdirs=wdirs).stages

"""Which pointer of the work tree tracks a path."""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gittrack.codec import read_yaml
from gittrack.errors import UsageError
from gittrack.pointers.files import Out, Pointer, outs_of_lock, outs_of_pointer


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


def find_tracking(top: Path, path: Path) -> Tracking | None:
    """The pointer for `path` (absolute, under `top`), looked for in its folder and those above.

    A ``.dvc`` file of the same name comes first, then each folder's ``dvc.lock``, then its other ``.dvc``
    files. RecordError if one that has to be read is malformed, or tracks the path by something else
    than md5.
    """
    relative = path.relative_to(top).as_posix()
    chain = [relative, *(parent.as_posix() for parent in Path(relative).parents)]
    chain = chain[:-1] if len(chain) > 1 else chain  # without the top itself
    for out, file in _candidates(top, chain):
        if out.path in chain and out.fields.get("cache") is not False:
            inside = None if out.path == relative else posixpath.relpath(relative, out.path)
            return Tracking(file=file, pointer=out.pointer(), inside=inside)
    return None


def _candidates(top: Path, chain: list[str]) -> Iterator[tuple[Out, str]]:
    named = [f"{root}.dvc" for root in chain if (top / f"{root}.dvc").is_file()]
    for file in named:
        yield from _pointer_outs(top, file, chain)
    for root in chain:
        folder = posixpath.dirname(root)
        lock = posixpath.join(folder, "dvc.lock")
        if (top / lock).is_file():
            yield from ((out, lock) for out in _lock_outs(top, folder, lock))
        with os.scandir(top / folder) as listing:
            names = sorted(entry.name for entry in listing if entry.name.endswith(".dvc") and entry.is_file())
        for file in (posixpath.join(folder, name) for name in names):
            if file not in named:
                yield from _pointer_outs(top, file, chain)


_PLAIN = re.compile(r"[A-Za-z0-9_.-]+\Z")


def _pointer_outs(top: Path, file: str, chain: list[str]) -> Iterator[tuple[Out, str]]:
    data = _read(top / file)
    names = [posixpath.basename(root) for root in chain]
    if all(_PLAIN.match(name) and name.encode() not in data for name in names):
        return  # thousands of pointers may lie in one folder, and parsing is a thousand times slower
    folder = posixpath.dirname(file)
    for out in outs_of_pointer(data, file):
        resolved = posixpath.normpath(posixpath.join(folder, out.path))
        yield Out(resolved, out.fields, out.where), file


def _lock_outs(top: Path, folder: str, lock: str) -> Iterator[Out]:
    return outs_of_lock(_read(top / lock), lock, folder=folder, wdirs=_working_folders(top, folder))


def _working_folders(top: Path, folder: str) -> dict[str, str]:
    """``wdir`` of the stages that have one; a templated one cannot be resolved and is left out."""
    pipeline = posixpath.join(folder, "dvc.yaml")
    data = _read(top / pipeline) if (top / pipeline).is_file() else b""
    if b"wdir" not in data:
        return {}
    document = read_yaml(data, pipeline)
    stages = document.get("stages") if isinstance(document, dict) else None
    found = {}
    for name, stage in (stages if isinstance(stages, dict) else {}).items():
        body = stage.get("do", stage) if isinstance(stage, dict) else {}
        wdir = body.get("wdir") if isinstance(body, dict) else None
        if isinstance(wdir, str) and "${" not in wdir:
            found[name] = wdir
    return found


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}; check its rights") from error

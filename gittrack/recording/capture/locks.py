"""The lock files of a work tree, each read once: one of a hundred packages takes 80 ms and rarely changes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.locks import Drift, read_lock
from gittrack.formats.locks.kinds import REQUIREMENTS_FOLDER, kind_of
from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import Lock
from gittrack.version import VERSION

SMALL_BYTES = 8 << 10
"""Locks up to this size are read faster than they are remembered."""
KEPT = 64


def read_lock_once(
    path: str,
    data: bytes,
    *,
    blob: str | None,
    installed: Mapping[str, str] | None,
    python: Mapping[str, Any] | None = None,
    folder: Path,
) -> tuple[Lock, list[Drift]]:
    """`read_lock`, from the cache file in `folder` where the same bytes met the same packages before."""
    if len(data) <= SMALL_BYTES:
        return read_lock(path, data, blob=blob, installed=installed, python=python)
    compared = "nothing" if installed is None else sorted(installed.items())
    parts = [VERSION, path, str(blob), hashlib.sha256(data).hexdigest(), str(compared), str(python)]
    key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    file = folder / "locks-cache.json"
    known = _load(file)
    if key in known:
        try:
            lock, drift = known[key]
            return from_dict(Lock, lock), [Drift(**d) for d in drift]
        except (TypeError, ValueError):
            known = {}
    read = read_lock(path, data, blob=blob, installed=installed, python=python)
    known[key] = [to_dict(read[0]), [asdict(d) for d in read[1]]]
    _save(file, dict(list(known.items())[-KEPT:]))
    return read


def _load(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}  # a cache: what cannot be read is made anew
    return content if isinstance(content, dict) else {}


def _save(file: Path, content: dict[str, list[Any]]) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content))
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)


def find_locks(top: Path, cwd: Path, extra: Sequence[str] = ()) -> list[str]:
    """Paths of the lock files, relative to `top`, with ``/``, sorted.

    Looked at are `top`, `cwd` and the folders between them, each with its folder ``requirements``
    if it has one, and nothing below. `extra` names more files, relative to `top`. Symbolic links
    are left alone (git holds a link's target, not the lock), and so are names that no record can
    hold: control characters, bytes that are not UTF-8.

    Raises UsageError for an `extra` path that is absolute, outside `top`, a link, or no file.
    """
    top, cwd = top.resolve(), cwd.resolve()
    paths = {
        file.relative_to(top).as_posix()
        for folder in _folders(top, cwd)
        for file in _regular_files(folder)
        if kind_of(file.relative_to(top).as_posix())
    }
    return sorted(paths | {_checked(top, path) for path in extra})


def _folders(top: Path, cwd: Path) -> Iterator[Path]:
    between = [cwd, *cwd.parents] if cwd.is_relative_to(top) else [top]
    for folder in between:
        yield folder
        requirements = folder / REQUIREMENTS_FOLDER
        if requirements.is_dir() and not requirements.is_symlink():
            yield requirements
        if folder == top:
            return


def _regular_files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and entry.name.isprintable():
                yield folder / entry.name


def _checked(top: Path, path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise UsageError(f"lock file {path!r}: give a path inside the repository, relative to its top")
    file = top / pure
    if not file.is_file():
        raise UsageError(f"lock file {path!r} does not exist: mend the path or take it out of the config")
    if file.resolve() != file:
        raise UsageError(f"lock file {path!r} is reached by a symbolic link: name the file itself")
    return pure.as_posix()

"""Files of a source that are safe to open: regular ones below a folder, with no link on the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOST_FILES = 100_000
_DEEPEST = 64


def entries(folder: Path) -> list[Path]:
    """What lies in a folder, by name; nothing where it cannot be read."""
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


def is_folder(path: Path) -> bool:
    """Whether it is a folder itself, no link to one."""
    return stat.S_ISDIR(_mode(path))


def logical(path: str) -> str | None:
    """The path with ``/`` in plain form, None where it is absolute or leads out."""
    plain = PurePosixPath(path.replace("\\", "/"))
    if plain.is_absolute() or ".." in plain.parts or not plain.parts or "\0" in path or ":" in plain.parts[0]:
        return None
    return plain.as_posix()


def below(name: str) -> str:
    """A name as a relative path: what is not a letter, a figure or one of ``-_.`` is ``_``."""
    parts = ("".join(c if c.isalnum() or c in "-_." else "_" for c in part) for part in name.split("/"))
    plain = [part.strip(".")[:200] for part in parts]
    return "/".join(part for part in plain[:50] if part) or "_"


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
        for path in entries(folder):
            name = prefix + path.name
            if is_folder(path):
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

"""Values that a file store has as files, and how to open what somebody else has put there."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gittrack.formats.codec.reader import read_yaml
from gittrack.importers.foreign import Loss

_LARGEST_TEXT = 16 << 20
_DEPTH = 64


@dataclass(slots=True)
class Values:
    """Files below a folder of values by the name that they stand for, and what is there beside them."""

    files: dict[str, str] = field(default_factory=dict)
    odd: list[tuple[str, str]] = field(default_factory=list)


def folders_in(folder: Path) -> list[Path]:
    """Folders in `folder` by name, links left out."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except (OSError, ValueError):
        return []
    return [folder / name for name in names]


def values_below(folder: Path) -> Values:
    """Files below `folder` by their path, which is the name of a value."""
    values = Values()
    _collect(str(folder), "", values, _DEPTH)
    return values


def _collect(folder: str, prefix: str, values: Values, depth: int) -> None:
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    except OSError as error:
        values.odd.append((prefix, reason(error)))
        return
    for entry in found:
        name = prefix + entry.name
        if entry.is_file(follow_symlinks=False) and name == shown(name):
            values.files[name] = entry.path
        elif entry.is_dir(follow_symlinks=False) and depth:
            _collect(entry.path, f"{name}/", values, depth - 1)
        else:
            why = "a link is not followed" if entry.is_symlink() else "no regular file with a name in UTF-8"
            values.odd.append((name, why))


def lose_odd(values: Values, kind: str, lost: list[Loss]) -> None:
    lost += [Loss(what=f"{kind} {shown(name)}", why=why) for name, why in values.odd]


def texts_below(folder: Path, kind: str, lost: list[Loss]) -> dict[str, str]:
    values = values_below(folder)
    lose_odd(values, kind, lost)
    texts = {}
    for name, path in values.files.items():
        try:
            texts[name] = read_bytes(path, _LARGEST_TEXT).decode()
        except (OSError, ValueError) as error:
            lost.append(Loss(what=f"{kind} {name}", why=reason(error)))
    return texts


def lose_once(lost: list[Loss], loss: Loss) -> None:
    """Name a loss once, though curves are read again."""
    if loss not in lost:
        lost.append(loss)


def mapping(path: Path) -> dict[str, Any]:
    value = read_yaml(read_bytes(str(path), _LARGEST_TEXT), path.name, as_text=True)
    if not isinstance(value, dict):
        raise ValueError(f"{path.name} is no mapping")
    return value


def text_of(meta: Mapping[str, Any], key: str) -> str:
    value = meta.get(key)
    return value if isinstance(value, str) else ""


def opened(path: str) -> BinaryIO:
    """A regular file for reading; OSError for a link, ValueError for what is no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    stream = os.fdopen(descriptor, "rb", buffering=0)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        stream.close()
        raise ValueError("no regular file")
    return stream


def read_bytes(path: str, largest: int) -> bytes:
    """What a regular file holds; ValueError for one that is too large, and as `opened`."""
    with opened(path) as stream:
        size = os.fstat(stream.fileno()).st_size
        if size > largest:
            raise ValueError(f"has {size} bytes, more than the {largest} allowed")
        return stream.read()


def shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def reason(error: Exception) -> str:
    """Why, without the place of the source on this machine."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)

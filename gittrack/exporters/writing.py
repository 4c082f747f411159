"""Where an export goes: a new file or folder, whole or not at all, never over one that is there."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from gittrack.errors import RepositoryError, UsageError


@contextmanager
def new_file(target: Path, *, force: bool) -> Iterator[Path]:
    """A temporary name beside `target`, which it becomes when the block ends well."""
    if target.is_dir() and not target.is_symlink():
        raise UsageError(f"{target} is a folder: name a file")
    with _beside(target, force) as temporary:
        yield temporary
        if force:
            temporary.replace(target)
        else:
            _put(temporary, target)


@contextmanager
def new_folder(target: Path, *, ours: Collection[str] = (), force: bool = False) -> Iterator[Path]:
    """A temporary folder beside `target`, which it becomes; `target` may be there if it is empty.

    With `force` it is also replaced if it has nothing but files that are called as one of `ours`.
    """
    target = target.resolve() if target.is_symlink() else target
    try:
        paths = list(target.iterdir()) if target.is_dir() else None
    except OSError as error:
        raise RepositoryError(f"{target} cannot be read: {error.strerror or error}") from error
    if paths is None and os.path.lexists(target):
        raise UsageError(f"{target} is a file: name a folder")
    replaceable = paths is not None and all(path.name in ours and path.is_file() for path in paths)
    if paths and ours and not (replaceable and force):
        hint = "--force replaces it" if replaceable else "it has other files, and is never replaced"
        raise UsageError(f"{target} is there already: {hint}")
    with _beside(target, replaceable) as temporary:
        temporary.mkdir()
        yield temporary
        if paths:
            _exchange(temporary, target)
        else:
            temporary.rename(target)


def _exchange(new: Path, target: Path) -> None:
    """`new` in the place of the folder `target`, which is gone for a moment and comes back if that fails."""
    old = new.with_suffix(".old")
    shutil.copymode(target, new)
    target.rename(old)
    try:
        new.rename(target)
    except OSError:
        old.rename(target)
        raise
    shutil.rmtree(old)


@contextmanager
def _beside(target: Path, replace: bool) -> Iterator[Path]:
    if not target.parent.is_dir():
        raise UsageError(f"there is no folder {target.parent}: make it first")
    if os.path.lexists(target) and not replace:
        raise _taken(target)
    temporary = target.parent / f".{secrets.token_hex(8)}.part"
    try:
        yield temporary
    except OSError as error:
        raise RepositoryError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, target: Path) -> None:
    """What came to be at `target` in the meantime stays."""
    try:
        os.link(temporary, target)
    except FileExistsError as error:
        raise _taken(target) from error
    except OSError:  # a file system without hard links
        if os.path.lexists(target):
            raise _taken(target) from None
        temporary.rename(target)


def _taken(target: Path) -> UsageError:
    return UsageError(f"{target} is there already: a file is replaced with --force, a folder never")

"""Rights of what we make in the git directory and in DVC's cache, where git shares a repository.

core.sharedRepository is git's alone: what does not go through git gets its rights here, as git gives them.
"""

from __future__ import annotations

import atexit
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

_WORDS = {"umask": 0, "false": 0, "no": 0, "off": 0, "group": 0o660, "true": 0o660, "yes": 0o660, "on": 0o660,
          "": 0o660, "all": 0o664, "world": 0o664, "everybody": 0o664}  # fmt: skip


class Shareable(Protocol):
    """What is asked of a repository."""

    common_dir: Path
    worktree: Path | None

    @property
    def state_dir(self) -> Path: ...

    def setting(self, key: str) -> str | None: ...


def sharing_of(repository: Shareable) -> int:
    """Rights that core.sharedRepository adds, or, below zero, that it puts in place of those of the umask."""
    stated = (repository.setting("core.sharedrepository") or "umask").lower()
    if stated in _WORDS:
        return _WORDS[stated]
    try:
        number = int(stated, 8)
    except ValueError:
        return 0
    # git still reads its own numbers of old.
    return {0: 0, 1: 0o660, 2: 0o664}.get(number, -(number & 0o666))


def shared_mode(mode: int, sharing: int) -> int:
    """The mode that git would give a file or folder which has `mode`."""
    more = abs(sharing)
    if not mode & stat.S_IWUSR:
        more &= ~0o222
    if mode & stat.S_IXUSR:
        more |= (more & 0o444) >> 2
    if sharing < 0:
        mode &= ~0o777
    mode |= more
    if stat.S_ISDIR(mode):
        mode |= (mode & 0o444) >> 2
        if mode & 0o060:
            mode |= stat.S_ISGID
    return mode


def settle_rights(repository: Shareable) -> None:
    """Give what gittrack has made here the rights that git would give; nothing where it is not shared."""
    sharing = sharing_of(repository)
    if sharing:
        for path in _made(repository):
            _give(path, lambda mode: shared_mode(mode, sharing))


def settle_at_exit(repository: Shareable) -> None:
    """`settle_rights` when the process ends, if git has shared the git directory. A stat, if it has not."""
    common = os.fspath(repository.common_dir)
    with suppress(OSError):
        if common not in _settled and os.stat(common).st_mode & stat.S_ISGID:  # noqa: PTH116
            _settled.add(common)
            pid = os.getpid()
            atexit.register(lambda: settle_rights(repository) if os.getpid() == pid else None)


_settled: set[str] = set()


def as_folder(path: Path) -> None:
    """Give a file the rights of its folder, which are those that git gives, where the folder is shared."""
    folder = os.stat(path.parent).st_mode  # noqa: PTH116
    if folder & stat.S_ISGID:
        _give(path, lambda mode: mode | (folder & 0o066))


def _made(repository: Shareable) -> Iterator[Path]:
    state = repository.state_dir
    yield state
    yield from _below(state)
    yield from _below(state / "tmp")
    for folder, folders, files in os.walk(state / "journal"):
        yield from (Path(folder, name) for name in (*folders, *files))
    caches = [state / "dvc" / "cache"]
    if repository.worktree is not None:
        caches.append(repository.worktree / ".dvc" / "cache")
    for cache in caches:
        yield from (cache.parent, cache) if cache.is_relative_to(state) else (cache,)
        yield from (cache / "files", cache / "files" / "md5", *_folders(cache / "files" / "md5"))


def _below(folder: Path) -> Iterable[Path]:
    try:
        with os.scandir(folder) as entries:
            return [Path(entry) for entry in entries]
    except OSError:
        return []


def _folders(folder: Path) -> Iterable[Path]:
    return [path for path in _below(folder) if path.is_dir() and not path.is_symlink()]


def _give(path: Path, mode_of: Callable[[int], int]) -> None:
    """Nothing where it is somebody else's, or gone."""
    with suppress(OSError):
        status = path.lstat()
        mode = mode_of(status.st_mode)
        if mode != status.st_mode and status.st_uid == os.geteuid() and not stat.S_ISLNK(status.st_mode):
            path.chmod(stat.S_IMODE(mode))

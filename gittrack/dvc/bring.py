"""The cache that holds the bytes of a pointer, where one does or a DVC remote gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Pointer
from gittrack.dvc.settings import cache_of
from gittrack.dvc.transfer import transfer
from gittrack.errors import DvcError
from gittrack.git.repository import Repository

Progress = Callable[[int, int], None]


def bring(
    repository: Repository,
    pointer: Pointer,
    dvc_remote: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """The cache that holds the bytes; what none holds is fetched from the DVC remote, or is a DvcError."""
    cache, _ = cache_of(repository)
    own = repository.state_dir / "dvc" / "cache"  # of runs that were made before `dvc init`
    for place in (cache, own):
        if _holds(place, pointer):
            return place
    try:
        transfer(
            repository.top, [pointer], cache=cache, remote=dvc_remote, direction="pull", progress=progress
        )
    except DvcError as error:
        raise DvcError(f"{pointer.path} ({pointer.md5}) is not in the DVC cache, and {error}") from error
    return cache


def _holds(cache: Path, pointer: Pointer) -> bool:
    if not object_path(cache, pointer.md5, pointer.hash).is_file():
        return False
    if not pointer.md5.endswith(".dir"):
        return True
    try:
        inside = read_dir_object(cache, pointer.md5, pointer.hash)
    except DvcError:
        return True  # damaged, which is said when it is read
    return all(object_path(cache, md5, pointer.hash).is_file() for _, md5 in inside)

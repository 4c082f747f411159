"""The cache that holds the bytes of a pointer, where one does or a DVC remote gives them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from gittrack.dvc.cache import holds
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
        if holds(place, pointer, is_damaged=True):
            return place
    try:
        transfer(
            repository.top, [pointer], cache=cache, remote=dvc_remote, direction="pull", progress=progress
        )
    except DvcError as error:
        raise DvcError(f"{pointer.path} ({pointer.md5}) is not in the DVC cache, and {error}") from error
    return cache

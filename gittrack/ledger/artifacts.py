"""What travels beside the ledger: the bytes that records point to, by DVC, and the tags of the registry."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Pointer, parse_pointer
from gittrack.dvc.settings import cache_of
from gittrack.dvc.transfer import transfer
from gittrack.errors import DvcError
from gittrack.git.objects import make_tree
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.ledger.sync import fetch

Progress = Callable[[int, int], None]


def push_artifacts(
    ledger: Ledger, remote: str, every: bool, dvc_remote: str | None, jobs: int | None, progress: Progress
) -> int:
    """Send the bytes of runs that the git remote lacks (or of all); the number of objects moved."""
    repo = ledger.repository
    tip = ledger.state().tip
    if tip is None:
        return 0
    known = None if every else fetch(ledger, remote)[0]
    pointers = _pointers(repo, _added(repo, known, tip))
    if not pointers:
        return 0
    cache, _ = cache_of(repo)
    _adopt(repo, pointers, cache)
    return transfer(
        repo.top, pointers, cache=cache, remote=dvc_remote, direction="push", jobs=jobs, progress=progress
    )


def pull_artifacts(
    ledger: Ledger,
    folders: Sequence[str] | None,
    since: str | None,
    dvc_remote: str | None,
    jobs: int | None,
    progress: Progress,
) -> int:
    """Fetch the bytes of the runs in `folders`, or of those added after commit `since`."""
    repo = ledger.repository
    tip = ledger.state().tip
    if tip is None:
        return 0
    blobs = _added(repo, None, tip, folders) if folders is not None else _added(repo, since, tip)
    pointers = _pointers(repo, blobs)
    if not pointers:
        return 0
    cache, _ = cache_of(repo)
    return transfer(
        repo.top, pointers, cache=cache, remote=dvc_remote, direction="pull", jobs=jobs, progress=progress
    )


def _added(
    repo: Repository, old: str | None, new: str, folders: Sequence[str] = ("runs",)
) -> list[tuple[str, str]]:
    """(path, blob) of each pointer that `new` has and `old` has not."""
    before = f"{old}^{{tree}}" if old else make_tree({}, repo.object_format).oid
    rows = repo.diff_tree(before, f"{new}^{{tree}}", paths=folders)
    return [(path, blob) for letter, _, blob, path in rows if letter == "A" and path.endswith(".dvc")]


def _pointers(repo: Repository, blobs: Iterable[tuple[str, str]]) -> list[Pointer]:
    listed = list(blobs)
    pointers: list[Pointer] = []
    with repo.objects() as objects:
        for (path, blob), pointer in zip(listed, objects.get_many(b for _, b in listed), strict=True):
            if pointer is None:
                raise DvcError(f"{path} ({blob[:12]}) is not in this clone: run git fetch")
            pointers += parse_pointer(pointer.data, path)
    return pointers


def _adopt(repo: Repository, pointers: Iterable[Pointer], cache: Path) -> None:
    """Runs made before `dvc init` kept their bytes in gittrack's own cache: give them to the project's."""
    own = repo.state_dir / "dvc" / "cache"
    if own == cache or not own.is_dir():
        return
    for pointer in pointers:
        if pointer.hash != "md5" or not object_path(own, pointer.md5).exists():
            continue
        inside = [md5 for _, md5 in read_dir_object(own, pointer.md5)] if pointer.md5.endswith(".dir") else []
        for md5 in [*inside, pointer.md5]:
            source, target = object_path(own, md5), object_path(cache, md5)
            if source.exists() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                os.link(source, target)


# --- the tags of the model registry ----------------------------------------------------------------

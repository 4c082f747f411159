"""What travels beside the ledger: the bytes that records point to, by DVC, and the tags of the registry."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Pointer, parse_pointer
from gittrack.dvc.transfer import transfer
from gittrack.errors import DvcError, LedgerError
from gittrack.git.objects import make_tree
from gittrack.git.repository import Repository, explain
from gittrack.governance.registry.names import parse_tag_name
from gittrack.governance.registry.tags import PATTERNS, PREFIX
from gittrack.ledger import Ledger
from gittrack.ledger.sync import fetch
from gittrack.recording.store import cache_of

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
    found = _pointers(repo, _added(repo, known, tip))
    if not found:
        return 0
    cache, _ = cache_of(repo)
    _adopt(repo, found, cache)
    return transfer(
        repo.top, found, cache=cache, remote=dvc_remote, direction="push", jobs=jobs, progress=progress
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
    found = _pointers(repo, blobs)
    if not found:
        return 0
    cache, _ = cache_of(repo)
    return transfer(
        repo.top, found, cache=cache, remote=dvc_remote, direction="pull", jobs=jobs, progress=progress
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
    found: list[Pointer] = []
    with repo.objects() as objects:
        for (path, blob), pointer in zip(listed, objects.get_many(b for _, b in listed), strict=True):
            if pointer is None:
                raise DvcError(f"{path} ({blob[:12]}) is not in this clone: run git fetch")
            found += parse_pointer(pointer.data, path)
    return found


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

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Tags:
    """What became of tags: those that moved, and those that the two sides have with different content."""

    moved: tuple[str, ...]
    differ: tuple[str, ...]


def push_tags(ledger: Ledger, remote: str) -> Tags:
    """Send the registry's tags on the ledger that the remote lacks. None is ever replaced there."""
    repo = ledger.repository
    tip = ledger.state().tip
    here = {} if tip is None else _registry_tags(repo, f"--merged={tip}")
    there = _remote_tags(repo, remote) if here else {}
    missing = [ref for ref in here if ref not in there]
    for at in range(0, len(missing), _AT_ONCE):
        specs = [f"{ref}:{ref}" for ref in missing[at : at + _AT_ONCE]]
        done = repo.run("push", "--quiet", "--end-of-options", remote, *specs)
        if done.code != 0:
            raise LedgerError(explain(f"push the registry's tags to {remote}", done.err))
    return Tags(_short(missing), _short(ref for ref in here if there.get(ref, here[ref]) != here[ref]))


def pull_tags(ledger: Ledger, remote: str) -> Tags:
    """Bring the remote's registry tags on commits that this clone has. None is ever replaced here."""
    repo = ledger.repository
    here, there = _registry_tags(repo), _remote_tags(repo, remote)
    wanted = [ref for ref in there if ref not in here and f"{ref}^{{}}" in there and _is_registry(ref)]
    with repo.objects() as objects:
        found = list(objects.get_many(there[f"{ref}^{{}}"] for ref in wanted))
    missing = [ref for ref, item in zip(wanted, found, strict=True) if item is not None]
    for at in range(0, len(missing), _AT_ONCE):
        specs = [f"{ref}:{ref}" for ref in missing[at : at + _AT_ONCE]]
        repo.git(
            "-c", "protocol.ext.allow=never", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--end-of-options", remote, *specs, doing=f"fetch the registry's tags from {remote}",
        )  # fmt: skip
    return Tags(_short(missing), _short(ref for ref in here if there.get(ref, here[ref]) != here[ref]))


def _registry_tags(repo: Repository, *limits: str) -> dict[str, str]:
    out = repo.git(
        "for-each-ref", "--format=%(objectname) %(refname)", *limits, "--", *PATTERNS, doing="read the tags"
    )
    rows = (line.partition(" ") for line in os.fsdecode(out).splitlines())
    return {ref: oid for oid, _, ref in rows if _is_registry(ref)}


def _remote_tags(repo: Repository, remote: str) -> dict[str, str]:
    """Those of a remote, and as ``<ref>^{}`` what they point to."""
    out = repo.git(
        "-c", "protocol.ext.allow=never", "ls-remote", "--tags", "--end-of-options", remote,
        doing=f"reach remote {remote}",
    )  # fmt: skip
    rows = (line.partition("\t") for line in os.fsdecode(out).splitlines())
    return {ref: oid for oid, _, ref in rows}


def _is_registry(ref: str) -> bool:
    return parse_tag_name(ref.removeprefix(PREFIX)) is not None


def _short(refs: Iterable[str]) -> tuple[str, ...]:
    return tuple(ref.removeprefix(PREFIX) for ref in refs)

"""Whether git holds the bytes that a run reads, or only a name for them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gittrack.dvc.hashing import files_at
from gittrack.dvc.settings import ignore_rules
from gittrack.git.content import LINK_MODE, LONGEST_POINTER, files_below, follow, lfs_content, stands_in
from gittrack.git.objects import GITLINK_MODE, TreeEntry
from gittrack.git.repository import ObjectReader

_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class GitTracked:
    """What the code tree of the run holds at a path."""

    oid: str
    """Of a blob, or of a tree for a folder."""
    modified: bool = False
    """The bytes on disk are others, or git has only a name for them."""
    why: str = ""
    """Where they are no other version of the file, but something that git does not hold at all."""


GitState = Callable[[str], GitTracked | None]
"""Path relative to the top -> what git keeps there, None if nothing."""


def git_state(objects: ObjectReader, tree: str, top: Path, algorithm: str, path: str) -> GitTracked | None:
    """What the tree `tree` has at `path`, and whether that is what stands in the work tree at `top`, byte
    for byte: filters and line ends as git has them, not as it writes them."""
    finder = TreeFinder(objects, tree)
    target = follow(finder.entry, finder.read, path)
    if target is None:
        link = finder.entry(path)
        if link is None or link.mode != LINK_MODE:
            return None
        return GitTracked(oid=link.oid, modified=True, why="git has only a link to it, not its bytes")
    own, item = target
    if item.mode == GITLINK_MODE:
        return None  # a submodule's commit is in the record of the code
    if item.is_tree:
        return _folder(objects, item.oid, top, top / own, algorithm)
    return _file(item.oid, top / own, algorithm, finder.read)


class TreeFinder:
    """Entries of a tree by path; each folder is read once."""

    def __init__(self, objects: ObjectReader, root: str) -> None:
        self._objects = objects
        self._folders: dict[str, Mapping[str, TreeEntry]] = {}
        self._root = root

    def entry(self, path: str) -> TreeEntry | None:
        folder, _, name = path.rpartition("/")
        if folder not in self._folders:
            self._folders[folder] = self._objects.tree(f"{self._root}:{folder}") or {}
        return self._folders[folder].get(name)

    def read(self, oid: str) -> bytes | None:
        item = self._objects.get(oid)
        return item.data if item is not None and item.kind == "blob" else None


@dataclass(frozen=True, slots=True)
class Behind:
    """What is behind a link or a pointer in a tree of git."""

    oid: str | None = None
    """Of a file of the same tree; None where git does not hold the bytes."""
    sha256: str | None = None
    """Of the bytes, where a pointer names it."""
    size: int | None = None


def behind(objects: ObjectReader, tree: str, path: str) -> Behind | None:
    """What the link or the pointer at `path` stands for; None where the tree has neither there."""
    finder = TreeFinder(objects, tree)
    own, target = finder.entry(path), follow(finder.entry, finder.read, path)
    if target is None:
        return Behind() if own is not None and own.mode == LINK_MODE else None
    _, item = target
    if item.is_tree or item.mode == GITLINK_MODE:
        return Behind(item.oid) if own is None or own.mode == LINK_MODE else None
    data = finder.read(item.oid) or b""
    if stands_in(data):
        return Behind(None, *(lfs_content(data) or ()))
    return Behind(item.oid) if own is None or own.mode == LINK_MODE else None


def _file(oid: str, file: Path, algorithm: str, read: Callable[[str], bytes | None]) -> GitTracked:
    same = blob_id(file, algorithm) == oid
    pointer = stands_in(file.read_bytes()) if file.stat().st_size <= LONGEST_POINTER else None
    if pointer:
        why = f"what stands there is a {pointer}; the bytes that it names are not checked out"
        return GitTracked(oid=oid, modified=True, why=why)
    if not same and (pointer := stands_in((read(oid) or b"")[: LONGEST_POINTER + 1])):
        why = f"git has only a {pointer}, not the bytes"
        return GitTracked(oid=oid, modified=True, why=why)
    return GitTracked(oid=oid, modified=not same)


def _folder(objects: ObjectReader, oid: str, top: Path, folder: Path, algorithm: str) -> GitTracked:
    committed = dict(files_below(objects.tree, oid))
    files = files_at(folder, ignore_rules(top, folder))
    names = [name for name, item in committed.items() if item.mode == LINK_MODE and name in files]
    why = f"git has only links to {len(names):,} of its files, not their bytes" if names else ""
    pointers = [name for name in files if _is_pointer(Path(files[name]))]
    if pointers:
        why = f"{len(pointers):,} of its files are pointers whose bytes are not checked out"
    modified = bool(why) or files.keys() != committed.keys()
    modified = modified or any(
        blob_id(Path(files[n]), algorithm) != item.oid for n, item in committed.items()
    )
    return GitTracked(oid=oid, modified=modified, why=why)


def _is_pointer(file: Path) -> bool:
    return (
        file.exists() and file.stat().st_size <= LONGEST_POINTER and stands_in(file.read_bytes()) is not None
    )


def blob_id(file: Path, algorithm: str) -> str:
    """The id that git gives the very bytes of a file."""
    with file.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        digest = hashlib.new(algorithm, b"blob %d\0" % size, usedforsecurity=False)
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()

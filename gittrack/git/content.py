"""What a tree of git holds at a path: bytes, or only a name for bytes that are elsewhere.

A committed link, a pointer of git-lfs and one of git-annex are such names.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from gittrack.git.objects import TreeEntry

LINK_MODE = 0o120000
_HOPS = 40
LONGEST_POINTER = 1024
"""Bytes that a pointer of git-lfs may have, by its specification."""

_LFS = re.compile(rb"version https://(?:git-lfs\.github\.com|hawser\.github\.com)/spec/v1\n")
_ANNEX = re.compile(rb"/annex/objects/[^\n]+\n?")

FindEntry = Callable[[str], TreeEntry | None]
"""What a tree has at a path relative to its top, links not followed."""
ReadBlob = Callable[[str], bytes | None]


def follow(entry: FindEntry, read: ReadBlob, path: str) -> tuple[str, TreeEntry] | None:
    """The file or folder that `path` means, through the links of the tree; None where one leads out of it.

    Its own path comes with it.
    """
    todo = posixpath.normpath(path).split("/")
    parts: list[str] = []
    hops = 0
    item: TreeEntry | None = None
    while todo:
        name = todo.pop(0)
        if name == "..":
            if not parts:
                return None
            parts.pop()
            continue
        item = entry("/".join([*parts, name]))
        if item is None:
            return None
        if item.mode != LINK_MODE:
            parts.append(name)
            continue
        target = read(item.oid)
        hops += 1
        if target is None or hops > _HOPS or target.startswith(b"/"):
            return None
        words = target.decode("utf-8", "surrogateescape").split("/")
        todo = [word for word in words if word not in ("", ".")] + todo
    item = entry("/".join(parts)) if parts else None
    return ("/".join(parts), item) if item is not None else None


def files_below(
    tree: Callable[[str], dict[str, TreeEntry] | None], oid: str, prefix: str = ""
) -> Iterator[tuple[str, TreeEntry]]:
    """What lies in a tree and in those inside it, by path; a tree that cannot be read counts as a file."""
    for name, item in (tree(oid) or {}).items():
        if item.is_tree:
            yield from files_below(tree, item.oid, f"{prefix}{name}/")
        else:
            yield prefix + name, item


def stands_in(data: bytes) -> str | None:
    """What a small file is where it only names bytes; None for one that is what it is."""
    if len(data) > LONGEST_POINTER:
        return None
    if _LFS.match(data):
        return "pointer of git-lfs"
    return "pointer of git-annex" if _ANNEX.fullmatch(data) else None


def lfs_content(pointer: bytes) -> tuple[str, int] | None:
    """sha256 and size of the bytes that a pointer of git-lfs names."""
    oid = re.search(rb"^oid sha256:([0-9a-f]{64})$", pointer, re.M)
    size = re.search(rb"^size ([0-9]{1,18})$", pointer, re.M)
    return (oid[1].decode(), int(size[1])) if _LFS.match(pointer) and oid and size else None

"""git objects as bytes: ids, trees, commits and packs. Pure functions, no repository.

Formats: gitformat-pack(5), git-hash-object(1), git-commit-tree(1).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gittrack.errors import RepositoryError

BLOB_MODE = 0o100644
TREE_MODE = 0o040000
GITLINK_MODE = 0o160000

_PACK_TYPES = {"commit": 1, "tree": 2, "blob": 3}


class GitObject(NamedTuple):
    """An object and its id in the repository's object format."""

    oid: str
    kind: str
    data: bytes


class TreeEntry(NamedTuple):
    """One entry of a tree: file mode (such as 0o100644) and object id."""

    mode: int
    oid: str

    @property
    def is_tree(self) -> bool:
        return self.mode == TREE_MODE


class Signature(NamedTuple):
    """Who and when, as a commit states it: seconds since the epoch and offset such as ``+0100``."""

    name: str
    email: str
    seconds: int
    offset: str = "+0000"

    def line(self) -> str:
        return f"{_plain(self.name)} <{_plain(self.email)}> {self.seconds} {self.offset}"


def _plain(text: str) -> str:
    """As git itself does: no angle brackets or line ends in a name."""
    return "".join(c for c in text if c not in "<>\n\r\0").strip() or "unknown"


def make(kind: str, data: bytes, algorithm: str) -> GitObject:
    """The object of `kind` with content `data`; `algorithm` is ``sha1`` or ``sha256``."""
    import hashlib  # not for who only reads

    digest = hashlib.new(algorithm, b"%s %d\0" % (kind.encode(), len(data)), usedforsecurity=False)
    digest.update(data)
    return GitObject(digest.hexdigest(), kind, data)


def make_tree(entries: Mapping[str, TreeEntry], algorithm: str) -> GitObject:
    """A tree object, its entries in git's order (a folder sorts as if its name ended in ``/``)."""
    rows = sorted((name.encode() + (b"/" if e.is_tree else b""), name, e) for name, e in entries.items())
    data = b"".join(b"%o %s\0%s" % (e.mode, name.encode(), bytes.fromhex(e.oid)) for _, name, e in rows)
    return make("tree", data, algorithm)


def parse_tree(data: bytes, algorithm: str) -> dict[str, TreeEntry]:
    """The entries of a tree object by name; undecodable bytes of a name become surrogates.

    RepositoryError for bytes that are no tree.
    """
    width = 20 if algorithm == "sha1" else 32
    entries: dict[str, TreeEntry] = {}
    at = 0
    try:
        while at < len(data):
            space = data.index(b" ", at)
            end = data.index(b"\0", space)
            name = data[space + 1 : end].decode("utf-8", "surrogateescape")
            entries[name] = TreeEntry(int(data[at:space], 8), data[end + 1 : end + 1 + width].hex())
            at = end + 1 + width
    except ValueError as error:
        raise RepositoryError("git has a tree that is malformed: run git fsck") from error
    return entries


def make_commit(
    tree: str, parents: Sequence[str], author: Signature, committer: Signature, message: str, algorithm: str
) -> GitObject:
    """An unsigned commit object."""
    lines = [f"tree {tree}", *(f"parent {p}" for p in parents)]
    lines += [f"author {author.line()}", f"committer {committer.line()}", "", message.rstrip("\n")]
    return make("commit", ("\n".join(lines) + "\n").encode(), algorithm)


def parse_commit(data: bytes) -> tuple[str, list[str]]:
    """Tree and parents of a commit object."""
    tree, parents = "", []
    for line in data.split(b"\n\n", 1)[0].split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree":
            tree = value.decode()
        elif key == b"parent":
            parents.append(value.decode())
    return tree, parents


def make_pack(objects: Iterable[GitObject], algorithm: str) -> bytes:
    """A version 2 pack of whole objects (no deltas), as git's unpack-objects and index-pack read it."""
    unique = {o.oid: o for o in objects}
    out = [struct.pack(">4sII", b"PACK", 2, len(unique))]
    for o in unique.values():
        size = len(o.data)
        byte = (_PACK_TYPES[o.kind] << 4) | (size & 15)
        size >>= 4
        header = bytearray()
        while size:
            header.append(byte | 0x80)
            byte = size & 0x7F
            size >>= 7
        header.append(byte)
        out += [bytes(header), zlib.compress(o.data)]
    body = b"".join(out)
    import hashlib

    return body + hashlib.new(algorithm, body, usedforsecurity=False).digest()

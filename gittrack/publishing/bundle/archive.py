"""Files into a tar archive or a folder: one pass, the same bytes for the same content."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from gittrack.errors import DvcError, RepositoryError, UsageError
from gittrack.publishing.bundle.layout import FOLDER, SUMS

Form = Literal["tar", "tar.gz", "folder"]
Told = Callable[[int], None]
"""Called with how many more bytes were written."""

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_OTHER_ARCHIVES = (".zip", ".gz", ".xz", ".bz2", ".zst", ".7z", ".txz", ".tbz2", ".bundle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One file: its bytes are asked for once, in pieces."""

    name: str
    size: int
    pieces: Callable[[], Iterator[bytes]]
    sha256: str | None = None
    """What they have to be, where that is known."""


def text_member(name: str, data: bytes) -> Member:
    return Member(name=name, size=len(data), pieces=lambda: iter((data,)))


def pieces_of(path: Path) -> Iterator[bytes]:
    """The bytes of a file, a MB at a time; DvcError where it cannot be read."""
    try:
        with path.open("rb", buffering=0) as stream:
            while piece := stream.read(_CHUNK):
                yield piece
    except OSError as error:
        raise DvcError(f"{path} cannot be read: {error.strerror or error}") from error


def form_of(target: Path) -> Form:
    """What to write, by how the name ends."""
    name = target.name.lower()
    if name.endswith(".tar"):
        return "tar"
    if name.endswith((".tar.gz", ".tgz")):
        return "tar.gz"
    if name.endswith(_OTHER_ARCHIVES):
        raise UsageError(f"{target}: let it end in .tar, .tar.gz or .tgz, or name a folder")
    return "folder"


def check_target(target: Path, force: bool) -> None:
    """UsageError unless `target` may be written: `force` replaces a file, and of folders an empty one."""
    form = form_of(target)
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent} is no folder: make it first")
    if not os.path.lexists(target):
        return
    if not force:
        raise UsageError(f"{target} exists: name another place, or replace a file with --force")
    is_empty = target.is_dir() and not any(target.iterdir())
    if target.is_symlink() or not (is_empty if form == "folder" else target.is_file()):
        raise UsageError(f"{target} is not replaced, as it is no archive: remove it, or name another place")


def write(form: Form, at: Path, members: Iterable[Member], mtime: int, told: Told) -> str:
    """Write `members`, and after them their checksums, to the new file or folder `at`.

    Returns the digest of the checksums, which stands for the whole content. DvcError for bytes that
    are not what they were said to be; RepositoryError where the disk does not take them.
    """
    try:
        with _sink(form, at, mtime) as put:
            lines = sorted((m.name, _put(put, m, told)) for m in members)
            sums = "".join(f"{digest}  {name}\n" for name, digest in lines).encode()
            return _put(put, text_member(SUMS, sums), told)
    except OSError as error:
        raise RepositoryError(
            f"cannot write {at.parent}: {error.strerror or error}; free some space"
        ) from error


_Put = Callable[[Member, Iterator[bytes]], None]


def _put(put: _Put, member: Member, told: Told) -> str:
    """Write one file; its sha256."""
    sha256 = hashlib.sha256()
    count = 0

    def pieces() -> Iterator[bytes]:
        nonlocal count
        for piece in member.pieces():
            sha256.update(piece)
            count += len(piece)
            told(len(piece))
            yield piece

    put(member, pieces())
    if count != member.size or member.sha256 not in (None, sha256.hexdigest()):
        raise DvcError(
            f"{member.name} does not have the bytes that its record names: delete it from the DVC cache and "
            "fetch it with gittrack pull"
        )
    return sha256.hexdigest()


@contextlib.contextmanager
def _sink(form: Form, at: Path, mtime: int) -> Iterator[_Put]:
    if form == "folder":
        at.mkdir()
        yield lambda member, pieces: _to_folder(at, member, pieces)
        return
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] | gzip.GzipFile = stack.enter_context(at.open("xb"))
        if form == "tar.gz":
            # Without name and time of its own, so that only the content counts.
            stream = stack.enter_context(gzip.GzipFile("", "wb", 6, stream, mtime=0))
        yield lambda member, pieces: _to_tar(stream, member, pieces, mtime)
        stream.write(bytes(2 * _BLOCK))
        stream.flush()


def _to_folder(at: Path, member: Member, pieces: Iterator[bytes]) -> None:
    path = at / member.name
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("xb") as stream:
        stream.writelines(pieces)


def _to_tar(stream: IO[bytes] | gzip.GzipFile, member: Member, pieces: Iterator[bytes], mtime: int) -> None:
    info = tarfile.TarInfo(f"{FOLDER}/{member.name}")
    info.size, info.mtime = member.size, mtime
    stream.write(info.tobuf(tarfile.GNU_FORMAT))
    stream.writelines(pieces)
    stream.write(bytes(-member.size % _BLOCK))


def move(made: Path, target: Path) -> None:
    """Put what was made into place, in one step."""
    try:
        made.replace(target)
    except OSError as error:
        raise RepositoryError(f"cannot write {target}: {error.strerror or error}") from error

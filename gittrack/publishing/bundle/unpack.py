"""Reading a bundle that anybody may have made: a tar archive or a folder, every byte of it looked at.

The reader knows plain files and folders under the names of `layout`, and refuses everything else (links,
devices, other names, a name twice, extended headers) before anything is written.
"""

from __future__ import annotations

import gzip
import hashlib
import shutil
import stat
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gittrack.dvc.hashing import file_md5
from gittrack.errors import DvcError, NotFoundError, RepositoryError
from gittrack.publishing.bundle.archive import pieces_of
from gittrack.publishing.bundle.layout import FOLDER, Damaged, is_file_name, is_folder_name, named_md5

Stream = IO[bytes] | gzip.GzipFile

_BLOCK = tarfile.BLOCKSIZE
_CHUNK = 1 << 20
_GZIP = b"\x1f\x8b"
MARGIN = 64 << 20
"""Bytes of the temporary disk that an archive may not fill."""
MOST = 5_000_000
"""Files; no bundle has more."""

_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
}


@dataclass(frozen=True, slots=True)
class Sums:
    """Digests of one file; `md5` only of bytes that are named by it."""

    sha256: str
    md5: str | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle as files: where they lie, and the digests of all of them."""

    folder: Path
    files: dict[str, Sums]


def open_bundle(path: Path, room: Path) -> Opened:
    """The files of the archive or folder `path`; an archive is unpacked to the new folder `room`.

    Damaged where it is not what a bundle is. NotFoundError where there is nothing, RepositoryError where
    the disk has no room.
    """
    if path.is_dir():
        return Opened(path.resolve(), dict(_from_folder(path)))
    if not path.is_file():
        raise NotFoundError(f"{path}: no such file or folder")
    room.mkdir()
    try:
        with ExitStack() as stack:
            stream: Stream = stack.enter_context(path.open("rb"))
            packed = stream.read(2) == _GZIP
            stream.seek(0)
            if packed:
                stream = stack.enter_context(gzip.GzipFile(fileobj=stream))
            return Opened(room, dict(_from_tar(stream, room)))
    except (tarfile.TarError, ValueError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise Damaged("bundle-unreadable", f"not a tar archive as gittrack writes it: {error}") from error
    except OSError as error:
        raise RepositoryError(f"cannot unpack to {room}: {error.strerror or error}") from error


# --- a folder --------------------------------------------------------------------------------------


def _from_folder(top: Path) -> Iterator[tuple[str, Sums]]:
    pending = [top]
    while pending:
        for path in sorted(pending.pop().iterdir()):
            name = path.relative_to(top).as_posix()
            mode = path.lstat().st_mode
            if stat.S_ISDIR(mode) and is_folder_name(name):
                pending.append(path)
            elif stat.S_ISREG(mode) and is_file_name(name):
                yield name, _sums(name, path)
            else:
                what = "a file or folder" if stat.S_ISREG(mode) or stat.S_ISDIR(mode) else "a link or device"
                raise _stranger(name, what)


def _sums(name: str, path: Path) -> Sums:
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    named = named_md5(name)
    try:
        for piece in pieces_of(path):
            sha256.update(piece)
            if named is not None:
                md5.update(piece)
    except DvcError as error:
        raise RepositoryError(str(error)) from error
    return Sums(sha256.hexdigest(), _md5(name, path, md5.hexdigest()))


def _md5(name: str, path: Path, plain: str) -> str | None:
    named = named_md5(name)
    if named is None:
        return None
    return plain if named[1] == "md5" else file_md5(path, named[1])


def _stranger(name: str, what: str, says: str = "no bundle holds such a thing") -> Damaged:
    return Damaged("bundle-entry", f"{says}: nothing else was looked at", where=name, found=what)


# --- a tar archive -----------------------------------------------------------------------------------


def _from_tar(stream: Stream, room: Path) -> Iterator[tuple[str, Sums]]:
    seen: set[str] = set()
    free = shutil.disk_usage(room).free - MARGIN
    while (header := _exactly(stream, _BLOCK)) != bytes(_BLOCK):
        info = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        name = _checked(info)
        if name is None:
            continue
        if name in seen or len(seen) >= MOST:
            raise _stranger(name, "a file", "an archive with a name twice, or with too many")
        seen.add(name)
        free -= info.size + _BLOCK
        if free < 0:
            raise RepositoryError(
                f"{name} of {info.size:,} bytes does not fit into {room.parent}: set TMPDIR to a folder with "
                "more room, or unpack the bundle yourself and name its folder"
            )
        yield name, _unpack(stream, room / name, name, info.size)
    trailer = stream.read(_CHUNK)
    if len(trailer) == _CHUNK or trailer.strip(b"\0"):
        raise ValueError("something comes after its end")


def _checked(info: tarfile.TarInfo) -> str | None:
    """The name of a file in the bundle, None for a folder; Damaged for everything else."""
    top, _, name = info.name.partition("/")
    is_folder = info.type == tarfile.DIRTYPE
    right = top == FOLDER and (not name or is_folder_name(name) if is_folder else is_file_name(name))
    if is_folder and right and info.size == 0:
        return None
    if info.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not right or info.size < 0:
        raise _stranger(info.name, _KINDS.get(info.type, f"an entry of {info.size:,} bytes"))
    return name


def _exactly(stream: Stream, size: int) -> bytes:
    data = stream.read(size)
    if len(data) != size:
        raise EOFError("it ends too early")
    return data


def _unpack(stream: Stream, path: Path, name: str, size: int) -> Sums:
    """Write the next `size` bytes to the new file `path`; their digests."""
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    is_named = named_md5(name) is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with path.open("xb") as file:
        while left:
            piece = _exactly(stream, min(left, _CHUNK))
            left -= len(piece)
            sha256.update(piece)
            if is_named:
                md5.update(piece)
            file.write(piece)
    if _exactly(stream, -size % _BLOCK).strip(b"\0"):
        raise ValueError(f"bytes between {name} and the next file")
    return Sums(sha256.hexdigest(), _md5(name, path, md5.hexdigest()))

"""Bytes into DVC's cache and out of it again, laid out as DVC lays it out."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gittrack.dvc.files import MD5, Pointer
from gittrack.dvc.hashing import Digest, Kind, dir_listing, file_md5, hash_path
from gittrack.errors import DvcError, RecordError, UsageError

_MODE = 0o444
_MAX_LISTING = 1 << 28
# A data folder has no business bringing a repository along: git would run its hooks and filters.
_REPOSITORIES = frozenset({".git", ".hg", ".dvc"})


def object_path(cache: Path, md5: str, hash: Kind = "md5") -> Path:
    """Where the cache folder keeps the content of this name."""
    if not MD5.match(md5):
        raise RecordError(f"{md5!r} is not an md5 as DVC writes it: restore the pointer that names it")
    root = cache / "files" / "md5" if hash == "md5" else cache
    return root / md5[:2] / md5[2:]


def store(path: Path, digest: Digest, cache: Path, types: Sequence[str]) -> None:
    """Puts the file or folder at `path`, of this digest, into the cache. Content already there stays.

    `types` is `cache_types`: with hardlink (or symlink) first, the cache shares the file's bytes, and the
    file becomes read-only, as with ``dvc add``. UsageError if `path` no longer has the digest.
    """
    links = _links(types)
    if digest.nfiles is None:
        _store_file(path, digest.md5, digest.size, cache, links)
        return
    for entry in digest.entries:
        _store_file(path / entry.path, entry.md5, entry.size, cache, links)
    store_listing(digest, cache)


def store_listing(digest: Digest, cache: Path) -> None:
    """Puts the ``.dir`` object of a folder into the cache, without the content of its files."""
    final = object_path(cache, digest.md5, digest.hash)
    listing = dir_listing(digest.entries)
    if hashlib.md5(listing, usedforsecurity=False).hexdigest() + ".dir" != digest.md5:
        raise UsageError(f"{digest.md5} is not the digest of the files listed with it: hash the folder again")
    if _is_kept(final, len(listing), digest.md5, digest.hash):
        return
    with _storing(final, final) as temporary:
        temporary.write_bytes(listing)


def _links(types: Sequence[str]) -> list[str]:
    shares = bool(types) and types[0] in ("hardlink", "symlink")
    return ["reflink", "hardlink", "copy"] if shares else ["reflink", "copy"]


def _store_file(source: Path, md5: str, size: int, cache: Path, links: list[str]) -> None:
    final = object_path(cache, md5)
    if _is_kept(final, size, md5, "md5"):
        return
    with _storing(source, final) as temporary:
        _link_or_copy(source, temporary, links)
        if file_md5(temporary) != md5:
            raise UsageError(f"{source} changed while it was stored: log it when it is complete")


def _is_kept(final: Path, size: int, md5: str, kind: Kind) -> bool:
    """Whether the cache holds it. As for DVC, a read-only entry was checked before it became read-only."""
    try:
        status = final.stat()
        if status.st_size != size:
            return False
        return stat.S_IMODE(status.st_mode) == _MODE or file_md5(final, kind) == md5.removesuffix(".dir")
    except OSError:
        return False  # absent or unreadable: what is put there next says why it cannot be


@contextmanager
def _storing(source: Path, final: Path) -> Iterator[Path]:
    """A temporary name beside `final`, which it becomes, read-only, when the block ends well."""
    temporary = final.parent / f".{secrets.token_urlsafe(16)}.tmp"
    try:
        _make_folder(final.parent)
        yield temporary
        temporary.chmod(_MODE)
        temporary.replace(final)
    except OSError as error:
        raise _failure(error, source, final) from error
    finally:
        _remove(temporary)


def _make_folder(folder: Path) -> None:
    """Each with the mode of the one above, so that a cache shared by a group stays shared."""
    for missing in reversed([place for place in (folder, *folder.parents) if not place.is_dir()]):
        missing.mkdir(exist_ok=True)
        with suppress(PermissionError):  # somebody else was faster, and has given it
            missing.chmod(stat.S_IMODE(missing.parent.stat().st_mode))


def _failure(error: OSError, source: Path, final: Path) -> Exception:
    if not source.exists() and source != final:
        return UsageError(f"{source} changed while it was stored: it is gone")
    reason = error.strerror or str(error)
    todo = (
        "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the rights of the cache"
    )
    return DvcError(f"{source} cannot be stored in the DVC cache at {final.parent.parent}: {reason}; {todo}")


def _link_or_copy(source: Path, target: Path, links: list[str]) -> None:
    """By the first type in `links` that works; those that do not work here are dropped from the list."""
    from dvc_objects.fs.generic import transfer
    from dvc_objects.fs.local import localfs

    transfer(localfs, str(source), localfs, str(target), links=links)


# --- out of the cache ----------------------------------------------------------------------


def read_dir_object(cache: Path, md5: str, hash: Kind = "md5") -> list[tuple[str, str]]:
    """(relative path, md5) of the files of a folder. Every path stays inside the folder.

    DvcError if the cache does not hold it whole, RecordError if it is hostile or malformed.
    """
    file = object_path(cache, md5, hash)
    try:
        with file.open("rb") as stream:
            data = stream.read(_MAX_LISTING + 1)
    except OSError as error:
        raise DvcError(
            f"the folder {md5} is not in the DVC cache at {cache}: fetch it with `gittrack pull`"
        ) from error
    if hashlib.md5(data, usedforsecurity=False).hexdigest() + ".dir" != md5:
        raise DvcError(f"{file} is corrupt: delete it and fetch it with `gittrack pull`")
    try:
        listed = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{file} is not a folder of DVC: it is not JSON") from error
    return _checked_listing(listed, file)


def _checked_listing(listed: Any, file: Path) -> list[tuple[str, str]]:
    files: dict[str, str] = {}
    for item in listed if isinstance(listed, list) else [None]:
        path, md5 = (item.get("relpath"), item.get("md5")) if isinstance(item, dict) else (None, None)
        if not isinstance(md5, str) or not MD5.match(md5) or md5.endswith(".dir"):
            raise RecordError(f"{file} is not a folder of DVC: an entry has no md5")
        if not isinstance(path, str) or not _stays_inside(path) or path in files:
            raise RecordError(
                f"{file} names the path {str(path)[:200]!r}: refused, as it is unsafe or there twice"
            )
        files[path] = md5
    for path in files:
        parents = path.split("/")[:-1]
        if any("/".join(parents[: n + 1]) in files for n in range(len(parents))):
            raise RecordError(f"{file} names a file on the way to {path[:200]!r}: refused")
    return list(files.items())


def _stays_inside(path: str) -> bool:
    parts = path.split("/")
    return "\0" not in path and not any(
        part in ("", ".", "..") or part.lower() in _REPOSITORIES or "\\" in part for part in parts
    )


def holds(cache: Path, pointer: Pointer, *, is_damaged: bool) -> bool:
    """Whether all bytes of `pointer` are there; `is_damaged`: the answer where a folder's listing is."""
    if not object_path(cache, pointer.md5, pointer.hash).is_file():
        return False
    if not pointer.md5.endswith(".dir"):
        return True
    try:
        inside = read_dir_object(cache, pointer.md5, pointer.hash)
    except (DvcError, RecordError):
        return is_damaged
    return all(object_path(cache, md5, pointer.hash).is_file() for _, md5 in inside)


def checkout(pointer: Pointer, cache: Path, target: Path) -> None:
    """Puts the file or folder that `pointer` names at `target`, whole or not at all, every byte verified.

    Nothing is done if it is there already; UsageError if something else is.
    """
    if os.path.lexists(target):
        if _has(target, pointer):
            return
        raise UsageError(f"{target} exists and differs from {pointer.path}: move it away first")
    temporary = target.parent / f".{secrets.token_urlsafe(16)}.tmp"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fill(pointer, cache, temporary)
        temporary.rename(target)
    except OSError as error:
        raise DvcError(
            f"{target} cannot be written: {error.strerror or error}; check space and rights"
        ) from error
    finally:
        _remove(temporary)


def _has(target: Path, pointer: Pointer) -> bool:
    if target.is_dir() != pointer.md5.endswith(".dir"):
        return False
    return hash_path(target, dos2unix=pointer.hash == "md5-dos2unix").md5 == pointer.md5


def _fill(pointer: Pointer, cache: Path, temporary: Path) -> None:
    links = ["reflink", "copy"]

    def place(md5: str, at: Path) -> None:
        source = object_path(cache, md5, pointer.hash)
        if not source.is_file():
            raise DvcError(
                f"{at.name if at != temporary else pointer.path} ({md5}) is not in the DVC cache: "
                "fetch it with `gittrack pull`"
            )
        _link_or_copy(source, at, links)
        if file_md5(at, pointer.hash) != md5:
            raise DvcError(f"{source} is corrupt: delete it and fetch it with `gittrack pull`")

    if pointer.md5.endswith(".dir"):
        _fill_folder(read_dir_object(cache, pointer.md5, pointer.hash), temporary, place)
        return
    place(pointer.md5, temporary)
    if pointer.isexec:
        temporary.chmod(temporary.stat().st_mode | 0o100)


def _fill_folder(entries: list[tuple[str, str]], folder: Path, place: Callable[[str, Path], None]) -> None:
    folder.mkdir()
    for path, md5 in entries:
        at = folder / path
        at.parent.mkdir(parents=True, exist_ok=True)
        place(md5, at)


def _remove(path: Path) -> None:
    import shutil

    if path.is_dir():
        shutil.rmtree(path)
    elif path.exists():
        path.unlink()

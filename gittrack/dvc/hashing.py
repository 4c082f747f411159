"""Digests of files and folders: md5 as DVC counts it and sha256, in one read. No git, no DVC.

A folder is walked as ``dvc add`` walks it: linked files are read, linked folders are not entered,
``.git``, ``.hg``, ``.dvc`` and nested DVC repositories are left out. Rules of a ``.dvcignore`` come
from the caller as an `Ignore` function (see `gittrack.dvc.ignore_rules`).
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar

from gittrack.errors import UsageError
from gittrack.git.shared import as_folder

if TYPE_CHECKING:
    import sqlite3

Result = TypeVar("Result")
Kind = Literal["md5", "md5-dos2unix"]
Ignore = Callable[[str, list[str], list[str]], tuple[list[str], list[str]]]
"""(folder, folder names, file names) -> the names that stay; ``dvc.ignore.DvcIgnoreFilter`` is one."""
Progress = Callable[[int], None]
"""Told how many more bytes were read; may be called from a thread."""

_BLOCK = 1 << 20
_LARGE = 4 << 20
"""From this size on a thread pays: md5 beside sha256 for one file, file beside file for several."""
_RACY_NS = 2_000_000_000


class HashedFile(NamedTuple):
    """A file of a folder; `path` is relative to the folder, with ``/``."""

    path: str
    md5: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """What a file or folder holds. `md5` is DVC's name for it; of a folder it ends in ``.dir``."""

    md5: str
    hash: Kind = "md5"
    sha256: str
    """Of a folder: of the lines that ``sha256sum`` prints for its files, sorted by the bytes of the path."""
    size: int
    nfiles: int | None = None
    """None for a file."""
    entries: tuple[HashedFile, ...] = ()
    isexec: bool = False
    """A file with an x bit; DVC notes it in the pointer."""


class _Sums(NamedTuple):
    md5: str
    sha256: str
    stat: os.stat_result


def hash_path(
    path: Path,
    *,
    state: HashState | None = None,
    dos2unix: bool = False,
    jobs: int | None = None,
    ignore: Ignore | None = None,
    progress: Progress | None = None,
) -> Digest:
    """The digest of the file or folder at `path`; `dos2unix` gives the md5 of DVC 2.x.

    UsageError, naming the path, for what is missing, unreadable, no regular file, or changes meanwhile.
    """
    kind: Kind = "md5-dos2unix" if dos2unix else "md5"
    if path.is_dir():
        files = files_at(path, ignore)
        sums = _hash_files(list(files.values()), kind, state, jobs, progress)
        return folder_digest((HashedFile(rel, *_entry(sums[full])) for rel, full in files.items()), hash=kind)
    name = str(path)
    one = _hash_files([name], kind, state, jobs, progress)[name]
    mode = one.stat.st_mode
    return Digest(md5=one.md5, hash=kind, sha256=one.sha256, size=one.stat.st_size, isexec=bool(mode & 0o111))


def folder_digest(entries: Iterable[HashedFile], *, hash: Kind = "md5") -> Digest:
    """The digest of a folder that holds exactly these files."""
    files = tuple(sorted(entries))
    return Digest(
        md5=hashlib.md5(dir_listing(files), usedforsecurity=False).hexdigest() + ".dir",
        hash=hash,
        sha256=hashlib.sha256(_sha256sum_lines(files)).hexdigest(),
        size=sum(entry.size for entry in files),
        nfiles=len(files),
        entries=files,
    )


def dir_listing(entries: Iterable[HashedFile]) -> bytes:
    """The JSON text that DVC keeps as the ``.dir`` object of a folder."""
    listed = [{"md5": entry.md5, "relpath": entry.path} for entry in sorted(entries)]
    return json.dumps(listed, sort_keys=True).encode()


def file_md5(path: Path, kind: Kind = "md5") -> str:
    """md5 alone, as DVC of that version counts it."""
    md5 = hashlib.md5(usedforsecurity=False)
    with path.open("rb", buffering=0) as stream:
        buffer = memoryview(bytearray(min(_BLOCK, os.fstat(stream.fileno()).st_size + 1)))
        while count := stream.readinto(buffer):
            _update_md5(md5, buffer[:count], kind)
    return md5.hexdigest()


def _sha256sum_lines(entries: Iterable[HashedFile]) -> bytes:
    """What sha256sum prints, its escapes included, so that no file name can pass for two lines."""
    lines = []
    for name, sha256 in sorted((os.fsencode(entry.path), entry.sha256) for entry in entries):
        escaped = name.replace(b"\\", b"\\\\").replace(b"\n", b"\\n")
        lines.append((b"\\" if escaped != name else b"") + sha256.encode() + b"  " + escaped + b"\n")
    return b"".join(lines)


def _entry(sums: _Sums) -> tuple[str, str, int]:
    return sums.md5, sums.sha256, sums.stat.st_size


# --- which files ---------------------------------------------------------------------------


def files_at(folder: Path, ignore: Ignore | None = None) -> dict[str, str]:
    """The files of a folder that DVC would take: path in the folder, with ``/``, and full path."""
    return dict(_walk(str(folder), ignore))


def _walk(top: str, ignore: Ignore | None) -> Iterator[tuple[str, str]]:
    """(relative path with ``/``, full path) of every file that DVC would take."""
    keep = ignore or _leave_out_repositories
    for folder, folders, files in os.walk(top, onerror=_refuse):
        folders[:], names = keep(folder, folders, files)
        if ".dvcignore" in names:
            raise UsageError(
                f"{folder} holds a .dvcignore, which DVC allows only above a tracked folder: move it"
            )
        prefix = "" if folder == top else os.path.relpath(folder, top).replace(os.sep, "/") + "/"
        for name in names:
            yield prefix + name, os.path.join(folder, name)  # noqa: PTH118  (Path is slow by the 10,000)


def _leave_out_repositories(folder: str, folders: list[str], files: list[str]) -> tuple[list[str], list[str]]:
    def kept(name: str) -> bool:
        if name in (".git", ".hg", ".dvc"):
            return False
        return not os.path.isdir(f"{folder}/{name}/.dvc")  # noqa: PTH112

    return [name for name in folders if kept(name)], [name for name in files if name != ".git"]


def leaving_out(top: Path, files: Collection[str], ignore: Ignore | None) -> Ignore:
    """`ignore`, and moreover those files, whose paths are relative to `top`."""
    keep, absent = ignore or _leave_out_repositories, {os.path.normpath(top / file) for file in files}

    def kept(folder: str, folders: list[str], names: list[str]) -> tuple[list[str], list[str]]:
        inner, present = keep(folder, folders, names)
        return inner, [name for name in present if os.path.normpath(f"{folder}/{name}") not in absent]

    return kept


def _refuse(error: OSError) -> None:
    raise UsageError(f"{error.filename} cannot be read: {error.strerror}; check the path and its rights")


# --- the bytes -----------------------------------------------------------------------------


def _hash_files(
    paths: list[str], kind: Kind, state: HashState | None, jobs: int | None, progress: Progress | None
) -> dict[str, _Sums]:
    stats = {path: _stat(path) for path in paths}
    sums = state.load(stats, kind) if state else {}
    missing = [path for path in paths if path not in sums]
    started = time.time_ns()
    large = [path for path in missing if stats[path].st_size >= _LARGE]
    together = len(large) > 1 and jobs != 1
    fresh = {
        path: _hash_file(path, kind, progress, split=jobs != 1)
        for path in missing
        if not (together and stats[path].st_size >= _LARGE)
    }
    if together:
        with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
            futures = [_submitted(pool, _hash_file, path, kind, progress) for path in large]
            fresh.update({path: future.result() for path, future in zip(large, futures, strict=True)})
    if state and fresh:
        state.save(fresh, kind, started)
    return sums | fresh


def _stat(path: str) -> os.stat_result:
    try:
        status = os.stat(path)  # noqa: PTH116
    except OSError as error:
        broken = os.path.islink(path)  # noqa: PTH114
        why = "is a link to nothing" if broken else f"cannot be read: {error.strerror}"
        raise UsageError(f"{path} {why}; check the path") from error
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is neither a file nor a folder, so it has no digest; leave it out")
    return status


def _hash_file(path: str, kind: Kind, progress: Progress | None, *, split: bool = False) -> _Sums:
    try:
        with open(path, "rb", buffering=0) as stream:  # noqa: PTH123
            before = os.fstat(stream.fileno())
            blocks = _blocks(stream.readinto, before.st_size, progress)
            two = split and before.st_size >= _LARGE
            md5, sha256, size = _digest_apart(blocks, kind) if two else _digest(blocks, kind)
            after = os.fstat(stream.fileno())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}; check its rights") from error
    if size != before.st_size or (after.st_size, after.st_mtime_ns) != (size, before.st_mtime_ns):
        raise UsageError(f"{path} changed while it was read; log it when it is complete")
    return _Sums(md5, sha256, before)


def _blocks(
    readinto: Callable[[memoryview], int | None], size: int, progress: Progress | None
) -> Iterator[memoryview]:
    """Blocks of 1 MiB in two buffers by turns: one may still be in use while the next is filled."""
    length = min(_BLOCK, size + 1)  # a fresh MiB for every small file would cost more than its digests
    buffers = [memoryview(bytearray(length)) for _ in range(2 if size >= length else 1)]
    turn = total = 0
    # A file that grows as fast as it is read would have no end; one block too many gives it away.
    while total <= size and (count := readinto(buffers[turn])):
        total += count
        if progress:
            progress(count)
        yield buffers[turn][:count]
        turn = (turn + 1) % len(buffers)


def _digest(blocks: Iterator[memoryview], kind: Kind) -> tuple[str, str, int]:
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    for block in blocks:
        _update_md5(md5, block, kind)
        sha256.update(block)
        size += len(block)
    return md5.hexdigest(), sha256.hexdigest(), size


def _digest_apart(blocks: Iterator[memoryview], kind: Kind) -> tuple[str, str, int]:
    """As `_digest`, with md5 in a thread beside sha256."""
    md5, sha256, size = hashlib.md5(usedforsecurity=False), hashlib.sha256(), 0
    pending: Future[None] | None = None
    with ThreadPoolExecutor(1) as pool:
        for block in blocks:
            if pending:
                pending.result()
            pending = _submitted(pool, _update_md5, md5, block, kind)
            sha256.update(block)
            size += len(block)
    if pending:
        pending.result()
    return md5.hexdigest(), sha256.hexdigest(), size


def _submitted(pool: ThreadPoolExecutor, work: Callable[..., Result], *given: Any) -> Future[Result]:
    """`work` in a thread of `pool`; at once where the interpreter is on its way out and starts none."""
    try:
        return pool.submit(work, *given)
    except RuntimeError:
        future: Future[Result] = Future()
        future.set_result(work(*given))
        return future


_TEXT = bytes(range(32, 127)) + b"\n\r\t\f\b"


def _update_md5(md5: hashlib._Hash, block: memoryview, kind: Kind) -> None:
    """DVC 2.x decides text or binary anew for every MiB, and so a CRLF across two of them stays."""
    if kind == "md5-dos2unix" and _is_text(bytes(block[:512])):
        md5.update(bytes(block).replace(b"\r\n", b"\n"))
    else:
        md5.update(block)


def _is_text(head: bytes) -> bool:
    return b"\0" not in head and len(head.translate(None, _TEXT)) <= 0.30 * len(head)


# --- what was hashed before ----------------------------------------------------------------

_SCHEMA = """
CREATE TABLE IF NOT EXISTS digests (
    path BLOB NOT NULL, kind TEXT NOT NULL,
    ino INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL, ctime INTEGER NOT NULL,
    md5 TEXT NOT NULL, sha256 TEXT NOT NULL,
    UNIQUE (path, kind)
)"""
_SUMS = re.compile(r"[0-9a-f]{32} [0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HashState:
    """Digests of files that have not changed since, in a small SQLite file under `folder`.

    A cache: where the file cannot be read or written, everything is hashed anew, and a corrupt one
    is deleted. A file that changed within two seconds of being hashed is not remembered, because its
    time stamp could not tell the next change.
    """

    folder: Path
    limit: int = field(default=500_000, kw_only=True)
    """About how many files are remembered; the ones hashed longest ago go first."""

    @property
    def file(self) -> Path:
        return self.folder / "hashes.sqlite"

    def load(self, stats: Mapping[str, os.stat_result], kind: Kind) -> dict[str, _Sums]:
        import sqlite3

        if not self.file.exists():
            return {}
        try:
            with closing(self._connect()) as connection:
                return dict(_remembered(connection, stats, kind))
        except sqlite3.Error as error:
            self._mend(error)
            return {}

    def save(self, sums: Mapping[str, _Sums], kind: Kind, started_ns: int) -> None:
        import sqlite3

        rows = [
            (os.fsencode(os.path.abspath(path)), kind, *_identity(s.stat), s.md5, s.sha256)  # noqa: PTH100
            for path, s in sums.items()
            if max(s.stat.st_mtime_ns, s.stat.st_ctime_ns) < started_ns - _RACY_NS
        ]
        if not rows:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection, connection:
                connection.execute(_SCHEMA)
                as_folder(self.file)
                connection.executemany("INSERT OR REPLACE INTO digests VALUES (?,?,?,?,?,?,?,?)", rows)
                connection.execute(
                    "DELETE FROM digests WHERE rowid <= (SELECT max(rowid) FROM digests) - ?", (self.limit,)
                )
        except (sqlite3.Error, OSError) as error:
            self._mend(error)

    def _connect(self) -> sqlite3.Connection:
        import sqlite3

        connection = sqlite3.connect(self.file, timeout=2)
        connection.execute("PRAGMA synchronous=NORMAL")
        return connection

    def _mend(self, error: Exception) -> None:
        """Deletes a corrupt file; a locked, full or read-only one (OperationalError) is left as it is."""
        import sqlite3

        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.OperationalError):
            try:
                self.file.unlink(missing_ok=True)
            except OSError:
                return  # read-only as well: it is only a cache


def _identity(status: os.stat_result) -> tuple[int, int, int, int]:
    # SQLite's integers are signed 64 bit, inode numbers of some file systems are not.
    return status.st_ino & (2**63 - 1), status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _remembered(
    connection: sqlite3.Connection, stats: Mapping[str, os.stat_result], kind: Kind
) -> Iterator[tuple[str, _Sums]]:
    query = (
        "SELECT md5, sha256 FROM digests WHERE path=? AND kind=? AND ino=? AND size=? AND mtime=? AND ctime=?"
    )
    for path, status in stats.items():
        key = os.fsencode(os.path.abspath(path))  # noqa: PTH100
        row = connection.execute(query, (key, kind, *_identity(status))).fetchone()
        if row and _SUMS.fullmatch(f"{row[0]} {row[1]}"):
            yield path, _Sums(row[0], row[1], status)

"""The data that a run reads and what it produces: digests of the bytes on disk, and who keeps them."""

from __future__ import annotations

import hashlib
import os
import typing
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gittrack.dvc.cache import object_path, read_dir_object, store, store_listing
from gittrack.dvc.files import write_pointer
from gittrack.dvc.hashing import Digest, HashState, Progress, hash_path, leaving_out
from gittrack.dvc.settings import ignore_rules
from gittrack.dvc.tracking import Tracking, find_tracking
from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import DataInput, Output, Role, clean_text
from gittrack.recording.capture.held import GitState, GitTracked

__all__ = ["CapturedInput", "GitState", "GitTracked", "capture_input", "capture_output", "ledger_path"]


@dataclass(frozen=True, slots=True)
class CapturedInput:
    """What the record says of an input, and the pointer to keep beside it as ``input.pointer``."""

    input: DataInput
    pointer: bytes | None = None
    why: str = ""
    """Why git, which names it, does not hold its bytes; empty where it does, or has another version."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A path on disk, `relative` to the top with ``/``, None outside."""

    path: Path
    relative: str | None

    @property
    def shown(self) -> str:
        return clean_text(self.relative or self.path.as_posix())


def capture_input(
    path: str | Path,
    role: str | None,
    *,
    top: Path,
    cwd: Path,
    cache: Path,
    types: Sequence[str] = (),
    state: HashState | None = None,
    git_state: GitState | None = None,
    store: bool = False,
    progress: Progress | None = None,
) -> CapturedInput:
    """The input at `path` (relative to `cwd`), by who keeps its bytes: DVC, else git, else nobody.

    With `store`, bytes that neither keeps as they are on disk go into the DVC cache at `cache` (see
    `gittrack.dvc.cache_dir`, `cache_types`). A path that DVC tracks only as part of a folder counts
    as DVC's if the cache knows what that folder holds. UsageError for a wrong role or path. `role` is
    None where nobody stated it.
    """
    if role not in (None, *typing.get_args(Role)):
        raise UsageError(f"{role!r} is no role of an input: use {', '.join(typing.get_args(Role))}")
    place = _locate(path, top, cwd)
    source = _Source(place, typing.cast("Role | None", role), top, cache, types, state, store, progress)
    if place.relative is not None:
        tracking = find_tracking(top, place.path)
        # dvc.lock also lists what a stage leaves to git (`cache: false`).
        git = git_state(place.relative) if git_state and (not tracking or tracking.from_lock) else None
        if git:
            return source.of_git(git)
        if tracking and source.can_tell(tracking):
            return source.of_dvc(tracking)
    return source.of_nobody()


def capture_output(
    path: str | Path,
    role: str,
    *,
    top: Path,
    cwd: Path,
    cache: Path,
    types: Sequence[str],
    state: HashState | None = None,
    progress: Progress | None = None,
    without: Collection[str] = (),
    name: str | None = None,
) -> tuple[Output, bytes]:
    """Stores the file or folder at `path` in the DVC cache; what the record says of it, and its pointer.

    `without`: files of the folder, relative to it, that are no output. `name`: a path to call it by.
    """
    place = _locate(path, top, cwd)
    ignore = ignore_rules(top, place.path)
    if without:
        ignore = leaving_out(place.path, without, ignore)
    digest = hash_path(place.path, state=state, ignore=ignore, progress=progress)
    store(place.path, digest, cache, types)
    called = place if name is None else _Place(Path(name), name)
    pointer = ledger_path("outputs", called.path, called.relative)
    output = Output(
        path=called.shown,
        role=role,
        pointer=pointer,
        md5=digest.md5,
        sha256=digest.sha256,
        size=digest.size,
        nfiles=digest.nfiles,
        logical=name is not None,
    )
    return output, write_pointer(_content_name(pointer), digest)


@dataclass(frozen=True, slots=True)
class _Source:
    """One input, and where it may be kept."""

    place: _Place
    role: Role | None
    top: Path
    cache: Path
    types: Sequence[str]
    state: HashState | None
    store: bool
    progress: Progress | None

    def of_git(self, git: GitTracked) -> CapturedInput:
        if not git.modified:
            return self._stated("git", self._digest(), blob=git.oid, kept=True)
        stated = self._stated("file", self._digest(), differs_from=self.place.relative, kept=False)
        return replace(stated, why=git.why)

    def of_nobody(self) -> CapturedInput:
        return self._stated("file", self._digest(), kept=False)

    def can_tell(self, tracking: Tracking) -> bool:
        """False for a part of a folder whose list of files is not in the cache."""
        pointer = tracking.pointer
        return not tracking.inside or object_path(self.cache, pointer.md5, pointer.hash).is_file()

    def of_dvc(self, tracking: Tracking) -> CapturedInput:
        digest = self._digest(dos2unix=tracking.pointer.hash == "md5-dos2unix")
        if not self._is_tracked_content(digest, tracking):
            if digest.hash != "md5":
                digest = self._digest()
            return self._stated("dvc", digest, differs_from=clean_text(tracking.file), kept=False)
        if tracking.inside and digest.nfiles is not None:
            store_listing(digest, self.cache)  # DVC has that of the whole folder only
        return self._stated("dvc", digest, kept=True, pointer=True)

    def _is_tracked_content(self, digest: Digest, tracking: Tracking) -> bool:
        pointer = tracking.pointer
        if not tracking.inside:
            return digest.md5 == pointer.md5
        listed = dict(read_dir_object(self.cache, pointer.md5, pointer.hash))
        if digest.nfiles is None:
            return listed.get(tracking.inside) == digest.md5
        prefix = tracking.inside + "/"
        below = {path.removeprefix(prefix): md5 for path, md5 in listed.items() if path.startswith(prefix)}
        return below == {entry.path: entry.md5 for entry in digest.entries}

    def _digest(self, *, dos2unix: bool = False) -> Digest:
        path = self.place.path
        ignore = ignore_rules(self.top, path)
        return hash_path(path, state=self.state, dos2unix=dos2unix, ignore=ignore, progress=self.progress)

    def _stated(
        self,
        source: typing.Literal["dvc", "git", "file"],
        digest: Digest,
        *,
        kept: bool,
        pointer: bool = False,
        blob: str | None = None,
        differs_from: str | None = None,
    ) -> CapturedInput:
        if self.store and not kept:
            store(self.place.path, digest, self.cache, self.types)
            pointer = True
        at = ledger_path("inputs", self.place.path, self.place.relative) if pointer else None
        stated = DataInput(
            path=self.place.shown,
            role=self.role,
            source=source,
            pointer=at,
            md5=digest.md5,
            hash=digest.hash,
            sha256=digest.sha256,
            size=digest.size,
            nfiles=digest.nfiles,
            blob=blob,
            differs_from=differs_from,
        )
        return CapturedInput(stated, write_pointer(_content_name(at), digest) if at else None)


def _locate(path: str | Path, top: Path, cwd: Path) -> _Place:
    text = os.fspath(path)
    if not text:
        raise UsageError("the path of the data is empty: name a file or folder")
    full = cwd / text
    if ".." in full.parts:  # may lead through a link, which only the file system can tell
        full = full.parent.resolve() / full.name if full.name != ".." else full.resolve()
    if not full.exists():
        broken = " (a link to nothing)" if full.is_symlink() else ""
        raise NotFoundError(f"{text} does not exist in {cwd}{broken}: check the path")
    for within, candidate in ((top, full), (top.resolve(), full.parent.resolve() / full.name)):
        if candidate.is_relative_to(within):
            relative = candidate.relative_to(within).as_posix()
            return _Place(top / relative, relative)
    return _Place(full, None)


_LONGEST = 200


def ledger_path(kind: typing.Literal["inputs", "outputs"], path: Path, relative: str | None) -> str:
    """Where the pointer of `path` lies beside the record; a path below `kind` whatever `path` is.

    >>> ledger_path("inputs", Path("/repo/data/train.csv"), "data/train.csv")
    'inputs/data/train.csv.dvc'
    >>> ledger_path("inputs", Path("/mnt/train.csv"), None)
    'inputs/_outside/2675f373/train.csv.dvc'
    """
    if relative is None:
        # Two of the same name must not meet, neither as pointers nor where DVC puts what they name.
        folder = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
        parts = ["_outside", folder, path.name or "_root"]
    else:
        parts = [path.name or "_top"] if relative == "." else list(PurePosixPath(relative).parts)
    return "/".join([kind, *(_safe(part) for part in parts)]) + ".dvc"


def _safe(part: str) -> str:
    """A name that git and DVC take on the ledger."""
    name = "".join(character if character.isprintable() else "_" for character in clean_text(part))
    if name in (".", "..") or name.lower() in (".git", ".dvc", ".dvcignore"):
        name = "_" + name
    if len(name.encode()) > _LONGEST:
        digest = hashlib.sha256(name.encode()).hexdigest()[:8]
        name = name.encode()[: _LONGEST - 9].decode(errors="ignore") + "-" + digest
    return name


def _content_name(pointer: str) -> str:
    return PurePosixPath(pointer).name.removesuffix(".dvc")

"""Check 6. Pointers say what the record says, and what tracks the data in the code tree."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Pointer, parse_pointer
from gittrack.dvc.hashing import HashedFile, Kind, dir_listing, folder_digest
from gittrack.dvc.tracking import Tracking, dependencies, find_tracking_in
from gittrack.errors import DvcError, RecordError
from gittrack.formats.codec import read_yaml
from gittrack.formats.record import DataInput, Record
from gittrack.git.content import LINK_MODE, files_below, follow, stands_in
from gittrack.git.objects import GITLINK_MODE, TreeEntry
from gittrack.git.reader import MAX_BYTES
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding
from gittrack.verify.stored import Stored, cache_folder, check_bytes, counted_otherwise, stored_by
from gittrack.verify.trees import Absent, CodeFiles, code_is_here, code_trees, severity_of_absence, unchecked

__all__ = ["check_bytes", "check_pointers"]

_OUT_KEYS = frozenset({"md5", "size", "nfiles", "isexec", "hash", "path"})
_KEPT = 10_000


def check_pointers(context: Context, run: RunFiles) -> Iterator[Finding]:
    """Every pointer names the content that the record names, and the code tree agrees."""
    record = context.records.get(run.folder)
    if record is None:
        return
    for stored in stored_by(record):
        if stored.pointer in run.blobs:
            yield from _pointer(context, run, stored)
    if not code_is_here(context, record):
        return
    for item in record.data:
        try:
            if item.source == "git":
                yield from _in_git(context, run, record, item)
            elif item.source == "dvc" and item.differs_from is None:
                yield from _in_dvc(context, run, record, item)
        except Absent as absent:
            yield unchecked("data-unchecked", run, absent)


# --- the pointer beside the record ---------------------------------------------------------


def _pointer(context: Context, run: RunFiles, stored: Stored) -> Iterator[Finding]:
    blob = context.read(run, stored.pointer)
    if blob is None or blob.kind != "blob":
        says = "the pointer is on the ledger, but its content is not in this clone; run git fetch"
        yield run.finding("data-pointer-absent", says, stored.pointer, severity_of_absence(context))
        return
    try:
        pointer = _only(blob.data, stored.pointer)
    except RecordError as error:
        yield run.finding("data-pointer-unreadable", str(error), stored.pointer)
        return
    if pointer.hash != "md5":
        counted_otherwise(context)[run.folder, stored.pointer] = pointer.hash
    name = PurePosixPath(stored.pointer).name.removesuffix(".dvc")
    named = (pointer.path, pointer.md5, pointer.hash, pointer.size, pointer.nfiles)
    # What the record does not say of its outputs, and pointers of old DVC do not say, is not compared.
    kind = stored.hash or pointer.hash
    size = stored.size if pointer.size is not None else None
    nfiles = stored.nfiles if pointer.nfiles is not None or not stored.md5.endswith(".dir") else None
    recorded = (name, stored.md5, kind, size, nfiles)
    if recorded != named:
        says = "the pointer names other content than the record"
        yield run.finding(
            "data-pointer-differs", says, stored.pointer, expected=_shown(recorded), found=_shown(named)
        )


def _only(data: bytes, where: str) -> Pointer:
    """The one thing that a pointer names, and nothing that would make DVC do more than fetch it."""
    document = read_yaml(data, where)
    outs = document.get("outs") if isinstance(document, dict) else None
    if not isinstance(outs, list) or len(outs) != 1 or set(document) != {"outs"}:
        raise RecordError(f"{where}: has to name one file or folder, and nothing else")
    if not isinstance(outs[0], dict) or not _OUT_KEYS.issuperset(outs[0]):
        raise RecordError(f"{where}: says more than which content it names")
    return parse_pointer(data, where)[0]


def _shown(named: tuple[object, ...]) -> str:
    labels = ("path", "md5", "hash", "size", "nfiles")
    return ", ".join(
        f"{label} {str(value)[:200]}" for label, value in zip(labels, named, strict=True) if value is not None
    )


# --- what tracks it in the code ------------------------------------------------------------


def _in_git(context: Context, run: RunFiles, record: Record, item: DataInput) -> Iterator[Finding]:
    trees, root = code_trees(context), record.code.tree or ""
    own = trees.entry(root, item.path)
    target = follow(lambda path: trees.entry(root, path), lambda oid: _blob(context, oid), item.path)
    entry = target[1] if target else None
    oid = None if entry is None or entry.mode == GITLINK_MODE else entry.oid
    if oid != item.blob:
        says = f"the code tree holds another {item.path} than the record says"
        if oid is None and own is not None and own.mode == LINK_MODE:
            says = f"the code tree has only a link at {item.path}, not the bytes that the run read"
        yield run.finding("data-blob-differs", says, expected=item.blob, found=oid or "nothing there")
    elif entry is not None and (context.options.data or context.options.read_data is not None):
        yield from _held_by_git(context, run, item, entry)


def _held_by_git(context: Context, run: RunFiles, item: DataInput, entry: TreeEntry) -> Iterator[Finding]:
    """Whether what git has are the bytes that the record names, and no name for them."""
    known: dict[str, tuple[str | None, str]] = context.cache.setdefault("git bytes", {})
    if entry.oid not in known:
        known[entry.oid] = _content(context, entry)
    sha256, stand_in = known[entry.oid]
    if stand_in:
        says = f"git has only a {stand_in} for {item.path}, not the bytes that the run read"
        yield run.finding("data-bytes-missing", says, expected=item.sha256)
    elif sha256 and item.sha256 and sha256 != item.sha256:
        says = f"git holds other bytes of {item.path} than the run read"
        yield run.finding("data-bytes-differ", says, expected=item.sha256, found=sha256)


def _content(context: Context, entry: TreeEntry) -> tuple[str | None, str]:
    """sha256 of a file or folder in git (None: too large to be read here), and what only names its bytes."""
    if not entry.is_tree:
        data = _blob(context, entry.oid)
        return hashlib.sha256(data).hexdigest() if len(data) < MAX_BYTES else None, stands_in(data) or ""
    files = dict(files_below(code_trees(context).tree, entry.oid))
    stand_in = next(("link" for item in files.values() if item.mode in (LINK_MODE, GITLINK_MODE)), "")
    entries = []
    for path, item in files.items() if not stand_in else ():
        data = _blob(context, item.oid)
        stand_in = stand_in or stands_in(data) or ""
        if len(data) >= MAX_BYTES:
            return None, stand_in
        entries.append(HashedFile(path, "", hashlib.sha256(data).hexdigest(), len(data)))
    return folder_digest(entries).sha256, stand_in


def _blob(context: Context, oid: str) -> bytes:
    item = code_trees(context).objects.get(oid)
    if item is None:
        raise Absent(f"object {oid}")
    return item.data


def _in_dvc(context: Context, run: RunFiles, record: Record, item: DataInput) -> Iterator[Finding]:
    tracking = _tracking(context, record.code.tree or "", item.path)
    tracked = _tracked(context, tracking, item) if isinstance(tracking, Tracking) else None
    if tracked is not None and tracked == (item.md5, item.hash or "md5"):
        return
    if _is_read_by_stage(context, record, item):
        return
    if not isinstance(tracking, Tracking):
        says = f"not checked: the code tree has no pointer that tracks {item.path}"
        says += f": {tracking}" if tracking else ""
        yield run.finding("data-untracked", says, severity="incomplete")
    elif tracked is None:
        says = (
            f"not checked: {item.path} lies in a folder that {tracking.file} tracks, and the list of that "
            "folder is not in the DVC cache; run gittrack pull or dvc fetch"
        )
        yield run.finding("data-listing-absent", says, severity="incomplete")
    else:
        says = f"{tracking.file} of the code tracks other content at {item.path} than the record says"
        yield run.finding("data-source-differs", says, expected=item.md5, found=tracked[0])


def _is_read_by_stage(context: Context, record: Record, item: DataInput) -> bool:
    """Whether a dvc.lock near the data or the command says that a stage has read just this content."""
    files = CodeFiles(code_trees(context), record.code.tree or "")
    near = [PurePosixPath(item.path), PurePosixPath(record.code.cwd or ".") / "command"]
    folders = dict.fromkeys(str(parent) for path in near for parent in path.parents)
    try:
        return any(
            out.path == item.path
            and (out.fields.get("md5"), out.pointer().hash) == (item.md5, item.hash or "md5")
            for folder in folders
            for out in dependencies(files, "" if folder == "." else folder)
            if out.fields.get("md5") == item.md5
        )
    except RecordError:
        return False  # damaged, and so no witness


def _tracking(context: Context, tree: str, path: str) -> Tracking | str | None:
    """What tracks `path` in the code tree, None if nothing does, text where that cannot be told."""
    known: dict[tuple[str, str], Tracking | str | None] = context.cache.setdefault("tracking", {})
    if (tree, path) not in known:
        if len(known) >= _KEPT:
            known.clear()
        outside = PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts
        try:
            files = CodeFiles(code_trees(context), tree)
            known[tree, path] = None if outside else find_tracking_in(files, path)
        except RecordError as error:
            known[tree, path] = str(error)
    return known[tree, path]


def _tracked(context: Context, tracking: Tracking, item: DataInput) -> tuple[str, Kind] | None:
    """What DVC knows the item by ("" for no part of the folder); None where that cannot be told here."""
    pointer = tracking.pointer
    if tracking.inside is None:
        return pointer.md5, pointer.hash
    listed = _listing(context, cache_folder(context), pointer)
    if listed is None:
        return None
    if tracking.inside in listed:
        return listed[tracking.inside], pointer.hash
    prefix = tracking.inside + "/"
    below = [
        HashedFile(path.removeprefix(prefix), md5, "", 0)
        for path, md5 in listed.items()
        if path.startswith(prefix)
    ]
    part = hashlib.md5(dir_listing(below), usedforsecurity=False).hexdigest() + ".dir" if below else ""
    return part, pointer.hash


def _listing(context: Context, cache: Path, pointer: Pointer) -> dict[str, str] | None:
    """The files of a folder by path, if the cache has a sound list of them. The last one is kept."""
    last: tuple[str, dict[str, str] | None] = context.cache.get("listing", ("", None))
    if last[0] != pointer.md5:
        listed = None
        if pointer.md5.endswith(".dir") and object_path(cache, pointer.md5, pointer.hash).is_file():
            try:
                listed = dict(read_dir_object(cache, pointer.md5, pointer.hash))
            except (DvcError, RecordError):
                listed = None  # damaged in the cache: the same as not there
        last = context.cache["listing"] = (pointer.md5, listed)
    return last[1]

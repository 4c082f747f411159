"""The tree of a ledger commit, read once, and what in it no ledger that gittrack wrote has."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator

from gittrack.ledger import MARK, is_add_only
from gittrack.verify.context import MODES, Blob, Context, Listing, RunFiles
from gittrack.verify.findings import Finding
from gittrack.verify.source import BareFacts

ROOT_FILES = frozenset(
    {".gitattributes", ".gitignore", ".dvcignore", ".dvc/config", ".dvc/.gitignore", "README.md"}
)
RUN = re.compile(
    r"runs/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/([0-9]{4})-([0-9]{2})-([0-9]{2})/\1\2\3-[0-9]{6}-[0-9a-f]{6,12}"
)
RUN_DEPTH = 4
_STEERING = re.compile(r"[\x00-\x1f\x7f\udc80-\udcff]")


def list_tree(repository: BareFacts, tip: str) -> Listing:
    """The files of commit `tip`. One git process, streamed."""
    listing = Listing()
    files: dict[str, dict[str, Blob]] = {}
    lines = repository.records(
        "ls-tree", "-r", "-t", "-z", "--full-tree", tip, doing="list the ledger's tree"
    )
    for line in lines:
        meta, _, raw = line.partition(b"\t")
        mode, kind, oid = meta.decode().split(" ")
        path = raw.decode("utf-8", "surrogateescape")
        parts = path.split("/", RUN_DEPTH)
        inside = parts[0] == "runs" and len(parts) > RUN_DEPTH
        if kind == "tree":
            listing.trees[path] = oid
            continue
        folder = path[: -len(parts[-1]) - 1] if inside else ""
        among = files.setdefault(folder, {}) if inside else listing.others
        name = parts[-1] if inside else path
        if name in among:
            listing.twice.append(path)
        among[name] = Blob(_MODES.get(mode, mode), oid)
    listing.runs = {folder: RunFiles(folder, blobs) for folder, blobs in files.items()}
    return listing


_MODES = {mode: mode for mode in MODES}
"""So that all entries share four strings."""


def check_ledger(context: Context) -> Iterator[Finding]:
    """The format mark, and every entry: a plain file, in its place, under a name that harms nobody."""
    yield from _format(context)
    listing = context.listing
    is_new = _newness(context.new)
    for path in listing.twice:
        if is_new(path):
            yield Finding(
                code="ledger-duplicate-path", severity="fail", path=path,
                says="the tree names this path twice: readers may see different bytes",
            )  # fmt: skip
    for path, blob in listing.others.items():
        if is_new(path):
            yield from _entry(path, blob, None)
            yield from _place(path)
    for folder, run in listing.runs.items():
        if context.new is None or any(run.path(name) in context.new for name in run.blobs):
            yield from _run(run, folder)
    yield from _collisions(listing, is_new)


def _newness(new: frozenset[str] | None) -> Callable[[str], bool]:
    return (lambda path: True) if new is None else new.__contains__


def _format(context: Context) -> Iterator[Finding]:
    blob = context.listing.others.get(".gitattributes")
    if blob is not None and blob.oid in context.repository.absent:
        return  # the partial clone is a finding by itself
    attributes = context.objects.get(blob.oid) if blob is not None else None
    if attributes is not None and attributes.data.startswith(MARK):
        return
    newer = attributes is not None and attributes.data.startswith(MARK[: MARK.index(b"1:")])
    yield Finding(
        code="ledger-newer-format" if newer else "ledger-format",
        severity="incomplete" if newer else "fail",
        path=".gitattributes",
        says="a newer gittrack wrote this ledger: upgrade gittrack"
        if newer
        else "the first line of .gitattributes does not mark a gittrack ledger",
        expected=MARK.decode().strip(),
        found=None if attributes is None else attributes.data[:80].decode("utf-8", "replace").split("\n")[0],
    )


def _entry(path: str, blob: Blob, run: str | None) -> Iterator[Finding]:
    if blob.mode != "100644":
        kind = MODES.get(blob.mode, "unknown kind")
        yield Finding(
            code="ledger-mode", severity="fail", path=path, run=run, expected="100644", found=blob.mode,
            says=f"a ledger holds plain files only; this is a {kind}",
        )  # fmt: skip
    parts = path.lower().split("/")
    if _STEERING.search(path) or any(p in ("", ".", "..", ".git") or len(p) > 255 for p in parts):
        yield Finding(
            code="ledger-path", severity="fail", path=path, run=run,
            says="a name that could steer a terminal, leave its folder, or not be checked out",
        )  # fmt: skip


def _place(path: str) -> Iterator[Finding]:
    if (is_add_only(path) and not path.startswith("runs/")) or path in ROOT_FILES:
        return
    inside = path.startswith("runs/") or path == "runs"
    yield Finding(
        code="ledger-stray-file" if inside else "ledger-foreign-file",
        severity="fail" if inside else "note",
        path=path,
        says="it lies under runs/ but in no run's folder" if inside else "a ledger has no such file",
    )


def _run(run: RunFiles, folder: str) -> Iterator[Finding]:
    if not RUN.fullmatch(folder):
        yield Finding(
            code="ledger-layout", severity="fail", path=folder, run=run.run_id,
            expected="runs/<experiment>/<YYYY-MM-DD>/<run-id>, the day being that of the id",
            says="this is not how a run's folder is named",
        )  # fmt: skip
    for name, blob in run.blobs.items():
        yield from _entry(run.path(name), blob, run.run_id)


def _collisions(listing: Listing, is_new: Callable[[str], bool]) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for folder, run in listing.runs.items():
        for name in run.blobs:
            path = f"{folder}/{name}"
            fold = _fold(path)
            other = seen.setdefault(fold, path)
            if other != path and (is_new(path) or is_new(other)):
                yield _collision(path, other)
    for path in listing.trees:
        other = seen.get(_fold(path), path)
        if other != path and path.count("/") > RUN_DEPTH - 1 and is_new(other):
            yield _collision(path, other)


def _fold(path: str) -> str:
    return path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()


def _collision(path: str, other: str) -> Finding:
    return Finding(
        code="ledger-case-collision", severity="fail", path=path, found=other,
        says="on a file system that ignores case, this and another path are one file",
    )  # fmt: skip

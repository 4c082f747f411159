"""Making a bundle: the ledger and the code it names as a git bundle, and the bytes that were asked for."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gittrack.dvc.files import Pointer
from gittrack.dvc.hashing import file_md5
from gittrack.dvc.settings import cache_of
from gittrack.dvc.transfer import transfer
from gittrack.errors import DvcError, LedgerError, RecordError, RepositoryError, UsageError
from gittrack.formats.codec import schema_names, schema_text
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR
from gittrack.publishing.bundle import archive
from gittrack.publishing.bundle.archive import Member, pieces_of, text_member
from gittrack.publishing.bundle.contents import (
    BundleRequest,
    Content,
    Gathered,
    Item,
    absent_table,
    add_listings,
    choose,
    counted,
    gather,
    items_of,
    pointer_table,
    wanted,
)
from gittrack.publishing.bundle.layout import ABSENT, GIT, POINTERS, README
from gittrack.publishing.bundle.readme import readme
from gittrack.reading.index import Index, Row
from gittrack.running.executor.workspace import guarded
from gittrack.verify.source import BareFacts

Progress = Callable[[int, int], None]
"""Called with how many bytes are done, and how many there are."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a bundle holds."""

    tip: str
    """Ledger commit."""
    runs: int
    """Runs of the whole ledger."""
    objects: int
    """Files of data and models."""
    size: int
    """Bytes of these."""
    absent: int
    """Files and folders that were asked for and left out."""
    sums: str
    """SHA-256 of SHA256SUMS, which stands for the whole content."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """All that is decided before anything is written."""

    refs: dict[str, str]
    """What the git bundle holds: full names and object ids, the ledger first."""
    rows: Sequence[Row]
    items: Sequence[Item]
    found: Gathered


def make_bundle(
    repository: Repository,
    branch: str,
    target: Path,
    request: BundleRequest,
    *,
    force: bool = False,
    progress: Progress | None = None,
) -> Made:
    """Write a bundle of the ledger `branch` to the file or folder `target`.

    Raises UsageError for a target or names that make no sense, LedgerError where there is no whole ledger
    here, and DvcError for bytes that were asked for and are nowhere; then nothing was written.
    """
    archive.check_target(target, force)
    if request.names and not request.wants_bytes:
        raise UsageError(
            "names choose whose bytes go in, as the whole ledger always does: add --data, --outputs or --role"
        )
    bare = BareFacts.of(repository)
    with Index.open(repository, branch) as index:
        refs = _refs(bare, branch, index.tip)
        runs = index.count()
        rows = choose(index, request.names)
    if not runs:
        raise UsageError("there is nothing to bundle: no run is recorded yet")
    plan = _plan(repository, refs, rows, request)
    target = target.absolute()
    folder = target.parent / f".{target.name}.{secrets.token_hex(4)}"
    with guarded(folder, folder / GIT):
        members = list(_members(bare, branch, plan, folder))
        total = sum(member.size for member in members)
        bytes_done = 0

        def told(size: int) -> None:
            nonlocal bytes_done
            bytes_done += size
            if progress is not None:
                progress(min(bytes_done, total), total)

        form = archive.form_of(target)
        sums = archive.write(form, folder / "made", members, _committed(bare, plan), told)
        archive.move(folder / "made", target)
    contents = plan.found.contents
    size = sum(content.size for content in contents.values())
    return Made(_tip(plan), runs, len(contents), size, len(plan.found.absent), sums)


def _tip(plan: _Plan) -> str:
    return next(iter(plan.refs.values()))


# --- git -----------------------------------------------------------------------------------------


def _refs(repository: BareFacts, branch: str, tip: str | None) -> dict[str, str]:
    """Ledger, code anchor, and the tags on commits of the ledger."""
    ledger = f"refs/heads/{branch}"
    local = repository.refs(ledger, ANCHOR)
    if tip is None or ledger not in local:
        remote_note = "" if tip is None else " (only a remote's is known)"
        raise LedgerError(f"there is no ledger {branch} in this clone{remote_note}: run gittrack pull")
    if (repository.common_dir / "shallow").exists():
        raise RepositoryError("this clone is shallow, and a bundle is whole: run git fetch --unshallow")
    # The anchor was read after the tip, and so reaches all that the tip names.
    anchor = {ANCHOR: local[ANCHOR].oid} if ANCHOR in local else {}
    listed = repository.git(
        "for-each-ref", f"--merged={tip}", "--format=%(objectname) %(refname)", "refs/tags/",
        doing="list the tags of the ledger",
    )  # fmt: skip
    tags = (line.split(" ", 1) for line in listed.decode("utf-8", "surrogateescape").splitlines())
    return {ledger: tip, **anchor, **{name: oid for oid, name in sorted(tags, key=lambda tag: tag[1])}}


def _packed(repository: BareFacts, refs: dict[str, str], folder: Path) -> Member:
    """The git bundle, which is a list of refs and a pack.

    The pack is made anew and on one thread, so that every clone gives the same bytes however its own
    objects are packed; it is also far smaller than what many small packs would give.
    """
    settings = ("pack.packSizeLimit=0", "core.bigFileThreshold=512m", "pack.writeReverseIndex=false")
    repository.git(
        *(word for setting in settings for word in ("-c", setting)),
        "pack-objects", "-q", "--revs", "--no-reuse-delta", "--no-reuse-object", "--no-use-bitmap-index",
        "--delta-base-offset", "--threads=1", "--window=10", "--depth=50", "--compression=6",
        str(folder / "pack"),
        doing="pack the ledger", data="".join(f"{oid}\n" for oid in refs.values()).encode(),
    )  # fmt: skip
    (pack,) = folder.glob("pack-*.pack")
    is_sha1 = repository.object_format == "sha1"
    lines = (
        ["# v2 git bundle"] if is_sha1 else ["# v3 git bundle", f"@object-format={repository.object_format}"]
    )
    lines += [f"{oid} {name}" for name, oid in refs.items()]
    head = "".join(f"{line}\n" for line in [*lines, ""]).encode("utf-8", "surrogateescape")

    def pieces() -> Iterator[bytes]:
        yield head
        yield from pieces_of(pack)

    return Member(name=GIT, size=len(head) + pack.stat().st_size, pieces=pieces)


def _committed(repository: BareFacts, plan: _Plan) -> int:
    """The time that all files get: that of the ledger's last commit."""
    seconds = repository.git("show", "-s", "--format=%ct", _tip(plan), doing="read the ledger")
    return max(0, int(seconds))


# --- bytes -----------------------------------------------------------------------------------------


def _plan(repository: Repository, refs: dict[str, str], rows: Sequence[Row], request: BundleRequest) -> _Plan:
    tip = next(iter(refs.values()))
    records = list(_records(rows, request))
    items = [item for record in records for item in items_of(record)]
    own = repository.state_dir / "dvc" / "cache"
    caches = list(dict.fromkeys([cache_of(repository)[0], own]))
    with repository.objects() as objects:
        if request.wants_bytes:
            items = counted(objects, tip, items)
        chosen = wanted(request, items)
        if request.dvc_remote is not None:
            _fetch(repository, gather(chosen, caches), caches[0], request)
        gathered = gather(chosen, caches)
        if gathered.absent and not request.partial:
            raise _nowhere(gathered, request)
        add_listings(gathered, objects, records, caches)
    return _Plan(refs, rows, items, gathered)


def _records(rows: Sequence[Row], request: BundleRequest) -> Iterator[Record]:
    """The records that can be read; RecordError for a damaged one, where its bytes are asked for."""
    for row in rows:
        if row.fault is None:
            yield row.load()
        elif request.wants_bytes and not request.partial:
            raise RecordError(f"{row.fault}; with --partial its bytes are left out")


def _fetch(repository: Repository, gathered: Gathered, cache: Path, request: BundleRequest) -> None:
    """Bring what is absent from the DVC remote; what it lacks too is left to `_nowhere`."""
    absent = {item for item, _ in gathered.absent if item.md5 is not None}
    pointers = [Pointer(path=item.path, md5=item.md5, hash=item.hash or "md5") for item in absent if item.md5]
    remote = request.dvc_remote
    if not pointers:
        return
    try:
        transfer(repository.top, pointers, cache=cache, remote=remote, direction="pull")
    except DvcError:
        if not request.partial:
            raise
        for pointer in pointers:
            with suppress(DvcError):
                transfer(repository.top, [pointer], cache=cache, remote=remote, direction="pull")


def _nowhere(gathered: Gathered, request: BundleRequest) -> DvcError:
    names = [f"{item.run}:{item.path}{f'/{inside}' if inside else ''}" for item, inside in gathered.absent]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    where = "" if request.dvc_remote else ", or give -r REMOTE to fetch from"
    return DvcError(
        f"not in the DVC cache: {', '.join(names[:3])}{more}; run gittrack pull --all{where}, "
        "or leave them out with --partial"
    )


# --- files -----------------------------------------------------------------------------------------


def _members(repository: BareFacts, branch: str, plan: _Plan, folder: Path) -> Iterator[Member]:
    """All files of the bundle but the checksums, by name."""
    gathered = plan.found
    members = [
        _packed(repository, plan.refs, folder),
        text_member(POINTERS, pointer_table(plan.items, gathered.whole)),
        text_member(README, readme(branch, plan.rows, gathered.whole).encode()),
        *(text_member(f"schemas/{name}.schema.json", schema_text(name).encode()) for name in schema_names()),
        *map(_content, gathered.contents.values()),
    ]
    if gathered.absent:
        members.append(text_member(ABSENT, absent_table(gathered.absent)))
    yield from sorted(members, key=lambda member: member.name)


def _content(content: Content) -> Member:
    def pieces() -> Iterator[bytes]:
        md5 = hashlib.md5(usedforsecurity=False)
        for piece in pieces_of(content.source):
            md5.update(piece)
            yield piece
        # What DVC 2 counted has other line ends than what it kept, and is read a second time.
        plain = content.kind == "md5"
        counted = md5.hexdigest() if plain else file_md5(content.source, content.kind)
        if counted != content.md5.removesuffix(".dir"):
            raise DvcError(f"{content.source} is corrupt: delete it and fetch it with gittrack pull")

    return Member(name=content.name, size=content.size, pieces=pieces, sha256=content.sha256)

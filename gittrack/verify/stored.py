"""The bytes that pointers name: can they still be had (--data), are they what they were (--read-data)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.hashing import Digest, HashedFile, Kind, folder_digest, hash_path
from gittrack.dvc.settings import cache_of
from gittrack.dvc.transfer import missing_on_remote
from gittrack.errors import DvcError, GittrackError, RecordError
from gittrack.formats.record import Record
from gittrack.formats.tables import FULL_SERIES
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.series import check_complete
from gittrack.workers import cores

Progress = Callable[[int, int], None]
"""Told how many bytes are read, of how many; may be called from a thread."""

_Key = tuple[str, Kind]
"""md5 and how it is counted: what DVC knows content by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """Content that a record names by a pointer."""

    pointer: str
    md5: str
    hash: Kind | None = None
    """None where the record leaves it to the pointer."""
    sha256: str | None = None
    size: int | None = None
    nfiles: int | None = None


@dataclass(frozen=True, slots=True)
class _Claim:
    """What one run says of it."""

    folder: str
    stored: Stored

    def finding(
        self, code: str, severity: Severity, says: str, expected: str = "", found: str = ""
    ) -> Finding:
        return Finding(
            code=code,
            severity=severity,
            says=says,
            path=f"{self.folder}/{self.stored.pointer}",
            run=self.folder.rsplit("/", 1)[-1],
            expected=expected or None,
            found=found or None,
        )


def stored_by(record: Record) -> Iterator[Stored]:
    """What the record names by pointers; data that is read in two roles is named once."""
    seen: set[Stored] = set()
    for item in record.data:
        if item.pointer is not None:
            stored = Stored(
                pointer=item.pointer,
                md5=item.md5 or "",
                hash=item.hash or "md5",
                sha256=item.sha256,
                size=item.size,
                nfiles=item.nfiles,
            )
            if stored not in seen:
                seen.add(stored)
                yield stored
    for out in record.outputs:
        yield Stored(pointer=out.pointer, md5=out.md5, sha256=out.sha256, size=out.size, nfiles=out.nfiles)
    for series in record.tables.values():
        if series.pointer is not None:
            yield Stored(pointer=series.pointer, md5=series.md5 or "", sha256=series.sha256, size=series.size)
    texts = record.texts
    if texts is not None and texts.pointer is not None:
        sha256, size = texts.complete_sha256, texts.complete_size
        yield Stored(pointer=texts.pointer, md5=texts.md5 or "", sha256=sha256, size=size)


def counted_otherwise(context: Context) -> dict[tuple[str, str], Kind]:
    """How the content of a run's pointer is counted, where it is not by md5 as DVC 3 does."""
    kinds: dict[tuple[str, str], Kind] = context.cache.setdefault("kinds", {})
    return kinds


def cache_folder(context: Context) -> Path:
    """The DVC cache of this clone, as its own configuration says; asked once."""
    if "cache" not in context.cache:
        context.cache["cache"] = cache_of(context.repository)[0]
    folder: Path = context.cache["cache"]
    return folder


def part_of(md5: str, parts: int) -> int:
    """Which of `parts` parts, from 1, content belongs to; always the same one."""
    return int(md5[:8], 16) % parts + 1


def check_bytes(context: Context, progress: Progress | None = None) -> Iterator[Finding]:
    """With option `data`, content is in the cache or on the remote; with `read_data`, it is read again."""
    options = context.options
    if not options.data and options.read_data is None:
        return
    yield from _kept_by_nobody(context)
    claims: dict[_Key, list[_Claim]] = {}
    for folder, record in context.records.items():
        for stored in stored_by(record):
            if stored.md5:
                kind = stored.hash or counted_otherwise(context).get((folder, stored.pointer), "md5")
                claims.setdefault((stored.md5, kind), []).append(_Claim(folder, stored))
    if options.read_data is not None and not options.data:
        part, parts = options.read_data
        claims = {key: claim for key, claim in claims.items() if part_of(key[0], parts) == part}
    held = {key: _files(cache_folder(context), key) for key in claims}
    yield from _availability(context, claims, {key for key, files in held.items() if files is None})
    if options.read_data is not None:
        part, parts = options.read_data
        chosen = {key: f for key, f in held.items() if f is not None and part_of(key[0], parts) == part}
        yield from _read_again(context, claims, chosen, progress)


def _kept_by_nobody(context: Context) -> Iterator[Finding]:
    """Inputs whose bytes neither git nor DVC has: the record has their digests, and nobody can check them."""
    for folder, record in context.records.items():
        for item in record.data:
            if item.pointer is None and item.source != "git":
                says = f"nobody keeps the bytes of {item.path} that the run read: neither git nor DVC"
                yield Finding(
                    code="data-bytes-unkept",
                    severity="incomplete",
                    says=says,
                    path=f"{folder}/run.yaml",
                    run=folder.rsplit("/", 1)[-1],
                    expected=item.sha256 or item.md5,
                )


_Files = Mapping[str, Path]
"""By path inside a folder; "" for a file."""


def _files(cache: Path, key: _Key) -> _Files | None:
    """Where the cache keeps the content; None if it does not hold all of it."""
    md5, kind = key
    if not md5.endswith(".dir"):
        files: dict[str, Path] = {"": object_path(cache, md5, kind)}
    elif not object_path(cache, md5, kind).is_file():
        return None
    else:
        try:
            files = {p: object_path(cache, m, kind) for p, m in read_dir_object(cache, md5, kind)}
        except (DvcError, RecordError):
            return None  # damaged, so that only the remote can still have it
    return files if all(path.is_file() for path in files.values()) else None


# --- whether they are there ----------------------------------------------------------------


def _availability(
    context: Context, claims: Mapping[_Key, list[_Claim]], absent: set[_Key]
) -> Iterator[Finding]:
    kinds: tuple[Kind, ...] = ("md5", "md5-dos2unix")
    for kind in kinds:
        names = {md5 for md5, counted in absent if counted == kind}
        if not names:
            continue
        gone, why = _gone(context, names, kind)
        for name in sorted(names):
            for claim in claims[name, kind]:
                yield from _unavailable(context, claim, name in gone, why)


def _gone(context: Context, names: set[str], kind: Kind) -> tuple[set[str], str]:
    """Those that the remote has not, and why it could not be asked."""
    try:
        return missing_on_remote(context.repository.top, names, kind), ""
    except GittrackError as error:
        return set(), str(error)


def _unavailable(context: Context, claim: _Claim, gone: bool, why: str) -> Iterator[Finding]:
    if why:
        says = f"the bytes are not in the DVC cache, and there is no remote to ask: {why}"
        yield claim.finding("data-bytes-unknown", "incomplete", says, claim.stored.md5)
    elif gone:
        says = "the bytes are neither in the DVC cache nor on the DVC remote"
        yield claim.finding("data-bytes-missing", "fail", says, claim.stored.md5)
    elif context.options.read_data is not None:
        says = "not read: the bytes are on the DVC remote only; run gittrack pull, then verify again"
        yield claim.finding("data-bytes-unread", "incomplete", says, claim.stored.md5)


# --- whether they are the same -------------------------------------------------------------


def _read_again(
    context: Context,
    claims: Mapping[_Key, list[_Claim]],
    chosen: Mapping[_Key, _Files],
    progress: Progress | None,
) -> Iterator[Finding]:
    """Every file once, on all cores; md5 and sha256 beside each other in one read."""
    wanted = sorted({(path, kind) for (_, kind), files in chosen.items() for path in files.values()})
    digests = dict(zip(wanted, _digests(wanted, progress), strict=True))
    for (md5, kind), files in chosen.items():
        read = {name: digests[path, kind] for name, path in files.items()}
        faults = [digest for digest in read.values() if isinstance(digest, str)]
        for claim in claims[md5, kind]:
            if faults:
                yield claim.finding("data-bytes-unread", "incomplete", f"not read: {faults[0]}", md5)
            else:
                differences = list(_compare(claim, _whole(read, kind)))
                yield from differences
                if claim.stored.pointer == FULL_SERIES and not differences:
                    yield from _finals(context, claim, files[""])


def _finals(context: Context, claim: _Claim, series: Path) -> Iterator[Finding]:
    """The final metrics by the complete series, which is that of the record."""
    try:
        with series.open(encoding="utf-8", errors="replace", newline="\n") as lines:
            for code, says, expected, actual in check_complete(context.records[claim.folder], lines):
                yield claim.finding(code, "fail", says, expected or "", actual or "")
    except OSError as error:
        yield claim.finding(
            "data-bytes-unread", "incomplete", f"not read: {error.strerror}", claim.stored.md5
        )


def _digests(files: Iterable[tuple[Path, Kind]], progress: Progress | None) -> Iterator[Digest | str]:
    """The digest of each file, or why it cannot be read."""
    listed = list(files)
    jobs = 1 if len(listed) >= cores() else None  # the digests of a single file beside each other
    total = sum(_size(path) for path, _ in listed)
    progress_made, guard = [0], Lock()

    def count(size: int) -> None:
        with guard:
            progress_made[0] += size
            if progress:
                progress(progress_made[0], total)

    def read(listed: tuple[Path, Kind]) -> Digest | str:
        try:
            return hash_path(listed[0], dos2unix=listed[1] == "md5-dos2unix", jobs=jobs, progress=count)
        except GittrackError as error:
            return str(error)

    with ThreadPoolExecutor(cores()) as pool:
        yield from pool.map(read, listed)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0  # gone meanwhile: reading it says so


def _whole(read: Mapping[str, Digest | str], kind: Kind) -> Digest:
    """The digest of the file, or of the folder that holds the files."""
    digests = {name: digest for name, digest in read.items() if isinstance(digest, Digest)}
    if list(digests) == [""]:
        return digests[""]
    entries = [HashedFile(name, d.md5, d.sha256, d.size) for name, d in digests.items()]
    return folder_digest(entries, hash=kind)


def _compare(claim: _Claim, digest: Digest) -> Iterator[Finding]:
    stored = claim.stored
    expected = {"md5": stored.md5, "sha256": stored.sha256, "size": stored.size, "nfiles": stored.nfiles}
    actual = {"md5": digest.md5, "sha256": digest.sha256, "size": digest.size, "nfiles": digest.nfiles}
    differs = [name for name, value in expected.items() if value is not None and actual[name] != value]
    if differs:
        yield claim.finding(
            "data-bytes-differ",
            "fail",
            "the bytes in the DVC cache are not those of the record",
            ", ".join(f"{name} {expected[name]}" for name in differs),
            ", ".join(f"{name} {actual[name]}" for name in differs),
        )

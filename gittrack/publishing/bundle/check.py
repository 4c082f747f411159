"""Verifying a bundle: the archive, then the ledger in it by the same checks as in any clone.

1. It is unpacked into a private folder that goes away, whoever is killed; only what a bundle has gets there.
2. SHA256SUMS has every file and no other, each with these bytes; data is what its name says.
3. The git bundle becomes a bare repository without hooks, alternates or a remote, with a bundle's refs alone.
4. `gittrack.verify` over it, its DVC cache being the data of the bundle; bytes that are there are read.
5. pointers.tsv says what the records say, and records lead to all bytes.

SHA256SUMS is no proof: whoever alters a bundle can write it anew. It finds damage, and what was altered by
somebody who did not.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from gittrack.dvc.cache import read_dir_object
from gittrack.dvc.hashing import Kind
from gittrack.errors import DvcError, RecordError, RepositoryError
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR
from gittrack.publishing.bundle.contents import COLUMNS, LOCATION, items_of
from gittrack.publishing.bundle.layout import (
    ABSENT,
    DATA,
    GIT,
    POINTERS,
    REQUIRED,
    SUMS,
    Damaged,
    data_name,
    is_file_name,
    named_md5,
)
from gittrack.publishing.bundle.unpack import Opened, open_bundle
from gittrack.reading.index import Index
from gittrack.reading.index.branch import DEFAULT
from gittrack.running.executor.workspace import guarded, sweep_folders
from gittrack.verify import Finding, Severity, VerifyOptions, VerifyReport, verify

Progress = Callable[[int, int], None]

PREFIX = "gittrack-bundle-"
MOST = 1000
"""Findings of one kind that are listed."""
_LINE = re.compile(rb"([0-9a-f]{64})  ([!-~]{1,200})\n")
_LONGEST = 1 << 16
_OID = re.compile(rb"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_LARGEST_HEADER = 64 << 20
_ALLOCATION = "1g"
"""No object makes git take more memory than this at once."""


def verify_bundle(
    path: Path,
    *,
    selection: Sequence[str] = (),
    options: VerifyOptions | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """What `gittrack.verify.verify` says of the ledger in the bundle `path`, and what is wrong with that.

    Raises NotFoundError for a path or names that mean nothing, RepositoryError where the disk has no room.
    """
    options = options or VerifyOptions()
    with _room() as room:
        try:
            opened = open_bundle(path, room / "unpacked")
            findings = [*_few(_sums(opened)), *_few(_names(opened)), *_absence(opened)]
            if GIT not in opened.files:
                return VerifyReport("", 0, findings)
            repository, branch, strange = _repository(opened, room / "repository.git")
        except Damaged as fault:
            return VerifyReport("", 0, [_finding(fault.code, fault.says, fault.where, found=fault.found)])
        findings += strange
        report = _verified(repository, selection, options, progress)
        findings += [*report.findings, *_named_by_records(opened, repository, branch)]
    return VerifyReport(report.tip, report.runs, findings)


@contextmanager
def _room() -> Iterator[Path]:
    """A private temporary folder that goes away, whoever is killed."""
    home = Path(tempfile.gettempdir())
    sweep_folders(home, PREFIX)
    room = Path(tempfile.mkdtemp(prefix=PREFIX, dir=home))
    with guarded(room, room / "repository.git"):
        yield room


def _finding(
    code: str, says: str, path: str | None, severity: Severity = "fail", *,
    expected: str | None = None, found: str | None = None,
) -> Finding:  # fmt: skip
    return Finding(code=code, severity=severity, says=says, path=path, expected=expected, found=found)


def _few(findings: Iterator[Finding]) -> Iterator[Finding]:
    """Not without end: a hostile archive could have as many as it has files."""
    yield from islice(findings, MOST)
    if next(findings, None) is not None:
        yield _finding("verify-more", f"more was found: {MOST} are listed", None, "incomplete")


# --- the archive -----------------------------------------------------------------------------------


def _sums(opened: Opened) -> Iterator[Finding]:
    """Every file is listed with its digest, and every listed or required file is there."""
    stated = dict(_stated(opened))
    for name in sorted(set(REQUIRED).union(stated) - set(opened.files)):
        yield _finding("bundle-missing", "the bundle does not hold this file", name)
    for name, sums in opened.files.items():
        if name == SUMS:
            continue
        if name not in stated:
            yield _finding("bundle-unlisted", f"{SUMS} does not have this file", name)
        elif stated[name] != sums.sha256:
            says = f"the file has other bytes than {SUMS} says"
            yield _finding("bundle-differs", says, name, expected=stated[name], found=sums.sha256)


def _stated(opened: Opened) -> Iterator[tuple[str, str]]:
    """(name, digest) of each line of SHA256SUMS; Damaged where it is none, or names a file twice."""
    if SUMS not in opened.files:
        raise Damaged("bundle-missing", "the bundle does not hold this file", SUMS)
    before = ""
    with (opened.folder / SUMS).open("rb") as file:
        while line := file.readline(_LONGEST):
            match = _LINE.fullmatch(line)
            name = match[2].decode() if match else ""
            if match is None or not is_file_name(name) or name <= before:
                start = line[:200].decode("utf-8", "replace")
                raise Damaged("bundle-sums", "a line is not a checksum and a name, in order", SUMS, start)
            before = name
            yield name, match[1].decode()


def _names(opened: Opened) -> Iterator[Finding]:
    """Data is called after its bytes."""
    for name, sums in opened.files.items():
        named = named_md5(name)
        if named is not None and named[0].removesuffix(".dir") != sums.md5:
            says = "the bytes are not those that the file is named after"
            yield _finding("bundle-name", says, name, found=sums.md5)


def _absence(opened: Opened) -> Iterator[Finding]:
    if ABSENT in opened.files:
        says = "the bundle was made without bytes that were asked for: the file lists them"
        yield _finding("bundle-absent", says, ABSENT, "note")


# --- the git bundle --------------------------------------------------------------------------------


def _repository(opened: Opened, git_dir: Path) -> tuple[Repository, str, list[Finding]]:
    """A bare repository with what the git bundle holds, its ledger branch, and refs that were left out."""
    bundle = opened.folder / GIT
    object_format, refs = _header(bundle)
    ours = {name: oid for name, oid in refs.items() if name == ANCHOR or name.startswith("refs/tags/")}
    heads = [name for name in refs if name.startswith("refs/heads/")]
    if len(heads) != 1:
        raise Damaged(
            "bundle-refs", "the git bundle has to hold one branch, the ledger", GIT, ", ".join(heads[:5])
        )
    # Also under the name that is looked for where no gittrack.yaml is trusted to say another.
    ours |= dict.fromkeys((heads[0], f"refs/heads/{DEFAULT}"), refs[heads[0]])
    repository = _empty(git_dir, object_format, opened.folder / DATA)
    try:
        repository.git("bundle", "unbundle", str(bundle), doing="read the git bundle")
    except RepositoryError as error:
        raise Damaged("bundle-git", str(error), GIT) from error
    result = repository.update_refs([(name, oid, None) for name, oid in ours.items()])
    if result.code != 0:
        message = result.err[:300].decode("utf-8", "replace").strip()
        raise Damaged("bundle-refs", "git does not take the refs of the git bundle", GIT, message)
    strange = [
        _finding("bundle-refs", "a bundle holds no such ref; it was left out", name)
        for name in sorted(refs.keys() - ours.keys())[:MOST]
    ]
    return repository, heads[0].removeprefix("refs/heads/"), strange


def _header(bundle: Path) -> tuple[str, dict[str, str]]:
    """Object format and refs of a whole bundle (gitformat-bundle(5)); Damaged for one that needs others."""
    refs: dict[str, str] = {}
    object_format = "sha1"
    with bundle.open("rb") as file:
        if file.readline(100) not in (b"# v2 git bundle\n", b"# v3 git bundle\n"):
            raise Damaged("bundle-git", "the file is no git bundle", GIT)
        while (line := file.readline(_LONGEST)) != b"\n":
            oid, _, name = line.rstrip(b"\n").partition(b" ")
            if line.startswith(b"@object-format="):
                object_format = line[15:-1].decode("ascii", "replace")
            elif not _OID.fullmatch(oid) or not name or file.tell() > _LARGEST_HEADER:
                start = line[:200].decode("utf-8", "replace")
                raise Damaged("bundle-git", "not a git bundle that stands for itself", GIT, start)
            else:
                refs[name.decode("utf-8", "surrogateescape")] = oid.decode()
    if object_format not in ("sha1", "sha256"):
        raise Damaged("bundle-git", "the object format of the git bundle is not known", GIT, object_format)
    return object_format, refs


def _empty(git_dir: Path, object_format: str, data: Path) -> Repository:
    """A bare repository that runs nothing, with the data of the bundle as its DVC cache."""
    (git_dir / "gittrack" / "dvc").mkdir(parents=True)
    repository = Repository(git_dir, git_dir, None, object_format, variables={"GIT_ALLOC_LIMIT": _ALLOCATION})
    made = ("init", "--quiet", "--bare", "--template=", f"--object-format={object_format}")
    repository.git(*made, doing="make a repository")
    for setting, value in (("core.hooksPath", "/dev/null"), ("core.bigFileThreshold", "64m")):
        repository.git("config", setting, value, doing="make a repository")
    # It has no code of its own that could be trusted: HEAD is what no bundle can set.
    (git_dir / "HEAD").write_text("ref: refs/gittrack/none\n")
    (git_dir / "gittrack" / "dvc" / "cache").symlink_to(data)
    return repository


# --- the ledger ------------------------------------------------------------------------------------


def _verified(
    repository: Repository, selection: Sequence[str], options: VerifyOptions, progress: Progress | None
) -> VerifyReport:
    """The report on the ledger. Bytes that are there are read, and only missed if they were asked for."""
    reads_data = options.data or options.read_data is not None
    reading = replace(options, read_data=options.read_data or (1, 1))
    report = verify(repository, selection=selection, options=reading, progress=progress)
    findings = [f for f in report.findings if reads_data or f.code != "data-bytes-unknown"]
    return VerifyReport(report.tip, report.runs, [_of_bundle(finding) for finding in findings])


def _of_bundle(finding: Finding) -> Finding:
    """`finding` in the words of a bundle, which is all there is: nothing can be fetched besides."""
    if finding.code == "history-anchor-absent":
        says = "the ledger of the bundle does not go on from the pinned commit: it is older, or was rewritten"
        return replace(finding, code="history-rolled-back", severity="fail", says=says)
    if finding.code == "data-bytes-unknown":
        return replace(finding, says="the bytes are not in the bundle")
    if finding.code.startswith("data-"):
        return replace(finding, says=finding.says.replace("the DVC cache", "the bundle"))
    return finding


def _named_by_records(opened: Opened, repository: Repository, branch: str) -> Iterator[Finding]:
    """What pointers.tsv and data/ hold, against the records."""
    with Index.open(repository, branch) as index:
        records = [row.load() for row in index.search() if row.fault is None]
    items = [item for record in records for item in items_of(record)]
    if POINTERS in opened.files:
        yield from _few(_rows(opened, {tuple(item.cells()) for item in items}))
    yield from _few(_unnamed(opened, {item.md5 for item in items if item.md5}))


def _unnamed(opened: Opened, md5s: set[str]) -> Iterator[Finding]:
    """Bytes that no record leads to. A list of files is that of a folder in the code, and harmless."""
    held = {name: named for name in opened.files if (named := named_md5(name))}
    inside: set[str] = set()
    for md5, kind in held.values():
        if md5.endswith(".dir") and md5 in md5s:
            with suppress(DvcError, RecordError):  # said of it already
                inside.update(entry for _, entry in read_dir_object(opened.folder / DATA, md5, kind))
    for name, (md5, _) in held.items():
        if md5 not in md5s and md5 not in inside and not md5.endswith(".dir"):
            yield _finding("bundle-unnamed", "no record leads to these bytes", name, "note")


def _rows(opened: Opened, known: set[tuple[str, ...]]) -> Iterator[Finding]:
    """Each row is one that a record gives, and the bytes that it says are here are."""
    head = "\t".join([*COLUMNS, LOCATION])
    kinds: tuple[Kind, ...] = ("md5", "md5-dos2unix")
    with (opened.folder / POINTERS).open(encoding="utf-8", errors="replace", newline="\n") as file:
        if file.readline(_LONGEST) != f"{head}\n":
            yield _finding(
                "bundle-pointers", "its first line does not name the columns", POINTERS, expected=head
            )
            return
        while line := file.readline(_LONGEST):
            *cells, location = line.removesuffix("\n").split("\t")
            if tuple(cells) not in known:
                yield _finding("bundle-pointers", "no record says this", POINTERS, found=line[:500])
            elif location not in ("-", *(data_name(cells[5], kind) for kind in kinds)):
                yield _finding("bundle-pointers", "the bytes cannot lie there", POINTERS, found=line[:500])
            elif location != "-" and location not in opened.files:
                says = "a row says that these bytes are in the bundle; they are not"
                yield _finding("bundle-missing", says, location, found=line[:500])

"""Check 1: whether this clone holds what is to be verified, whole and as it was written."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import compress
from pathlib import Path

from gittrack.git.objects import make
from gittrack.git.partial import promisor
from gittrack.git.reader import MAX_BYTES
from gittrack.ledger import ANCHOR
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.source import BareFacts

_OID = re.compile(r"\b[0-9a-f]{40}(?:[0-9a-f]{24})?\b")
# What git fsck says of an object's form, such as "error in tree 4b82...: fullPathname: contains ...".
_FORM = re.compile(r"(?:error|warning) in (?:commit|tree|blob|tag) ([0-9a-f]{40,64})")
# What it says besides of heads and of objects that nothing leads to.
_HARMLESS = re.compile(r"notice: |dangling |unreachable |Checking |Verifying ")
_MANY = 20


def check_repository(context: Context) -> Iterator[Finding]:
    """Object format, shallow and partial clone, grafts, replace refs, alternates; a range's own objects."""
    repository = context.repository
    if repository.object_format not in ("sha1", "sha256"):
        yield _one("repository-format", "incomplete", "the object format of this repository is not known",
                   found=repository.object_format)  # fmt: skip
    yield from _shallow(context, repository)
    yield from _grafts(repository)
    yield from _replaced(context, repository)
    yield from _alternates(repository)
    if not context.options.fsck:
        yield _one("repository-no-fsck", "note", "git fsck was not run: damaged objects may not be noticed")
    elif context.since is not None:
        yield from _rehash(context, repository)


def _one(
    code: str, severity: Severity, says: str, *, path: str | None = None, found: str | None = None
) -> Finding:
    return Finding(code=code, severity=severity, says=says, path=path, found=found)


def lines_of(path: Path) -> list[str]:
    """The lines of a file in the git directory that are no comments; none where there is no file."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES).decode("utf-8", "replace")
    except (FileNotFoundError, NotADirectoryError):
        return []
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


def _shallow(context: Context, repository: BareFacts) -> Iterator[Finding]:
    """A ledger whose history was cut off; that of code may be."""
    cut = set(lines_of(repository.common_dir / "shallow"))
    if not cut:
        return
    reached = set(ledger_commits(context, repository)) & cut
    if reached:
        yield _one(
            "repository-shallow", "incomplete",
            "the ledger's history is cut off in this clone: run git fetch --unshallow",
            path=context.branch, found=f"history ends at {', '.join(sorted(reached)[:5])}",
        )  # fmt: skip


def ledger_commits(context: Context, repository: BareFacts) -> Iterator[str]:
    """Ids of the ledger's commits that are verified."""
    limits = ["--not", context.since] if context.since is not None else []
    lines = repository.records("rev-list", context.tip, *limits, "--", doing="read the ledger", end=b"\n")
    return (line.decode() for line in lines if line)


def is_partial(repository: BareFacts) -> bool:
    """Whether this clone was made with a filter, so that objects may be missing by design."""
    return promisor(repository) is not None


def missing_objects(repository: BareFacts, tip: str) -> list[str]:
    """Objects that ledger and code anchor lead to and that a partial clone left on its remote.

    Only a partial clone is asked: in others such holes are damage, which git fsck finds.
    """
    if not is_partial(repository):
        return []
    anchors = [ref.oid for ref in repository.refs(ANCHOR).values()]
    heads = [tip, *(anchors or ["--all"])]  # without an anchor, the code is wherever it may be
    lines = repository.records(
        "rev-list", "--objects", "--no-object-names", "--missing=print", *heads, "--",
        doing="look for missing objects", end=b"\n",
    )  # fmt: skip
    return [line[1:].decode() for line in lines if line.startswith(b"?")]


def partial(missing: Sequence[str], unchecked: int | None = None) -> Finding:
    """What is missing; so many runs are not there, or not in full. None: nothing could be checked."""
    more = f" and more, {len(missing)} in all" if len(missing) > 3 else ""
    what = "nothing else was checked" if unchecked is None else f"{unchecked:,} runs were not checked in full"
    return _one(
        "repository-partial", "incomplete",
        f"this partial clone lacks objects that records lead to, so {what}: "
        "run git fetch --refetch --no-filter, or clone without --filter",
        found=", ".join(missing[:3]) + more,
    )  # fmt: skip


_ABSENT = frozenset(
    {"record-absent", "code-unchecked", "locks-unchecked", "data-unchecked", "data-pointer-absent"}
    | {"protocol-unchecked", "code-missing", "reproduction-unchecked", "decision-unchecked"}
)


def without_absent(findings: Sequence[Finding], missing: Sequence[str]) -> Iterator[Finding]:
    """The findings in a partial clone: what comes of the objects that it lacks is said once for all runs."""
    if not missing:
        yield from findings
        return
    told = [not (f.code in _ABSENT and f.severity == "incomplete") for f in findings]
    yield partial(
        missing, len({f.run for f, alone in zip(findings, told, strict=True) if f.run and not alone})
    )
    for finding in compress(findings, told):
        unreadable = finding.code == "repository-unreadable"
        yield replace(finding, severity="incomplete") if unreadable else finding


def _grafts(repository: BareFacts) -> Iterator[Finding]:
    grafts = lines_of(repository.common_dir / "info" / "grafts")
    if grafts:
        yield _one(
            "repository-grafts", "note",
            "this clone has grafts, with which git shows another history; verify does without them: "
            "remove the file",
            path="info/grafts", found=f"{len(grafts)} lines",
        )  # fmt: skip


def _replaced(context: Context, repository: BareFacts) -> Iterator[Finding]:
    """Replace refs: verify is not taken in by them, but everybody who reads with stock git is."""
    refs = repository.refs("refs/replace/")
    if not refs:
        return
    ledger = {oid for run in context.all_runs.values() for blob in run.blobs.values() for oid in (blob.oid,)}
    ledger.update(context.listing.trees.values(), (b.oid for b in context.listing.others.values()))
    ledger.update(ledger_commits(context, repository))
    for name, ref in list(refs.items())[:_MANY]:
        replaced = name.rsplit("/", 1)[-1]
        ours = replaced in ledger
        yield _one(
            "repository-replaced" if ours else "repository-replace-refs",
            "fail" if ours else "note",
            "a replace ref makes git show other content for an object of the ledger: delete the ref"
            if ours
            else "a replace ref makes git show other content for an object; verify does without it",
            path=name, found=ref.oid,
        )  # fmt: skip


def _alternates(repository: BareFacts) -> Iterator[Finding]:
    lines = lines_of(repository.common_dir / "objects" / "info" / "alternates")
    if lines:
        yield _one(
            "repository-alternates", "note",
            "objects are borrowed from another repository on this machine, and are gone when that is",
            path="objects/info/alternates", found=", ".join(lines[:3]),
        )  # fmt: skip


def check_objects(context: Context) -> Iterator[Finding]:
    """git fsck. Damage anywhere counts; a fault of form only in the ledger, for old code has many."""
    if not context.options.fsck or context.since is not None:
        return
    repository = context.repository
    heads = [context.tip, *(ref.oid for ref in repository.refs(ANCHOR).values())]
    fsck = repository.run(
        "fsck", "--full", "--strict", "--no-dangling", "--no-progress", "--no-reflogs", *heads
    )
    output = (fsck.out + fsck.err).decode("utf-8", "replace").splitlines()
    lines = [line.strip() for line in output if line.strip() and not _HARMLESS.match(line)]
    forms = [line for line in lines if _FORM.match(line)]
    damage = [line for line in lines if not _FORM.match(line)]
    missing = [line for line in damage if line.startswith(("missing ", "broken link ", "to ", "from "))]
    broken = [line for line in damage if line not in missing]
    if broken or (fsck.code != 0 and not lines):
        yield _fsck_finding("repository-damaged", "fail", "objects are damaged", broken or ["no message"])
    if missing:
        yield _fsck_finding("repository-missing", "incomplete", "objects are missing: run git fetch", missing)
    yield from _form(context, repository, forms)


def _fsck_finding(code: str, severity: Severity, says: str, lines: list[str]) -> Finding:
    more = f" (and {len(lines) - 5} more lines)" if len(lines) > 5 else ""
    return _one(code, severity, f"git fsck: {says}", found="; ".join(lines[:5])[:2000] + more)


def _form(context: Context, repository: BareFacts, lines: list[str]) -> Iterator[Finding]:
    if not lines:
        return
    listed = repository.records(
        "rev-list", "--objects", "--no-object-names", context.tip, "--", doing="list the ledger's objects",
        end=b"\n",
    )  # fmt: skip
    ledger = {line.decode() for line in listed}
    ours = [line for line in lines if any(oid in ledger for oid in _OID.findall(line))]
    if ours:
        yield _fsck_finding("repository-malformed", "fail", "objects of the ledger are malformed", ours)


def _rehash(context: Context, repository: BareFacts) -> Iterator[Finding]:
    """A range: its own objects only, each against its name. What A reaches is taken as verified."""
    listed = repository.records(
        "rev-list", "--objects", "--no-object-names", context.tip, f"^{context.since}", "--",
        doing="list the range's objects", end=b"\n",
    )  # fmt: skip
    names = [line.decode() for line in listed if line]
    for oid, item in zip(names, context.objects.get_many(names), strict=True):
        if item is None:
            yield _one("repository-missing", "incomplete", "an object is missing: run git fetch", found=oid)
        elif len(item.data) >= MAX_BYTES:
            yield _one("repository-too-large", "incomplete", "an object is too large to be read", found=oid)
        elif make(item.kind, item.data, repository.object_format).oid != oid:
            yield _one("repository-damaged", "fail", "the bytes of an object are not those it is named after",
                       found=oid)  # fmt: skip

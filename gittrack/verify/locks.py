"""Check 5. Lock files are those of the code tree; grades and what is installed, worked out again."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.environment import MAX_DRIFT
from gittrack.formats.locks import read_lock
from gittrack.formats.record import Lock, Record
from gittrack.git.objects import GITLINK_MODE
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.environment import Environment, environment_of
from gittrack.verify.findings import Finding, Severity
from gittrack.verify.trees import Absent, code_is_here, code_trees, unchecked
from gittrack.version import VERSION

_GRADES = ("none", "versions", "hashed")
_KEPT = 1000


def check_locks(context: Context, run: RunFiles) -> Iterator[Finding]:
    """Each lock is the file that the code tree holds, and is worth the grade that the record gives it."""
    record = context.records.get(run.folder)
    if record is None or not record.locks:
        return
    environment = environment_of(context, run)
    for lock in record.locks:
        if environment is not None:
            yield from _drift(lock, environment, run)
        tree = record.code.tree
        if tree is None or not code_is_here(context, record):
            continue
        try:
            yield from _lock(context, run, record, lock, environment, tree)
        except Absent as absent:
            yield unchecked("locks-unchecked", run, absent)


def _lock(
    context: Context, run: RunFiles, record: Record, lock: Lock, environment: Environment | None, tree: str
) -> Iterator[Finding]:
    entry = code_trees(context).entry(tree, lock.path)
    tracked = None if entry is None or entry.is_tree or entry.mode == GITLINK_MODE else entry.oid
    if tracked != lock.blob:
        says = f"{lock.path} is another file in the code tree than the record says"
        yield run.finding(
            "locks-blob", says, expected=lock.blob or "not in the code tree", found=tracked or "none"
        )
    elif tracked is not None:
        again, sha256 = _read(context, tree, lock, tracked, environment)
        if sha256 != lock.sha256:
            says = f"{lock.path} has another digest than the record says"
            yield run.finding("locks-digest", says, expected=lock.sha256, found=sha256)
        yield from _graded(run, record, lock, again)
        yield from _installed(run, lock, again, environment)


def _read(
    context: Context, tree: str, lock: Lock, blob: str, environment: Environment | None
) -> tuple[Lock, str]:
    """The lock as this gittrack reads it, once for the same bytes and packages; and its sha256."""
    locks: dict[tuple[str, str, str], Lock] = context.cache.setdefault("locks", {})
    packages, python = (environment.packages, environment.python) if environment else (None, None)
    key = (lock.path, blob, environment.packages_digest if environment else "")
    if key not in locks:
        content = code_trees(context).file(tree, lock.path)
        data = content.data if content is not None else b""
        if len(locks) >= _KEPT:
            locks.clear()
        locks[key] = read_lock(lock.path, data, blob=blob, installed=packages, python=python)[0]
    current = locks[key]
    return current, current.sha256


def _graded(run: RunFiles, record: Record, lock: Lock, current: Lock) -> Iterator[Finding]:
    if (lock.kind, lock.pins) == (current.kind, current.pins):
        return
    stated, read_as = f"{lock.kind}, pins {lock.pins}", f"{current.kind}, pins {current.pins}"
    says = f"{lock.path} does not deserve the grade that the record gives it"
    # A gittrack that has learnt to read more gives better grades than the one that wrote the record.
    learnt = record.tool.version != VERSION and _GRADES.index(current.pins) >= _GRADES.index(lock.pins)
    severity: Severity = "note" if learnt else "fail"
    yield run.finding("locks-grade", says, severity=severity, expected=stated, found=read_as)


def _installed(run: RunFiles, lock: Lock, again: Lock, environment: Environment | None) -> Iterator[Finding]:
    """Markers are judged by the interpreter that reads: only a like one may wonder at other counts."""
    if environment is None or lock.installed == again.installed or not environment.is_like_this:
        return
    says = f"{lock.path} compares otherwise with the packages of environment.yaml when it is read here"
    yield run.finding("locks-installed", says, severity="note", expected=_counts(lock), found=_counts(again))


def _drift(lock: Lock, environment: Environment, run: RunFiles) -> Iterator[Finding]:
    """The packages that environment.yaml lists as drifted are those that the record counts."""
    listed = environment.drift.get(lock.path, ())
    packages = environment.packages or {}
    missing = sum(name not in packages for name, _ in listed)
    counted = (lock.installed.differs, lock.installed.missing) if lock.installed else (0, 0)
    true = all((packages.get(name) or None) == installed for name, installed in listed)
    if environment.packages is None and lock.installed is not None:
        says = f"the record compares {lock.path} with packages, and environment.yaml lists none"
        yield run.finding("locks-drift", says, expected=_counts(lock), found="packages not known")
        return
    is_cut = sum(counted) > MAX_DRIFT == len(listed)
    if not true or ((len(listed) - missing, missing) != counted and not is_cut):
        says = (
            f"what environment.yaml lists as not installed as {lock.path} pins is not what the record counts"
        )
        counted_here = f"{len(listed) - missing} differ, {missing} missing"
        counted_here += "" if true else ", and some are installed otherwise"
        yield run.finding("locks-drift", says, expected=_counts(lock), found=counted_here)


def _counts(lock: Lock) -> str:
    counts = lock.installed
    if counts is None:
        return "nothing compared"
    return f"{counts.same} same, {counts.differs} differ, {counts.missing} missing"

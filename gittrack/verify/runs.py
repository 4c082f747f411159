"""The checks of single runs, one run after the other; of many runs on all cores.

A worker has the context without what only checks of the whole ledger need, and answers with what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import NamedTuple

from gittrack.dvc.hashing import Kind
from gittrack.errors import RepositoryError
from gittrack.verify.code import check_code
from gittrack.verify.context import Context, Listing, RunFiles
from gittrack.verify.data import check_pointers
from gittrack.verify.findings import Finding
from gittrack.verify.imports import check_import
from gittrack.verify.locks import check_locks
from gittrack.verify.policy import check_policy
from gittrack.verify.protocol import check_protocol
from gittrack.verify.record import AT_ONCE, check_record
from gittrack.verify.records import Start
from gittrack.verify.stored import counted_otherwise

RunCheck = Callable[[Context, RunFiles], Iterator[Finding]]
Progress = Callable[[int, int], None]

RUN_CHECKS: tuple[RunCheck, ...] = (
    check_record,
    check_code,
    check_locks,
    check_pointers,
    check_protocol,
    check_policy,
    check_import,
)

MOST = 1000
"""Findings of one check; a hostile ledger could have as many as it has bytes."""

PART = 100
"""Runs that are read ahead, and given to a worker, at once."""
MANY = 20 * PART
"""From so many runs on, other processes pay."""


class _Answer(NamedTuple):
    findings: list[Finding]
    starts: dict[str, Start]
    kinds: Mapping[tuple[str, str], Kind]


def check_runs(context: Context, progress: Progress | None = None) -> Iterator[Finding]:
    """What the run checks find, run by run; fills `context.records`."""
    runs = list(context.runs.values())
    parts = [runs[at : at + PART] for at in range(0, len(runs), PART)]
    count = 0
    for part, findings in zip(parts, _answers(context, parts), strict=True):
        yield from findings
        count += len(part)
        if progress is not None:
            progress(count, len(runs))


def _answers(context: Context, parts: Sequence[Sequence[RunFiles]]) -> Iterator[list[Finding]]:
    if len(context.runs) < MANY:
        for part in parts:
            yield list(_check(context, part))
        return
    from gittrack.workers import in_parts

    bare = replace(
        context, objects=context.repository.reader(), runs={}, all_runs={}, listing=Listing(), new=None,
        commits={}, added_by={}, cache={},
    )  # fmt: skip
    of_all: set[Finding] = set()  # such as of the anchor, which each worker looks at
    for answer in in_parts("gittrack.verify.runs:elsewhere", bare, parts):
        context.records.starts.update(answer.starts)
        counted_otherwise(context).update(answer.kinds)
        findings = [finding for finding in answer.findings if finding not in of_all]
        of_all.update(finding for finding in findings if finding.run is None)
        yield findings


def elsewhere(context: Context) -> Callable[[Sequence[RunFiles]], _Answer]:
    """`check_runs` in another process (`gittrack.workers`)."""

    def check(part: Sequence[RunFiles]) -> _Answer:
        context.records.starts.clear()
        counted_otherwise(context).clear()
        findings = list(_check(context, part))
        return _Answer(findings, context.records.starts, counted_otherwise(context))

    return check


def _check(context: Context, part: Sequence[RunFiles]) -> Iterator[Finding]:
    names = [run.blobs[name].oid for run in part for name in AT_ONCE if name in run.blobs]
    try:
        context.objects.read_ahead(names)
    except RepositoryError:
        reopen(context)  # the check that needs the damaged object says so
    for run in part:
        for check in RUN_CHECKS:
            yield from guarded(context, check(context, run), run)


def guarded(context: Context, findings: Iterator[Finding], run: RunFiles | None = None) -> Iterator[Finding]:
    """The findings of one check, not without end; objects that git itself cannot read are one of them."""
    try:
        yield from islice(findings, MOST)
        if next(findings, None) is not None:
            yield Finding(
                code="verify-more", severity="incomplete", says=f"more was found: {MOST} are listed",
                path=None if run is None else run.folder, run=None if run is None else run.run_id,
            )  # fmt: skip
    except RepositoryError as error:
        yield unreadable(error, run)
        reopen(context)


def unreadable(error: RepositoryError, run: RunFiles | None = None) -> Finding:
    return Finding(
        code="repository-unreadable", severity="fail", says="git cannot read what has to be checked",
        path=None if run is None else run.folder, run=None if run is None else run.run_id, found=str(error),
    )  # fmt: skip


def reopen(context: Context) -> None:
    """A new reader: that of a git process which met a damaged object has ended."""
    context.objects.close()
    context.objects = context.repository.reader()

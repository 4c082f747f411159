"""Whether what the records claim still holds: ordered checks, all findings at once.

1. Repository: object format, shallow or partial clone, grafts, replace refs, git fsck.
2. History: each path of a run, decision or reproduction was added once and never changed; the tip
   descends from a pinned one.
3. Record: strict parse, schema, canonical form, id and experiment as in the path, digests of
   the files beside it, final metrics as in the series.
4. Code: commit and snapshot present, reached by the anchor, tree as recorded.
5. Locks: as in the code tree; grades and what is installed recomputed.
6. Data and outputs: pointers as the record says, and as the code commit has them; bytes on request.
7. Protocol: gittrack.yaml of the code commit is the one recorded; spec digest recomputed.
8. Signatures: of the commits that added runs, by signers allowed outside the pull request.
9. Policy of gittrack.yaml.
10. Reproductions: each verdict is that of the records that it names.
11. Decisions: criteria, candidates and figures are those of the records.
12. Registry: each tag points to the commit that added its run, and names the bytes of the record.

What it cannot prove: that the metrics are true, and that no run was left out before it was recorded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.git.repository import ObjectReader, Repository
from gittrack.verify.context import Blob, Context, RunFiles, VerifyOptions
from gittrack.verify.decisions import check_decisions
from gittrack.verify.findings import EXIT_CODES, Finding, Outcome, Severity, VerifyReport, outcome_of
from gittrack.verify.history import check_history
from gittrack.verify.layout import check_ledger, list_tree
from gittrack.verify.pins import pins, remember, rolled_back
from gittrack.verify.record import check_ids
from gittrack.verify.registry import check_registry
from gittrack.verify.repository import (
    check_objects,
    check_repository,
    is_partial,
    missing_objects,
    partial,
    without_absent,
)
from gittrack.verify.reproductions import check_reproductions
from gittrack.verify.runs import RUN_CHECKS, Progress, RunCheck, check_runs, guarded, unreadable
from gittrack.verify.select import Base, Target, build_context, choose, read_base
from gittrack.verify.signatures import check_signatures
from gittrack.verify.source import BareFacts
from gittrack.verify.stored import check_bytes
from gittrack.verify.successors import check_continued, check_successors

__all__ = [
    "EXIT_CODES",
    "RUN_CHECKS",
    "UNPROVEN",
    "Blob",
    "Context",
    "Finding",
    "LedgerCheck",
    "Outcome",
    "RunCheck",
    "RunFiles",
    "Severity",
    "VerifyOptions",
    "VerifyReport",
    "outcome_of",
    "verify",
]

LedgerCheck = Callable[[Context], Iterator[Finding]]

UNPROVEN = "Not proven: that the metrics are true, and that no run was left out before it was recorded."

LEDGER_CHECKS: tuple[LedgerCheck, ...] = (check_repository, check_ledger, check_ids)
"""Before the runs."""
LATER_CHECKS: tuple[LedgerCheck, ...] = (
    check_successors,
    check_continued,
    check_reproductions,
    check_decisions,
    check_registry,
)
"""After them: they go by the records."""


def verify(
    repository: Repository,
    *,
    selection: Sequence[str] = (),
    options: VerifyOptions | None = None,
    progress: Progress | None = None,
) -> VerifyReport:
    """Check runs, a ledger revision or a range (``A..B``), or with no selection the whole ledger.

    Raises NotFoundError for names that mean nothing here and ConfigError for a gittrack.yaml that is
    none; everything that is wrong with the ledger itself is a finding.
    """
    options = options or VerifyOptions()
    bare = BareFacts.of(repository)
    with ExitStack() as stack:
        objects = stack.enter_context(bare.objects())
        lacking = "gittrack.yaml of the trusted revision"
        try:
            base = read_base(bare, objects, options)
            lacking = "folders of the ledger"
            target = choose(bare, selection, options, base.config)
        except RepositoryError:
            if not is_partial(bare):
                raise
            return VerifyReport("", 0, [partial([lacking])])
        if target.tip is None:
            return _nothing(bare, target, options)
        missing = missing_objects(bare, target.tip)
        bare.absent = frozenset(missing)
        if missing:
            objects = stack.enter_context(bare.objects())  # which asks nobody for them
        try:
            context = _context(bare, objects, target, base, options)
        except RepositoryError as error:
            return VerifyReport(target.tip, 0, [partial(missing) if missing else unreadable(error)])
        findings = list(without_absent(list(_all(context, progress)), missing))
        context.objects.close()
    report = VerifyReport(target.tip, len(context.runs), findings)
    if report.outcome == "PASS" and target.follows and not target.names:
        remember(bare, target.branch, target.tip)
    return report


def _nothing(repository: BareFacts, target: Target, options: VerifyOptions) -> VerifyReport:
    """No ledger: a fault if there has been one."""
    pinned = pins(repository, target.branch, options, follows=True)
    findings = [rolled_back(target.branch, "", pin) for pin in pinned]
    if not findings:
        raise NotFoundError(f"there is no ledger {target.branch} here: run git fetch, or record a run first")
    return VerifyReport("", 0, findings)


def _context(
    repository: BareFacts, objects: ObjectReader, target: Target, base: Base, options: VerifyOptions
) -> Context:
    tip = target.tip or ""
    listing = list_tree(repository, tip)
    new = None
    if target.since is not None:
        changes = repository.diff_tree(target.since, tip)
        new = frozenset(path for letter, _, _, path in changes if letter != "D")
    return build_context(repository, objects, target, base, options, listing, new)


def _all(context: Context, progress: Progress | None) -> Iterator[Finding]:
    """The checks, in order; git fsck and the history, which need no record, beside those of the runs."""
    with ThreadPoolExecutor(2) as pool:
        beside = [pool.submit(_beside, context, check) for check in (check_objects, check_history)]
        for check in LEDGER_CHECKS:
            yield from guarded(context, check(context))
        runs = list(check_runs(context, progress))
        for side in beside:
            yield from side.result()
        yield from runs
    for check in LATER_CHECKS:
        yield from guarded(context, check(context))
    if context.options.data or context.options.read_data is not None:
        yield from guarded(context, check_bytes(context, progress))
    # After the records, because it asks whether their author approved them.
    yield from guarded(context, check_signatures(context))


def _beside(context: Context, check: LedgerCheck) -> list[Finding]:
    """What `check` finds in a thread of its own."""
    own = replace(context, objects=context.repository.reader())
    try:
        return list(guarded(own, check(own)))
    finally:
        own.objects.close()

"""Check 4. Commit and snapshot are there, hold the recorded tree, and are kept by the code anchor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from gittrack.errors import RepositoryError
from gittrack.formats.record import Code, Submodule
from gittrack.git.objects import GITLINK_MODE, parse_commit
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding
from gittrack.verify.trees import Absent, anchors, code_trees, severity_of_absence, unchecked


def check_code(context: Context, run: RunFiles) -> Iterator[Finding]:
    """What ran is the code that the record names, and will stay retrievable."""
    record = context.records.get(run.folder)
    if record is None:
        return
    code = record.code
    commits = [oid for oid in (code.snapshot, code.commit) if oid]
    commits_by_id = {oid: _commit(context, oid) for oid in commits}
    missing = [f"commit {oid}" for oid, commit in commits_by_id.items() if commit is None]
    if not missing and code.tree is not None and not code_trees(context).has(code.tree):
        missing = [f"tree {code.tree}"]
    if record.imported is not None:
        yield from _claimed(run, missing, record.imported.system)
        yield from _trees(code, commits_by_id, run)
        return
    for what in missing:
        says = (
            f"{what} of the code is not here, so that neither it nor locks, data and protocol can be "
            "checked; run gittrack pull"
        )
        oid = what.rpartition(" ")[2]
        yield run.finding("code-missing", says, severity=severity_of_absence(context), expected=oid)
    yield from _trees(code, commits_by_id, run)
    yield from _anchored(context, [oid for oid, commit in commits_by_id.items() if commit], run)
    try:
        yield from _submodules(context, code, commits_by_id, run)
    except Absent as absent:
        yield unchecked("code-unchecked", run, absent)


def _claimed(run: RunFiles, missing: list[str], system: str) -> Iterator[Finding]:
    """Code of an imported run may be that of another repository."""
    for what in missing:
        says = f"{what}, which {system} names as the code, is not in this repository"
        yield run.finding("code-elsewhere", says, severity="note", expected=what.rpartition(" ")[2])


_Commit = tuple[str, list[str]]
"""Tree and parents."""


def _commit(context: Context, oid: str) -> _Commit | None:
    cached: dict[str, _Commit | None] = context.cache.setdefault("code-commits", {})
    if oid not in cached:
        git_object = context.objects.get(oid)
        cached[oid] = None
        if git_object is not None and git_object.kind == "commit" and git_object.oid == oid:
            with suppress(ValueError):  # the header of no commit that git would make: as good as none
                cached[oid] = parse_commit(git_object.data)
    return cached[oid]


def _trees(code: Code, commits: dict[str, _Commit | None], run: RunFiles) -> Iterator[Finding]:
    ran = commits.get(code.snapshot or code.commit or "")
    if ran is not None and code.tree is not None and ran[0] != code.tree:
        says = "the commit that ran holds another tree than the record says"
        yield run.finding("code-tree", says, expected=code.tree, found=ran[0])
    parents = [code.commit] if code.commit else []
    snapshot = commits.get(code.snapshot or "")
    if snapshot is not None and snapshot[1] != parents:
        says = "the snapshot was not made of the commit that the record names"
        stated, made_of = (" ".join(names) or "no parent" for names in (parents, snapshot[1]))
        yield run.finding("code-snapshot-parent", says, expected=stated, found=made_of)


# --- the anchor ----------------------------------------------------------------------------


def _anchored(context: Context, commits: list[str], run: RunFiles) -> Iterator[Finding]:
    if "anchored" not in context.cache:
        context.cache["anchored"], fault = _reached(context)
        if fault is not None:
            yield fault
    reached: set[bytes] | None = context.cache["anchored"]
    for oid in commits:
        if reached is not None and oid.encode() not in reached:
            says = (
                "the code anchor does not reach this commit, so that git may drop it one day; "
                "run gittrack pull, which brings the anchor of the ledger that you fetched"
            )
            expected = f"{oid} reachable from refs/gittrack/code"
            yield run.finding("code-unanchored", says, expected=expected)


def _reached(context: Context) -> tuple[set[bytes] | None, Finding | None]:
    """Every commit that an anchor of this clone reaches; one git process for all runs."""
    roots = anchors(context)
    if not roots:
        says = "this clone has no code anchor, so that nothing says whether code is kept; run gittrack pull"
        return None, Finding(
            code="code-anchor-missing", severity="incomplete", says=says, path="refs/gittrack/code"
        )
    try:
        listed = context.repository.git(
            "rev-list", "--stdin", doing="follow the code anchor", data="\n".join([*roots, ""]).encode()
        )
    except RepositoryError as error:
        return None, Finding(
            code="code-anchor-broken", severity="incomplete", says=str(error), path="refs/gittrack/code"
        )
    return set(listed.split()), None


# --- submodules ----------------------------------------------------------------------------


def _submodules(
    context: Context, code: Code, commits: dict[str, _Commit | None], run: RunFiles
) -> Iterator[Finding]:
    trees = code_trees(context)
    tree = code.tree
    if not code.submodules or tree is None or not trees.has(tree):
        return
    committed = commits.get(code.commit or "")
    for module in code.submodules:
        links = [
            entry.oid if entry is not None and entry.mode == GITLINK_MODE else None
            for root in (tree, *([committed[0]] if committed else []))
            for entry in [trees.entry(root, module.path)]
        ]
        if not _is_said(module, *links):
            says = f"the code tree links the submodule {module.path} to another commit"
            linked = ", ".join(link or "no submodule" for link in dict.fromkeys(links))
            yield run.finding("code-submodule", says, expected=module.recorded or module.commit, found=linked)


def _is_said(module: Submodule, ran: str | None, head: str | None = None) -> bool:
    """Whether the links of what ran, and of HEAD's tree, are those stated; HEAD lacks one only staged."""
    return ran in {module.commit, module.recorded} - {None} and head in {
        None,
        module.recorded or module.commit,
    }

"""Check 2: every file of a run, decision or reproduction was added once; nothing was rolled back.

Commits with one parent are compared by git, in one process. A merge is compared here, with each
of its parents: it has to be their union, so that every file of every parent is in it unchanged and
it has none of its own. Folders that are the same need no look, so that a merge costs what differs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gittrack.errors import RepositoryError
from gittrack.git.objects import TREE_MODE, TreeEntry
from gittrack.ledger import ADD_ONLY
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding
from gittrack.verify.layout import RUN_DEPTH
from gittrack.verify.pins import check_pins
from gittrack.verify.source import BareFacts

FOLDER = "040000"
DEEPEST = 200
"""Folders within folders; what lies deeper has a longer path than the tree of a ledger may have."""
_LETTERS = {"M": "history-modified", "T": "history-modified", "D": "history-deleted"}
_SAYS = {
    "history-modified": "a file that was on the ledger was changed: records are added and never changed",
    "history-deleted": "a file that was on the ledger was taken away: records are added and never changed",
    "history-run-extended": "a file was added to a run that was on the ledger already: one run is one commit",
    "history-merge-added": "a merge adds a file that none of its parents has: a merge is their union",
}


def check_history(context: Context) -> Iterator[Finding]:
    """Every commit of the ledger, oldest first, and whether its tip follows the pinned ones."""
    yield from check_pins(context)
    context.commits.update(read_commits(context.repository, context.tip, context.since))
    yield from _roots(context)
    yield from _steps(context)
    for commit, parents in context.commits.items():
        if len(parents) > 1:
            yield from _merge(context, commit, parents)


def read_commits(repository: BareFacts, tip: str, since: str | None) -> dict[str, tuple[str, ...]]:
    """The parents of each commit that `tip` reaches and `since` does not, oldest first."""
    limits = ["--not", since] if since is not None else []
    lines = repository.records(
        "rev-list", "--topo-order", "--reverse", "--parents", tip, *limits, "--",
        doing="read the ledger's history", end=b"\n",
    )  # fmt: skip
    rows = (line.decode().split(" ") for line in lines if line)
    return {commit: tuple(parents) for commit, *parents in rows}


def _roots(context: Context) -> Iterator[Finding]:
    """A range that begins anew instead of going on from where A is."""
    if context.since is None:
        return
    for commit, parents in context.commits.items():
        if not parents:
            yield Finding(
                code="history-unrelated", severity="fail", path=context.branch, found=commit,
                expected=f"commits that follow from {context.since}",
                says="this history does not follow from the ledger that it is for",
            )  # fmt: skip


def _steps(context: Context) -> Iterator[Finding]:
    """Commits with at most one parent, each against it."""
    data = "".join(f"{c}\n" for c, parents in context.commits.items() if len(parents) < 2).encode()
    fields = context.repository.records(
        "diff-tree", "--stdin", "-r", "-t", "--root", "--raw", "-z", "--no-renames", "--no-abbrev", "--",
        *ADD_ONLY, doing="compare the ledger's commits", data=data,
    )  # fmt: skip
    commit = ""
    fresh: set[str] = set()
    for field in fields:
        if not field.startswith(b":"):
            commit, fresh = field.decode().strip(), set()
            continue
        old_mode, new_mode, _, _, letter = field[1:].decode().split(" ")
        path = next(fields).decode("utf-8", "surrogateescape")
        if letter[0] != "A":
            if FOLDER not in (old_mode, new_mode):
                yield _finding(_LETTERS.get(letter[0], "history-modified"), path, commit)
        elif new_mode == FOLDER:
            fresh.add(path)
            if _is_run(path):
                _note_added(context, path, commit)
        elif (run := run_of(path)) is not None and run not in fresh:
            yield _finding("history-run-extended", path, commit)


def _is_run(path: str) -> bool:
    return path.startswith("runs/") and path.count("/") == RUN_DEPTH - 1


def run_of(path: str) -> str | None:
    """The folder of the run that `path` lies in."""
    parts = path.split("/", RUN_DEPTH)
    return "/".join(parts[:RUN_DEPTH]) if parts[0] == "runs" and len(parts) > RUN_DEPTH else None


def _note_added(context: Context, folder: str, commit: str) -> None:
    if folder in context.runs:
        context.added_by.setdefault(folder, []).append(commit)


def _finding(code: str, path: str, commit: str) -> Finding:
    run = run_of(path)
    return Finding(
        code=code,
        severity="fail",
        path=path,
        run=None if run is None else run.rsplit("/", 1)[-1],
        says=_SAYS[code],
        found=f"commit {commit}",
    )


def _merge(context: Context, commit: str, parents: Sequence[str]) -> Iterator[Finding]:
    merge = _Merge(context, commit)
    merged, *sides = (_tree(context, f"{c}^{{tree}}") for c in (commit, *parents))
    for root in ADD_ONLY:
        yield from merge.entry(root, merged.get(root), [side[root] for side in sides if root in side], False)


class _Merge:
    """One merge commit against its parents."""

    def __init__(self, context: Context, commit: str) -> None:
        self._context = context
        self._commit = commit
        self._seen: set[tuple[str, frozenset[str]]] = set()
        """Folders compared; a tree that holds itself many times over is looked at once."""

    def entry(
        self, path: str, merged: TreeEntry | None, sides: Sequence[TreeEntry], covered: bool
    ) -> Iterator[Finding]:
        """One name against those parents that have it; `covered`: one more has all that the merge has."""
        if merged is None:
            if sides:
                yield _finding("history-deleted", path, self._commit)
        elif not sides:
            if not covered:
                yield _finding("history-merge-added", path, self._commit)
        elif merged.mode == TREE_MODE and all(side.mode == TREE_MODE for side in sides):
            ids = frozenset(side.oid for side in sides)
            others = ids - {merged.oid}
            if others and (merged.oid, others) not in self._seen and path.count("/") < DEEPEST:
                self._seen.add((merged.oid, others))
                yield from self._union(path, merged.oid, others, covered or merged.oid in ids)
        elif any(side != merged for side in sides):
            yield _finding("history-modified", path, self._commit)

    def _union(self, path: str, merged: str, sides: Iterable[str], covered: bool) -> Iterator[Finding]:
        """A folder against those of the parents that differ from it."""
        tree = _tree(self._context, merged)
        parts = [_tree(self._context, side) for side in sides]
        in_run = path.startswith("runs/") and path.count("/") >= RUN_DEPTH - 1
        for name in dict.fromkeys([*tree, *(name for part in parts for name in part)]):
            held = [part[name] for part in parts if name in part]
            below = f"{path}/{name}"
            if in_run and name in tree and len(held) < len(parts):
                yield _finding("history-run-extended", below, self._commit)
            else:
                yield from self.entry(below, tree.get(name), held, covered)


def _tree(context: Context, name: str) -> Mapping[str, TreeEntry]:
    tree = context.objects.tree(name)
    if tree is None:
        raise RepositoryError(f"tree {name} of the ledger is not in this clone: run git fetch or git fsck")
    return tree

"""What the code commits of runs hold, read from tree objects, each once for all runs."""

from __future__ import annotations

from dataclasses import dataclass, field

from gittrack.errors import RepositoryError
from gittrack.formats.record import Record, clean_text
from gittrack.git.objects import GITLINK_MODE, GitObject, TreeEntry
from gittrack.git.repository import ObjectReader
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding, Severity

ANCHORS = ("refs/gittrack/code", "refs/gittrack/remotes")
"""The code anchor of this clone, and those of the remotes it has pulled from."""

_KEPT = 100_000
"""Tree entries that are remembered: some 20 MB."""


class Absent(Exception):
    """A git object that is asked for is not in this clone, or is damaged."""


@dataclass(slots=True)
class CodeTrees:
    """Trees of code commits by id."""

    objects: ObjectReader
    _trees: dict[str, dict[str, TreeEntry]] = field(default_factory=dict)
    _size: int = 0

    def tree(self, oid: str) -> dict[str, TreeEntry]:
        """The entries of a tree; Absent where this clone does not have it."""
        entries = self._trees.get(oid)
        if entries is None:
            try:
                entries = self.objects.tree(oid)
            except RepositoryError as error:
                raise Absent(f"tree {oid} is malformed") from error
            if entries is None:
                raise Absent(f"tree {oid}")
            if self._size > _KEPT:
                self._trees.clear()
                self._size = 0
            self._trees[oid] = entries
            self._size += len(entries) + 1
        return entries

    def entry(self, root: str, path: str) -> TreeEntry | None:
        """What the tree `root` has at `path`, as a record writes it; None if there is nothing."""
        *folders, name = path.split("/")
        oid = root
        for folder in folders:
            inner = _named(self.tree(oid), folder)
            if inner is None or not inner.is_tree:
                return None
            oid = inner.oid
        return _named(self.tree(oid), name)

    def folder(self, root: str, path: str) -> dict[str, TreeEntry]:
        """What the tree `root` has in the folder `path`, empty for the top; empty if there is none."""
        entry = self.entry(root, path) if path else None
        if path and (entry is None or not entry.is_tree):
            return {}
        return self.tree(entry.oid if entry else root)

    def file(self, root: str, path: str) -> GitObject | None:
        """The blob that the tree `root` has at `path`; None if there is no file."""
        entry = self.entry(root, path)
        if entry is None or entry.is_tree or entry.mode == GITLINK_MODE:
            return None
        blob = self.objects.get(entry.oid)
        if blob is None:
            raise Absent(f"{path} ({entry.oid})")
        return blob

    def has(self, root: str) -> bool:
        """Whether this clone holds the tree itself."""
        try:
            self.tree(root)
        except Absent:
            return False
        return True


def _named(entries: dict[str, TreeEntry], name: str) -> TreeEntry | None:
    found = entries.get(name)
    if found is None and "\\udc" in name:  # bytes that are not UTF-8, as `clean_text` shows them
        return next((entry for raw, entry in entries.items() if clean_text(raw) == name), None)
    return found


def code_trees(context: Context) -> CodeTrees:
    trees: CodeTrees = context.cache.setdefault("trees", CodeTrees(context.objects))
    trees.objects = context.objects  # another one after git has met a damaged object
    return trees


def code_is_here(context: Context, record: Record) -> bool:
    """Whether what ran can be looked into; the code check says so where it cannot."""
    return record.code.tree is not None and code_trees(context).has(record.code.tree)


def anchors(context: Context) -> list[str]:
    """Commits of the code anchors that this clone has."""
    oids: list[str] | None = context.cache.get("anchors")
    if oids is None:
        refs = context.repository.refs(*ANCHORS)
        oids = [ref.oid for name, ref in refs.items() if name == ANCHORS[0] or name.endswith("/code")]
        context.cache["anchors"] = oids
    return oids


def is_partial(context: Context) -> bool:
    """Whether this clone was made without some of the objects: shallow, or with a filter."""
    repository = context.repository
    return (repository.common_dir / "shallow").exists() or any(
        key == "extensions.partialclone" or key.endswith((".promisor", ".partialclonefilter"))
        for key in repository.config
    )


def severity_of_absence(context: Context) -> Severity:
    """An object that is not there is a fault only of a clone that claims to have all."""
    return "incomplete" if is_partial(context) or not anchors(context) else "fail"


def unchecked(code: str, run: RunFiles, absent: Absent) -> Finding:
    """A check could not be made because of `absent`."""
    says = f"not checked: {absent} of the code is not in this clone; run git fetch or gittrack pull"
    return run.finding(code, says, severity="incomplete")


@dataclass(frozen=True, slots=True)
class CodeFiles:
    """A code tree as a place to look for pointers."""

    trees: CodeTrees
    root: str

    def read(self, path: str) -> bytes | None:
        item = self.trees.file(self.root, path)
        return None if item is None else item.data

    def names(self, folder: str) -> list[str]:
        return [
            name
            for name, entry in self.trees.folder(self.root, folder).items()
            if not entry.is_tree and entry.mode != GITLINK_MODE
        ]

"""Trees in memory: read lazily from git, changed, and turned back into objects. Nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gittrack.errors import LedgerError
from gittrack.git.objects import BLOB_MODE, TREE_MODE, GitObject, TreeEntry, make, make_tree
from gittrack.git.repository import ObjectReader

Entries = Mapping[str, TreeEntry]


class _Folder:
    """A folder that was opened: its entries, opened subfolders among them, and its id while unchanged."""

    __slots__ = ("entries", "stored")

    def __init__(self, entries: Entries, stored: TreeEntry | None = None) -> None:
        self.entries: dict[str, TreeEntry | _Folder] = dict(entries)
        self.stored = stored


class TreeBuilder:
    """A tree that starts as `root` (or empty) and takes files; `objects` gathers what is new."""

    def __init__(self, reader: ObjectReader, algorithm: str, root: str | None) -> None:
        self._reader = reader
        self._algorithm = algorithm
        self._root = _Folder(load_tree(reader, root) if root else {})
        self.objects: dict[str, GitObject] = {}

    def put(self, path: str, data: bytes) -> None:
        """Set the file at `path`."""
        *folders, name = path.split("/")
        folder = self._root
        folder.stored = None
        for step in folders:
            folder = self._open(folder, step)
            folder.stored = None
        blob = self._keep(make("blob", data, self._algorithm))
        folder.entries[name] = TreeEntry(BLOB_MODE, blob.oid)

    def has(self, path: str) -> bool:
        """Whether a file or folder is at `path`."""
        return self._at(path) is not None

    def blob_id(self, path: str) -> str | None:
        item = self._at(path)
        return item.oid if isinstance(item, TreeEntry) and not item.is_tree else None

    def root(self) -> str:
        """The id of the tree as it stands; its new trees join `objects`."""
        return self._store(self._root).oid

    def _at(self, path: str) -> TreeEntry | _Folder | None:
        *folders, name = path.split("/")
        folder = self._root
        for step in folders:
            entry = folder.entries.get(step)
            if entry is None or (isinstance(entry, TreeEntry) and not entry.is_tree):
                return None
            folder = self._open(folder, step)
        return folder.entries.get(name)

    def _open(self, folder: _Folder, name: str) -> _Folder:
        entry = folder.entries.get(name)
        if isinstance(entry, TreeEntry):
            if not entry.is_tree:
                raise LedgerError(f"the ledger has a file where the folder {name!r} should be")
            entry = _Folder(load_tree(self._reader, entry.oid), entry)
        child = _Folder({}) if entry is None else entry
        folder.entries[name] = child
        return child

    def _store(self, folder: _Folder) -> TreeEntry:
        if folder.stored is None:
            entries = {
                name: entry if isinstance(entry, TreeEntry) else self._store(entry)
                for name, entry in folder.entries.items()
            }
            folder.stored = TreeEntry(TREE_MODE, self._keep(make_tree(entries, self._algorithm)).oid)
        return folder.stored

    def _keep(self, new: GitObject) -> GitObject:
        self.objects[new.oid] = new
        return new


def load_tree(reader: ObjectReader, oid: str) -> Entries:
    """The entries of tree `oid`; LedgerError when this clone does not have it."""
    entries = reader.tree(oid)
    if entries is None:
        raise LedgerError(f"tree {oid} of the ledger is missing from this clone: run git fetch or git fsck")
    return entries


def merge_trees(
    reader: ObjectReader,
    algorithm: str,
    ours: str,
    theirs: str,
    settle: Callable[[str, TreeEntry, TreeEntry], TreeEntry],
) -> tuple[str, list[GitObject]]:
    """The union of two trees, named by their ids, and the tree objects it needs.

    Only folders that differ are read. `settle(path, ours, theirs)` answers where both
    have a path and are not both folders.
    """
    new: list[GitObject] = []

    def union(ours: str, theirs: str, prefix: str) -> str:
        left, right = load_tree(reader, ours), load_tree(reader, theirs)
        merged = dict(left)
        for name, entry in right.items():
            mine = left.get(name)
            if mine is None:
                merged[name] = entry
            elif mine != entry:
                path = prefix + name
                if mine.is_tree and entry.is_tree:
                    merged[name] = TreeEntry(TREE_MODE, union(mine.oid, entry.oid, path + "/"))
                else:
                    merged[name] = settle(path, mine, entry)
        if merged == dict(right):
            return theirs
        tree = make_tree(merged, algorithm)
        if tree.oid != ours:
            new.append(tree)
        return tree.oid

    return union(ours, theirs, ""), new

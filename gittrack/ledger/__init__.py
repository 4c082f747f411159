"""The ledger branch: append, merge, push and pull. Never an index, never a work tree.

A commit is built from objects and published by compare-and-swap on the ref, with the
code anchor in the same transaction; whoever loses the race builds again on the new tip.
Local writers queue on a file lock only to waste less work: the swap is what guards.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gittrack.errors import LedgerError, RepositoryError
from gittrack.git.objects import GitObject, Signature, make_tree, parse_commit
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger.tree import TreeBuilder
from gittrack.ledger.waiting import (
    Patience,
    await_locks,
    names_on_the_way,
    only,
    refuse_unwritable,
    wait_for,
)

ANCHOR = "refs/gittrack/code"
"""Reaches every code commit and snapshot that a record names."""

MARK = b"# gittrack ledger, format 1: records are text, never converted\n"
"""First line of .gitattributes at the root; a branch without it is no ledger."""

ADD_ONLY = ("runs", "decisions", "reproductions")
"""Folders of the ledger in which files are added, and never changed."""

ROOT_FILES: Mapping[str, bytes] = {
    # For a checkout of the ledger; without the driver (gittrack init --textconv) it does nothing.
    ".gitattributes": MARK + b"* -text\nmetrics.csv diff=gittrack-series\n",
    ".dvc/.gitignore": b"/config.local\n/tmp\n/cache\n",
    ".dvc/config": b"",
}
DVC_CONFIG = ".dvc/config"


def is_add_only(path: str) -> bool:
    """Whether what lies at `path` on a ledger may never change."""
    return path.startswith(tuple(f"{root}/" for root in ADD_ONLY))


# The same root commit in every clone, so that ledgers begun apart share their history.
_ROOT_SIGNATURE = Signature("gittrack", "gittrack@localhost", 0)

LOCK_PATIENCE_S = 30.0
_MOVE = "move the ledger"
_MAX_PARENTS = 16


@dataclass(frozen=True, slots=True)
class Addition:
    """What one commit adds: a folder, the bytes of its files by relative path, and why.

    A file that is no folder's has the empty path in it: `folder` is then its own.
    """

    folder: str
    files: Mapping[str, bytes]
    message: str
    code: tuple[str, ...] = ()
    """Code commits and snapshots that the anchor has to reach."""
    releases: tuple[str, ...] = ()
    """Temporary refs that the same transaction deletes."""


@dataclass(frozen=True, slots=True)
class State:
    """The refs of a ledger as they stand."""

    tip: str | None
    anchor: str | None
    checked_out: str | None
    """Work tree that has the ledger branch checked out."""
    base: str | None
    """What the next commit is built on: the tip, or in a fresh clone that of a remote, origin first.

    Of a branch that is cut from another: where there is neither, the tip of that one, on a remote first.
    """
    in_the_way: str | None = None
    """A ref beside which git can make none of the ledger's name."""


@dataclass
class Ledger:
    """The ledger of `repository` on `branch`."""

    repository: Repository
    branch: str = "gittrack/runs"
    onto: str | None = None
    """The ledger branch that `branch`, a proposal, is cut from."""

    @property
    def ref(self) -> str:
        return f"refs/heads/{self.branch}"

    def state(self) -> State:
        """Where the ledger and the anchor stand. One git process."""
        trunk = [f"refs/remotes/*/{self.onto}", f"refs/heads/{self.onto}"] if self.onto else []
        way = [only(name) for name in names_on_the_way(self.ref)]
        refs = self.repository.refs(self.ref, ANCHOR, f"refs/remotes/*/{self.branch}", *trunk, *way)
        ledger, anchor = refs.pop(self.ref, None), refs.pop(ANCHOR, None)
        blocking = [r for r in refs if f"{r}/".startswith(f"{self.ref}/") or self.ref.startswith(f"{r}/")]
        refs = {name: ref for name, ref in refs.items() if name not in blocking}
        bases = sorted(refs, key=self._nearness)
        tip = ledger.oid if ledger else None
        return State(
            tip,
            anchor.oid if anchor else None,
            ledger.checked_out if ledger else None,
            tip or (refs[bases[0]].oid if bases else None),
            None if tip else next(iter(blocking), None),
        )

    def _nearness(self, ref: str) -> tuple[bool, bool, bool, str]:
        """This branch is built on first, then the one it is cut from; of each a remote's, origin first."""
        local = ref.startswith("refs/heads/")
        return not ref.endswith(f"/{self.branch}"), local, not ref.startswith("refs/remotes/origin/"), ref

    def ready(self, objects: ObjectReader) -> State:
        """`check`, and refuse, before anything is run, what else would make the append at the end fail.

        Some stats. A lock that git holds just now is waited for.
        """
        git = self.repository.common_dir
        state = self.check(objects)
        refuse_unwritable([git / "objects", (git / self.ref).parent, (git / ANCHOR).parent])
        await_locks(git, [self.ref, ANCHOR], _MOVE)
        return state

    def check(self, objects: ObjectReader) -> State:
        """The state, unless nothing may be appended to it."""
        state = self.state()
        if state.checked_out is not None:
            raise LedgerError(
                f"the ledger branch {self.branch} is checked out in {state.checked_out}; "
                "there, run: git checkout --detach"
            )
        if state.in_the_way is not None:
            name = state.in_the_way.removeprefix("refs/heads/")
            raise LedgerError(
                f"there cannot be a branch {self.branch} beside the branch {name}: "
                f"run git branch -m {name} ANOTHER-NAME, or set ledger.branch in gittrack.yaml"
            )
        if state.base is None:
            return state
        attributes = objects.get(f"{state.base}:.gitattributes")
        if attributes is None or not attributes.data.startswith(b"# gittrack ledger, format "):
            raise LedgerError(
                f"branch {self.branch} exists but is no gittrack ledger; "
                "set another name under ledger.branch in gittrack.yaml"
            )
        if not attributes.data.startswith(MARK):
            raise LedgerError(f"branch {self.branch} was written by a newer gittrack: upgrade gittrack")
        return state

    def append(
        self,
        additions: Sequence[Addition],
        *,
        dvc_config: bytes = b"",
        replace_config: bool = False,
        together: str | None = None,
    ) -> str:
        """Commit each of `additions`, one commit each, all of them or none; return the new tip.

        With `together`, a message, all are one commit: each commit writes the list of its day anew, so that
        thousands of one day would cost the square of their number.

        Makes the branch if there is none. A folder that is on the ledger already is left
        alone, so that appending a run again (after a crash between commit and clean-up)
        changes nothing. `dvc_config` becomes .dvc/config if the ledger's is still empty, or
        with `replace_config`. Four git processes per attempt, one more for each signature,
        one more for each code commit that the anchor may not reach yet.

        Raises LedgerError when the ledger cannot be written; then nothing has changed.
        """
        signature = self.repository.identity()
        with self._queue():
            patience = Patience(_MOVE)
            while True:
                with self.repository.objects() as objects:
                    draft = _Draft(self, objects, self.check(objects), signature)
                    draft.configure(dvc_config, replace_config)
                    for group in [[a] for a in additions] if together is None else [additions]:
                        draft.add(group, together)
                    refused = draft.publish()
                if not refused:
                    self._collect_garbage()
                    return draft.tip
                patience.after(refused)

    @contextmanager
    def _queue(self) -> Iterator[None]:
        """Wait for other writers of this machine, not for ever: a stopped one must not hold up the rest."""
        path = self.repository.state_dir / "ledger.lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = path.open("ab")
        except OSError as error:
            raise RepositoryError(f"cannot write to {path.parent}: {error.strerror}") from error
        with handle:

            def taken() -> bool:
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    return False
                except OSError:
                    pass  # no locks on this file system: the compare-and-swap alone guards
                return True

            wait_for(taken, LOCK_PATIENCE_S, "other processes are writing to the ledger")
            yield

    def _collect_garbage(self) -> None:
        """Plumbing never starts git's own housekeeping: do, once loose objects may have become too many."""
        seventeenth = self.repository.common_dir / "objects" / "17"
        try:
            loose = sum(1 for _ in seventeenth.iterdir())
        except FileNotFoundError:
            return
        if loose > 26 and self.repository.setting("gc.auto") != "0":
            self.repository.run("gc", "--auto", "--quiet")


class _Draft:
    """One attempt: commits built on the refs as they were read, published only if they still stand."""

    def __init__(self, ledger: Ledger, objects: ObjectReader, state: State, signature: Signature) -> None:
        self._ledger = ledger
        self._repo = ledger.repository
        self._reader = objects
        self._state = state
        self._signature = signature
        self._commits: list[tuple[str, str]] = []
        self._code: list[str] = []
        self._releases: list[str] = []
        self._extra: list[GitObject] = []
        algorithm = self._repo.object_format
        if state.base is None:
            self._tree = TreeBuilder(objects, algorithm, None)
            for path, data in ROOT_FILES.items():
                self._tree.put(path, data)
            root = self._commit(self._tree.root(), [], "gittrack ledger", _ROOT_SIGNATURE)
            self.tip = root
        else:
            self._tree = TreeBuilder(objects, algorithm, f"{state.base}^{{tree}}")
            self.tip = state.base

    def _commit(self, tree: str, parents: Sequence[str], message: str, signature: Signature) -> str:
        commit = self._repo.commit_object(tree, parents, message, signature)
        self._extra.append(commit)
        return commit.oid

    def configure(self, dvc_config: bytes, replace: bool) -> None:
        current = self._tree.blob_id(DVC_CONFIG)
        config = self._reader.get(current) if current and self._state.base else None
        if dvc_config and (replace or config is None or not config.data.strip()):
            before = self._tree.root()
            self._tree.put(DVC_CONFIG, dvc_config)
            if self._tree.root() != before:
                self._commits.append((self._tree.root(), "gittrack: DVC remotes"))

    def add(self, additions: Sequence[Addition], message: str | None = None) -> None:
        """One commit with those of `additions` that are not there, if there are any."""
        missing = [addition for addition in additions if not self._tree.has(addition.folder)]
        for addition in additions:
            self._releases += addition.releases
        for addition in missing:
            for name, data in addition.files.items():
                self._tree.put(f"{addition.folder}/{name}" if name else addition.folder, data)
            self._code += addition.code
        if missing:
            self._commits.append((self._tree.root(), message or missing[0].message))

    def publish(self) -> bytes:
        """Write the objects and move the refs; empty, or what git said where it did not."""
        anchor = self._anchor()
        if self._repo.signs:
            self._write()
            for tree, message in self._commits:
                self.tip = self._repo.signed_commit(tree, [self.tip], message, self._signature)
        else:
            for tree, message in self._commits:
                self.tip = self._commit(tree, [self.tip], message, self._signature)
            self._write()
        none = self._repo.null_oid
        changes: list[tuple[str, str | None, str | None]] = []
        if self.tip != self._state.tip:
            changes.append((self._ledger.ref, self.tip, self._state.tip or none))
        if anchor != self._state.anchor:
            changes.append((ANCHOR, anchor, self._state.anchor or none))
        changes += [(ref, None, None) for ref in dict.fromkeys(self._releases)]
        if not changes:
            return b""
        result = self._repo.update_refs(changes)
        return (result.err or b"git update-ref failed") if result.code else b""

    def _write(self) -> None:
        if self._commits or self._extra:
            self._repo.write_objects([*self._tree.objects.values(), *self._extra])

    def _anchor(self) -> str | None:
        """The anchor that reaches the new code commits too; unchanged when it already does."""
        anchor = self._state.anchor
        near = {anchor} | set(self._parents(anchor) if anchor else [])
        wanted = [c for c in dict.fromkeys(self._code) if c not in near]
        # A commit that is gone (pruned since the run began) cannot be kept; verify says it is missing.
        wanted = [c for c in wanted if self._reader.get(c) is not None]
        if anchor:
            wanted = [c for c in wanted if not self._repo.is_ancestor(c, anchor)]
        if not wanted:
            return anchor
        empty = make_tree({}, self._repo.object_format)
        self._extra.append(empty)
        for at in range(0, len(wanted), _MAX_PARENTS):
            parents = ([anchor] if anchor else []) + wanted[at : at + _MAX_PARENTS]
            message = "gittrack: keep code commits of runs"
            anchor = self._commit(empty.oid, parents, message, self._signature)
        return anchor

    def _parents(self, commit: str) -> list[str]:
        item = self._reader.get(commit)
        return parse_commit(item.data)[1] if item else []

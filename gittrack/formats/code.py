"""The code that ran, as a record states it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Submodule:
    """A submodule as it stood: the commit checked out, and whether it had changes."""

    path: str
    commit: str | None = None
    recorded: str | None = None
    """The commit that the superproject's tree names, where it differs from `commit`."""
    dirty: bool = False
    """True where the submodule has changes of its own; these are not in the snapshot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that the snapshot does not hold, and why."""

    path: str
    size: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """The code that ran. `tree` is the snapshot's tree if there is a snapshot, else the commit's.

    Of an imported run it is what the source states: a commit that this repository may not have, and a
    `tree`, `dirty` or `cwd` only where the source says so.
    """

    commit: str | None = None
    """HEAD at the start; absent on an unborn branch."""
    tree: str | None = None
    branch: str | None = None
    """Absent on a detached HEAD, and where the branch is not known."""
    detached: bool = False
    """True where HEAD named a commit and no branch."""
    dirty: bool | None = False
    """None where that is not known, as of many an imported run."""
    snapshot: str | None = None
    """Commit that keeps the uncommitted changes; its parent is `commit`."""
    remote: str | None = None
    """URL of the branch's remote (or origin), without credentials."""
    command: tuple[str, ...] = ()
    cwd: str | None = "."
    """Working directory, relative to the top of the work tree, with ``/``; None where it is not known."""
    entry: str | None = None
    """Script or module that was started, relative to the top of the work tree."""
    metrics_files: tuple[str, ...] = ()
    """Metrics files that `gittrack run` read at the end, relative to the top of the work tree."""
    submodules: tuple[Submodule, ...] = ()
    left_out: tuple[LeftOut, ...] = ()

    @property
    def revision(self) -> str | None:
        """The most exact name of what ran: snapshot, commit or tree; None where it is not known."""
        return self.snapshot or self.commit or self.tree

    @property
    def short(self) -> str:
        """`revision` by its first 12 digits, for people."""
        return (self.revision or "not known")[:12]

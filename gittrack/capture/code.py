"""The code that runs: commit, tree, branch, remote, command, submodules, and a snapshot of a dirty tree."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gittrack.capture.secrets import scrub_arguments, strip_url
from gittrack.errors import UsageError
from gittrack.record import Code, LeftOut, Submodule, clean_text
from gittrack.repository import Change, ObjectReader, Repository, Status

LIVE = "refs/gittrack/live/"
"""Refs that keep the snapshots of unfinished runs from git's garbage collection."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was started: argument list, where, and the script or module in it."""

    command: tuple[str, ...]
    cwd: Path
    entry: str | None = None


def this_invocation() -> Invocation:
    """How this Python process was started."""
    argv = list(getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv])
    if Path(argv[0]).name.startswith("python"):
        argv[0] = "python"
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    script = getattr(main, "__file__", None)
    entry = spec.name if spec is not None else script
    return Invocation(tuple(argv), Path.cwd(), entry)


def command_invocation(command: Sequence[str], cwd: Path) -> Invocation:
    """A command that `gittrack run` is about to start; the entry is its first argument that is a file."""
    entry = next((a for a in command[1:] if not a.startswith("-") and (cwd / a).is_file()), None)
    return Invocation(tuple(command), cwd, entry)


def capture_code(
    repo: Repository,
    objects: ObjectReader,
    invocation: Invocation,
    run_id: str,
    *,
    policy: str = "snapshot",
    max_file_bytes: int = 10_000_000,
    exclude: Sequence[str] = (),
) -> Code:
    """The state of the code, without touching work tree, index, HEAD, stash or branch.

    A dirty tree becomes a snapshot commit under a temporary ref, unless `policy` is
    ``refuse`` (UsageError). `exclude`: outputs and metrics of the run (paths from the
    top), which count neither as dirty nor as code. One git process when clean (besides
    `objects`), five when dirty.
    """
    status = repo.status() if repo.worktree else _bare_status(repo)
    changes = [c for c in status.changes if not _excluded(c.path, exclude)]
    if changes and policy == "refuse":
        shown = ", ".join(c.path for c in changes[:3]) + (", ..." if len(changes) > 3 else "")
        raise UsageError(
            f"the work tree has uncommitted changes ({shown}) and capture.dirty is refuse: commit them"
        )
    head_tree = objects.get(f"{status.commit}^{{tree}}") if status.commit else None
    code = Code(
        commit=status.commit,
        tree=head_tree.oid if head_tree else "",
        branch=clean_text(status.branch) if status.branch else None,
        remote=_remote(repo, status.branch),
        command=tuple(clean_text(a) for a in scrub_arguments(invocation.command, os.environ)),
        cwd=_relative(invocation.cwd, repo.top),
        entry=_entry(invocation, repo.top),
        submodules=_submodules(repo, objects, status, head_tree.oid if head_tree else None),
    )
    if status.commit and not changes:
        return code
    return _snapshot(repo, code, changes, run_id, max_file_bytes)


def _bare_status(repo: Repository) -> Status:
    branch = repo.run("symbolic-ref", "--quiet", "--short", "HEAD")
    return Status(repo.resolve("HEAD"), branch.out.decode().strip() or None, ())


def _excluded(path: str, exclude: Sequence[str]) -> bool:
    return any(path == e or path.startswith(e + "/") for e in exclude)


def _snapshot(repo: Repository, code: Code, changes: Sequence[Change], run_id: str, limit: int) -> Code:
    kept: list[str] = []
    left_out: list[LeftOut] = []
    for change in changes:
        reason, size = _why_left_out(repo.top / change.path, change, limit)
        if reason:
            left_out.append(LeftOut(path=clean_text(change.path), size=size, reason=reason))
        else:
            kept.append(change.path)
    tree = repo.snapshot_tree(kept) if repo.worktree else _empty_tree(repo)
    parents = [code.commit] if code.commit else []
    message = f"gittrack snapshot for run {run_id}\n\nUncommitted changes as they stood when the run started."
    commit = repo.commit_object(tree, parents, message, repo.identity())
    repo.write_objects([commit])
    repo.update_refs([(LIVE + run_id, commit.oid, None)])
    return replace(code, tree=tree, dirty=bool(changes), snapshot=commit.oid, left_out=tuple(left_out))


def _empty_tree(repo: Repository) -> str:
    return (
        repo.git("hash-object", "-t", "tree", "-w", "--stdin", doing="write objects", data=b"")
        .decode()
        .strip()
    )


def _why_left_out(path: Path, change: Change, limit: int) -> tuple[str, int]:
    """Why a changed file cannot be in the snapshot (empty when it can), and its size in bytes."""
    if change.submodule is not None:
        return "", 0
    if change.path.endswith("/"):
        return "another git repository inside the work tree", 0
    try:
        info = path.lstat()
    except OSError:
        return "", 0  # deleted: the snapshot says so
    if info.st_size > limit:
        return f"larger than {limit} bytes", info.st_size
    if not path.is_symlink() and not os.access(path, os.R_OK):
        return "not readable", info.st_size
    return "", info.st_size


def _remote(repo: Repository, branch: str | None) -> str | None:
    name = repo.setting(f"branch.{branch}.remote") if branch else None
    names = repo.remotes()
    if name not in names:
        name = names[0] if names else None
    url = repo.setting(f"remote.{name}.url") if name else None
    return clean_text(strip_url(url)) if url else None


def _relative(path: Path, top: Path) -> str:
    """`path` from the top of the work tree with ``/``; absolute when it lies outside."""
    try:
        return clean_text(path.resolve().relative_to(top.resolve()).as_posix())
    except ValueError:
        return clean_text(path.as_posix())


def _entry(invocation: Invocation, top: Path) -> str | None:
    if invocation.entry is None:
        return None
    path = invocation.cwd / invocation.entry
    return _relative(path, top) if path.is_file() else clean_text(invocation.entry)


def _submodules(
    repo: Repository, objects: ObjectReader, status: Status, tree: str | None
) -> tuple[Submodule, ...]:
    if tree is None or repo.worktree is None or not (repo.worktree / ".gitmodules").is_file():
        return ()
    listed = repo.git("ls-tree", "-r", "-z", "--full-tree", tree, doing="list submodules")
    changed = {c.path: c for c in status.changes if c.submodule}
    found = []
    for row in os.fsdecode(listed).split("\0"):
        meta, _, path = row.partition("\t")
        if meta.startswith("160000 "):
            found.append(_submodule(repo.worktree, path, meta.split(" ")[2], changed.get(path)))
    return tuple(found)


def _submodule(top: Path, path: str, recorded: str, change: Change | None) -> Submodule:
    folder = top / PurePosixPath(path)
    if not (folder / ".git").exists():
        return Submodule(path=clean_text(path), recorded=recorded)
    flags = change.submodule if change and change.submodule else "S..."
    commit = Repository.discover(folder).resolve("HEAD") if flags[1] == "C" else recorded
    return Submodule(
        path=clean_text(path),
        commit=commit,
        recorded=recorded if commit != recorded else None,
        dirty=flags[2] == "M" or flags[3] == "U",
    )

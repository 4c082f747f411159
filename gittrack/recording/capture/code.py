"""The code that runs: commit, tree, branch, remote, command, submodules, and a snapshot of a dirty tree."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gittrack.errors import UsageError
from gittrack.formats.record import Code, Submodule, clean_text
from gittrack.formats.scrub import scrub_arguments, strip_url
from gittrack.git.repository import Change, ObjectReader, Repository, Status
from gittrack.recording.capture.filtered import missing_for
from gittrack.recording.capture.untracked import Limits, Sorted, sort_changes
from gittrack.recording.notebook import notebook_file, session, without_connection

LIVE = "refs/gittrack/live/"
"""Refs that keep the snapshots of unfinished runs from git's garbage collection."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """What was started: argument list, where, and the script or module in it."""

    command: tuple[str, ...]
    cwd: Path
    entry: str | None = None
    in_process: bool = False
    """Whether this process itself is what was started."""
    origin: Code | None = None
    """The code that this work tree was made from, where it is a copy that somebody else recorded."""


def this_invocation() -> Invocation:
    """How this Python process was started."""
    argv = without_connection(getattr(sys, "orig_argv", None) or [sys.executable, *sys.argv])
    if Path(argv[0]).name.startswith("python"):
        argv[0] = "python"
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    script = getattr(main, "__file__", None)
    entry = spec.name if spec is not None else script
    if session() is not None:
        notebook = notebook_file()
        entry = script if notebook is None else str(notebook)
    return Invocation(tuple(argv), Path.cwd(), entry, in_process=True)


def command_invocation(command: Sequence[str], cwd: Path, origin: Code | None = None) -> Invocation:
    """A command that `gittrack run` is about to start, and the script or module that it names."""
    return Invocation(tuple(command), cwd, _entry_of(command, cwd), origin=origin)


# Their -m names a module; what else they are given first is the script.
_LAUNCHER = re.compile(r"(?:python|pypy)[0-9.]*|torchrun|accelerate|deepspeed")


def _entry_of(command: Sequence[str], cwd: Path) -> str | None:
    """The program itself if it is the project's, else the first argument that is a module or a file."""
    launched = False
    for at, word in enumerate(command):
        name = word.rpartition("/")[2]
        if at == 0 and "/" in word and not _LAUNCHER.fullmatch(name) and _is_own_program(cwd / word):
            return word
        if launched and re.fullmatch(r"-[A-Za-z]*m", word):
            return next(iter(command[at + 1 :]), None)
        if launched and re.fullmatch(r"-[A-Za-z]*c", word):
            return None
        launched = launched or bool(_LAUNCHER.fullmatch(name))
        if at > 0 and not word.startswith("-") and (cwd / word).is_file():
            return word
    return None


def _is_own_program(path: Path) -> bool:
    """A script or binary of its own, not a tool of a virtual environment."""
    return path.is_file() and not (path.parent.parent / "pyvenv.cfg").exists()


def capture_code(
    repo: Repository,
    objects: ObjectReader,
    invocation: Invocation,
    run_id: str,
    *,
    policy: str = "snapshot",
    limits: Limits | None = None,
    exclude: Sequence[str] = (),
    notes: list[str] | None = None,
) -> Code:
    """The state of the code, without touching work tree, index, HEAD, stash or branch.

    A dirty tree becomes a snapshot commit under a temporary ref, unless `policy` is
    ``refuse`` (UsageError). `exclude`: outputs and metrics of the run (paths from the
    top), which count neither as dirty nor as code. `notes` gathers what a person is to be
    told of untracked files in a snapshot, and of those left out. One git process when clean (besides
    `objects`), five when dirty (six with deleted files, or staged ones that stay out).
    """
    status = repo.status() if repo.worktree else _bare_status(repo)
    changes = [c for c in status.changes if not _excluded(c.path, exclude)]
    if changes and policy == "refuse":
        paths = ", ".join(c.path for c in changes[:3]) + (", ..." if len(changes) > 3 else "")
        raise UsageError(
            f"the work tree has uncommitted changes ({paths}) and capture.dirty is refuse: commit them"
        )
    head_tree = objects.get(f"{status.commit}^{{tree}}") if status.commit else None
    code = Code(
        commit=status.commit,
        tree=head_tree.oid if head_tree else "",
        branch=clean_text(status.branch) if status.branch else None,
        detached=status.branch is None,
        remote=_remote(repo, status.branch),
        command=tuple(clean_text(a) for a in scrub_arguments(invocation.command, os.environ)),
        cwd=_relative(invocation.cwd, repo.top),
        entry=entry_of(invocation, repo.top),
        submodules=_submodules(repo, objects, status, head_tree.oid if head_tree else None),
    )
    if status.commit and not changes:
        return _as_recorded(code, invocation.origin)
    unmake = [c for c in status.changes if _excluded(c.path, exclude)]
    made, tree = _tree_of_changes(repo, changes, unmake, limits or Limits())
    if notes is not None:
        notes += made.notes()
    return _snapshot(repo, code, bool(changes), tree, run_id, made)


def _tree_of_changes(
    repo: Repository, changes: Sequence[Change], excluded: Sequence[Change], limits: Limits
) -> tuple[Sorted, str]:
    """What of the changes is held, and the tree with them; without a file whose filter fails meanwhile."""
    paths = [c.path for c in changes if not c.submodule and c.state[1:] != "D"]
    while True:
        failed = set(repo.failed_filters)
        made = sort_changes(repo.top, changes, limits, missing_for(repo, paths))
        tree = _write_tree(repo, made, [*excluded, *made.out])
        if repo.failed_filters == failed:
            return made, tree


def _write_tree(repo: Repository, made: Sorted, as_committed: Sequence[Change]) -> str:
    gone = [change.path for change in made.held if change.state[1:] == "D"]
    paths = [change.path for change in made.held if change.state[1:] != "D"]
    entries = dict.fromkeys(gone, "") | {c.path: c.head for c in as_committed if c.state[0] not in ".?"}
    return repo.snapshot_tree(paths, entries) if repo.worktree else _empty_tree(repo)


def _as_recorded(code: Code, origin: Code | None) -> Code:
    """Commit, branch and snapshot of the original, whose tree a temporary work tree has checked out."""
    if origin is None or origin.tree != code.tree:
        return code
    names = ("commit", "branch", "detached", "dirty", "snapshot", "remote", "left_out")
    return replace(code, **{name: getattr(origin, name) for name in names})


def _bare_status(repo: Repository) -> Status:
    branch = repo.run("symbolic-ref", "--quiet", "--short", "HEAD")
    return Status(repo.resolve("HEAD"), branch.out.decode().strip() or None, ())


def _excluded(path: str, exclude: Sequence[str]) -> bool:
    return any(path == e or path.startswith(e + "/") for e in exclude)


def _snapshot(repo: Repository, code: Code, dirty: bool, tree: str, run_id: str, made: Sorted) -> Code:
    parents = [code.commit] if code.commit else []
    message = f"gittrack snapshot for run {run_id}\n\nUncommitted changes as they stood when the run started."
    commit = repo.commit_object(tree, parents, message, repo.identity())
    repo.write_objects([commit])
    repo.update_refs([(LIVE + run_id, commit.oid, None)])
    return replace(code, tree=tree, dirty=dirty, snapshot=commit.oid, left_out=tuple(made.left_out))


def _empty_tree(repo: Repository) -> str:
    return (
        repo.git("hash-object", "-t", "tree", "-w", "--stdin", doing="write objects", data=b"")
        .decode()
        .strip()
    )


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


def entry_of(invocation: Invocation, top: Path) -> str | None:
    """The script or module that was started, a file from the top of the work tree."""
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
    recorded: dict[str, str | None] = {path: None for path, c in changed.items() if c.state[0] == "A"}
    for row in os.fsdecode(listed).split("\0"):
        meta, _, path = row.partition("\t")
        if meta.startswith("160000 "):
            recorded[path] = meta.split(" ")[2]
    return tuple(
        _submodule(repo.worktree, path, oid, changed.get(path)) for path, oid in sorted(recorded.items())
    )


def _submodule(top: Path, path: str, recorded: str | None, change: Change | None) -> Submodule:
    folder = top / PurePosixPath(path)
    if not (folder / ".git").exists():
        return Submodule(path=clean_text(path), recorded=recorded)
    flags = change.submodule if change and change.submodule else "S..."
    commit = Repository.discover(folder).resolve("HEAD") if change else recorded
    return Submodule(
        path=clean_text(path),
        commit=commit,
        recorded=recorded if commit != recorded else None,
        dirty=flags[2] == "M" or flags[3] == "U",
    )

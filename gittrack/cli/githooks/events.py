"""What happens on each git event: each function is what one shim calls, and returns what is to be said."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gittrack.cli.githooks import watch
from gittrack.errors import LedgerError, UsageError
from gittrack.formats.config import Config, load_cached
from gittrack.formats.record import EXPERIMENT, OID
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger

if TYPE_CHECKING:
    from gittrack.cli.githooks.receive import Update

NOTES = "refs/notes/gittrack/rewritten"
_TRAILER = re.compile(r"^Gittrack-Run: ", re.MULTILINE)
_SCISSORS = b"\n# ------------------------ >8 ------------------------\n"
"""Below it `git commit --verbose` shows the diff, which is no part of the message."""


def run(event: str, arguments: Sequence[str], given: Iterable[str]) -> list[str]:
    """Do what there is to do on `event`, with the arguments and standard input of its hook."""
    repo = Repository.discover()
    match event, list(arguments):
        case "pre-receive", []:
            pre_receive(repo, given)
            return []
        case "post-commit", _:
            return post_commit(repo, _config(repo))
        case "pre-commit", _:
            return pre_commit(repo, arguments[0] if arguments else _index_tree(repo))
        case "prepare-commit-msg", [tree, file, *_]:
            return prepare_commit_msg(repo, tree, Path(file))
        case "commit-msg", [file]:
            return commit_msg(repo, Path(file))
        case "pre-push", [remote, *_]:
            return pre_push(repo, _config(repo), remote, given)
        case "post-rewrite", _:
            return post_rewrite(repo, given)
    raise UsageError(f"no hook {event!r} with {len(arguments)} arguments: see docs/hooks.md")


def _config(repo: Repository) -> Config:
    return load_cached(repo.worktree, repo.state_dir)


def _index_tree(repo: Repository) -> str:
    """The tree that is about to be committed, when no shim has made it: with git's own index of the hook."""
    index = os.environ.get("GIT_INDEX_FILE")
    extra = {"GIT_INDEX_FILE": str(Path(index).absolute())} if index else {}
    return repo.git("write-tree", doing="look at what is staged", env=extra).decode().strip()


# --- recording -------------------------------------------------------------------------------


def post_commit(repo: Repository, config: Config) -> list[str]:
    """Record HEAD if it is a training commit; not while a rebase makes old commits anew."""
    from gittrack.recording.commits import record_commits
    from gittrack.recording.commits.select import judge

    watch.refresh(repo, config)
    head = repo.resolve("HEAD")
    rebasing = any((repo.git_dir / name).is_dir() for name in ("rebase-merge", "rebase-apply"))
    if head is None or rebasing:
        return []
    selection = judge(repo, config, head)
    if not selection.commits or _is_amended(repo, config, head):
        return selection.complaints
    recorded = record_commits(repo, config, [head], here=not _comes_from_elsewhere(repo))
    notes = [f"recorded {record.experiment} {record.id}" for record in recorded.records]
    return [*recorded.complaints, *notes]


def _comes_from_elsewhere(repo: Repository) -> bool:
    """Whether git made HEAD of another commit, so that it says nothing of where its results were made."""
    moved = repo.run("reflog", "show", "-1", "--format=%gs", "HEAD").out
    return moved.startswith(
        (b"cherry-pick", b"revert", b"am", b"rebase", b"merge", b"pull", b"commit (merge)")
    )


def _is_amended(repo: Repository, config: Config, head: str) -> bool:
    """Whether HEAD amends a recorded commit and changes nothing of its result: post-rewrite notes that."""
    from gittrack.recording.commits import is_recorded

    moved = repo.run("reflog", "show", "-1", "--format=%gs", "HEAD").out
    before = repo.resolve("HEAD@{1}") if moved.startswith(b"commit (amend)") else None
    if before is None or not is_recorded(repo, config, before):
        return False
    listed = repo.config.get(watch.KEY, [])
    changed = [path for _, _, _, path in repo.diff_tree(before, head)]
    return not any(re.search(pattern, path) for pattern in listed for path in changed)


# --- messages and checks ---------------------------------------------------------------------


def prepare_commit_msg(repo: Repository, tree: str, file: Path) -> list[str]:
    """Add ``Gittrack-Run:`` trailers for the runs whose snapshot is what is being committed."""
    from gittrack.reading.index import open_index

    if not OID.match(tree):
        raise UsageError(f"{tree!r} is no tree")
    text = file.read_bytes()
    if _TRAILER.search(text.decode("utf-8", "replace")):
        return []
    head = repo.resolve("HEAD")
    with open_index(repo) as index:
        based = index.search(f"commit = '{head}'" if head else "commit is null", limit=1000)
    rows = [row for row in based if row.snapshot and _tree_of(row.record) == tree]
    trailers = [f"Gittrack-Run: {row.id}" for row in reversed(rows)]
    if trailers:
        options = [part for trailer in trailers for part in ("--trailer", trailer)]
        repo.git(
            "interpret-trailers", "--in-place", *options, "--", str(file.absolute()), doing="name the runs"
        )
    return []


def commit_msg(repo: Repository, file: Path) -> list[str]:
    """LedgerError if a ``Gittrack-Experiment:`` line would be read as no trailer, or names no experiment."""
    from gittrack.recording.commits import TRAILER, read_commit

    text = file.read_bytes().partition(_SCISSORS)[0]
    message = repo.git("stripspace", "--strip-comments", doing="read the message", data=text)
    experiment = read_commit("", f"tree {repo.null_oid}\n\n".encode() + message).experiment
    if re.search(rf"^{TRAILER}:".encode(), message, re.MULTILINE) and not EXPERIMENT.match(experiment or ""):
        raise LedgerError(
            f"{TRAILER}: names no experiment: put it into the last paragraph, below the subject, and "
            "behind it one name of letters, digits, '_', '-' and '.'"
        )
    return []


def _tree_of(record: dict[str, object]) -> object:
    code = record.get("code")
    return code.get("tree") if isinstance(code, dict) else None


def pre_commit(repo: Repository, tree: str) -> list[str]:
    """LedgerError, with the reasons, if what is staged contradicts its dvc.lock."""
    from gittrack.cli.githooks.agreement import disagreements

    if not OID.match(tree):
        raise UsageError(f"{tree!r} is no tree")
    faults = disagreements(repo, tree)
    if faults:
        raise LedgerError("\n".join(["this training result does not agree with itself:", *faults]))
    return []


# --- pushing and receiving -------------------------------------------------------------------


def pre_push(repo: Repository, config: Config, remote: str, given: Iterable[str]) -> list[str]:
    """Check the ledger that is pushed, and send the code anchor ahead of it; or push both with code."""
    from gittrack.cli.githooks.receive import Update, judge_for
    from gittrack.ledger.sync import push

    ledger = Ledger(repo, config.ledger.branch)
    pushed = [line.split(" ") for line in given if line.count(" ") == 3]
    updates = [Update(old, new, remote_oid) for _, new, remote_oid, old in pushed]
    ours = [u for u in updates if u.ref == ledger.ref]
    anchor = any(u.ref == ANCHOR for u in updates)
    state = ledger.state()
    if not ours:
        if repo.flag("gittrack.pushledger") and not anchor and state.tip and remote in repo.remotes():
            push(ledger, remote)
            return [f"the ledger went to {remote} too"]
        return []
    if any(not _has(repo, u.old) for u in ours):
        raise LedgerError(f"{remote} has runs that are not here: fetch first, with gittrack pull {remote}")
    judge_for(repo, ledger.branch, signed=False).check(ours)
    _verify(repo, ours)
    if anchor or state.anchor is None:
        return []
    result = repo.run("push", "--no-verify", "--quiet", "--end-of-options", remote, f"{ANCHOR}:{ANCHOR}")
    if result.code != 0:
        raise LedgerError(
            f"{remote} holds code commits of runs that are not here: run gittrack push {remote}"
        )
    return []


def _verify(repo: Repository, updates: Iterable[Update]) -> None:
    """LedgerError if verify says FAIL of what an update adds; what cannot be checked here passes."""
    from gittrack.verify import VerifyOptions, verify

    for update in updates:
        what = update.new if update.old == repo.null_oid else f"{update.old}..{update.new}"
        if update.old == update.new:
            continue
        report = verify(repo, selection=[what], options=VerifyOptions(fsck=False))
        failed = [f for f in report.findings if f.severity == "fail"]
        if failed:
            reasons = [f"{f.code}: {f.path or f.run or ''}: {f.says}" for f in failed[:20]]
            raise LedgerError("\n".join(["gittrack verify says FAIL of what is to be pushed:", *reasons]))


def _has(repo: Repository, oid: str) -> bool:
    return oid == repo.null_oid or repo.run("cat-file", "-e", oid).code == 0


def pre_receive(repo: Repository, given: Iterable[str]) -> None:
    """LedgerError, with the reasons, if one of the pushed refs may not be taken."""
    from gittrack.cli.githooks.install import LEDGER
    from gittrack.cli.githooks.receive import Update, judge_for, quarantined

    updates = [Update(*line.split(" ", 2)) for line in given if line.count(" ") >= 2]
    with_objects = quarantined(repo)
    branch = repo.setting(LEDGER) or Config().ledger.branch
    judge_for(with_objects, branch).check(updates)


def post_rewrite(repo: Repository, given: Iterable[str]) -> list[str]:
    """Note, at each old commit that a run names, what it is called now. Records never change."""
    pairs = [line.split(" ")[:2] for line in given if " " in line]
    pairs = [pair for pair in pairs if all(OID.match(oid) for oid in pair)]
    for old, new in pairs:
        if not repo.is_ancestor(old, ANCHOR):
            continue
        repo.git(
            "notes", f"--ref={NOTES}", "append", "-m", f"Rewritten-as: {new}", old, doing="note a new name"
        )
    return []

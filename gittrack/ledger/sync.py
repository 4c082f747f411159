"""Ledgers of other clones: fetch, merge without a work tree, push with retries.

Concurrent writers add disjoint paths, so a merge is the union of two trees. The code
anchor travels with the ledger; both use refs that stock git can fetch and push.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from gittrack.errors import LedgerError, RepositoryError, UsageError
from gittrack.git.objects import GitObject, TreeEntry, make_tree, parse_commit
from gittrack.git.repository import ObjectReader, Repository, explain
from gittrack.ledger import ANCHOR, Ledger, is_add_only
from gittrack.ledger.tree import merge_trees
from gittrack.ledger.waiting import Patience, Reason, reason_of

_REJECTED = re.compile(rb"^!\t[^\t\n]*\t(.*)$", re.MULTILINE)
_FOR_ANOTHER = re.compile(rb"atomic push fail|atomic transaction fail")
"""Refused because another ref of the same push was."""
_BUSY = re.compile(
    rb"cannot lock ref|failed to lock|failed to update ref|unable to (?:create|write)[^\n]*\.lock|File exists"
)
"""Another push may be at work on the ref; or something stays in its way."""


@dataclass(frozen=True, slots=True)
class Synced:
    """What a push or a pull did: the ledger's tip before and after, on the side that changed."""

    before: str | None
    after: str | None
    merged: bool = False
    """Whether a merge commit had to be made."""


def choose_remote(repository: Repository, name: str | None) -> str:
    """The remote called `name`, or git's default one: that of the branch is not asked, origin is."""
    remotes = repository.remotes()
    if name is None:
        name = repository.setting("remote.pushdefault") or (remotes[0] if remotes else None)
        if name is None:
            raise UsageError("there is no remote to use: run git remote add origin URL")
    if name not in remotes:
        known = ", ".join(remotes) or "none"
        raise UsageError(f"no remote named {name!r} (there is: {known}); run git remote add {name} URL")
    return name


def tracking_refs(ledger: Ledger, remote: str) -> tuple[str, str]:
    """Where this clone keeps a remote's ledger and anchor."""
    return f"refs/remotes/{remote}/{ledger.branch}", f"refs/gittrack/remotes/{remote}/code"


def fetch(ledger: Ledger, remote: str) -> tuple[str | None, str | None]:
    """Bring the remote's ledger and anchor; their commits, None where the remote has none."""
    repo = ledger.repository
    listed = repo.git(
        "-c", "protocol.ext.allow=never", "ls-remote", "--end-of-options", remote, ledger.ref, ANCHOR,
        doing=f"reach remote {remote}",
    )  # fmt: skip
    remote_refs = {
        ref: oid for oid, _, ref in (line.partition("\t") for line in listed.decode().splitlines())
    }
    tracking = dict(zip((ledger.ref, ANCHOR), tracking_refs(ledger, remote), strict=True))
    specs = [f"+{ref}:{local}" for ref, local in tracking.items() if ref in remote_refs]
    if specs:
        repo.git(
            "-c", "protocol.ext.allow=never", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--end-of-options", remote, *specs, doing=f"fetch from {remote}",
        )  # fmt: skip
    local_refs = repo.refs(*tracking.values())
    tip, anchor = (
        local_refs[local].oid if local in local_refs and ref in remote_refs else None
        for ref, local in tracking.items()
    )
    return tip, anchor


def merge(ledger: Ledger, tip: str | None, anchor: str | None, source: str) -> Synced:
    """Make the ledger and its anchor contain `tip` and `anchor`: fast-forward, or a merge of trees.

    Raises LedgerError, and changes nothing, when the two hold different bytes for one run.
    """
    repo = ledger.repository
    patience = Patience("move the ledger")
    while True:
        with repo.objects() as objects:
            state = ledger.check(objects)
        new_tip = _merge_tip(ledger, state.tip, tip, source)
        new_anchor = _merge_anchor(repo, state.anchor, anchor)
        changes: list[tuple[str, str | None, str | None]] = [
            (ref, new, old or repo.null_oid)
            for ref, new, old in ((ledger.ref, new_tip, state.tip), (ANCHOR, new_anchor, state.anchor))
            if new != old
        ]
        if not changes:
            return Synced(state.tip, state.tip)
        result = repo.update_refs(changes)
        if result.code == 0:
            return Synced(state.tip, new_tip, merged=new_tip not in (tip, state.tip))
        patience.after(result.err)


def _merge_tip(ledger: Ledger, ours: str | None, theirs: str | None, source: str) -> str | None:
    repo = ledger.repository
    if theirs is None or ours == theirs:
        return ours
    with repo.objects() as objects:
        if objects.get(f"{theirs}:.gitattributes") is None:
            raise LedgerError(f"branch {ledger.branch} of {source} is no gittrack ledger")
    if ours is None or repo.is_ancestor(ours, theirs):
        return theirs
    if repo.is_ancestor(theirs, ours):
        return ours
    signature = repo.identity()
    with repo.objects() as objects:
        left, right = _tree_of(objects, ours), _tree_of(objects, theirs)
        tree, new = merge_trees(objects, repo.object_format, left, right, _settle)
    message = f"Merge ledger of {source}"
    if repo.signs:
        if new:
            repo.write_objects(new)
        return repo.signed_commit(tree, [ours, theirs], message, signature)
    commit = repo.commit_object(tree, [ours, theirs], message, signature)
    repo.write_objects([*new, commit])
    return commit.oid


def _tree_of(objects: ObjectReader, commit: str) -> str:
    item = objects.get(commit)
    if item is None:
        raise RepositoryError(f"commit {commit[:12]} is not in this clone: run git fetch")
    return parse_commit(item.data)[0]


def _settle(path: str, ours: TreeEntry, theirs: TreeEntry) -> TreeEntry:
    if is_add_only(path):
        raise LedgerError(f"the two ledgers hold different bytes for {path}: one was altered; compare them")
    return ours  # .dvc/config and the like: each clone keeps its own


def _merge_anchor(repo: Repository, ours: str | None, theirs: str | None) -> str | None:
    if theirs is None or ours == theirs:
        return ours
    if ours is None or repo.is_ancestor(ours, theirs):
        return theirs
    if repo.is_ancestor(theirs, ours):
        return ours
    empty: GitObject = make_tree({}, repo.object_format)
    signature = repo.identity()
    commit = repo.commit_object(empty.oid, [ours, theirs], "gittrack: keep code commits of runs", signature)
    repo.write_objects([empty, commit])
    return commit.oid


def pull(ledger: Ledger, remote: str) -> Synced:
    """Fetch the remote's ledger and anchor and merge them into this clone's."""
    tip, anchor = fetch(ledger, remote)
    if tip is None:
        raise UsageError(f"remote {remote} has no ledger {ledger.branch} yet: run gittrack push {remote}")
    return merge(ledger, tip, anchor, remote)


def push(ledger: Ledger, remote: str) -> Synced:
    """Publish ledger and anchor; a rejected push is fetched, merged and tried again with backoff."""
    repo = ledger.repository
    atomic = ["--atomic"]
    remote_ref, _ = tracking_refs(ledger, remote)
    patience, merged = Patience(f"push to {remote}"), False
    with repo.objects() as objects:
        state = ledger.check(objects)
    while True:
        if state.tip is None:
            raise UsageError("there is nothing to push: no run is recorded yet")
        known = repo.refs(remote_ref).get(remote_ref)
        before = known.oid if known else None
        specs = [f"{ref}:{ref}" for ref, oid in ((ledger.ref, state.tip), (ANCHOR, state.anchor)) if oid]
        result = repo.run("push", "--porcelain", *atomic, "--end-of-options", remote, *specs)
        if result.code == 0:
            repo.update_refs([(remote_ref, state.tip, None)])
            return Synced(before, state.tip, merged=merged)
        if b"does not support --atomic" in result.err + result.out:
            atomic = []
            continue
        reason, merged = _reason(result.err, result.out), True
        if reason != "refusal":
            merge(ledger, *fetch(ledger, remote), source=remote)
            if reason == "unclear" and ledger.state() != state:
                reason = "race"
        patience.after(result.err, _refusal(remote, result.err, result.out), reason)
        state = ledger.state()


def _reason(err: bytes, out: bytes) -> Reason:
    """Whether the remote has moved on, or refuses; of several refs, a refusal of one decides."""
    said = reason_of(err)
    own = [reason for reason in _REJECTED.findall(out) if not _FOR_ANOTHER.search(reason)]
    reasons: list[Reason] = [_reason_of_one(reason, said) for reason in own]
    if not own:
        reasons = [said if _FOR_ANOTHER.search(out) or _BUSY.search(err) else "refusal"]
    if said == "refusal" or "refusal" in reasons:
        return "refusal"
    return "unclear" if "unclear" in reasons else "race"


def _reason_of_one(reason: bytes, said: Reason) -> Reason:
    if reason_of(reason) == "race":
        return "race"
    return said if _BUSY.search(reason) else "refusal"


def _refusal(remote: str, err: bytes, out: bytes) -> str:
    remarks = [
        line.removeprefix("remote:").strip()
        for line in err.decode("utf-8", "replace").splitlines()
        if line.startswith("remote:") and line.removeprefix("remote:").strip()
    ]
    for line in out.decode("utf-8", "replace").splitlines():
        if line.startswith("!"):
            reason = line.rsplit("\t", 1)[-1]
            return f"remote {remote} refused the ledger: {reason}" + (
                f"; {' / '.join(remarks)}" if remarks else ""
            )
    return explain(f"push to {remote}", err)

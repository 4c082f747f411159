"""The tags of the registry, sent to a remote and brought from it; none is ever replaced."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

from gittrack.errors import LedgerError
from gittrack.git.repository import Repository, explain
from gittrack.governance.registry.names import parse_tag_name
from gittrack.governance.registry.tags import PATTERNS, PREFIX
from gittrack.ledger import Ledger

_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Tags:
    """What became of tags: those that moved, and those that the two sides have with different content."""

    moved: tuple[str, ...]
    differ: tuple[str, ...]


def push_tags(ledger: Ledger, remote: str) -> Tags:
    """Send the registry's tags on the ledger that the remote lacks. None is ever replaced there."""
    repo = ledger.repository
    tip = ledger.state().tip
    local = {} if tip is None else _registry_tags(repo, f"--merged={tip}")
    remote_tags = _remote_tags(repo, remote) if local else {}
    missing = [ref for ref in local if ref not in remote_tags]
    for at in range(0, len(missing), _AT_ONCE):
        specs = [f"{ref}:{ref}" for ref in missing[at : at + _AT_ONCE]]
        result = repo.run("push", "--quiet", "--end-of-options", remote, *specs)
        if result.code != 0:
            raise LedgerError(explain(f"push the registry's tags to {remote}", result.err))
    return Tags(
        _short(missing), _short(ref for ref in local if remote_tags.get(ref, local[ref]) != local[ref])
    )


def pull_tags(ledger: Ledger, remote: str) -> Tags:
    """Bring the remote's registry tags on commits that this clone has. None is ever replaced here."""
    repo = ledger.repository
    local, remote_tags = _registry_tags(repo), _remote_tags(repo, remote)
    wanted = [
        ref for ref in remote_tags if ref not in local and f"{ref}^{{}}" in remote_tags and _is_registry(ref)
    ]
    with repo.objects() as objects:
        commits = list(objects.get_many(remote_tags[f"{ref}^{{}}"] for ref in wanted))
    missing = [ref for ref, item in zip(wanted, commits, strict=True) if item is not None]
    for at in range(0, len(missing), _AT_ONCE):
        specs = [f"{ref}:{ref}" for ref in missing[at : at + _AT_ONCE]]
        repo.git(
            "-c", "protocol.ext.allow=never", "fetch", "--quiet", "--no-tags", "--no-write-fetch-head",
            "--end-of-options", remote, *specs, doing=f"fetch the registry's tags from {remote}",
        )  # fmt: skip
    return Tags(
        _short(missing), _short(ref for ref in local if remote_tags.get(ref, local[ref]) != local[ref])
    )


def _registry_tags(repo: Repository, *limits: str) -> dict[str, str]:
    out = repo.git(
        "for-each-ref", "--format=%(objectname) %(refname)", *limits, "--", *PATTERNS, doing="read the tags"
    )
    rows = (line.partition(" ") for line in os.fsdecode(out).splitlines())
    return {ref: oid for oid, _, ref in rows if _is_registry(ref)}


def _remote_tags(repo: Repository, remote: str) -> dict[str, str]:
    """Those of a remote, and as ``<ref>^{}`` what they point to."""
    out = repo.git(
        "-c", "protocol.ext.allow=never", "ls-remote", "--tags", "--end-of-options", remote,
        doing=f"reach remote {remote}",
    )  # fmt: skip
    rows = (line.partition("\t") for line in os.fsdecode(out).splitlines())
    return {ref: oid for oid, _, ref in rows}


def _is_registry(ref: str) -> bool:
    return parse_tag_name(ref.removeprefix(PREFIX)) is not None


def _short(refs: Iterable[str]) -> tuple[str, ...]:
    return tuple(ref.removeprefix(PREFIX) for ref in refs)

"""Proposals: runs on a branch of their own, cut from the ledger, so that a pull request adds them."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Addition, Ledger
from gittrack.reading.index import Index, Row
from gittrack.recording.finish import Frozen

PREFIX = "gittrack/review/"
"""Proposals are branches below it."""

VARIABLE = "GITTRACK_REVIEW"
"""Environment variable: runs are proposed on the branch of this name, whatever the mode."""

# What git check-ref-format refuses, and more: as the pattern of ledger.branch in the schema.
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,149}")
_REFUSED = re.compile(r"//|\.\.|/\.|\.lock(/|$)|[./]$")


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as it stands: the branch, its tip, and the runs that were asked for."""

    branch: str
    tip: str
    runs: tuple[str, ...]


def review_branch(name: str) -> str:
    """The branch of the proposal `name`, which may have the prefix already; UsageError for a bad name."""
    short = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(short) or _REFUSED.search(short):
        raise UsageError(
            f"a proposal cannot be called {name!r}: take letters, digits, '_', '-', '.' and '/', "
            "as in a branch name"
        )
    return PREFIX + short


def target(config: Config, asked: str | None, default: str) -> tuple[str, str | None]:
    """Where a new run goes: its branch, and the ledger that branch is cut from (None: it is the ledger).

    `asked` is None where nobody asked for a proposal, empty where the name does not matter.
    """
    named = os.environ.get(VARIABLE)
    if asked is None and not named and config.ledger.mode == "direct":
        return config.ledger.branch, None
    return review_branch(asked or named or default), config.ledger.branch


def propose(repo: Repository, config: Config, names: Sequence[str], branch: str | None = None) -> Proposed:
    """Put runs of this clone's ledger, which the remote's lacks, on a branch cut from the remote's.

    They stay on this clone's ledger. Proposing a run again on the same branch changes nothing.
    UsageError where the remote has no ledger yet or has a run already; NotFoundError for a wrong name.
    """
    trunk = config.ledger.branch
    with Index.open(repo, trunk) as index:
        rows = list({row.id: row for row in map(index.one, names)}.values())
        tip = index.tip or ""
    if not rows:
        raise UsageError("name the runs to propose: gittrack log lists them")
    ledger = Ledger(repo, review_branch(branch or rows[0].id), onto=trunk)
    shared = remote_ledger(repo, trunk)
    with repo.objects() as objects:
        for row in rows:
            if objects.get(f"{shared}:{row.folder}") is not None:
                raise UsageError(
                    f"run {row.id} is on the remote's ledger already: there is nothing to propose"
                )
        additions = [_addition(objects, tip, row) for row in rows]
    return Proposed(ledger.branch, ledger.append(additions), tuple(row.id for row in rows))


def remote_ledger(repo: Repository, branch: str) -> str:
    """The ledger commit that this clone last saw on a remote, origin first; UsageError if there is none."""
    refs = repo.refs(f"refs/remotes/*/{branch}")
    if not refs:
        raise UsageError(f"no remote has the ledger {branch} yet: run gittrack push, then propose")
    return refs[min(refs, key=lambda name: (not name.startswith("refs/remotes/origin/"), name))].oid


def _addition(objects: ObjectReader, tip: str, row: Row) -> Addition:
    """The run as the ledger has it, file by file."""
    files = dict(_files(objects, f"{tip}:{row.folder}", ""))
    return replace(Frozen(row.load(), files).addition(), releases=())


def _files(objects: ObjectReader, tree: str, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for name, entry in (objects.tree(tree) or {}).items():
        if entry.is_tree:
            found += _files(objects, entry.oid, f"{prefix}{name}/")
        elif (blob := objects.get(entry.oid)) is not None:
            found.append((prefix + name, blob.data))
    return found

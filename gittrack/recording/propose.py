"""Proposals: runs on a branch of their own, cut from the ledger, so that a pull request adds them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Addition, Ledger
from gittrack.ledger.proposals import review_branch
from gittrack.reading.index import Index, Row
from gittrack.recording.finish import Frozen


@dataclass(frozen=True, slots=True)
class Proposed:
    """A proposal as it stands: the branch, its tip, and the runs that were asked for."""

    branch: str
    tip: str
    runs: tuple[str, ...]


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
    files: list[tuple[str, bytes]] = []
    for name, entry in (objects.tree(tree) or {}).items():
        if entry.is_tree:
            files += _files(objects, entry.oid, f"{prefix}{name}/")
        elif (blob := objects.get(entry.oid)) is not None:
            files.append((prefix + name, blob.data))
    return files

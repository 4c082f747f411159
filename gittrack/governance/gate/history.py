"""What git says of a gate: which one a code tree holds, and since which commit.

Read from git's objects, never from the work tree. Replace refs, grafts and commit-graph files can
make git tell another history than the objects do, and are not believed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property

from gittrack.errors import ConfigError
from gittrack.formats.config import FILE, parse
from gittrack.formats.record import Record
from gittrack.git.objects import GITLINK_MODE, parse_commit
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.gate.rule import Rule, rule_of

_COMMITTER = re.compile(rb"^committer .*> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_LATEST = 253402300799  # the end of the year 9999


class Absent(Exception):
    """A git object that is asked for is not in this clone; the message names it."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The commit since which a gate has been in force without a break, up to the code of a run."""

    commit: str
    seconds: int
    """Committer date, since the epoch: the committer's word."""
    cut_off: bool = False
    """Whether this clone lacks what came before (a shallow clone), so that it may be older."""
    runs: tuple[str, ...] = ()
    """Ids of the runs whose code commit goes back to it, or is it; oldest first."""


class History:
    """The gate of one experiment in code trees and commits. Every gittrack.yaml is read once."""

    def __init__(self, repository: Repository, objects: ObjectReader, experiment: str) -> None:
        self._repository = repository
        self._objects = objects
        self._experiment = experiment
        self._blobs: dict[str, str | None] = {}
        self._rules: dict[str, Rule | None] = {}

    def blob(self, tree: str) -> str | None:
        """Object id of gittrack.yaml in a code tree; None without one. Absent where the tree is not here."""
        if tree not in self._blobs:
            entries = self._objects.tree(tree)
            if entries is None:
                raise Absent(f"code tree {tree[:12]}")
            entry = entries.get(FILE)
            is_file = entry is not None and not entry.is_tree and entry.mode != GITLINK_MODE
            self._blobs[tree] = entry.oid if entry is not None and is_file else None
        return self._blobs[tree]

    def rule(self, tree: str) -> Rule | None:
        """The gate in a code tree; None without one. Absent, or ConfigError for a file with faults."""
        blob = self.blob(tree)
        if blob is None:
            return None
        if blob not in self._rules:
            blob_read = self._objects.get(blob)
            if blob_read is None:
                raise Absent(f"{FILE} ({blob[:12]})")
            self._rules[blob] = rule_of(parse(blob_read.data, f"{FILE} ({blob[:12]})"), self._experiment)
        return self._rules[blob]

    def origin(self, commit: str, rule: Rule) -> Origin | None:
        """Where `rule` came from, as a commit has it; None where that commit has another gate, or none.

        Goes back from `commit` through the commits that changed gittrack.yaml as long as they hold
        an equal gate. What is found is an ancestor of `commit`, or `commit` itself. Where several
        lines of history brought the same gate, the oldest one counts. Absent where this clone
        lacks the commit, or what is needed to go back.
        """
        if not self._holds(commit, rule):
            return None
        parents = self._changes(commit)
        order = list(parents)
        pending, seen, changes = order[:1], set(order[:1]), []
        while pending:
            at = pending.pop()
            before = [p for p in parents[at] if p in parents and self._holds(p, rule)]
            if not before:
                changes.append(at)
            pending += [p for p in before if p not in seen]
            seen.update(before)
        # Git's order has children first; without any change at all (a graft) the commit stands for itself.
        oldest = max(changes, key=order.index, default=commit)
        return Origin(oldest, self._commit(oldest)[1], oldest in self._boundary or not changes)

    def proven(self, runs: Sequence[Record], rule: Rule) -> tuple[tuple[Origin, ...], tuple[Record, ...]]:
        """The origins of `rule` for the commits of `runs`, and the runs whose commit does not hold it."""
        by_commit: dict[str, Origin | None] = {}
        origins: dict[str, Origin] = {}
        without = []
        for run in runs:
            commit = run.code.commit
            if commit is not None and commit not in by_commit:
                by_commit[commit] = self.origin(commit, rule)
            origin = by_commit.get(commit or "")
            if origin is None:
                without.append(run)
                continue
            known = origins.get(origin.commit, origin)
            origins[origin.commit] = replace(known, runs=(*known.runs, run.id))
        return tuple(origins.values()), tuple(without)

    def _holds(self, commit: str, rule: Rule) -> bool:
        with suppress(ConfigError):  # a past file that could not be read then either: no gate
            return self.rule(self._commit(commit)[0]) == rule
        return False

    def _commit(self, oid: str) -> tuple[str, int]:
        """Tree and committer date."""
        item = self._objects.get(oid)
        if item is None or item.kind != "commit":
            raise Absent(f"commit {oid[:12]}")
        date = _COMMITTER.search(item.data.partition(b"\n\n")[0])
        return parse_commit(item.data)[0], min(int(date[1]), _LATEST) if date else 0

    def _changes(self, commit: str) -> dict[str, list[str]]:
        """The commits up to `commit` that explain its gittrack.yaml, children first, with their parents."""
        result = self._repository.run(
            "-c", "core.commitGraph=false", "-c", "advice.graftFileDeprecated=false",
            "rev-list", "--topo-order", "--parents", "--end-of-options", commit, "--", FILE,
            env={"GIT_GRAFT_FILE": os.devnull},
        )  # fmt: skip
        if result.code != 0:
            raise Absent(f"the history of commit {commit[:12]}")
        lines = (line.split() for line in result.out.decode("ascii", "replace").splitlines())
        return {oid: parents for oid, *parents in lines}

    @cached_property
    def _boundary(self) -> frozenset[str]:
        """Commits whose parents a shallow clone has left out."""
        try:
            return frozenset((self._repository.common_dir / "shallow").read_text("ascii").split())
        except (OSError, ValueError):
            return frozenset()

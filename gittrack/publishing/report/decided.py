"""The decisions of an experiment with who signed them off, and the candidates that they weighed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from gittrack.errors import RecordError
from gittrack.formats.decision import ROOT, Decision, load
from gittrack.formats.record import clean_text
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.criteria import candidate_of
from gittrack.publishing.report.model import Candidate, Signed
from gittrack.publishing.report.places import added_by, committed, head_of
from gittrack.stats.replicates import Group, told_apart

_PERSON = re.compile(rb"(?m)^(author|committer) (.*) <[^>]*> [0-9]{1,12} [+-][0-9]{4}$")
Signature = Literal["SSH", "OpenPGP", "X.509"]
_KINDS: tuple[tuple[bytes, Signature], ...] = (
    (b"BEGIN SSH SIGNATURE", "SSH"), (b"BEGIN PGP", "OpenPGP"), (b"BEGIN SIGNED MESSAGE", "X.509"),
)  # fmt: skip


def decisions_of(repository: Repository, objects: ObjectReader, tip: str, experiment: str) -> list[Signed]:
    """The decisions of an experiment, oldest first. Those that cannot be read are for verify to name."""
    folder = f"{ROOT}/{experiment}"
    listed = repository.run("ls-tree", "-r", "-z", "--name-only", "--end-of-options", tip, f"{folder}/")
    paths = [p for p in listed.out.decode("utf-8", "replace").split("\0") if p.endswith(".yaml")]
    pairs: list[tuple[Decision, str]] = []
    for path, blob in zip(paths, objects.get_many(f"{tip}:{path}" for path in paths), strict=True):
        try:
            made = load(blob.data if blob else b"", path)
        except RecordError:
            continue
        if blob is not None and made.path == path:
            pairs.append((made, blob.oid))
    if not pairs:
        return []
    pairs.sort(key=lambda item: (item[0].made, item[0].id))
    last = {made.run: made.id for made, _ in pairs}
    added = added_by(repository, tip, folder)
    line = set(_line(repository, tip))
    return [
        _signed(repository, objects, tip, line, made, blob, added.get(made.path), last[made.run] == made.id)
        for made, blob in pairs
    ]


def _line(repository: Repository, tip: str) -> list[str]:
    """The ledger's own line: first parents only."""
    out = repository.git("rev-list", "--first-parent", "--end-of-options", tip, doing="follow the ledger")
    return out.decode().split()


def _signed(
    repository: Repository,
    objects: ObjectReader,
    tip: str,
    line: set[str],
    made: Decision,
    blob: str,
    commit: str | None,
    holds: bool,
) -> Signed:
    head = head_of(objects, commit)
    merge = _merge_of(repository, commit, tip) if commit is not None and commit not in line else None
    return Signed(
        decision=made,
        blob=blob,
        commit=commit or "",
        author=_name(head, b"author"),
        committer=_name(head, b"committer"),
        committed=committed(objects, commit or ""),
        signature=_signature(head),
        merge=merge,
        merged_by=_name(head_of(objects, merge), b"committer") if merge else None,
        holds=holds,
    )


def _signature(head: bytes) -> Signature | None:
    mark = head.find(b"\ngpgsig")
    if mark < 0:
        return None
    return next((name for text, name in _KINDS if text in head[mark : mark + 200]), "OpenPGP")


def _merge_of(repository: Repository, commit: str, tip: str) -> str | None:
    """The oldest commit of the ledger's own line that has `commit` below it."""
    out = repository.git(
        "rev-list", "--first-parent", "--ancestry-path", "--end-of-options", f"{commit}..{tip}",
        doing="find a merge",
    )  # fmt: skip
    lines = out.decode().split()
    return lines[-1] if lines else None


def _name(head: bytes, role: bytes) -> str:
    people = {match[1]: match[2] for match in _PERSON.finditer(head)}
    return clean_text(people.get(role, b"").decode("utf-8", "surrogateescape"))


# --- candidates ----------------------------------------------------------------------------------


def candidates_of(
    groups: Sequence[Group], decision: Decision | None, metrics: Sequence[str], outcomes: Mapping[str, str]
) -> list[Candidate]:
    """Every spec, in the order of `groups`: with figures of the decision that weighed it, else those now."""
    weighed = {c.spec: c for c in decision.candidates} if decision is not None else {}
    candidates = []
    for group, apart in zip(groups, told_apart(groups), strict=True):
        now = candidate_of(group, metrics)
        then = weighed.pop(group.spec, None)
        candidate = then or now
        known = {*candidate.runs, *candidate.failed}
        candidates.append(
            Candidate(
                spec=group.spec,
                apart=apart,
                runs=candidate.runs,
                failed=candidate.failed,
                figures=candidate.metrics,
                outcome=next((o for run in reversed(group.runs) if (o := outcomes.get(run.id))), None),
                weighed=then is not None,
                later=0 if then is None else sum(run.id not in known for run in group.runs),
            )
        )
    return [*candidates, *(_lost(c.spec, c.runs, c.failed, c.metrics) for c in weighed.values())]


def _lost(spec: str, runs: tuple[str, ...], failed: tuple[str, ...], figures: Any) -> Candidate:
    """One that the decision names and whose records cannot be read: verify says why."""
    return Candidate(
        spec=spec, apart={}, runs=runs, failed=failed, figures=figures, outcome=None, weighed=True
    )

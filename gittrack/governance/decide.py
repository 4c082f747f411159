"""Deciding on a run: criteria and candidates gathered, figures worked out, one file added to the ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.decision import (
    Decision,
    Outcome,
    dump,
)
from gittrack.formats.record import clean_text
from gittrack.formats.scrub import scrub_text
from gittrack.formats.values import MAX_TEXT
from gittrack.git.repository import Repository
from gittrack.governance.criteria import candidate_of, compared, criteria_of
from gittrack.ledger import Addition, Ledger
from gittrack.ledger.origin import origin_now
from gittrack.ledger.proposals import review_branch
from gittrack.reading.index import Index, Row
from gittrack.reading.protocol import protocol_of
from gittrack.stats.replicates import Group, group_of, groups_of

MOST_CANDIDATES = 2000
"""Specs in one decision: more would not fit into a file of the ledger."""


def decide(
    repository: Repository,
    config: Config,
    run: str,
    outcome: Outcome,
    because: str,
    *,
    over: Sequence[str] = (),
    proposal: str | None = None,
) -> tuple[Decision, str]:
    """Give a run an outcome; the decision, and the branch that it is on now.

    `over`: runs of the same experiment whose specs were the alternatives; by default all of the
    experiment. NotFoundError for a name that means nothing, UsageError for what cannot be decided.
    """
    reason = clean_text(scrub_text(because.strip(), os.environ))
    if not 1 <= len(reason) <= MAX_TEXT:
        raise UsageError("--because needs the reason, in at most 100,000 characters")
    with Index.open(repository, config.ledger.branch) as index:
        row = index.one(run)
        record = row.load()
        if outcome != "rejected" and record.status != "finished":
            raise UsageError(f"run {row.id} {record.status}: it can be rejected, not be {outcome}")
        groups = _alternatives(index, row, over)
        before = index.decisions(row.id)
    with repository.objects() as objects:
        protocol = protocol_of(objects, record)
    origin = origin_now(repository)
    metrics = compared(protocol, record)
    decision = Decision(
        id=origin.id,
        experiment=record.experiment,
        run=record.id,
        outcome=outcome,
        because=reason,
        made=origin.made,
        author=origin.author,
        supersedes=before[-1].id if before else None,
        criteria=criteria_of(protocol, record),
        candidates=tuple(candidate_of(group, metrics) for group in groups),
        tool=origin.tool,
    )
    branch, onto = config.ledger.branch, None
    if proposal is not None or config.ledger.mode == "review":
        branch, onto = review_branch(proposal or decision.id), branch
    Ledger(repository, branch, onto).append([_addition(decision)])
    return decision, branch


def _addition(decision: Decision) -> Addition:
    short = " ".join(decision.because.split())[:100]
    subject = f"decide {decision.experiment} {decision.run}: {decision.outcome}, {short}"
    trailers = f"Gittrack-Decision: {decision.id}\nGittrack-Run: {decision.run}"
    return Addition(decision.path, {"": dump(decision)}, f"{subject}\n\n{trailers}")


def _alternatives(index: Index, row: Row, over: Sequence[str]) -> list[Group]:
    own = group_of(index, row)
    if not over:
        groups = groups_of(index, row.experiment)
    else:
        rows = [index.one(name) for name in over]
        strangers = [other.id for other in rows if other.experiment != row.experiment]
        if strangers:
            raise UsageError(f"run {strangers[0]} is of another experiment than {row.id}")
        groups = [own, *(group_of(index, other) for other in rows)]
    groups = list({group.spec: group for group in groups}.values())
    if len(groups) > MOST_CANDIDATES:
        raise UsageError(
            f"{len(groups)} specs are too many for one decision: name the candidates with --over"
        )
    oldest_first = index.search(ids=[group.runs[0].id for group in groups])[::-1]
    ranks = {first.id: rank for rank, first in enumerate(oldest_first)}
    return sorted(groups, key=lambda group: ranks[group.runs[0].id])

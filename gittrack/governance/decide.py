"""Deciding on a run: criteria and candidates gathered, figures worked out, one file added to the ledger."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.config import Config, ExperimentConfig, parse
from gittrack.formats.decision import (
    Candidate,
    Criteria,
    Criterion,
    Decision,
    Figure,
    GateRule,
    Outcome,
    dump,
)
from gittrack.formats.record import Author, Record, Tool, clean_text, format_time
from gittrack.formats.scrub import scrub_text
from gittrack.formats.values import MAX_TEXT
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Addition, Ledger
from gittrack.reading.index import Index, Row
from gittrack.recording.begin import new_id
from gittrack.recording.propose import review_branch
from gittrack.stats.replicates import Group, group_of, groups_of
from gittrack.version import VERSION

MOST_METRICS = 50
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
    who = repository.identity()
    now = datetime.now(UTC)
    metrics = compared(protocol, record)
    decision = Decision(
        id=new_id(now),
        experiment=record.experiment,
        run=record.id,
        outcome=outcome,
        because=reason,
        made=format_time(now),
        author=Author(name=clean_text(who.name), email=clean_text(who.email)),
        supersedes=before[-1].id if before else None,
        criteria=criteria_of(protocol, record),
        candidates=tuple(candidate_of(group, metrics) for group in groups),
        tool=Tool(version=VERSION),
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
    return sorted(groups, key=lambda group: group.runs[0].started)


# --- pure, for verify as well ------------------------------------------------------------------


def protocol_of(objects: ObjectReader, record: Record) -> ExperimentConfig:
    """What the gittrack.yaml in force said of the experiment; all defaults where there was none."""
    if record.protocol is None:
        return ExperimentConfig()
    found = objects.get(record.protocol)
    if found is None:
        raise NotFoundError(
            f"gittrack.yaml of run {record.id} is not in this clone: "
            "run gittrack pull, or git fetch --unshallow"
        )
    return parse(found.data, f"gittrack.yaml of run {record.id}").experiment_config(record.experiment)


def criteria_of(protocol: ExperimentConfig, record: Record) -> Criteria:
    """The criteria of a run, as its gittrack.yaml has them."""
    gate = protocol.gate
    return Criteria(
        protocol=record.protocol,
        question=protocol.question,
        metrics={
            name: Criterion(direction=m.direction, unit=m.unit, split=m.split, why=m.why)
            for name, m in protocol.metrics.items()
        },
        gate=None
        if gate is None
        else GateRule(
            metric=gate.metric,
            threshold=gate.threshold,
            direction=gate.direction,
            confidence=gate.confidence,
            sided=gate.sided,
            runs=gate.runs,
        ),
    )


def compared(protocol: ExperimentConfig, record: Record) -> list[str]:
    """The metrics that candidates are shown with: those declared, or those of the run."""
    return list(protocol.metrics or sorted(record.metrics))[:MOST_METRICS]


def candidate_of(group: Group, metrics: Sequence[str]) -> Candidate:
    """The runs of one spec in figures; of several runs with one seed, the first counts."""
    return Candidate(
        spec=group.spec,
        runs=tuple(run.id for run in group.finished),
        failed=tuple(run.id for run in group.failed),
        metrics={name: found for name in metrics if (found := figure_of(group, name)) is not None},
    )


def figure_of(group: Group, metric: str) -> Figure | None:
    """Mean and two-sided 95 % interval over the replicates; None without values that statistics take."""
    from gittrack.stats.maths.intervals import LARGEST, mean_interval

    values = group.across.values(metric)
    if not values or max(map(abs, values)) > LARGEST:
        return None
    found = mean_interval(values)
    return Figure(n=found.n, mean=found.mean, sd=found.sd, low=found.low, high=found.high)

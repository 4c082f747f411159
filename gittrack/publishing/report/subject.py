"""What the report is about: experiment, run, criteria with their history, gate, reruns."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from gittrack.errors import ConfigError, GittrackError, NotFoundError, RecordError, UsageError
from gittrack.formats.config import ExperimentConfig, parse
from gittrack.formats.record import Record
from gittrack.formats.reproduction import Reproduction
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.gate import Judgement, Origin, judge
from gittrack.governance.gate.history import Absent, History
from gittrack.governance.gate.rule import rule_of
from gittrack.publishing.report.model import Signed, Version
from gittrack.reading.entry import Entry, entry_of
from gittrack.reading.index import Index
from gittrack.reading.protocol import protocol_of
from gittrack.reading.reproductions import reproductions_of
from gittrack.stats.replicates import Group, finished_of

if TYPE_CHECKING:
    from gittrack.stats.importance import Importance


def named(index: Index, name: str) -> tuple[str, str | None]:
    """The experiment, and the run where one was named. NotFoundError where `name` means nothing."""
    known = index.experiments()
    if name in known:
        return name, None
    if not known:
        raise NotFoundError("there are no runs to report on: gittrack run -- COMMAND records one")
    if not name:
        if len(known) == 1:
            return next(iter(known)), None
        raise UsageError(f"name an experiment or a run: there are {', '.join(list(known)[:20])}")
    try:
        row = index.one(name)
    except NotFoundError as error:
        if not str(error).startswith("no run "):
            raise
        listed = ", ".join(list(known)[:20])
        raise NotFoundError(f"no experiment and no run {name!r}: experiments are {listed}") from error
    if row.fault is not None:
        raise RecordError(row.fault)
    return row.experiment, row.id


def subject_of(index: Index, name: str | None, decisions: Sequence[Signed]) -> tuple[Entry | None, str]:
    """The run that the report is about, and why it is that one, or why there is none."""
    if name is not None:
        return _entry(index, name), "it was asked for"
    chosen = [s.decision.run for s in decisions if s.holds and s.decision.outcome == "selected"]
    for run in reversed(chosen):
        entry = _entry(index, run)
        if entry is not None:
            others = len(set(chosen)) - 1
            more = f", the last of {others + 1} that were" if others else ""
            return entry, f"it was selected{more}"
    if chosen:
        return None, "the record of the run that was selected cannot be read"
    return None, "no run of this experiment was selected"


def _entry(index: Index, run_id: str) -> Entry | None:
    try:
        entry = entry_of(index, index.one(run_id))
    except NotFoundError:
        return None
    return entry if entry.row.fault is None else None


def protocol_in_force(
    objects: ObjectReader, subject: Entry | None, records: Sequence[Record]
) -> ExperimentConfig:
    """What the gittrack.yaml of the subject, else of the newest run, says; defaults where it is not here."""
    record = subject.record if subject is not None else next(iter(records[-1:]), None)
    try:
        return ExperimentConfig() if record is None else protocol_of(objects, record)
    except (NotFoundError, ConfigError):
        return ExperimentConfig()


def versions_of(objects: ObjectReader, experiment: str, records: Sequence[Record]) -> list[Version]:
    """Every gittrack.yaml that runs were made under, by their first run."""
    runs_by_protocol: dict[str | None, list[str]] = {}
    for run in records:
        runs_by_protocol.setdefault(run.protocol, []).append(run.id)
    return [_version(objects, experiment, blob, runs) for blob, runs in runs_by_protocol.items()]


def _version(objects: ObjectReader, experiment: str, blob: str | None, runs: Sequence[str]) -> Version:
    gate, why = None, ""
    if blob is not None:
        data = objects.get(blob)
        try:
            rule = rule_of(parse(data.data, blob[:12]), experiment) if data is not None else None
            gate = str(rule) if rule is not None else None
            why = "not in this clone" if data is None else ""
        except ConfigError:
            why = "it cannot be read"
    return Version(blob=blob, runs=len(runs), first=runs[0], gate=gate, why=why)


def origins_of(
    repository: Repository, objects: ObjectReader, group: Group | None
) -> tuple[tuple[Origin, ...], str]:
    """The commits since which the gate of the subject's spec is in force, as git proves it; or why not."""
    if group is None:
        return (), ""
    history, tree = History(repository, objects, group.experiment), group.runs[0].code.tree
    if tree is None:
        return (), "which code ran is not known"
    try:
        rule = history.rule(tree)
        return ((), "") if rule is None else (history.proven(group.runs, rule)[0], "")
    except Absent as absent:
        return (), f"{absent} is not in this clone"
    except ConfigError as error:
        return (), str(error)


def gate_of(repository: Repository, index: Index, subject: Entry | None) -> tuple[Judgement | None, str]:
    """The verdict of the protocol on the subject's spec, or why there is none."""
    if subject is None:
        return None, "no run was selected, so that none is judged"
    try:
        return judge(repository, index, subject.id), ""
    except GittrackError as error:
        return None, str(error)


def reruns_of(objects: ObjectReader, tip: str, group: Group | None) -> list[Reproduction]:
    """The statements on reruns of the subject's spec, oldest first. A damaged one is for verify to name."""
    statements: list[Reproduction] = []
    for run in group.runs if group is not None else ():
        with suppress(RecordError):
            statements += reproductions_of(objects, tip, run)
    return sorted(statements, key=lambda statement: (statement.made, statement.id))


def ranked(groups: Sequence[Group], protocol: ExperimentConfig) -> tuple[Importance | None, str]:
    """Parameters by their association with the metric that decides; or why they are not ranked."""
    from gittrack.stats.importance import importance_of
    from gittrack.stats.metrics import metric_names

    decides = [protocol.gate.metric] if protocol.gate else []
    aimed = [name for name, metric in protocol.metrics.items() if metric.direction]
    names = metric_names(finished_of(groups))
    metric = next((name for name in [*decides, *aimed, *names] if name in names), None)
    if metric is None:
        return None, "no run has a metric"
    try:
        return importance_of(groups, metric, tuned=False), ""
    except GittrackError as error:
        return None, str(error)

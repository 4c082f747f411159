"""The evidence that development records give to a technical documentation file: facts, then a document.

model.py       the facts, as frozen values; gathered by
  subject.py     what the report is about: run, criteria and their history, gate, reruns
  decided.py     decisions, sign-off, candidates
  since.py       what changed since a former release
  facts.py       time, data, groups
  curves.py      learning curves
  places.py      the forge, dates, commits, files that gittrack.yaml names
answers.py     which item of the mapping has evidence here, elsewhere, or nowhere
plain.py       the facts as JSON
document.py    blocks of text, tables and pictures, in no format yet; filled by chapters.py and its parts
html.py, markdown.py, pdf.py   the document as somebody reads it
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gittrack.errors import UsageError
from gittrack.formats.config import Config, ExperimentConfig
from gittrack.formats.record import Record
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.criteria import compared
from gittrack.publishing.report.answers import answers_of, read_mapping
from gittrack.publishing.report.curves import learning_curves
from gittrack.publishing.report.decided import candidates_of, decisions_of
from gittrack.publishing.report.facts import data_read, overlaps, slices_of, time_spent
from gittrack.publishing.report.model import Candidate, Change, Report, ReportOptions, Signed
from gittrack.publishing.report.places import added_by, committed, place_of, stated_in, web_of
from gittrack.publishing.report.since import change_since
from gittrack.publishing.report.subject import (
    gate_of,
    named,
    origins_of,
    protocol_in_force,
    ranked,
    reruns_of,
    subject_of,
    versions_of,
)
from gittrack.reading.entry import Entry
from gittrack.reading.index import Index, Row
from gittrack.stats.replicates import Group, groups_of
from gittrack.verify import VerifyOptions, VerifyReport, verify

__all__ = ["Report", "ReportOptions", "gather"]


def gather(repository: Repository, config: Config, name: str, options: ReportOptions) -> Report:
    """All facts on the experiment called `name`, or on that of the run `name`; "" is the only experiment.

    NotFoundError for a name that means nothing, UsageError for a link of gittrack.yaml to an item that
    there is none of, RecordError for a run whose record is damaged.
    """
    _check_links(config)
    with Index.open(repository, config.ledger.branch) as index, repository.objects() as objects:
        experiment, run = named(index, name)
        head = repository.resolve("HEAD")
        source = _Source(repository, config, options, index, objects, experiment, index.tip or "", head)
        runs = _runs(source)
        report = _report(source, runs, _subject(source, runs, run))
        alone = len(index.experiments()) == 1
    if options.verify:
        report = replace(report, verified=_verified(repository, runs.rows, alone))
    with repository.objects() as objects:
        links = {id: place_of(objects, head, link) for id, link in config.evidence.links.items()}
    return replace(report, answers=answers_of(report, links))


@dataclass(frozen=True, slots=True)
class _Source:
    """What every phase reads from, and what it reads of."""

    repository: Repository
    config: Config
    options: ReportOptions
    index: Index
    objects: ObjectReader
    experiment: str
    tip: str
    head: str | None


@dataclass(frozen=True, slots=True)
class _Runs:
    """The runs of the experiment, and what was decided of them."""

    rows: Sequence[Row]
    groups: Sequence[Group]
    records: Sequence[Record]
    outcomes: Mapping[str, str]
    decisions: Sequence[Signed]


@dataclass(frozen=True, slots=True)
class _Subject:
    """The run that the report is about, its replicates and its protocol."""

    entry: Entry | None
    why: str
    group: Group | None
    protocol: ExperimentConfig


def _runs(source: _Source) -> _Runs:
    rows = source.index.search(experiment=source.experiment)
    groups = groups_of(source.index, source.experiment)
    return _Runs(
        rows=rows,
        groups=groups,
        records=_oldest_first(rows, groups),
        outcomes={row.id: row.outcome for row in rows if row.outcome},
        decisions=decisions_of(source.repository, source.objects, source.tip, source.experiment),
    )


def _oldest_first(rows: Sequence[Row], groups: Sequence[Group]) -> list[Record]:
    """The runs of all groups in the order of `rows`, which are newest first."""
    records = {run.id: run for group in groups for run in group.runs}
    return [records[row.id] for row in reversed(rows) if row.id in records]


def _subject(source: _Source, runs: _Runs, run: str | None) -> _Subject:
    entry, why = subject_of(source.index, run, runs.decisions)
    group = next((g for g in runs.groups if entry is not None and g.spec == entry.record.spec), None)
    return _Subject(entry, why, group, protocol_in_force(source.objects, entry, runs.records))


def _report(source: _Source, runs: _Runs, subject: _Subject) -> Report:
    repository, objects, evidence = source.repository, source.objects, source.config.evidence
    origins, origins_why = origins_of(repository, objects, subject.group)
    gate, gate_why = gate_of(repository, source.index, subject.entry)
    sheets = {path: place_of(objects, source.head, to) for path, to in evidence.datasheets.items()}
    data = data_read(runs.records, sheets)
    importance, importance_why = ranked(runs.groups, subject.protocol)
    change, change_why = _change(source, subject.entry)
    return Report(
        title=source.options.title or f"Model development and testing evidence: {source.experiment}",
        experiment=source.experiment,
        order=source.options.order,
        generated=source.options.generated,
        branch=source.config.ledger.branch,
        tip=source.tip,
        committed=committed(objects, source.tip),
        web=web_of(repository, runs.records[-1].code.remote if runs.records else None),
        evidence=evidence,
        stated_in=stated_in(repository, objects, source.head),
        protocol=subject.protocol,
        versions=versions_of(objects, source.experiment, runs.records),
        mapping=read_mapping()[0],
        groups=runs.groups,
        records=runs.records,
        candidates=_candidates(runs, subject),
        outcomes=runs.outcomes,
        blobs={row.id: row.blob for row in runs.rows},
        commits=_commits(source, runs.rows),
        damaged={row.id: row.path for row in runs.rows if row.fault is not None},
        decisions=runs.decisions,
        subject=subject.entry,
        subject_why=subject.why,
        packages=_packages(subject.entry),
        origins=origins,
        origins_why=origins_why,
        gate=gate,
        gate_why=gate_why,
        reproductions=reruns_of(objects, source.tip, subject.group),
        spent=time_spent(runs.records, runs.outcomes),
        data=data,
        overlaps=overlaps(data),
        slices=slices_of(subject.entry.record if subject.entry else None, subject.group),
        curves=learning_curves(source.index, runs.groups, runs.records, subject.entry, subject.protocol),
        importance=importance,
        importance_why=importance_why,
        verified=None,
        change=change,
        change_why=change_why,
    )


def _candidates(runs: _Runs, subject: _Subject) -> list[Candidate]:
    """As the decision that holds for the subject weighed them, by the metrics that its protocol compares."""
    entry = subject.entry
    signed = next(
        (s for s in reversed(runs.decisions) if s.holds and entry and s.decision.run == entry.id), None
    )
    record = entry.record if entry is not None else next(iter(runs.records[-1:]), None)
    metrics = compared(subject.protocol, record) if record is not None else []
    return candidates_of(runs.groups, signed.decision if signed else None, metrics, runs.outcomes)


def _check_links(config: Config) -> None:
    """A link to an item that is none would be left out without a word."""
    items = [item["id"] for item in read_mapping()[1]]
    for stray in [id for id in config.evidence.links if id not in items]:
        from difflib import get_close_matches

        near = get_close_matches(stray, items, n=1)
        hint = f", did you mean {near[0]}?" if near else "; gittrack report --format json lists them"
        raise UsageError(f"gittrack.yaml: evidence.links: there is no item {stray[:80]!r}{hint}")


def _commits(source: _Source, rows: Sequence[Row]) -> dict[str, str]:
    added = added_by(source.repository, source.tip, f"runs/{source.experiment}") if rows else {}
    return {row.id: added.get(row.path, source.tip) for row in rows}


def _packages(subject: Entry | None) -> dict[str, str] | None:
    """Names and versions; None where they are not known, or environment.yaml is damaged, as verify says."""
    from gittrack.errors import RecordError

    try:
        packages = subject.environment().get("packages") if subject is not None else None
    except RecordError:
        return None
    if not isinstance(packages, dict):
        return None
    return {str(name): str(packages[name]) for name in sorted(packages)}


def _change(source: _Source, subject: Entry | None) -> tuple[Change | None, str]:
    since = source.options.since or source.config.evidence.since
    if since is None:
        return None, "no former release was named (--since, or evidence.since in gittrack.yaml)"
    return change_since(
        source.repository, source.objects, source.index, source.experiment, subject, since
    ), ""


def _verified(repository: Repository, rows: Sequence[Row], alone: bool) -> VerifyReport:
    """verify over the runs of the report: the whole ledger where it has no others."""
    ids = [row.id for row in rows]
    return verify(repository, selection=() if alone else ids, options=VerifyOptions())

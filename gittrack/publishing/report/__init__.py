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

from collections.abc import Sequence
from dataclasses import replace

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.governance.criteria import compared
from gittrack.publishing.report.answers import answers_of, read_mapping
from gittrack.publishing.report.curves import learning_curves
from gittrack.publishing.report.decided import candidates_of, decisions_of
from gittrack.publishing.report.facts import data_read, overlaps, slices_of, time_spent
from gittrack.publishing.report.model import Change, Options, Report
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
from gittrack.stats.replicates import groups_of
from gittrack.verify import Options as Checks
from gittrack.verify import Report as Verified
from gittrack.verify import verify

__all__ = ["Options", "Report", "gather"]


def gather(repository: Repository, config: Config, name: str, options: Options) -> Report:
    """All facts on the experiment called `name`, or on that of the run `name`; "" is the only experiment.

    NotFoundError for a name that means nothing, UsageError for a link of gittrack.yaml to an item that
    there is none of, RecordError for a run whose record is damaged.
    """
    _check_links(config)
    with Index.open(repository, config.ledger.branch) as index, repository.objects() as objects:
        experiment, asked = named(index, name)
        report = _gathered(repository, config, index, objects, experiment, asked, options)
        rows = index.search(experiment=experiment)
        alone = len(index.experiments()) == 1
    if options.verify:
        report = replace(report, verified=_verified(repository, rows, alone))
    with repository.objects() as objects:
        head = repository.resolve("HEAD")
        links = {id: place_of(objects, head, link) for id, link in config.evidence.links.items()}
    return replace(report, answers=answers_of(report, links))


def _gathered(
    repository: Repository,
    config: Config,
    index: Index,
    objects: ObjectReader,
    experiment: str,
    asked: str | None,
    options: Options,
) -> Report:
    tip, head = index.tip or "", repository.resolve("HEAD")
    rows = index.search(experiment=experiment)
    groups = groups_of(index, experiment)
    records = sorted((run for group in groups for run in group.runs), key=lambda run: (run.started, run.id))
    outcomes = {row.id: row.outcome for row in rows if row.outcome}
    decisions = decisions_of(repository, objects, tip, experiment)
    subject, why = subject_of(index, asked, decisions)
    group = next((g for g in groups if subject is not None and g.spec == subject.record.spec), None)
    protocol = protocol_in_force(objects, subject, records)
    origins, origins_why = origins_of(repository, objects, group)
    gate, gate_why = gate_of(repository, index, subject)
    sheets = {path: place_of(objects, head, to) for path, to in config.evidence.datasheets.items()}
    used = data_read(records, sheets)
    importance, importance_why = ranked(groups, protocol)
    change, change_why = _change(repository, objects, index, experiment, subject, config, options)
    holding = next(
        (s for s in reversed(decisions) if s.holds and subject and s.decision.run == subject.id), None
    )
    shown = subject.record if subject is not None else next(iter(records[-1:]), None)
    metrics = compared(protocol, shown) if shown is not None else []
    return Report(
        title=options.title or f"Model development and testing evidence: {experiment}",
        experiment=experiment,
        order=options.order,
        generated=options.generated,
        branch=config.ledger.branch,
        tip=tip,
        committed=committed(objects, tip),
        web=web_of(repository, records[-1].code.remote if records else None),
        evidence=config.evidence,
        stated_in=stated_in(repository, objects, head),
        protocol=protocol,
        versions=versions_of(objects, experiment, records),
        mapping=read_mapping()[0],
        groups=groups,
        candidates=candidates_of(groups, holding.decision if holding else None, metrics, outcomes),
        outcomes=outcomes,
        blobs={row.id: row.blob for row in rows},
        commits=_commits(repository, tip, rows, experiment),
        damaged={row.id: row.path for row in rows if row.fault is not None},
        decisions=decisions,
        subject=subject,
        subject_why=why,
        packages=_packages(subject),
        origins=origins,
        origins_why=origins_why,
        gate=gate,
        gate_why=gate_why,
        reproductions=reruns_of(objects, tip, group),
        spent=time_spent(records, outcomes),
        data=used,
        overlaps=overlaps(used),
        slices=slices_of(subject.record if subject else None, group),
        curves=learning_curves(index, groups, subject, protocol),
        importance=importance,
        importance_why=importance_why,
        verified=None,
        change=change,
        change_why=change_why,
    )


def _check_links(config: Config) -> None:
    """A link to an item that is none would be left out without a word."""
    known = [item["id"] for item in read_mapping()[1]]
    for wrong in [id for id in config.evidence.links if id not in known]:
        from difflib import get_close_matches

        near = get_close_matches(wrong, known, n=1)
        hint = f", did you mean {near[0]}?" if near else "; gittrack report --format json lists them"
        raise UsageError(f"gittrack.yaml: evidence.links: there is no item {wrong[:80]!r}{hint}")


def _commits(repository: Repository, tip: str, rows: Sequence[Row], experiment: str) -> dict[str, str]:
    added = added_by(repository, tip, f"runs/{experiment}") if rows else {}
    return {row.id: added.get(row.path, tip) for row in rows}


def _packages(subject: Entry | None) -> dict[str, str]:
    """Names and versions; nothing where environment.yaml is damaged, which verify says."""
    from gittrack.errors import RecordError

    try:
        found = subject.environment().get("packages") if subject is not None else None
    except RecordError:
        return {}
    return {str(name): str(found[name]) for name in sorted(found)} if isinstance(found, dict) else {}


def _change(
    repository: Repository,
    objects: ObjectReader,
    index: Index,
    experiment: str,
    subject: Entry | None,
    config: Config,
    options: Options,
) -> tuple[Change | None, str]:
    since = options.since or config.evidence.since
    if since is None:
        return None, "no former release was named (--since, or evidence.since in gittrack.yaml)"
    return change_since(repository, objects, index, experiment, subject, since), ""


def _verified(repository: Repository, rows: Sequence[Row], alone: bool) -> Verified:
    """verify over the runs of the report: the whole ledger where it has no others."""
    ids = [row.id for row in rows]
    return verify(repository, selection=() if alone else ids, options=Checks())

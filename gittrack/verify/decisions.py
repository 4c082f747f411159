"""Check 11. Every decision follows from records: its criteria, its candidates and each of its figures.

What cannot be checked is judgement: whether the reason is a good one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gittrack.errors import ConfigError, NotFoundError, RecordError
from gittrack.formats.decision import ROOT, Candidate, Decision, dump, load
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Record, run_path
from gittrack.governance.criteria import candidate_of, compared, criteria_of
from gittrack.ledger.order import places_of
from gittrack.reading.index.rows import newest_key
from gittrack.reading.index.store import cut_of
from gittrack.reading.protocol import protocol_of
from gittrack.stats.replicates import Group
from gittrack.verify.close import close
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding, finding
from gittrack.verify.successors import superseded


def check_decisions(context: Context) -> Iterator[Finding]:
    """Those on the selected runs; in a range, those that it adds."""
    selected = {run.run_id for run in context.runs.values()}
    every = len(context.runs) == len(context.all_runs) or context.new is not None
    decisions: dict[str, Decision] = {}
    checked: list[tuple[str, Decision]] = []
    for path, blob in context.listing.others.items():
        if not path.startswith(f"{ROOT}/"):
            continue
        is_new = context.new is None or path in context.new
        git_object = context.objects.get(blob.oid)
        try:
            decision = load(b"" if git_object is None else git_object.data, path)
        except RecordError as error:
            if is_new and git_object is None:
                yield finding(
                    "decision-unchecked",
                    "its content is not in this clone; run git fetch",
                    path,
                    "incomplete",
                )
            elif is_new:
                yield finding("decision-unreadable", str(error), path)
            continue
        decisions[decision.id] = decision
        if is_new and (every or decision.run in selected):
            checked.append((path, decision))
            if dump(decision) != (git_object.data if git_object else b""):
                yield finding("decision-canonical", "it is not in the form that gittrack writes", path)
    starts = _first_starts(context) if checked and every else {}
    for path, decision in checked:
        yield from _place(path, decision, decisions)
        yield from _content(context, path, decision)
        yield from _omitted(path, decision, starts.get(decision.experiment, {}))


def _place(path: str, decision: Decision, known: dict[str, Decision]) -> Iterator[Finding]:
    if path != decision.path:
        says = "it lies elsewhere than its experiment and id say"
        yield finding("decision-path", says, path, expected=decision.path)
    before = known.get(decision.supersedes or "")
    if decision.supersedes is not None and (before is None or before.run != decision.run):
        says = "it supersedes a decision that is not on the ledger, or is on another run"
        yield finding("decision-supersedes", says, path, found=decision.supersedes)


def _content(context: Context, path: str, decision: Decision) -> Iterator[Finding]:
    record = context.record_at(run_path(decision.experiment, decision.run))
    if record is None:
        says = "it decides on a run that is not on the ledger, or cannot be read"
        yield finding("decision-run", says, path, found=decision.run)
        return
    try:
        protocol = protocol_of(context.objects, record)
    except NotFoundError:
        says = "not checked: gittrack.yaml of the run's code is not in this clone; run gittrack pull"
        yield finding("decision-unchecked", says, path, "incomplete")
        return
    except ConfigError as error:
        yield finding("decision-criteria", str(error), path)
        return
    stated, derived = to_dict(decision.criteria), to_dict(criteria_of(protocol, record))
    if stated != derived:
        says = "gittrack.yaml of the run had other criteria"
        yield finding("decision-criteria", says, path, expected=str(derived), found=str(stated))
    if record.spec not in {candidate.spec for candidate in decision.candidates}:
        yield finding("decision-candidates", "the run that it decides on is not among its candidates", path)
    metrics = compared(protocol, record)
    for candidate in decision.candidates:
        yield from _candidate(context, path, decision, candidate, metrics)


def _candidate(
    context: Context, path: str, decision: Decision, candidate: Candidate, metrics: list[str]
) -> Iterator[Finding]:
    ids = [*candidate.runs, *candidate.failed]
    records = [context.record_at(run_path(decision.experiment, run_id)) for run_id in ids]
    missing = [run_id for run_id, record in zip(ids, records, strict=True) if record is None]
    if missing:
        says = "a candidate is not on the ledger, or cannot be read"
        yield finding("decision-candidates", says, path, found=", ".join(missing[:5]))
        return
    runs, is_certain = _oldest_first(context, [record for record in records if record is not None])
    if any(record.spec != candidate.spec for record in runs):
        says = "a candidate names runs of another spec"
        yield finding("decision-candidates", says, path, expected=candidate.spec)
        return
    rebuilt = candidate_of(Group(decision.experiment, candidate.spec, tuple(runs)), metrics)
    stated, derived = to_dict(candidate), to_dict(rebuilt)
    for name in ("runs", "failed"):
        stated[name], derived[name] = (sorted(plain.get(name, [])) for plain in (stated, derived))
    if not close(stated, derived) and not is_certain:
        says = (
            f"not checked: which runs of spec {candidate.spec[:12]} count is told by older history of the "
            "ledger, which is not in this clone; run git fetch --unshallow"
        )
        yield finding("decision-unchecked", says, path, "incomplete")
    elif not close(stated, derived):
        says = f"the records give other figures of spec {candidate.spec[:12]}"
        yield finding("decision-figures", says, path, expected=_short(derived), found=_short(stated))


def _oldest_first(context: Context, records: Sequence[Record]) -> tuple[list[Record], bool]:
    """`records` as the gate and decisions have them, and whether this clone has the history that says so."""
    starts = {
        f"{record.path}/run.yaml": 0.0 if record.began is None else record.began.timestamp()
        for record in records
    }
    places = places_of(context.repository, context.tip, {path: int(at) for path, at in starts.items()})

    def key(record: Record) -> tuple[int, int, float, str]:
        path = f"{record.path}/run.yaml"
        return newest_key(starts[path], places[path], record.id)

    return sorted(records, key=key), not any(places.values()) or not cut_of(context.repository)


def _first_starts(context: Context) -> dict[str, dict[str, str]]:
    """When the first run of each spec started, by experiment and spec; of the runs that were verified."""
    starts: dict[str, dict[str, str]] = {}
    replaced = superseded(context)
    for folder, (spec, started, *_) in context.records.starts.items():
        if folder in replaced:
            continue
        specs = starts.setdefault(folder.split("/")[1], {})
        specs[spec] = min(started, specs.get(spec, started))
    return starts


def _omitted(path: str, decision: Decision, starts: dict[str, str]) -> Iterator[Finding]:
    named = {candidate.spec for candidate in decision.candidates}
    omitted = sorted(spec for spec, start in starts.items() if start < decision.made and spec not in named)
    if omitted:
        specs = f"{len(omitted)} specs" if len(omitted) > 1 else "1 spec"
        says = f"the experiment had {specs} more when it was made, which it does not name as candidates"
        yield finding(
            "decision-omits", says, path, "note", found=", ".join(spec[:12] for spec in omitted[:20])
        )


def _short(plain: dict[str, Any]) -> str:
    return str({name: plain.get(name) for name in ("runs", "failed", "metrics")})

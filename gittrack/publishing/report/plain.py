"""The report as plain values, for programs: schemas/report.schema.json says what is in it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from gittrack.formats.plain import to_dict
from gittrack.formats.record import Record
from gittrack.publishing.report.model import Answer, Report, Signed

SCHEMA = "gittrack/report/1"


def as_plain(report: Report) -> dict[str, Any]:
    """All facts as JSON can hold them; runs by id. Raises RecordError where they break the schema."""
    from gittrack.formats import codec

    plain: dict[str, Any] = finite(_plain(report))
    codec.validate(plain, "report", "report")
    return plain


def _plain(report: Report) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "title": report.title,
        "experiment": report.experiment,
        **({"generated": report.generated} if report.generated else {}),
        "ledger": {"branch": report.branch, "tip": report.tip, "committed": report.committed},
        "web": report.web.address if report.web else None,
        "mapping": {k: v for k, v in asdict(report.mapping).items() if k != "modules"},
        "items": [_answer(answer) for answer in report.answers],
        "stated": {**to_dict(report.evidence), "blob": report.stated_in},
        "subject": {"run": report.subject.id if report.subject else None, "why": report.subject_why},
        "specification": to_dict(report.subject.record) if report.subject else None,
        "packages": None if report.packages is None else dict(report.packages),
        "criteria": to_dict(report.protocol),
        "versions": [asdict(version) for version in report.versions],
        "in_force_since": [asdict(origin) for origin in report.origins],
        "decisions": [_decision(signed) for signed in report.decisions],
        "candidates": [_dict(candidate) for candidate in report.candidates],
        "gate": _gate(report),
        "reproductions": [to_dict(statement) for statement in report.reproductions],
        "compute": [asdict(spent) for spent in report.spent],
        "data": [
            {
                **to_dict(u.data),
                "runs": u.runs,
                "first": u.first,
                "sheet": asdict(u.sheet) if u.sheet else None,
            }
            for u in report.data
        ],
        "overlaps": [[a.path, b.path] for a, b in report.overlaps],
        "groups": [_dict(part) for part in report.slices],
        "curves": [asdict(chart) for chart in report.curves],
        "importance": report.importance.to_dict() if report.importance else {"why": report.importance_why},
        "verification": _verified(report),
        "change": _change(report),
        "runs": [_run(report, run) for run in report.records],
        "damaged": dict(report.damaged),
    }


def finite(value: Any) -> Any:
    """`value` with lists for tuples and, as JSON has no other numbers, text for those that are not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    return [finite(item) for item in value] if isinstance(value, (list, tuple)) else value


def _dict(value: Any) -> dict[str, Any]:
    return asdict(value)


def _answer(answer: Answer) -> dict[str, Any]:
    return asdict(answer)


def _decision(signed: Signed) -> dict[str, Any]:
    return {**asdict(signed), "decision": to_dict(signed.decision)}


def _run(report: Report, run: Record) -> dict[str, Any]:
    return {
        "id": run.id,
        "status": run.status,
        "ended_by": run.ended_by,
        "outcome": report.outcomes.get(run.id),
        "imported": run.imported.system if run.imported else None,
        "started": run.started,
        "duration_s": run.duration_s,
        "seed": run.seed,
        "spec": run.spec,
        "code": run.code.snapshot or run.code.commit,
        "metrics": {name: metric.status or metric.value for name, metric in run.metrics.items()},
        "commit": report.commits.get(run.id),
        "path": f"{run.path}/run.yaml",
        "blob": report.blobs.get(run.id),
    }


def _gate(report: Report) -> dict[str, Any]:
    judgement = report.gate
    if judgement is None:
        return {"outcome": None, "why": report.gate_why}
    return {
        "outcome": judgement.outcome,
        "rule": str(judgement.rule) if judgement.rule else None,
        "bound": judgement.figures.bound if judgement.figures else None,
        "margin": judgement.figures.margin if judgement.figures else None,
        "interval": asdict(judgement.figures.interval) if judgement.figures else None,
        "runs": [{"run": r.id, "value": r.value, "part": r.part, "says": r.says} for r in judgement.runs],
        "findings": [asdict(finding) for finding in judgement.findings],
    }


def _verified(report: Report) -> dict[str, Any] | None:
    verified = report.verified
    if verified is None:
        return None
    return {
        "outcome": verified.outcome,
        "runs": verified.runs,
        "findings": [asdict(f) for f in verified.findings],
    }


def _change(report: Report) -> dict[str, Any] | None:
    change = report.change
    if change is None:
        return None
    names = ("since", "how", "commit", "date", "runs", "before", "now", "why")
    compared = change.comparison.to_dict() if change.comparison else None
    return {**{name: getattr(change, name) for name in names}, "comparison": compared}

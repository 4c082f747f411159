"""The model registry as tables and as plain values for JSON. Text of tags is untrusted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from gittrack.governance.registry import Claim, Model, Registry, Tag, Version
from gittrack.text.sections import Row, Section, settings

_MOST_METRICS = 4
_DONE = {
    "register": "registered",
    "deregister": "deregistered",
    "assign": "promoted",
    "unassign": "demoted",
    "deprecate": "deprecated",
}


def versions(registry: Registry, *, every: bool) -> Section:
    """One row a version, models by name, the highest version first; `every`: those given up too."""
    header = ("model", "version", "run", "experiment", "outcome", "stages", "metrics", "when", "by")
    rows = [
        row
        for model in registry.models.values()
        if every or not model.deprecated
        for row in _rows(model, registry.claims, every)
    ]
    return Section(header=header, rows=rows)


def _rows(model: Model, claims: Mapping[str, Claim], every: bool) -> Iterator[Row]:
    for version in model.versions:
        if every or version.active:
            yield _version(model, version, claims[version.tag.ref])
    for stage in model.stages.values():
        if stage.version is None or stage.tag.fault:
            why = stage.tag.fault or "no version is registered at its commit"
            yield Row((model.name, stage.tag.ref), f"not a run: {why}", "red")
    for tag in model.strays:
        yield Row((model.name, tag.ref), f"not a run: {tag.fault}", "red")


def _version(model: Model, version: Version, claim: Claim) -> Row:
    if claim.fault or claim.row is None:
        return Row((model.name, version.version), f"not a run: {claim.fault}", "red")
    state = [] if version.active else ["deregistered"]
    state += ["deprecated"] if model.deprecated else []
    run = claim.row
    return Row(
        (
            model.name,
            version.version,
            run.id,
            run.experiment,
            run.outcome or "",
            ", ".join([*version.stages, *(f"({word})" for word in state)]),
            settings(dict(list(_metrics(claim).items())[:_MOST_METRICS])),
            _day(version.tag),
            version.tag.author,
        )
    )


def history(registry: Registry) -> Section:
    """One row a tag, the newest first."""
    header = ("when", "model", "what", "version", "stage", "tag", "signed", "by")
    tags = [(tag, model) for model in registry.models.values() for tag in (*model.tags, *model.strays)]
    tags.sort(key=lambda pair: (pair[0].seconds, pair[0].name.counter, pair[0].ref), reverse=True)
    return Section(header=header, rows=[_event(tag, model) for tag, model in tags])


def _event(tag: Tag, model: Model) -> Row:
    if not tag.counts:
        return Row(("", model.name, tag.ref), f"not a run: {tag.fault}", "red")
    cells = (_moment(tag), model.name, _DONE[tag.name.action], _version_at(tag, model), tag.name.stage or "")
    return Row((*cells, tag.ref, "yes" if tag.signed else "no", tag.author))


def _version_at(tag: Tag, model: Model) -> str:
    if tag.name.version:
        return tag.name.version
    return next((v.version for v in model.versions if v.tag.commit == tag.commit), "")


def as_plain(registry: Registry, *, every: bool, events: bool) -> dict[str, Any]:
    """The same as plain values, by model."""
    return {
        "models": [
            {
                "model": model.name,
                "deprecated": model.deprecated,
                "newest": model.newest.version if model.newest else None,
                "stages": {s.name: s.version.version if s.version else None for s in model.stages.values()},
                "versions": [
                    _plain(version, registry.claims[version.tag.ref])
                    for version in model.versions
                    if every or version.active
                ],
                "not_runs": [{"tag": tag.ref, "fault": tag.fault} for tag in model.strays],
            }
            | ({"history": [_plain_tag(tag, model) for tag in model.tags]} if events else {})
            for model in registry.models.values()
            if every or not model.deprecated
        ]
    }


def _plain(version: Version, claim: Claim) -> dict[str, Any]:
    tag, run, output = version.tag, claim.row, claim.output
    return {
        "version": version.version,
        "active": version.active,
        "stages": list(version.stages),
        "tag": tag.ref,
        "commit": tag.commit,
        "fault": claim.fault or None,
        "run": run.id if run else None,
        "experiment": run.experiment if run else None,
        "outcome": run.outcome if run else None,
        "output": output["path"] if output else None,
        "sha256": output["sha256"] if output else None,
        "metrics": _metrics(claim),
        "when": _moment(tag),
        "by": {"name": tag.author, "email": tag.email},
        "signed": tag.signed,
        "message": tag.message,
    }


def _plain_tag(tag: Tag, model: Model) -> dict[str, Any]:
    return {
        "tag": tag.ref,
        "what": tag.name.action,
        "version": _version_at(tag, model) or None,
        "stage": tag.name.stage,
        "commit": tag.commit,
        "fault": tag.fault or None,
        "when": _moment(tag),
        "by": {"name": tag.author, "email": tag.email},
        "signed": tag.signed,
        "message": tag.message,
    }


def _metrics(claim: Claim) -> dict[str, Any]:
    metrics = claim.row.record.get("metrics", {}) if claim.row else {}
    return {name: metric.get("value", metric.get("status")) for name, metric in metrics.items()}


def _moment(tag: Tag) -> str:
    return datetime.fromtimestamp(tag.seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _day(tag: Tag) -> str:
    return datetime.fromtimestamp(tag.seconds, UTC).strftime("%Y-%m-%d %H:%M")

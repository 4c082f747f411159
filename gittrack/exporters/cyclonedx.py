"""CycloneDX 1.7: a machine learning bill of materials, the model with its card, its data and packages.

https://cyclonedx.org/docs/1.7/json/
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from gittrack.exporters.source import Source
from gittrack.exporters.values import (
    NAMESPACE,
    compact,
    digests,
    http_address,
    metric_value,
    named_digest,
    purl,
    pypi,
    text,
    without_none,
)
from gittrack.formats.flat import flatten
from gittrack.formats.record import BaseModel, DataInput, Output, format_time

_HASHES = {"sha256": "SHA-256", "sha384": "SHA-384", "sha512": "SHA-512", "sha1": "SHA-1", "md5": "MD5"}
_LENGTHS = {"SHA-256": 64, "SHA-384": 96, "SHA-512": 128, "SHA-1": 40, "MD5": 32}

Component = dict[str, Any]


def bom(source: Source, licence: str | None = None) -> dict[str, Any]:
    """The bill of materials of a run's model. The same run gives the same serial number."""
    record = source.record
    model = _model(source, licence)
    data = [_data(at, item) for at, item in enumerate(record.data)]
    libraries = list(_libraries(source))
    outputs = [_output(at, output) for at, output in enumerate(record.outputs) if output is not source.model]
    parts = [*data, *_code(source), *libraries]
    content = {
        "version": 1,
        "metadata": {
            **({"timestamp": format_time(record.ended)} if record.ended else {}),
            "tools": {"components": [_tool(record.tool.version)]},
            **({"authors": [{"name": record.author_name}]} if record.author_name else {}),
            "component": model,
        },
        "components": [*parts, *outputs],
        "dependencies": [
            {"ref": model["bom-ref"], "dependsOn": [part["bom-ref"] for part in parts]},
            *({"ref": part["bom-ref"]} for part in [*parts, *outputs]),
        ],
    }
    serial = uuid5(NAMESPACE_URL, NAMESPACE + compact(content).decode())
    head = {"$schema": "http://cyclonedx.org/schema/bom-1.7.schema.json", "bomFormat": "CycloneDX"}
    return {**head, "specVersion": "1.7", "serialNumber": f"urn:uuid:{serial}", **content}


def _tool(version: str) -> Component:
    return {"type": "application", "name": "gittrack", "version": version}


def _hashes(digest: dict[str, str]) -> list[dict[str, str]]:
    known = {_HASHES[name]: value for name, value in digest.items() if name in _HASHES}
    return [{"alg": alg, "content": value} for alg, value in known.items() if len(value) == _LENGTHS[alg]]


def _properties(values: dict[str, Any]) -> list[dict[str, str]]:
    return [
        {"name": f"gittrack:{name}", "value": text(value)}
        for name, value in values.items()
        if value is not None
    ]


# --- the model ------------------------------------------------------------------------------------------


def _model(source: Source, licence: str | None) -> Component:
    record, output = source.record, source.model
    if output is None:
        source.notes.append(f"run {record.id} has no one output that is the model: its component has no hash")
    decision = source.decision
    judged = source.judgement
    facts = {
        "run": record.id,
        "status": record.status,
        "ended_by": record.ended_by,
        "spec": record.spec,
        "output": output.path if output else None,
        "record:sha256": source.record_sha256,
        "outcome": decision.outcome if decision else None,
        "gate": judged.outcome if judged else None,
        "caveats": "; ".join(source.caveats) or None,
        "packages": "not known" if source.packages is None else None,
        **_odd_digests(output),
    }
    url = http_address(record.code.remote)
    return without_none(
        {
            "type": "machine-learning-model",
            "bom-ref": "model",
            "name": record.experiment,
            "version": record.id,
            "description": record.hypothesis,
            "hashes": _hashes(digests(output)) if output else [],
            "licenses": [{"license": {"name": licence}}] if licence else [],
            "externalReferences": [{"type": "vcs", "url": url}] if url else [],
            "pedigree": without_none({"ancestors": [_ancestor(base) for base in record.base_models]}),
            "modelCard": _card(source),
            "properties": _properties(facts),
        }
    )


def _odd_digests(item: Output | DataInput | None) -> dict[str, str]:
    """Digests that CycloneDX has no name for."""
    known = {} if item is None else digests(item)
    return {f"digest:{name}": value for name, value in known.items() if name not in _HASHES}


def _ancestor(base: BaseModel) -> Component:
    facts = {"modification": base.modification, "source": base.source, "digest": base.digest}
    return without_none(
        {
            "type": "machine-learning-model",
            "name": base.name,
            "version": base.revision,
            "hashes": _hashes(named_digest(base.digest)),
            "properties": _properties(facts),
        }
    )


def _card(source: Source) -> dict[str, Any]:
    record = source.record
    tags = record.tags
    formats = {name: [{"format": tags[key]}] for name, key in
               (("inputs", "model_inputs"), ("outputs", "model_outputs")) if key in tags}  # fmt: skip
    question = source.protocol.question
    settings = {f"param:{name}": value for name, value in flatten(record.params).items()}
    if record.seed is not None:
        settings["seed"] = record.seed
    return without_none(
        {
            "modelParameters": without_none(
                {
                    "task": tags.get("task"),
                    "architectureFamily": tags.get("architecture_family"),
                    "modelArchitecture": tags.get("architecture"),
                    "datasets": [{"ref": f"data-{at}"} for at in range(len(record.data))],
                    **formats,
                }
            ),
            "quantitativeAnalysis": without_none({"performanceMetrics": list(_performance(source))}),
            "considerations": without_none(
                {
                    "useCases": [use for use in (source.evidence.purpose, question) if use],
                    "technicalLimitations": list(source.evidence.limitations),
                }
            ),
            "properties": _properties(settings),
        }
    )


def _performance(source: Source) -> Iterator[dict[str, Any]]:
    """Each final metric of the run; where it has replicates, their mean with its 95 % t interval as well."""
    for name, metric in source.record.metrics.items():
        sliced = {"slice": metric.split} if metric.split else {}
        yield {"type": name, "value": text(metric_value(metric)), **sliced}
        interval = source.interval(name)
        if interval is None:
            continue
        said: dict[str, Any] = {
            "type": f"{name}, mean of {interval.n} runs",
            "value": text(interval.mean),
            **sliced,
        }
        if (
            interval.low is not None
            and interval.high is not None
            and math.isfinite(interval.high - interval.low)
        ):
            said["confidenceInterval"] = {"lowerBound": text(interval.low), "upperBound": text(interval.high)}
        yield said


# --- what it is made of -----------------------------------------------------------------------------------


def _data(at: int, item: DataInput) -> Component:
    facts = {"role": item.role, "source": item.source, "size": item.size, "files": item.nfiles}
    odd = _odd_digests(item)
    return without_none(
        {
            "type": "data",
            "bom-ref": f"data-{at}",
            "name": item.path,
            "description": f"{item.role} data" if item.role else "data",
            "hashes": _hashes(digests(item)),
            "properties": _properties({**facts, **odd}),
            "data": [
                {
                    "type": "dataset",
                    "name": item.path,
                    "description": f"{item.role} data" if item.role else "data",
                }
            ],
        }
    )


def _output(at: int, output: Output) -> Component:
    facts = {"role": output.role, "size": output.size, "files": output.nfiles, **_odd_digests(output)}
    return without_none(
        {
            "type": "file",
            "bom-ref": f"output-{at}",
            "name": output.path,
            "description": f"Output of the run: {output.role}",
            "hashes": _hashes(digests(output)),
            "properties": _properties(facts),
        }
    )


def _code(source: Source) -> Iterator[Component]:
    """The training code at its commit, and the lock files."""
    code = source.record.code
    commit = code.snapshot or code.commit
    facts = {"command": list(code.command), "tree": code.tree, "dirty": code.dirty}
    yield without_none(
        {
            "type": "application",
            "bom-ref": "code",
            "name": code.entry or "training code",
            "version": commit,
            "pedigree": {"commits": [{"uid": commit}]} if commit else None,
            "properties": _properties(facts),
        }
    )
    for at, lock in enumerate(source.record.locks):
        yield {
            "type": "file",
            "bom-ref": f"lock-{at}",
            "name": lock.path,
            "hashes": _hashes({"sha256": lock.sha256}),
            "properties": _properties({"kind": lock.kind, "pins": lock.pins}),
        }


def _libraries(source: Source) -> Iterator[Component]:
    """Python and the installed distributions; those not from an index have no package URL."""
    python = source.record.surroundings.python
    if python is not None:
        yield {"type": "platform", "bom-ref": "python", "name": "python", "version": python,
               "purl": purl("generic", "python", python)}  # fmt: skip
    if source.packages is None:
        source.notes.append(f"run {source.record.id}: which packages its program had is not known")
    origins = source.environment.get("origins") or {}
    for name, version in (source.packages or {}).items():
        origin = origins.get(name)
        yield without_none(
            {
                "type": "library",
                "bom-ref": f"package-{name}",
                "name": name,
                "version": version,
                "purl": None if origin else pypi(name, version),
                "properties": _properties({"origin": origin}),
            }
        )

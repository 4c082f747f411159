"""in-toto: Statements v1 about the outputs of a run, with SLSA provenance v1 and the verdict of its gate.

What each field says, and what it does not claim, is in docs/export.md.
https://github.com/in-toto/attestation/tree/main/spec, https://slsa.dev/spec/v1.2/build-provenance
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gittrack.exporters.source import Source
from gittrack.exporters.values import (
    NAMESPACE,
    digests,
    named_digest,
    plain,
    purl,
    repository_uri,
    without_none,
)
from gittrack.formats.config import FILE
from gittrack.formats.record import BaseModel, format_time

if TYPE_CHECKING:
    from gittrack.governance.gate import Judgement

STATEMENT = "https://in-toto.io/Statement/v1"
PROVENANCE = "https://slsa.dev/provenance/v1"
TEST_RESULT = "https://in-toto.io/attestation/test-result/v0.1"
BUILD_TYPE = f"{NAMESPACE}slsa/run/1"
BUILDER = f"{NAMESPACE}slsa/recorder/1"

_RESULTS = {"passed": "PASSED", "not passed": "FAILED", "refused": "FAILED"}

Descriptor = dict[str, Any]


def statements(source: Source) -> list[dict[str, Any]]:
    """The provenance of a run, and the verdict of its gate if there is one."""
    subjects = subjects_of(source)
    statements = [_statement(subjects, PROVENANCE, provenance(source))]
    judged = source.judgement
    if judged is not None and judged.outcome in _RESULTS:
        statements.append(_statement(subjects, TEST_RESULT, test_result(source, judged)))
    elif judged is not None:
        why = next((f.says for f in judged.findings if f.kind == "incomplete"), judged.outcome)
        source.notes.append(f"no test-result, as the gate cannot be judged here: {why}")
    return statements


def _statement(subjects: list[Descriptor], kind: str, predicate: dict[str, Any]) -> dict[str, Any]:
    return {"_type": STATEMENT, "subject": subjects, "predicateType": kind, "predicate": predicate}


def subjects_of(source: Source) -> list[Descriptor]:
    """The outputs with a sha256; the record where there is none."""
    outputs = source.record.outputs
    known = [output for output in outputs if output.sha256]
    if known:
        if len(known) < len(outputs):
            missing = ", ".join(output.path for output in outputs if not output.sha256)
            source.notes.append(f"no subject, as recorded without sha256: {missing}")
        return [{"name": output.path, "digest": digests(output)} for output in known]
    what = "outputs with a sha256" if outputs else "outputs"
    source.notes.append(f"run {source.record.id} has no {what}: the subject is its record")
    return [{"name": source.row.path, "digest": {"sha256": source.record_sha256}}]


def provenance(source: Source) -> dict[str, Any]:
    """The predicate of SLSA provenance v1."""
    record = source.record
    code = record.code
    return {
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": without_none(
                {
                    "experiment": record.experiment,
                    "command": list(code.command),
                    "cwd": code.cwd,
                    "entry": code.entry,
                    "params": plain(record.params),
                    "seed": plain(record.seed),
                    "seeds": plain(record.seeds),
                }
            ),
            "internalParameters": without_none(
                {
                    "determinism": plain(record.determinism),
                    "python": record.surroundings.python,
                    "os": record.surroundings.os,
                    "cpu": record.surroundings.cpu,
                    "gpus": list(record.surroundings.gpus),
                }
            ),
            "resolvedDependencies": list(_dependencies(source)),
        },
        "runDetails": {
            "builder": {"id": BUILDER, "version": {"gittrack": record.tool.version}},
            "metadata": {
                "invocationId": record.id,
                **({"startedOn": record.started} if record.started else {}),
                **({"finishedOn": format_time(record.ended)} if record.ended else {}),
            },
            "byproducts": list(_byproducts(source)),
        },
    }


def _dependencies(source: Source) -> Iterator[Descriptor]:
    """Code, data, locks, environment, protocol, base models, container image: each with its digest."""
    record = source.record
    code = record.code
    commit = code.snapshot or code.commit
    if code.revision is not None:
        yield _descriptor(
            name="code",
            uri=repository_uri(code.remote),
            digest={"gitCommit": commit} if commit else {"gitTree": code.revision},
            tree=code.tree,
            branch=code.branch,
            basedOn=code.commit if code.snapshot else None,
        )
    for item in record.data:
        if digest := digests(item):
            yield _descriptor(name=item.path, digest=digest, role=item.role, source=item.source)
    for lock in record.locks:
        digest = without_none({"sha256": lock.sha256, "gitBlob": lock.blob})
        yield _descriptor(name=lock.path, digest=digest, role="lock", kind=lock.kind, pins=lock.pins)
    if record.environment is not None:
        environment = {"sha256": record.environment.sha256}
        yield _descriptor(name=f"{record.path}/environment.yaml", digest=environment, role="environment")
    if record.protocol is not None:
        yield _descriptor(name=FILE, digest=_protocol_digest(source), role="protocol")
    for model in record.base_models:
        yield _base_model(model)
    if record.surroundings.image is not None:
        name, _, image = record.surroundings.image.rpartition("@")
        yield _descriptor(name=name or "container image", digest=named_digest(image), role="image")


def _protocol_digest(source: Source) -> dict[str, str]:
    data = source.protocol_bytes
    known = {} if data is None else {"sha256": hashlib.sha256(data).hexdigest()}
    return {"gitBlob": source.record.protocol or "", **known}


def _base_model(model: BaseModel) -> Descriptor:
    """With the package URL of a generic package where no digest is known: something has to identify it."""
    digest = named_digest(model.digest)
    return _descriptor(
        name=model.name,
        uri=None if digest else purl("generic", model.name, model.revision),
        digest=digest,
        role="base model",
        revision=model.revision,
        modification=model.modification,
        source=model.source,
    )


def _byproducts(source: Source) -> Iterator[Descriptor]:
    """The record with how the run ended, the series, and outputs that cannot be a subject."""
    record = source.record
    failure = record.failure
    yield {
        **_descriptor(
            name=source.row.path,
            digest={"sha256": source.record_sha256, "gitBlob": source.row.blob},
            role="record",
            caveats="; ".join(source.caveats) or None,
            status=record.status,
            endedBy=record.ended_by,
            failure=f"{failure.type}: {failure.message}" if failure else None,
        ),
        "mediaType": "application/yaml",
    }
    if record.series is not None:
        yield _descriptor(name="metrics.csv", digest={"sha256": record.series.sha256}, role="series")
    for output in record.outputs:
        if not output.sha256:
            yield _descriptor(name=output.path, digest=digests(output), role=output.role)


def _descriptor(
    *, name: str, digest: dict[str, str], uri: str | None = None, **annotations: str | None
) -> Descriptor:
    return without_none(
        {"name": name, "uri": uri, "digest": digest, "annotations": without_none(annotations)}
    )


def test_result(source: Source, judged: Judgement) -> dict[str, Any]:
    """The predicate of test-result v0.1: one test, the gate; a refused verdict has failed."""
    result = _RESULTS[judged.outcome]
    name = f"gate {judged.rule}"
    figures = judged.figures
    reasons = [f"{f.code}: {f.says}" for f in judged.findings if f.kind in ("refused", "missed")]
    about = without_none(
        {
            "spec": judged.spec,
            "verdict": judged.outcome,
            "runs": [run.id for run in judged.judged],
            "bound": figures.bound if figures else None,
            "mean": figures.interval.mean if figures else None,
            "because": reasons,
        }
    )
    return {
        "result": result,
        "configuration": [{"name": FILE, "digest": _protocol_digest(source), "annotations": about}],
        "passedTests": [name] if result == "PASSED" else [],
        "warnedTests": [],
        "failedTests": [] if result == "PASSED" else [name],
    }

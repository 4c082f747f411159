"""A Hugging Face model card: README.md with model-index metadata, and a body for people.

Everything that comes from a record is escaped, so that it is shown letter by letter.
https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator
from typing import Any

from gittrack.exporters.source import Source
from gittrack.exporters.values import http_address, metric_value, repository_uri, without_none
from gittrack.formats import codec
from gittrack.formats.flat import flatten
from gittrack.formats.record import Metric
from gittrack.text import text
from gittrack.text.sections import Row, Section, as_markdown, measured

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?\Z")
_TASK = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


def model_card(source: Source, licence: str | None) -> bytes:
    """The bytes of the README.md of a run's model."""
    return b"---\n" + codec.write_yaml(_metadata(source, licence)) + b"---\n\n" + _body(source).encode()


# --- what programs read --------------------------------------------------------------------------------


def _metadata(source: Source, licence: str | None) -> dict[str, Any]:
    record = source.record
    task = record.tags.get("task", "")
    bases = [model.name for model in record.base_models if _HUB_NAME.match(model.name)]
    return without_none(
        {
            "license": licence,
            "base_model": bases[0] if len(bases) == 1 else bases,
            "pipeline_tag": task if _TASK.match(task) else None,
            "tags": ["gittrack", record.experiment],
            "metrics": sorted(record.metrics),
            "model-index": [{"name": record.experiment, "results": list(_results(source))}],
        }
    )


def _results(source: Source) -> Iterator[dict[str, Any]]:
    """A result for each split that metrics are of."""
    record = source.record
    task = record.tags.get("task") or "other"
    splits: dict[str | None, list[str]] = {}
    for name, metric in record.metrics.items():
        splits.setdefault(metric.split, []).append(name)
    url = http_address(record.code.remote)
    for split, names in splits.items():
        dataset = _dataset(source, split)
        result = {
            "task": {"type": task},
            "dataset": without_none({"name": dataset, "type": dataset, "split": split}),
            "metrics": [
                {"type": name, "name": name, "value": metric_value(record.metrics[name])} for name in names
            ],
        }
        source_of = {"source": {"name": f"gittrack run {record.id}", "url": url}} if url else {}
        yield result | source_of


def _dataset(source: Source, split: str | None) -> str:
    """The data whose stated role is the split. Of no other is it known that the figures are of it."""
    paths = [item.path for item in source.record.data if item.role and item.role == split]
    return ", ".join(paths) or "unknown"


# --- what people read ----------------------------------------------------------------------------------


def _body(source: Source) -> str:
    sections = [_head(source), *_training(source), _data(source), _results_table(source), *_choice(source)]
    sections += [_reproducibility(source), *_limits(source), _checking(source)]
    return as_markdown([section for section in sections if section.lead or section.rows or section.notes])


def _head(source: Source) -> Section:
    record = source.record
    lead = [f"Model of the experiment {record.experiment}, run {record.id}."]
    if record.status != "finished":
        failure = record.failure
        ended = "ended, and whether it succeeded is unknown" if record.status == "unknown" else record.status
        lead.append(f"The run {ended}: {failure.type if failure else 'no reason recorded'}.")
    elif record.ended_by == "process":
        lead.append("The run was not ended by its program: that its process ended well is what was seen.")
    lead += [sentence for sentence in (source.protocol.question, record.hypothesis) if sentence]
    lead += [source.evidence.purpose] if source.evidence.purpose else []
    return Section(title=record.name or record.experiment, lead=lead, level=1)


def _training(source: Source) -> Iterator[Section]:
    record = source.record
    code, environment = record.code, record.surroundings
    commit = code.revision or "not known"
    facts = {
        "Imported": record.imported.sentence if record.imported else None,
        "Command": shlex.join(code.command),
        "Code": commit + (" (a snapshot of uncommitted changes)" if code.snapshot else ""),
        "Repository": code.remote if repository_uri(code.remote) else None,
        "Started": record.started,
        "Duration": text.duration(record.duration_s),
        "Python": environment.python or "not known",
        "System": environment.os,
        "Processor": environment.cpu,
        "Accelerators": ", ".join(environment.gpus),
        "Image": environment.image,
        "Lock files": ", ".join(f"{lock.path} ({lock.pins})" for lock in record.locks),
        "Seed": None if record.seed is None else str(record.seed),
    }
    rows = [Row([name, value]) for name, value in facts.items() if value]
    yield Section(title="How it was trained", header=["", ""], rows=rows)
    params = [
        Row([name, "null" if value is None else text.value(value)])
        for name, value in flatten(record.params).items()
    ]
    yield Section(title="Parameters", header=["parameter", "value"], rows=params, level=3)
    bases = [
        Row([model.name, model.revision or "", model.digest or "", model.modification or ""])
        for model in record.base_models
    ]
    yield Section(
        title="Base models", header=["name", "revision", "digest", "modification"], rows=bases, level=3
    )


def _data(source: Source) -> Section:
    rows = [
        Row([item.path, item.shown_role, text.size(item.size), item.sha256 or item.md5 or item.blob or ""])
        for item in source.record.data
    ]
    return Section(title="Data", header=["path", "role", ">size", "digest"], rows=rows)


def _results_table(source: Source) -> Section:
    metrics = source.record.metrics
    rows = [
        Row([name, metric.split or "", *_figures(source, name, metric)]) for name, metric in metrics.items()
    ]
    across = source.group.across
    count, failed = len(across.runs), len(source.group.failed)
    notes = []
    if count > 1:
        notes.append(
            f"± is the half-width of the two-sided 95 % t interval of the mean over {count} runs of the same "
            f"code, data and parameters; between them varied: {across.varied}."
        )
    elif rows:
        notes.append("One run: how much its figures vary from run to run is not known.")
    if failed:
        notes.append(f"{failed} further {'run' if failed == 1 else 'runs'} of the same kind did not finish.")
    header = ["metric", "split", ">this run", "mean over runs", ">runs"]
    return Section(title="Results", header=header, rows=rows, notes=notes)


def _figures(source: Source, name: str, metric: Metric) -> list[str]:
    """This run's value, the mean ± its half-width, and how many runs that rests on."""
    unit = f" {metric.unit}" if metric.unit else ""
    own = text.value(metric_value(metric)) + unit
    interval = source.interval(name)
    if interval is None:
        return [own, "", "1"]
    mean = measured(interval.mean, interval.sd)
    if interval.low is None or interval.high is None:
        return [own, f"{mean}{unit} ({interval.why})", str(interval.n)]
    half = (interval.high - interval.low) / 2
    return [own, f"{mean} ± {half:.2g}{unit}" if math.isfinite(half) else mean, str(interval.n)]


def _choice(source: Source) -> Iterator[Section]:
    """What was decided, and by which rule."""
    decision, judged = source.decision, source.judgement
    lead = []
    if decision is not None:
        who = f"{decision.outcome.capitalize()} by {decision.author} on {decision.made[:10]}"
        lead += [f"{who}: {decision.because}"]
    else:
        lead += ["No decision on this run is recorded."]
    if judged is not None:
        lead += [f"Gate, fixed in gittrack.yaml: {judged.rule}. Verdict: {judged.outcome}."]
        against = [f.says for f in judged.findings if f.kind in ("refused", "missed", "incomplete")]
        yield Section(title="Decision", lead=lead, notes=against)
    else:
        yield Section(title="Decision", lead=[*lead, "No gate judged it."])


def _reproducibility(source: Source) -> Section:
    claim = source.protocol.reproducibility
    lead = [f"Claimed in gittrack.yaml: {claim.level}." if claim.level != "none" else "Nothing is claimed."]
    lead += [claim.why] if claim.why else []
    rows = [
        Row(
            [
                r.made[:10],
                r.verdict.level,
                str(len(r.verdict.reruns)),
                between_hosts(r.verdict.reruns),
                r.verdict.why,
            ]
        )
        for r in source.reproductions
    ]
    if not rows:
        lead.append("Nobody has stated to have run it again.")
    return Section(
        title="Reproducibility", lead=lead, header=["date", "level", ">reruns", "host", "why"], rows=rows
    )


def between_hosts(reruns: Any) -> str:
    """Where reruns ran: on the same host as the run, on another, or both."""
    return ", ".join(dict.fromkeys(rerun.host for rerun in reruns))


def _limits(source: Source) -> Iterator[Section]:
    yield Section(title="Limitations", notes=[*source.evidence.limitations, *source.caveats])


def _checking(source: Source) -> Section:
    record = source.record
    outputs = [Row([o.path, o.role, text.size(o.size), o.sha256 or o.md5]) for o in record.outputs]
    return Section(
        title="Files, and how to check them",
        lead=[
            f"gittrack verify {record.id} checks the record, and gittrack fetch {record.id} brings the model "
            "and checks its bytes, in a clone of the repository.",
        ],
        header=["path", "role", ">size", "sha256"],
        rows=outputs,
        notes=[f"sha256 of the record {source.row.path}: {source.record_sha256}"],
    )

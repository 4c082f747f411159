"""W3C PROV in its JSON form: runs as activities, data, code and outputs as entities.

https://www.w3.org/submissions/prov-json/
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.exporters.source import Source, Subject
from gittrack.exporters.values import NAMESPACE, digests, metric_value, repository_uri, scalar, without_none
from gittrack.formats.flat import flatten
from gittrack.formats.record import DataInput, Output, format_time

PREFIXES = {
    "gittrack": f"{NAMESPACE}prov/1#",
    "run": f"{NAMESPACE}prov/run/",
    "content": f"{NAMESPACE}prov/content/",
    "agent": f"{NAMESPACE}prov/agent/",
    "param": f"{NAMESPACE}prov/param/",
    "metric": f"{NAMESPACE}prov/metric/",
}


@dataclass
class _Document:
    """The parts of a document, each by id; relations are counted."""

    parts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"prefix": PREFIXES})
    count: int = 0

    def add(self, part: str, identifier: str, **attributes: Any) -> str:
        """The id of the element, which is made unless it is there."""
        self.parts.setdefault(part, {}).setdefault(identifier, without_none(_spelled(attributes)))
        return identifier

    def relate(self, part: str, **attributes: Any) -> None:
        self.count += 1
        self.parts.setdefault(part, {})[f"_:r{self.count}"] = without_none(_spelled(attributes))


def _spelled(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """``prov__type`` is ``prov:type``: what Python calls it and what PROV does."""
    return {name.replace("__", ":"): value for name, value in attributes.items()}


def _local(name: str) -> str:
    """A name that may be the local part of a qualified name; a digest where a name is none."""
    plain = name.replace("_", "").replace("-", "")
    safe = name.isascii() and plain.isalnum() and not name.startswith("-")
    return name if safe else "x" + hashlib.sha256(name.encode()).hexdigest()[:20]


def _named(kind: str) -> dict[str, str]:
    return {"$": kind, "type": "prov:QUALIFIED_NAME"}


def document(subject: Subject) -> dict[str, Any]:
    """The PROV-JSON of a run, or of all runs of an experiment."""
    made = _Document()
    for source in subject.sources:
        _run(made, source)
    return made.parts


def _run(made: _Document, source: Source) -> None:
    record = source.record
    failure = record.failure
    run = made.add(
        "activity",
        f"run:{record.id}",
        prov__startTime=record.started,
        prov__endTime=format_time(record.ended) if record.ended else None,
        prov__type=_named("gittrack:Run"),
        prov__label=record.name or f"{record.experiment} {record.id}",
        gittrack__experiment=record.experiment,
        gittrack__status=record.status,
        gittrack__ended_by=record.ended_by,
        gittrack__failure=f"{failure.type}: {failure.message}" if failure else None,
        gittrack__hypothesis=record.hypothesis,
        gittrack__spec=record.spec,
        gittrack__command=shlex.join(record.code.command),
        gittrack__seed=None if record.seed is None else scalar(record.seed),
        gittrack__caveats=source.caveats,
        gittrack__outcome=source.decision.outcome if source.decision else None,
    )
    _figures(made, source, run)
    _agents(made, source, run)
    _code(made, source, run)
    for item in record.data:
        entity = _entity(made, item, record.id, prov__type=_named("gittrack:Data"))
        made.relate(
            "used", prov__activity=run, prov__entity=entity,
            gittrack__role=item.role, gittrack__path=item.path,
        )  # fmt: skip
    for output in record.outputs:
        entity = _entity(made, output, record.id, prov__type=_named("gittrack:Output"))
        made.relate(
            "wasGeneratedBy", prov__entity=entity, prov__activity=run,
            gittrack__role=output.role, gittrack__path=output.path,
        )  # fmt: skip
    for base in record.base_models:
        name = made.add(
            "entity", f"content:{_local(base.digest or base.name)}", prov__label=base.name,
            prov__type=_named("gittrack:BaseModel"), gittrack__revision=base.revision,
            gittrack__digest=base.digest, gittrack__source=base.source,
        )  # fmt: skip
        made.relate("used", prov__activity=run, prov__entity=name, gittrack__modification=base.modification)
    others = (record.parent, record.continues, record.reproduces, record.supersedes)
    for other in dict.fromkeys(filter(None, others)):
        made.add("activity", f"run:{other}")
        made.relate("wasInformedBy", prov__informed=run, prov__informant=f"run:{other}")


def _figures(made: _Document, source: Source, run: str) -> None:
    """Parameters and metrics as attributes of the run, under their names or, where those are odd, digests."""
    record = source.record
    activity = made.parts["activity"][run]
    for name, value in flatten(record.params).items():
        activity[f"param:{_local(name)}"] = _figure(name, scalar(value))
    for name, metric in record.metrics.items():
        activity[f"metric:{_local(name)}"] = _figure(name, metric_value(metric))


def _figure(name: str, value: Any) -> Any:
    return value if _local(name) == name else f"{name} = {value}"


def _agents(made: _Document, source: Source, run: str) -> None:
    author, tool = source.record.author, source.record.tool
    if author is not None:
        digest = hashlib.sha256(f"{author.name}\n{author.email}".encode()).hexdigest()[:12]
        person = made.add(
            "agent", f"agent:{digest}", prov__type=_named("prov:Person"), prov__label=author.name,
            gittrack__email=author.email,
        )  # fmt: skip
        made.relate("wasAssociatedWith", prov__activity=run, prov__agent=person)
    program = made.add(
        "agent", f"agent:gittrack-{_local(tool.version.replace('.', '-'))}",
        prov__type=_named("prov:SoftwareAgent"), prov__label=f"{tool.name} {tool.version}",
    )  # fmt: skip
    made.relate("wasAssociatedWith", prov__activity=run, prov__agent=program)


def _code(made: _Document, source: Source, run: str) -> None:
    """The code as the plan that was followed, and the record as what was written down."""
    record = source.record
    code = record.code
    if code.revision is not None:
        plan = made.add(
            "entity", f"content:{code.revision}", prov__type=_named("prov:Plan"),
            prov__label=code.entry or "code", gittrack__commit=code.commit, gittrack__snapshot=code.snapshot,
            gittrack__tree=code.tree, gittrack__repository=repository_uri(code.remote),
        )  # fmt: skip
        made.relate("used", prov__activity=run, prov__entity=plan, gittrack__role="code")
    said = made.add(
        "entity", f"content:{source.record_sha256}", prov__type=_named("gittrack:Record"),
        prov__label=source.row.path, gittrack__sha256=source.record_sha256,
    )  # fmt: skip
    made.relate("wasGeneratedBy", prov__entity=said, prov__activity=run, gittrack__role="record")


def _entity(made: _Document, item: DataInput | Output, run: str, **attributes: Any) -> str:
    """The content that an input or output is: the same bytes are the same entity in every run."""
    content = digests(item)
    digest = next(iter(content.values()), None)
    name = digest.replace(".", "-") if digest else _local(f"{run}-{item.path}")
    marks = {f"gittrack__{kind}": value for kind, value in content.items()}
    return made.add(
        "entity", f"content:{name}", prov__label=item.path, gittrack__size=item.size, **attributes, **marks
    )

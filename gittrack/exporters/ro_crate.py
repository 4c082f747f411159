"""RO-Crate: runs as a Process Run Crate 0.5 on RO-Crate 1.1, a zip or a folder.

Each run is a CreateAction: who, with which code, from which data and parameters, to which outputs
and metrics. The crate holds the record and what lies beside it; bytes of outputs only if asked for,
else they are named by their digest. Data never goes in.
https://www.researchobject.org/workflow-run-crate/profiles/process_run_crate
"""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from gittrack.exporters.contents import Content, Names, contents_of, safe_path
from gittrack.exporters.source import Source, Subject
from gittrack.exporters.values import (
    http_address,
    metric_value,
    named_information,
    part,
    pretty,
    scalar,
    seconds,
    without_none,
)
from gittrack.formats.flat import flatten
from gittrack.formats.record import Code, DataInput, Output, format_time
from gittrack.formats.spec import SEED_NAMES

METADATA = "ro-crate-metadata.json"
PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_TERMS = "https://w3id.org/ro/terms/workflow-run#"
_CONTEXT = [
    "https://w3id.org/ro/crate/1.1/context",
    {name: _TERMS + name for name in ("sha256", "ContainerImage", "containerImage", "registry")},
]
_TYPES = {
    ".yaml": "application/yaml", ".csv": "text/csv", ".json": "application/json", ".txt": "text/plain",
    ".png": "image/png", ".svg": "image/svg+xml", ".html": "text/html",
}  # fmt: skip
_BYTES = "application/octet-stream"
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MODE = 0o100644 << 16

Node = dict[str, Any]
Bytes = bytes | Path


@dataclass
class Crate:
    """The entities by id, in order, and the files by their name in the crate."""

    entities: dict[str, Node] = field(default_factory=dict)
    files: dict[str, Bytes] = field(default_factory=dict)
    names: Names = field(default_factory=lambda: Names([METADATA]))
    held: dict[str, str] = field(default_factory=dict)
    """Id of a file of the crate by its sha256."""

    def add(self, at: str, kind: str | list[str], **properties: Any) -> Node:
        """A reference to the entity with the id `at`, which is made unless it is there."""
        if at not in self.entities:
            self.entities[at] = without_none({"@id": at, "@type": kind, **properties})
        return {"@id": at}

    def add_file(self, name: str, data: Bytes, size: int, sha256: str, **properties: Any) -> Node:
        """A reference to a file that the crate holds."""
        free = self.names.free(name)
        self.files[free] = data
        self.held.setdefault(sha256, _path_id(free))
        return self.add(
            _path_id(free), "File", name=name, contentSize=str(size), sha256=sha256,
            encodingFormat=_TYPES.get(Path(name).suffix, _BYTES), **properties,
        )  # fmt: skip

    @property
    def metadata(self) -> bytes:
        entities = [{key: _single(value) for key, value in e.items()} for e in self.entities.values()]
        return pretty({"@context": _CONTEXT, "@graph": entities})

    def members(self) -> Iterator[tuple[str, Bytes]]:
        """Every file of the crate, the metadata first."""
        yield METADATA, self.metadata
        yield from self.files.items()


def _single(value: Any) -> Any:
    """A list of one as the one: how RO-Crate wants it."""
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _path_id(name: str) -> str:
    return "/".join(part(piece) for piece in name.split("/"))


def build(subject: Subject, *, data: bool, licence: str | None) -> Crate:
    """The crate of a run, or of all runs of an experiment."""
    crate = Crate()
    crate.add(
        METADATA, "CreativeWork", about={"@id": "./"}, conformsTo={"@id": "https://w3id.org/ro/crate/1.1"}
    )
    root = crate.add("./", "Dataset")
    crate.add(PROFILE, "CreativeWork", name="Process Run Crate", version="0.5")
    actions = [_action(crate, source, data) for source in subject.sources]
    crate.entities[root["@id"]] |= without_none(
        {
            "name": f"Experiment {subject.name}" if subject.whole else f"Run {subject.name}",
            "description": _about(subject),
            "datePublished": max(filter(None, map(_latest, subject.sources)), default=None),
            "license": _licence(crate, licence),
            "conformsTo": {"@id": PROFILE},
            "author": _authors(crate),
            "mentions": actions,
            "hasPart": _parts(crate),
        }
    )
    return crate


def _authors(crate: Crate) -> list[Node]:
    return [{"@id": at} for at, entity in crate.entities.items() if entity.get("@type") == "Person"]


def _about(subject: Subject) -> str:
    newest = subject.sources[-1]
    question = newest.protocol.question or newest.record.hypothesis
    count = len(subject.sources)
    runs = f"{count} runs" if count > 1 else "A run"
    return f"{runs} of the experiment {subject.experiment}." + (f" {question}" if question else "")


def _licence(crate: Crate, licence: str | None) -> Node:
    if licence is None:
        return crate.add(
            "#licence", "CreativeWork", name="No licence stated",
            description="Whoever made this crate stated no licence: ask them before you use it.",
        )  # fmt: skip
    if licence.startswith(("http://", "https://")):
        return crate.add(licence, "CreativeWork", name=licence, description="Licence of this crate.")
    return crate.add(
        f"https://spdx.org/licenses/{part(licence)}", "CreativeWork", name=licence,
        description=f"Licence of this crate, by its SPDX identifier: {licence}.",
    )  # fmt: skip


def _parts(crate: Crate) -> list[Node]:
    """Data entities that are not part of a folder."""
    inside = {p["@id"] for e in crate.entities.values() if e["@id"] != "./" for p in e.get("hasPart", ())}
    kinds = ("File", "Dataset")
    return [{"@id": i} for i, e in crate.entities.items() if e["@type"] in kinds and i not in {"./", *inside}]


# --- a run --------------------------------------------------------------------------------------------


def _action(crate: Crate, source: Source, data: bool) -> Node:
    record = source.record
    action = f"#{record.id}"
    crate.entities[action] = {}  # its place, before what it refers to
    beside = [
        crate.add_file(f"{record.path}/{name}", content, len(content), hashlib.sha256(content).hexdigest(),
                       about={"@id": action})
        for name, content in source.files.items()
    ]  # fmt: skip
    status = {"finished": "Completed", "unknown": None}.get(record.status, "Failed")
    failure = record.failure
    crate.entities[action] = without_none(
        {
            "@id": action,
            "@type": "CreateAction",
            "name": record.name or f"Run {record.id} of {record.experiment}",
            "description": _described(source),
            "startTime": seconds(record.started) if record.started else None,
            "endTime": seconds(format_time(record.ended)) if record.ended else None,
            "actionStatus": f"http://schema.org/{status}ActionStatus" if status else None,
            "error": (f"{failure.type}: {failure.message}" if failure else record.status)
            if status == "Failed" else None,
            "agent": _agent(crate, record.author.name, record.author.email) if record.author else None,
            "instrument": _instrument(crate, record.code),
            "containerImage": _image(crate, record.surroundings.image),
            "object": [*(_input(crate, item) for item in record.data), *_settings(crate, source)],
            "result": [*(_output(crate, source, item, data) for item in record.outputs),
                       *_metrics(crate, source)],
            "subjectOf": beside,
        }
    )  # fmt: skip
    return {"@id": action}


def _latest(source: Source) -> str | None:
    """When the run ended, else when it started; None where neither is known."""
    record = source.record
    return format_time(record.ended) if record.ended else record.started


def _described(source: Source) -> str:
    record = source.record
    about = record.hypothesis or f"A run of {record.experiment}: {record.ending}."
    return "\n".join([about, *source.caveats])


def _agent(crate: Crate, name: str, email: str) -> Node:
    digest = hashlib.sha256(f"{name}\n{email}".encode()).hexdigest()[:12]
    return crate.add(f"#person-{digest}", "Person", name=name, email=email)


def _instrument(crate: Crate, code: Code) -> Node:
    """The code at its commit, with the command in its description."""
    commit = code.revision or "unknown"
    url = http_address(code.remote)
    command = " ".join(code.command)
    digest = hashlib.sha256(f"{code.cwd}\0{command}".encode()).hexdigest()[:8]
    return crate.add(
        f"#code-{commit}-{digest}",
        ["SoftwareSourceCode", "SoftwareApplication"],
        name=code.entry or command or "code",
        description=f"Command: {command}" if command else None,
        version=code.revision,
        url=url and {"@id": crate.add(url, "WebSite", name=url)["@id"]},
        codeRepository=code.remote,
        identifier=f"swh:1:rev:{commit}" if len(commit) == 40 and commit != code.tree else None,
    )


def _image(crate: Crate, image: str | None) -> Node | None:
    if image is None:
        return None
    name, _, digest = image.rpartition("@")
    sha256 = digest.removeprefix("sha256:")
    registry = name.partition("/")[0] if "." in name.partition("/")[0] else None
    return crate.add(
        f"#image-{sha256[:12]}", "ContainerImage", name=name or image, registry=registry, sha256=sha256
    )


def _input(crate: Crate, item: DataInput) -> Node:
    return _by_digest(
        crate, item, f"{f'{item.role} data' if item.role else 'Data'}, tracked by {item.source}"
    )


def _by_digest(crate: Crate, item: DataInput | Output, about: str) -> Node:
    """An entity that the crate does not hold, named by what it is; or as the file that it does hold."""
    if item.sha256 in crate.held:
        return {"@id": crate.held[item.sha256]}
    folder = item.nfiles is not None or (item.md5 or "").endswith(".dir")
    listed = "; a folder" if folder else ""
    if item.nfiles is not None:
        listed += f" of {item.nfiles} files"
    if folder and item.sha256:
        listed += ", its digest that of their sha256sum"
    properties = {
        "name": item.path,
        "description": about + listed,
        "contentSize": None if item.size is None or folder else str(item.size),
        "sha256": item.sha256,
    }
    if item.sha256:
        at = named_information(item.sha256)
        reference = crate.add(at, "Dataset" if folder else "File", **properties)
    else:
        at = f"#data-{item.md5 or getattr(item, 'blob', None) or part(item.path)}"
        reference = crate.add(at, "CreativeWork", **properties, identifier=item.md5)
    _say_further_use(crate.entities[at], item, about)
    return reference


def _say_further_use(entity: Node, item: DataInput | Output, about: str) -> None:
    """The same content may be at another path or in another role, in this run or the next."""
    use = about if entity["name"] == item.path else f"as {item.path}: {about}"
    uses = entity["description"].split("\n")
    if not any(known == use or known.startswith(f"{use}; ") for known in uses):
        entity["description"] += f"\n{use}"


def _settings(crate: Crate, source: Source) -> Iterator[Node]:
    """Parameters and seeds."""
    record = source.record
    named = {f"param/{part(name)}": (name, value) for name, value in flatten(record.params).items()}
    seeds = ({"seed": record.seed} if record.seed is not None else {}) | dict(record.seeds)
    taken = {name for name, _ in named.values()} & SEED_NAMES
    named |= {f"seed/{part(n)}": (n, v) for n, v in seeds.items() if n not in taken}
    for key, (name, value) in named.items():
        yield crate.add(f"#{record.id}/{key}", "PropertyValue", name=name, value=scalar(value))


def _metrics(crate: Crate, source: Source) -> Iterator[Node]:
    for name, metric in source.record.metrics.items():
        yield crate.add(
            f"#{source.record.id}/metric/{part(name)}", "PropertyValue",
            name=name, value=metric_value(metric), unitText=metric.unit,
            description=f"Final value on {metric.split}" if metric.split else "Final value",
        )  # fmt: skip


def _output(crate: Crate, source: Source, item: Output, data: bool) -> Node:
    if not data:
        return _by_digest(crate, item, f"output, {item.role}")
    contents = contents_of(source.index.repository, item)
    base = f"{source.record.path}/outputs/{safe_path(item.path)}"
    about = f"output, {item.role}; recorded as {item.path}"
    if not item.md5.endswith(".dir"):
        return _file(crate, base, contents[0], about)
    base = crate.names.free(base, folder=True)
    parts = [_file(crate, f"{base}/{safe_path(c.path)}", c, about) for c in contents]
    return crate.add(
        f"{_path_id(base)}/", "Dataset", name=item.path, description=about, hasPart=parts, sha256=item.sha256
    )


def _file(crate: Crate, name: str, content: Content, about: str) -> Node:
    return crate.add_file(name, content.file, content.size, content.sha256, description=about)


# --- writing --------------------------------------------------------------------------------------------


def write_zip(crate: Crate, target: Path | IO[bytes]) -> None:
    """The same bytes for the same crate: fixed order, times and rights, nothing compressed."""
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in crate.members():
            info = zipfile.ZipInfo(name, _EPOCH)
            info.external_attr = _MODE
            info.create_system = 3
            with _opened(data) as source, archive.open(info, "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member, 1 << 20)


def write_folder(crate: Crate, target: Path) -> None:
    """The files of the crate below `target`, which is empty."""
    for name, data in crate.members():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with _opened(data) as source, path.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)


def _opened(data: Bytes) -> IO[bytes]:
    return io.BytesIO(data) if isinstance(data, bytes) else data.open("rb")

"""Files of an experiment: what was uploaded from its archive, and what its messages hold themselves."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import Any, Literal

from gittrack.formats.scrub import strip_url
from gittrack.importers.archives import DAMAGED, Archive, Content
from gittrack.importers.comet.facts import NO_PLACE, Facts, logical, named, number
from gittrack.importers.comet.messages import FILE, Message
from gittrack.importers.comet.parts import EXPERIMENT
from gittrack.importers.folders import MOST_FILES
from gittrack.importers.foreign import ForeignFile, TextPoint

Kind = Literal["artifact", "model", "media", "table", "console", "requirements", "patch", "other"]
_MEDIA = (
    "visualization", "audio", "video", "histogram3d", "embeddings", "confusion-matrix", "curve",
    "text-sample", "3d-image",
)  # fmt: skip
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(_MEDIA, "media"),
    "asset": "artifact",
    "model-element": "model",
    "dataframe": "table",
    "dataframe-profile": "table",
    "git-patch": "patch",
}
_TEXT = "text-sample"
_LONGEST = 1 << 20
_LARGEST_PATCH = 1 << 26
_SUFFIX = re.compile(r"[A-Za-z0-9]{1,10}")
_OF_CLIENT = frozenset({"source_code_type", "sample_rate"})
"""Metadata that the client adds by itself."""
_LAST = {"graph": "graph.txt", "code": "code.txt", "os_packages": "os_packages.txt"}
"""By kind of message, the file that the last one becomes."""

Read = Callable[[bytes], Iterator[Message]]
"""Messages of all archives whose line has these bytes."""


@dataclass(frozen=True, slots=True)
class Uploads:
    """Files and texts of one archive, told apart in the order of its messages."""

    archive: Archive
    top: str
    facts: Facts
    files: list[ForeignFile]
    texts: list[TextPoint]
    used: set[str] = field(default_factory=set)
    """Members of the archive that messages name."""

    def take(self, message: Message) -> None:
        if len(self.files) >= MOST_FILES:
            self.facts.losses[f"files beyond the first {MOST_FILES:,}", "a run has no room for more"] += 1
        elif message.kind == "file_upload":
            self._upload(message)
        elif message.kind == "remote_file":
            self._add(message, None, self._away(message.payload.get("remote_uri")))
        elif message.kind == "remote_model":
            self._remote_model(message)
        elif message.kind == "3d-image":
            self._cloud(message)

    def _upload(self, message: Message) -> None:
        kind = message.payload.get("upload_type")
        path = message.text("file_path")
        if path is None:
            self._add(message, None, "no message says which file of the archive it is")
            return
        content, missing = self._find(path)
        data = None
        if content is not None and kind in (_TEXT, "git-patch"):
            data = self.archive.small(self.top + path, _LONGEST if kind == _TEXT else 16 << 20)
        if kind == _TEXT and data is not None:
            self._text(message, data)
        else:
            patch = _unpacked(data) if kind == "git-patch" and data is not None else None
            self._add(message, content if patch is None else patch, missing)

    def name_others(self) -> None:
        """What else lies in the archive is not known; its names there are made up."""
        own = {self.top + EXPERIMENT, self.top + FILE, *self.used}
        for name in self.archive.names():
            if name.startswith(self.top) and name not in own:
                self.facts.losses["files of the archive", "no message says what they are"] += 1

    def _find(self, path: str) -> tuple[Content | None, str | None]:
        self.used.add(self.top + path)
        return self.archive.find(self.top + path)

    def _text(self, message: Message, data: bytes) -> None:
        stated = message.mapping("additional_params")
        time = number(message.payload.get("local_timestamp"))
        self._say_unsaid(message, "text")
        self.texts.append(
            TextPoint(
                name=named("text", stated.get("context")),
                text=data.decode("utf-8", "replace"),
                step=number(stated.get("step")),
                time=None if time is None else time / 1000,
            )
        )

    def _add(self, message: Message, content: Any, missing: str | None) -> None:
        stated = message.mapping("additional_params")
        kind = message.text("upload_type") or "asset"
        path = _path(kind, stated)
        group = stated.get("groupingName")
        model = group if kind == "model-element" and isinstance(group, str) else None
        registered = self.facts.models.get(model or "")
        stages = registered.payload.get("stages") if registered else None
        self._say_unsaid(message, path)
        self.files.append(
            ForeignFile(
                path=path,
                kind=_KINDS.get(kind, "other"),
                content=content,
                missing=missing,
                name=model,
                version=registered.text("version") if registered else None,
                aliases=tuple(filter(_is_text, stages)) if isinstance(stages, list) else (),
                step=number(stated.get("step")),
            )
        )

    def _say_unsaid(self, message: Message, path: str) -> None:
        stated = message.mapping("additional_params")
        unsaid = [key for key in ("context", "epoch") if stated.get(key) is not None]
        unsaid += ["metadata"] if message.mapping("metadata").keys() - _OF_CLIENT else []
        if unsaid:
            self.facts.losses[f"file {path}: {', '.join(unsaid)}", NO_PLACE] += 1

    def _remote_model(self, message: Message) -> None:
        assets = message.payload.get("remote_assets")
        for asset in assets if isinstance(assets, list) else ():
            if isinstance(asset, dict):
                stated = {"groupingName": message.text("model_name"), "fileName": asset.get("logicalPath")}
                payload = {"upload_type": "model-element", "additional_params": stated}
                missing = self._away(asset.get("remoteUri") or asset.get("remote_uri"))
                self._add(Message(message.kind, payload, b""), None, missing)

    def _cloud(self, message: Message) -> None:
        name = message.text("name") or "points"
        parts = message.payload.get("items")
        listed = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
        listed.append({"file_name": "thumbnail.png", "file_path": message.payload.get("thumbnail_path")})
        if message.payload.get("metadata"):
            self.facts.losses[f"file 3d-image/{name}: metadata", NO_PLACE] += 1
        for part in listed:
            path = part.get("file_path")
            if isinstance(path, str) and path:
                stated = {"fileName": f"{name}/{part.get('file_name')}", "step": message.payload.get("step")}
                payload = {"upload_type": "3d-image", "additional_params": stated}
                self._add(Message(message.kind, payload, b""), *self._find(path))

    @staticmethod
    def _away(uri: Any) -> str:
        return f"its bytes are elsewhere: {strip_url(str(uri))[:500]}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _path(kind: str, stated: dict[str, Any]) -> str:
    """The name that the program gave, below the kind of the file; that of an asset as it is."""
    names = [name for key in ("fileName", "figName") if _is_text(name := stated.get(key))]
    name = logical(str(names[0])) if names else ""
    if name in ("", "."):
        number = stated.get("figCounter")
        name = f"{kind}-{number}" if isinstance(number, int) else kind
    suffix = stated.get("extension")
    if isinstance(suffix, str) and _SUFFIX.fullmatch(suffix) and "." not in name.rpartition("/")[2]:
        name = f"{name}.{suffix}"
    if kind == "git-patch":
        return "git_diff.patch"
    if kind == "model-element":
        group = stated.get("groupingName")
        return f"models/{logical(group)}/{name}" if isinstance(group, str) and group else f"models/{name}"
    return name if kind == "asset" else f"{logical(kind)}/{name}"


def _unpacked(data: bytes) -> bytes | None:
    """The one file of a zip in an archive; None where it is no such zip."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            (info,) = archive.infolist()
            return archive.read(info) if info.file_size <= _LARGEST_PATCH else None
    except DAMAGED:
        return None


def written(read: Read, facts: Facts) -> Iterator[ForeignFile]:
    """What the messages hold themselves: console, page, and the last of what a later message replaces."""
    if facts.kinds["standard_output"]:
        yield ForeignFile(path="console.txt", kind="console", content=partial(_console, read))
    if facts.kinds["html"] or facts.kinds["htmlOverride"]:
        yield ForeignFile(path="page.html", kind="other", content=partial(_page, read))
    for kind, name in _LAST.items():
        if facts.kinds[kind]:
            yield ForeignFile(path=name, kind="other", content=partial(_last, read, kind))


def _console(read: Read) -> Iterator[bytes]:
    for message in read(b"out"):
        if message.kind == "standard_output":
            yield _bytes(message.payload.get("output"))


def _page(read: Read) -> Iterator[bytes]:
    """All that was added since the page was last begun anew."""
    kinds = [message.kind for message in read(b"html") if message.kind in ("html", "htmlOverride")]
    begin = max((at for at, kind in enumerate(kinds) if kind == "htmlOverride"), default=0)
    pages = (message for message in read(b"html") if message.kind in ("html", "htmlOverride"))
    for message in islice(pages, begin, None):
        yield _bytes(message.payload.get(message.kind)) + b"\n"


def _last(read: Read, kind: str) -> Iterator[bytes]:
    found: Any = ""
    for message in read(kind.encode()):
        if message.kind == kind:
            found = message.payload.get(kind)
    yield _bytes("".join(f"{line}\n" for line in found) if isinstance(found, list) else found)


def _bytes(text: Any) -> bytes:
    return str(text).encode("utf-8", "replace")

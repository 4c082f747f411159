"""Files of a run: media that its history names, artifacts by their manifest, and what lies in its folder."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

from gittrack.importers import folders, protobuf, values
from gittrack.importers.foreign import ForeignFile
from gittrack.importers.wandb import history, rows
from gittrack.importers.wandb.folder import Part
from gittrack.importers.wandb.state import MOST_EMBEDDED, MediaValue, State, is_embedded

Kind = Literal["artifact", "model", "media", "table", "console", "requirements", "patch", "other"]
_TOGETHER = "media/values.jsonl"
_KINDS: dict[str, Kind] = {
    "output.log": "console",
    "requirements.txt": "requirements",
    "diff.patch": "patch",
}
_READ_OTHERWISE = frozenset(
    {"config.yaml", "wandb-summary.json", "wandb-metadata.json", "wandb-history.jsonl"}
)
_OF_THE_CLIENT = ("logs/", "tmp/", "wandb-events.jsonl", "debug", "wandb-debug.log", "wandb-resume.json")


def files(state: State, parts: list[Part]) -> list[ForeignFile]:
    """All files, each logical path once; what cannot be had is named with the reason."""
    found: dict[str, ForeignFile] = {}
    taken: set[Path] = set()
    together = state.embedded > MOST_EMBEDDED or any(
        media.log is None and is_embedded(media.value) for media in state.media
    )
    if together:
        found[_TOGETHER] = ForeignFile(path=_TOGETHER, kind="media", content=lambda: _all_embedded(parts))
    for media in state.media:
        if together and is_embedded(media.value):
            continue
        for file in _media(state, media, parts):
            found.setdefault(file.path, file)
            if isinstance(file.content, Path):
                taken.add(file.content)
    for part in reversed(parts):
        for file in _in_folder(state, part, taken):
            found.setdefault(file.path, file)
    if not any(file.kind == "console" for file in found.values()) and state.console:
        logs = [part.log for part in parts if part.log is not None]
        found["output.log"] = ForeignFile(path="output.log", kind="console", content=lambda: _console(logs))
    return [*found.values(), *_artifacts(state, parts)]


def _media(state: State, media: MediaValue, parts: list[Part]) -> Iterator[ForeignFile]:
    kind: Kind = "table" if "table" in str(media.value.get("_type")) else "media"
    paths = media.value.get("filenames", media.value.get("path"))
    captions = media.value.get("captions")
    if paths is None:
        if media.log is not None:
            yield _embedded(media, media.log)
        return
    for place, path in enumerate(paths if isinstance(paths, list) else [paths]):
        caption = (
            captions[place]
            if isinstance(captions, list) and place < len(captions)
            else media.value.get("caption")
        )
        digest = media.value.get("sha256")
        if not isinstance(path, str):
            state.losses[media.name, "a file without a path"] += 1
            continue
        content, missing = None, None
        for part in reversed(parts):
            content, missing = folders.find(part.files, path)
            if content is None and "/" not in path and isinstance(paths, list):
                content, missing = folders.find(part.files, f"media/images/{path}")
            if content is not None:
                break
        yield ForeignFile(
            path=folders.logical(path) or _safe(media, "file"),
            kind=kind,
            content=content,
            missing=missing,
            name=media.name,
            digest=f"sha256:{digest}" if isinstance(digest, str) and not isinstance(paths, list) else None,
            step=media.step,
            caption=caption if isinstance(caption, str) and caption else None,
        )


def _safe(media: MediaValue, suffix: str) -> str:
    name = "".join(letter if letter.isalnum() or letter in "-_." else "_" for letter in media.name).strip(".")
    return f"media/{name or '_'}_{media.step if media.step is not None else 0}.{suffix}"


def _embedded(media: MediaValue, log: Path) -> ForeignFile:
    """A histogram or another value that is in the log itself, as JSON; read when it is asked for."""
    path = _safe(media, f"{hashlib.sha256(media.name.encode('utf-8', 'replace')).hexdigest()[:8]}.json")
    kind: Kind = "table" if media.value.get("_type") == "table" else "media"
    return ForeignFile(
        path=path,
        kind=kind,
        name=media.name,
        step=media.step,
        content=_value_of(log, media.places, media.name),
    )


def _all_embedded(parts: list[Part]) -> Iterator[bytes]:
    """A line of JSON for each."""
    for row in history.history(parts):
        for name, value in values.flat(row.tree):
            if isinstance(value, dict) and value and is_embedded(value):
                line = {"name": name, "step": row.step, "time": row.time, "value": value}
                yield json.dumps(line, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _value_of(log: Path, places: list[int], name: str) -> Callable[[], Iterator[bytes]]:
    def content() -> Iterator[bytes]:
        found = (rows.row(next(rows.decoded(log, [], place))[1], place) for place in places)
        for row in rows.merged(found):
            value: Any = dict(values.flat(row.tree)).get(name)
            yield json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")

    return content


def _in_folder(state: State, part: Part, taken: set[Path]) -> Iterator[ForeignFile]:
    root = part.files
    if root is None:
        return
    for count, (name, path, regular) in enumerate(folders.walk(root)):
        if count >= folders.MOST_FILES:
            state.losses[part.name, f"files beyond the first {folders.MOST_FILES}"] += 1
            return
        if name in _READ_OTHERWISE or path in taken or path == part.log or name.endswith(".wandb"):
            continue
        if root == part.folder and name.startswith(_OF_THE_CLIENT):
            continue
        plain = name.encode("utf-8", "replace").decode()
        if plain != name:
            yield ForeignFile(path=plain, kind="other", missing="its name is not UTF-8")
            continue
        if not regular:
            yield ForeignFile(
                path=name, kind="other", missing="a link or no regular file, which is not followed"
            )
            continue
        kind: Kind = (
            "table" if name.endswith(".table.json") else "media" if name.startswith("media/") else "other"
        )
        yield ForeignFile(path=name, kind=_KINDS.get(name, kind), content=path)


def _console(logs: list[Path]) -> Iterator[bytes]:
    """What the program printed, as records of the log have it."""
    for log in logs:
        for _, record in rows.decoded(log, []):
            for number in (4, 13):
                try:
                    lines = [line for found in protobuf.messages(record, number) for line in found.get(3, ())]
                except protobuf.WireError:
                    continue
                yield from (line for line in lines if isinstance(line, bytes))


def _artifacts(state: State, parts: list[Part]) -> Iterator[ForeignFile]:
    sizes: dict[int, list[Path]] = {}
    if state.artifacts:
        for part in parts:
            for _, path, regular in folders.walk(part.files) if part.files else ():
                if regular:
                    sizes.setdefault(path.stat().st_size, []).append(path)
    for artifact in state.artifacts:
        try:
            yield from _artifact(state, artifact, sizes)
        except protobuf.WireError as error:
            state.losses[f"artifact {protobuf.text(artifact, 5)}", str(error)] += 1


def _artifact(
    state: State, artifact: protobuf.Message, sizes: dict[int, list[Path]]
) -> Iterator[ForeignFile]:
    name = protobuf.text(artifact, 5) or "artifact"
    manifest = protobuf.message(artifact, 12)
    for number, what in ((7, "description"), (8, "metadata")):
        if protobuf.text(artifact, number) not in (None, "{}", "null"):
            state.losses[f"artifact {name}", f"a record has no place for its {what}"] += 1
    if protobuf.text(manifest, 5) and 4 not in manifest:
        state.losses[f"artifact {name}", "its list of files is outside the run's folder"] += 1
    for entry in protobuf.messages(manifest, 4):
        path = protobuf.text(entry, 1) or "file"
        digest = _md5(protobuf.text(entry, 2))
        reference = protobuf.text(entry, 3)
        content = None if reference else _with_digest(sizes.get(protobuf.integer(entry, 4), []), digest)
        plain = folders.logical(path)
        missing = "its path leads out of the run" if plain is None else None
        if content is None and missing is None:
            missing = "a reference to elsewhere" if reference else "its bytes are outside the run's folder"
        yield ForeignFile(
            path=plain or "file",
            kind="model" if protobuf.text(artifact, 4) == "model" else "artifact",
            content=content if plain else None,
            missing=missing,
            name=name,
            version=protobuf.text(artifact, 6),
            aliases=tuple(protobuf.texts(artifact, 11)),
            digest=f"md5:{digest}" if digest else None,
        )


def _md5(digest: str | None) -> str | None:
    try:
        found = base64.b64decode(digest or "", validate=True)
    except (binascii.Error, ValueError):
        return None
    return found.hex() if len(found) == 16 else None


def _with_digest(paths: list[Path], digest: str | None) -> Path | None:
    for path in paths if digest else ():
        with path.open("rb") as file:
            if hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest() == digest:
                return path
    return None

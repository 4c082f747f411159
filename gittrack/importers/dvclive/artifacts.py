"""Artifacts of DVCLive: what the ``dvc.yaml`` of the project says of them, and where their bytes are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.codec.reader import read_yaml
from gittrack.importers import folders
from gittrack.importers.foreign import ForeignFile, Loss

PROJECT = "dvc.yaml"
_LARGEST = 16 << 20


def artifacts(top: Path, run: Path, lost: list[Loss]) -> Iterator[ForeignFile]:
    """Those of each ``dvc.yaml`` from the folder `run` up to `top` that names what lies in `run`."""
    for folder in (run, *run.parents):
        if not folder.is_relative_to(top):
            return
        data = folders.read_small(folder / PROJECT, _LARGEST)
        if data is None:
            continue
        try:
            project = read_yaml(data, PROJECT, max_bytes=_LARGEST, endless=True)
        except GittrackError as error:
            lost.append(Loss(what=f"artifacts of {PROJECT}", why=str(error)))
            continue
        if not isinstance(project, dict):
            continue
        if folder != run and not _names(project, f"{run.relative_to(folder).as_posix()}/"):
            continue
        listed = project.get("artifacts")
        for name, artifact in listed.items() if isinstance(listed, dict) else ():
            if isinstance(artifact, dict) and isinstance(artifact.get("path"), str):
                yield from _Artifact(top, folder, name, artifact).files(lost)


def _names(project: Mapping[str, Any], prefix: str) -> bool:
    """Whether metrics, parameters or plots of the project lie in the folder: the client lists them there."""
    listed = (project.get(key) for key in ("metrics", "params", "plots"))
    items = [item for found in listed if isinstance(found, list) for item in found]
    names = [name for item in items for name in ([item] if isinstance(item, str) else item or ())]
    return any(isinstance(name, str) and name.startswith(prefix) for name in names)


class _Artifact:
    def __init__(self, top: Path, folder: Path, name: str, stated: Mapping[str, Any]) -> None:
        self._top = top
        self._folder = folder
        self._name = name
        self._stated = stated
        self._path = folders.logical(str(stated["path"]))
        self._digest = _digest(folder / f"{self._path}.dvc") if self._path else None

    def files(self, lost: list[Loss]) -> Iterator[ForeignFile]:
        unsaid = [key for key in ("labels", "meta") if self._stated.get(key)]
        if unsaid:
            what = f"artifact {self._name}: {', '.join(unsaid)}"
            lost.append(Loss(what=what, why="a record has no place for them"))
        path, digest = self._path, self._digest
        if path is None:
            yield self._file(None, self._name, "its path leads out of the project")
            return
        if not self._is_linked(path) and folders.is_folder(self._folder / path):
            for below, inner, is_regular in islice(folders.walk(self._folder / path), folders.MOST_FILES):
                why = None if is_regular else "a link, which is not followed, or no regular file"
                yield self._file(inner if is_regular else None, f"{path}/{below}", why)
            return
        content, missing = folders.find(self._folder, path)
        if content is None and digest:
            cached, _ = folders.find(self._top, f".dvc/cache/files/md5/{digest[:2]}/{digest[2:]}")
            content = None if digest.endswith(".dir") else cached
        elif content is not None and digest and _md5(content) != digest:
            content, missing = None, "the file there is another one by now"
        yield self._file(content, path, None if content else missing)

    def _is_linked(self, path: str) -> bool:
        """Whether a link is on the way."""
        return (self._folder / path).resolve() != self._folder / path

    def _file(self, content: Path | None, path: str, missing: str | None) -> ForeignFile:
        caption = self._stated.get("desc")
        is_model = self._stated.get("type") == "model"
        return ForeignFile(
            path=path,
            kind="model" if is_model else "artifact",
            content=content,
            missing=missing,
            name=self._name,
            digest=f"md5:{self._digest}" if self._digest and path == self._path else None,
            caption=caption if isinstance(caption, str) else None,
        )


def _digest(pointer: Path) -> str | None:
    """The md5 that a pointer of DVC states."""
    data = folders.read_small(pointer, _LARGEST)
    with suppress(GittrackError, TypeError, LookupError):
        stated = read_yaml(data or b"", pointer.name)["outs"][0]["md5"]
        return stated if re.fullmatch(r"[0-9a-f]{32}(?:\.dir)?", stated) else None
    return None


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()

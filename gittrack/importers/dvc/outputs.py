"""What the stages of an experiment left: outs and plots, from git or from the cache of DVC."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Out, Pointer, outs_of_pointer
from gittrack.errors import GittrackError
from gittrack.git.reader import MAX_BYTES
from gittrack.git.repository import Repository
from gittrack.importers import folders
from gittrack.importers.foreign import ForeignFile, Loss
from gittrack.recording.commits.data import folder_in_git
from gittrack.recording.commits.declared import lying_in
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline, cache_for
from gittrack.recording.commits.results import Results

_NOT_CACHED = "its bytes are not in DVC's cache here"
_MEDIA = (".png", ".jpg", ".jpeg", ".gif", ".svg", ".webp", ".bmp")
_BLOCK = 1 << 20

Kind = Literal["media", "table", "artifact"]


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files of one experiment. `source` is the folder from which files may be taken as they lie."""

    source: Path
    repo: Repository
    commit: CommitFiles
    pipelines: Sequence[Pipeline]
    lost: list[Loss]

    def files(self, results: Results) -> Iterator[ForeignFile]:
        """Outs, artifacts and plots, each once; what was read as metrics is none."""
        known = {*results.metrics_files, *results.tables}
        for out in self._outs():
            if out.path not in known:
                known.add(out.path)
                yield from self._out(out)
        plots = [path for pipeline in self.pipelines for path in pipeline.declared.plots]
        for path in lying_in(plots, sorted(self.commit.names)):
            if path not in known and not lying_in(known, [path]):
                known.add(path)
                yield self._file(path, path, content=partial(self._blob, path))

    def _outs(self) -> Iterator[Out]:
        """Those of dvc.lock, then the artifacts that a ``.dvc`` file or git has."""
        for pipeline in self.pipelines:
            yield from pipeline.outs
        for pipeline in self.pipelines:
            for path in pipeline.declared.artifacts:
                pointer = f"{path}.dvc"
                data = self.commit.read(pointer)
                try:
                    tracked = outs_of_pointer(data, pointer) if data is not None else []
                except GittrackError as error:
                    self.lost.append(Loss(what=f"output {path}", why=str(error)))
                    continue
                fields = next((o.fields for o in tracked if o.path == posixpath.basename(path)), {})
                yield Out(path, fields, pointer)

    def _out(self, out: Out) -> Iterator[ForeignFile]:
        path = out.path
        if path in self.commit.names:
            yield self._file(path, path, content=partial(self._blob, path))
            return
        if not out.fields:
            below = lying_in([path], sorted(self.commit.names))
            yield from (self._file(name, path, content=partial(self._blob, name)) for name in below)
            if not below:
                yield self._file(path, path, missing="neither git nor a .dvc file has it")
            return
        try:
            pointer = out.pointer()
            if folder_in_git(self.commit, out):
                for name in lying_in([path], sorted(self.commit.names)):
                    yield self._file(name, path, content=partial(self._blob, name))
                return
            cache = cache_for(self.repo, self.commit, path)
        except GittrackError as error:
            yield self._file(path, path, missing=str(error))
            return
        yield from self._tracked(path, pointer, cache)

    def _tracked(self, path: str, pointer: Pointer, cache: Path) -> Iterator[ForeignFile]:
        """A file or a folder of DVC's cache."""
        if not pointer.md5.endswith(".dir"):
            yield self._cached(path, path, pointer, object_path(cache, pointer.md5, pointer.hash))
            return
        try:
            listed = read_dir_object(cache, pointer.md5, pointer.hash)
        except GittrackError:
            digest = f"{pointer.hash}:{pointer.md5}"
            yield self._file(path, path, missing=_NOT_CACHED, digest=digest)
            return
        for below, md5 in listed:
            inner = Pointer(path=below, md5=md5, hash=pointer.hash)
            yield self._cached(f"{path}/{below}", path, inner, object_path(cache, md5, pointer.hash))

    def _cached(self, path: str, out: str, pointer: Pointer, place: Path) -> ForeignFile:
        digest = f"{pointer.hash}:{pointer.md5}"
        if not folders.is_regular(place):
            return self._file(path, out, missing=_NOT_CACHED, digest=digest)
        if place.resolve().is_relative_to(self.source):
            return self._file(path, out, content=place, digest=digest)
        return self._file(path, out, content=partial(_blocks, place), digest=digest)

    def _file(self, path: str, out: str, **stated: Any) -> ForeignFile:
        """`path` of the out, artifact or plot `out`."""
        artifacts = [p.declared.artifacts[out] for p in self.pipelines if out in p.declared.artifacts]
        artifact = artifacts[0] if artifacts else {}
        plots = [plot for p in self.pipelines for plot in p.declared.plots]
        is_plot = bool(lying_in(plots, [path]))
        suffix = posixpath.splitext(path)[1].lower()
        kind: Kind = "media" if is_plot and suffix in _MEDIA else "table" if is_plot else "artifact"
        caption = artifact.get("desc")
        return ForeignFile(
            path=path,
            kind="model" if artifact.get("type") == "model" else kind,
            name=str(artifact["name"]) if artifact else None,
            caption=caption if isinstance(caption, str) else None,
            **stated,
        )

    def _blob(self, path: str) -> Iterator[bytes]:
        """A file of the commit; ValueError where git has it not whole."""
        try:
            data = self.commit.read(path)
        except GittrackError as error:
            raise ValueError(str(error)) from error
        if data is None or len(data) >= MAX_BYTES:
            raise ValueError(f"git has it not, or it has more than {MAX_BYTES >> 20} MiB")
        yield data


def _blocks(place: Path) -> Iterator[bytes]:
    with place.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block

"""Data and outputs of a commit: what dvc.lock, .dvc files and git's tree keep of them."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Literal

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Out, Pointer, parse_pointer, write_pointer
from gittrack.dvc.hashing import Digest, HashedFile, HashState, folder_digest, hash_path
from gittrack.errors import GittrackError, RecordError
from gittrack.formats.config import Config, ExperimentConfig, InputConfig
from gittrack.formats.record import DataInput, Output, Role, clean_text
from gittrack.git.repository import Repository
from gittrack.recording.capture.data import ledger_path
from gittrack.recording.capture.held import Behind, behind
from gittrack.recording.commits.declared import Loss
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline, cache_for

DEFAULT_OUTPUT = "artifact"

# The programs among a stage's deps are in the code's tree, which the record names; they are no data.
_CODE = frozenset(
    {".py", ".pyx", ".ipynb", ".sh", ".bash", ".r", ".jl", ".lua", ".c", ".cc", ".cpp", ".cu", ".h", ".hpp"}
    | {
        ".rs",
        ".go",
        ".java",
        ".scala",
        ".kt",
        ".js",
        ".ts",
        ".m",
        ".pl",
        ".rb",
        ".sql",
        ".ipy",
        ".cfg",
        ".ini",
    }
)


@dataclass(slots=True)
class DataReader:
    """Gathers the inputs and outputs of one commit, and their pointers."""

    repo: Repository
    files: CommitFiles
    pipelines: Sequence[Pipeline]
    experiment: ExperimentConfig
    inputs: list[DataInput] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    pointers: dict[str, bytes] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def read(self, declared: Sequence[InputConfig], config: Config, results: frozenset[str]) -> None:
        """Deps that no stage made are data, and so are the `declared` ones; outs are outputs.

        `results`: files that were read as metrics or series, which are no outputs.
        """
        outs = {out.path: out for p in self.pipelines for out in p.outs}
        roles = {posixpath.normpath(i.path): i.role for i in declared}
        for dep in data_deps(self.files, self.pipelines):
            if dep.path not in roles:
                self._input(dep.path, None, dep)
        deps = {d.path: d for p in self.pipelines for d in p.deps}
        for path, role in roles.items():
            self._input(path, role, outs.get(path) or deps.get(path))
        role_of_path = {
            posixpath.normpath(o.path): o.role for o in [*config.outputs, *self.experiment.outputs]
        }
        for out in outs.values():
            if out.path not in self.files.names and out.path not in results and not self._is_in_git(out):
                self._output(out, role_of_path)

    def _input(self, path: str, role: Role | None, out: Out | None) -> None:
        try:
            stated = self._tracked_by_git(path, role, out) or self._tracked_by_dvc(path, role, out)
        except RecordError as error:
            self.losses.append((f"data {path}", str(error)))
            return
        if stated is None:
            self.losses.append((f"data {path}", "is in neither git nor DVC"))
        else:
            self.inputs.append(stated)

    def _tracked_by_git(self, path: str, role: Role | None, out: Out | None) -> DataInput | None:
        oid = self.files.oid(path)
        if oid is None or (path not in self.files.names and f"{path}.dvc" in self.files.names):
            return None
        named = behind(self.files.objects, self.files.commit, path)
        if named is not None:
            return self._named_by_git(path, role, out, named)
        if path not in self.files.names and out is not None and not folder_in_git(self.files, out):
            return None
        data = self.files.read(path)
        pointer = out.pointer() if out is not None and "md5" in out.fields else None
        return DataInput(
            path=clean_text(path),
            role=role,
            source="git",
            md5=pointer.md5 if pointer else None,
            hash=pointer.hash if pointer else None,
            sha256=hashlib.sha256(data).hexdigest() if data is not None else None,
            size=len(data) if data is not None else pointer.size if pointer else None,
            nfiles=pointer.nfiles if pointer else None,
            blob=oid,
        )

    def _named_by_git(self, path: str, role: Role | None, out: Out | None, named: Behind) -> DataInput:
        """An input that is a link or a pointer of git-lfs: git's only where its tree holds the bytes too."""
        pointer = out.pointer() if out is not None and "md5" in out.fields else None
        blob = self.files.objects.get(named.oid) if named.oid else None
        data = blob.data if blob is not None and blob.kind == "blob" else None
        return DataInput(
            path=clean_text(path),
            role=role,
            source="git" if named.oid else "file",
            md5=pointer.md5 if pointer else None,
            hash=pointer.hash if pointer else None,
            sha256=hashlib.sha256(data).hexdigest() if data is not None else named.sha256,
            size=len(data) if data is not None else named.size or (pointer.size if pointer else None),
            nfiles=pointer.nfiles if pointer else None,
            blob=named.oid,
            differs_from=None if named.oid else clean_text(path),
        )

    def _tracked_by_dvc(self, path: str, role: Role | None, out: Out | None) -> DataInput | None:
        pointer = out.pointer() if out is not None and "md5" in out.fields else self._pointer_of(path)
        if pointer is None:
            return None
        return DataInput(
            path=clean_text(path),
            role=role,
            source="dvc",
            pointer=self._keep("inputs", path, pointer),
            md5=pointer.md5,
            hash=pointer.hash,
            size=pointer.size,
            nfiles=pointer.nfiles,
        )

    def _pointer_of(self, path: str) -> Pointer | None:
        """What the .dvc file beside `path` says."""
        name = f"{path}.dvc"
        data = self.files.read(name)
        listed = parse_pointer(data, name) if data is not None else []
        return next((p for p in listed if p.path == posixpath.basename(path)), None)

    def _keep(self, kind: Literal["inputs", "outputs"], path: str, pointer: Pointer) -> str:
        name = ledger_path(kind, Path(path), path)
        content = PurePosixPath(name).name.removesuffix(".dvc")
        self.pointers[name] = write_pointer(content, pointer)
        return name

    def _is_in_git(self, out: Out) -> bool:
        """Whether the out is a folder of the code's tree."""
        try:
            return folder_in_git(self.files, out)
        except RecordError:
            return False  # said when it is to be an output

    def _output(self, out: Out, stated_roles: dict[str, str]) -> None:
        try:
            pointer = out.pointer()
            digest = self._digest(pointer)
        except (GittrackError, OSError) as error:
            self.losses.append((f"output {out.path}", str(error)))
            return
        roles = [pipe.declared.roles.get(out.path) for pipe in self.pipelines]
        self.outputs.append(
            Output(
                path=clean_text(out.path),
                role=stated_roles.get(out.path) or next((r for r in roles if r), DEFAULT_OUTPUT),
                pointer=self._keep("outputs", out.path, pointer),
                md5=pointer.md5,
                sha256=digest.sha256 if digest else None,
                size=digest.size if digest else pointer.size,
                nfiles=digest.nfiles if digest else pointer.nfiles,
            )
        )

    def _digest(self, pointer: Pointer) -> Digest | None:
        """The digest of the cached bytes, if they are there and are what the pointer names."""
        cache = cache_for(self.repo, self.files, pointer.path)
        file = object_path(cache, pointer.md5, pointer.hash)
        if not file.is_file():
            return None
        state = HashState(self.repo.state_dir)
        if not pointer.md5.endswith(".dir"):
            computed = hash_path(file, state=state, dos2unix=pointer.hash != "md5")
        else:
            entries = []
            for path, md5 in read_dir_object(cache, pointer.md5, pointer.hash):
                one = object_path(cache, md5, pointer.hash)
                if not one.is_file():
                    return None
                digest = hash_path(one, state=state, dos2unix=pointer.hash != "md5")
                entries.append(HashedFile(path, digest.md5, digest.sha256, digest.size))
            computed = folder_digest(entries, hash=pointer.hash)
        if computed.md5 != pointer.md5:
            raise RecordError(f"the DVC cache holds other bytes under {pointer.md5}: run dvc fetch")
        return computed


def data_deps(files: CommitFiles, pipelines: Sequence[Pipeline]) -> list[Out]:
    """The deps of the stages that are data: no stage made them, and they are no programs."""
    outs = {out.path for p in pipelines for out in p.outs}
    deps = {dep.path: dep for p in pipelines for dep in p.deps}
    return [
        dep for dep in deps.values() if not _made(dep.path, outs) and not _is_code(files, pipelines, dep.path)
    ]


def folder_in_git(files: CommitFiles, out: Out) -> bool:
    """Whether git keeps the folder's files, and not just the .gitignore that DVC puts into it."""
    below = sum(name.startswith(out.path + "/") for name in files.names)
    return below >= (out.pointer().nfiles or 1) and below > 0


def _is_code(files: CommitFiles, pipelines: Sequence[Pipeline], path: str) -> bool:
    """Whether it is a program or a file of parameters, which the record's code and params have."""
    if path in files.names:
        params = {name for pipeline in pipelines for name in pipeline.declared.params}
        if path in params or posixpath.basename(path) == "params.yaml":
            return True
        return posixpath.splitext(path)[1].lower() in _CODE
    # A folder of a package, such as src/, is a dep of many a stage.
    below = [n for n in files.names if n.startswith(path + "/")]
    return bool(below) and any(posixpath.splitext(n)[1].lower() in _CODE for n in below)


def _made(path: str, outs: Iterable[str]) -> bool:
    """Whether a stage makes the path, or the folder that it lies in."""
    return any(path == out or path.startswith(out + "/") for out in outs)

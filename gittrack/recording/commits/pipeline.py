"""What the DVC pipelines in a committed tree say: stages, data, outputs, and which files hold metrics.

dvc.lock says what was run and is believed; dvc.yaml only says which of its outputs are metrics and
plots. Its ``${...}`` templates are not resolved: they stand for any text.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gittrack.dvc.files import Out, outs_of_lock
from gittrack.errors import RecordError
from gittrack.formats.codec import read_yaml
from gittrack.git.repository import ObjectReader, Repository

LOCK, YAML = "dvc.lock", "dvc.yaml"
MAX_LOCK_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class CommitFiles:
    """The files of one commit, from git's objects."""

    commit: str
    objects: ObjectReader
    names: frozenset[str] = frozenset()
    """Of its regular files."""
    submodules: Mapping[str, str] = field(default_factory=dict)
    """Path and commit."""

    @classmethod
    def of(cls, repo: Repository, objects: ObjectReader, commit: str) -> CommitFiles:
        """With the names of all its files. One process."""
        out = repo.git("ls-tree", "-r", "-z", "--full-tree", commit, doing="list a commit")
        rows = [row.partition("\t") for row in os.fsdecode(out).split("\0")[:-1]]
        names = frozenset(path for meta, _, path in rows if meta.startswith("100"))
        links = {path: meta.split(" ")[2] for meta, _, path in rows if meta.startswith("160000")}
        return cls(commit, objects, names, links)

    def read(self, path: str) -> bytes | None:
        """The bytes of a file; None if the commit has none of that name."""
        blob = self.objects.get(f"{self.commit}:{path}")
        return blob.data if blob is not None and blob.kind == "blob" else None

    def oid(self, path: str) -> str | None:
        """The id of the blob or tree at `path`."""
        item = self.objects.get(f"{self.commit}:{path}")
        return item.oid if item is not None and item.kind in ("blob", "tree") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """One dvc.lock with the dvc.yaml beside it. Paths are from the top of the repository."""

    folder: str
    commands: Mapping[str, str] = field(default_factory=dict)
    """By stage."""
    deps: Sequence[Out] = ()
    outs: Sequence[Out] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    """Values that dvc.lock recorded, by dotted name."""
    declared: Declared


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What dvc.yaml says of files: paths, in which ``${...}`` may stand for anything."""

    metrics: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    """``type`` of ``artifacts``, by path."""
    wdirs: Mapping[str, str] = field(default_factory=dict)
    fault: str = ""
    """Why dvc.yaml could not be read."""


def read_pipeline(files: CommitFiles, lock: str) -> Pipeline:
    """The pipeline whose dvc.lock is at `lock`; RecordError where that cannot be read."""
    folder = posixpath.dirname(lock)
    declared = read_declared(files.read(posixpath.join(folder, YAML)), folder)
    data = files.read(lock)
    if data is None:
        return Pipeline(folder=folder, declared=declared)
    if len(data) >= MAX_LOCK_BYTES:
        raise RecordError(f"{lock}: larger than {MAX_LOCK_BYTES} bytes")
    stages = (_dict(read_yaml(data, lock)).get("stages")) or {}
    params: dict[str, Any] = {}
    for stage in _dict(stages).values():
        for values in _dict(_dict(stage).get("params")).values():
            params.update(_dict(values))
    outs = [
        list(outs_of_lock(data, lock, folder=folder, wdirs=declared.wdirs, section=section))
        for section in ("deps", "outs")
    ]
    commands = {name: _command(_dict(stage).get("cmd")) for name, stage in _dict(stages).items()}
    return Pipeline(
        folder=folder, commands=commands, deps=outs[0], outs=outs[1], params=params, declared=declared
    )


def read_declared(data: bytes | None, folder: str) -> Declared:
    """What the dvc.yaml of `folder` with these bytes declares; with a fault where it cannot be read."""
    try:
        document = _dict(read_yaml(data, posixpath.join(folder, YAML))) if data and data.strip() else {}
    except RecordError as error:
        return Declared(fault=str(error))
    declared: dict[str, list[str]] = {"metrics": [], "plots": [], "params": []}
    wdirs = {}
    for name, stage in _dict(document.get("stages")).items():
        body = _dict(_dict(stage).get("do") or stage)
        wdir = body.get("wdir")
        if isinstance(wdir, str) and "${" not in wdir:
            wdirs[name] = wdir
        where = posixpath.join(folder, wdirs.get(name, "."))
        for kind, paths in declared.items():
            paths += _inside(where, _entries(body.get(kind), kind))
    for kind, paths in declared.items():
        paths += _inside(folder, _entries(document.get(kind), kind))
    artifacts = [_dict(a) for a in _dict(document.get("artifacts")).values()]
    roles = {str(a["path"]): str(a["type"]) for a in artifacts if a.get("path") and a.get("type")}
    return Declared(
        metrics=tuple(dict.fromkeys(declared["metrics"])),
        plots=tuple(dict.fromkeys(declared["plots"])),
        params=tuple(dict.fromkeys(declared["params"])),
        roles={path: role for key, role in roles.items() for path in _inside(folder, [key])},
        wdirs=wdirs,
    )


def metrics_named(repo: Repository, commit: str) -> list[str]:
    """The metrics files that the dvc.yaml files of a commit name, templates left out."""
    with repo.objects() as objects:
        files = CommitFiles.of(repo, objects, commit)
        return sorted(
            metric
            for name in files.names
            if posixpath.basename(name) == YAML
            for metric in read_declared(files.read(name), posixpath.dirname(name)).metrics
            if "${" not in metric
        )


def matching(declared: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Those of the paths `there` that are declared, or lie in a declared folder."""
    forms = [
        re.compile(".*".join(re.escape(part) for part in re.split(r"\$\{[^}]*\}", path)) + "(?:/.*)?")
        for path in declared
    ]
    return [path for path in paths if any(form.fullmatch(path) for form in forms)]


def _entries(listed: Any, kind: str) -> Iterator[str]:
    """Paths in a list of dvc.yaml: text, or a mapping from the path to how it is to be treated."""
    for entry in listed if isinstance(listed, list) else [listed] if isinstance(listed, dict) else []:
        if isinstance(entry, str):
            # A parameter is given by name alone where it is in the default file.
            yield "params.yaml" if kind == "params" and not _PARAMS_FILE.search(entry) else entry
        for path, how in entry.items() if isinstance(entry, dict) else ():
            columns = how.get("y") if isinstance(how, dict) and kind == "plots" else None
            yield from columns if isinstance(columns, dict) else [path]


_PARAMS_FILE = re.compile(r"\.(?:ya?ml|json|toml|py)\Z")


def _inside(folder: str, paths: Iterable[Any]) -> list[str]:
    """Paths resolved from `folder`; those that are none, or leave the repository, left out."""
    joined = (
        posixpath.normpath(posixpath.join(folder, path))
        for path in paths
        if isinstance(path, str) and path and path[0] != "/" and "\0" not in path and "\n" not in path
    )
    return [path for path in joined if path.split("/")[0] not in ("..", ".")]


def _command(value: Any) -> str:
    return " && ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

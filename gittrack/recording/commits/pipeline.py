"""The DVC pipelines in a committed tree: dvc.lock says what was run, dvc.yaml which files hold results."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gittrack.dvc.files import Out
from gittrack.dvc.locks import LockFile, Stage, read_lock
from gittrack.dvc.settings import cache_dir, cache_of
from gittrack.errors import RecordError
from gittrack.formats.record import clean_text
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.commits.declared import (
    YAML,
    Declared,
    Loss,
    folders_above,
    metrics_among,
    read_declared,
)

LOCK = "dvc.lock"


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
        if path.startswith(("/", "./", "../")):
            return None
        blob = self.objects.get(f"{self.commit}:{path}")
        return blob.data if blob is not None and blob.kind == "blob" else None

    def oid(self, path: str) -> str | None:
        """The id of the blob or tree at `path`."""
        item = self.objects.get(f"{self.commit}:{path}")
        return item.oid if item is not None and item.kind in ("blob", "tree") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pipeline:
    """A folder's dvc.lock and dvc.yaml, or one of the two. Paths are from the top of the repository."""

    folder: str
    stages: tuple[Stage, ...] = ()
    declared: Declared
    losses: tuple[Loss, ...] = ()
    """What of both files could not be read or represented."""

    @property
    def commands(self) -> dict[str, str]:
        """By stage."""
        return {stage.name: stage.command for stage in self.stages}

    @property
    def deps(self) -> list[Out]:
        return [dep for stage in self.stages for dep in stage.deps]

    @property
    def outs(self) -> list[Out]:
        return [out for stage in self.stages for out in stage.outs]


def read_pipelines(files: CommitFiles, changed: frozenset[str] = frozenset()) -> list[Pipeline]:
    """Those of a commit; where some of them have a `changed` lock or metrics file, those alone."""
    folders = sorted({posixpath.dirname(n) for n in files.names if posixpath.basename(n) in (LOCK, YAML)})
    pipelines = [read_pipeline(files, folder) for folder in folders]
    return [p for p in pipelines if _is_among(p, changed)] or pipelines


def command_tags(pipelines: Iterable[Pipeline]) -> dict[str, str]:
    """The command of each stage, as tags."""
    return {
        clean_text(f"dvc.cmd.{f'{p.folder}/' if p.folder else ''}{stage}")[:250]: command[:10_000]
        for p in pipelines
        for stage, command in p.commands.items()
    }


def _is_among(pipeline: Pipeline, changed: frozenset[str]) -> bool:
    lock = posixpath.join(pipeline.folder, LOCK)
    return lock in changed or bool(metrics_among(pipeline.declared.metrics, changed))


def read_pipeline(files: CommitFiles, folder: str) -> Pipeline:
    """The pipeline of a folder. What cannot be read is among its losses."""
    declared = read_declared(files.read(posixpath.join(folder, YAML)), folder, files.read)
    where = posixpath.join(folder, LOCK)
    try:
        lock = read_lock(files.read(where), where, wdirs=declared.wdirs)
    except RecordError as error:
        lock = LockFile(faults=((where, str(error)),))
    losses = tuple(dict.fromkeys((*declared.losses, *lock.faults)))
    return Pipeline(folder=folder, stages=_current(lock.stages, declared), declared=declared, losses=losses)


def _current(stages: tuple[Stage, ...], declared: Declared) -> tuple[Stage, ...]:
    """Without what dvc.lock still has of stages that dvc.yaml has no more; DVC looks past it too."""
    if declared.losses or not declared.stages:
        return stages
    return tuple(stage for stage in stages if stage.name in declared.stages) or stages


def cache_for(repo: Repository, files: CommitFiles, path: str) -> Path:
    """The DVC cache that holds the content of `path`: that of its project, which may lie below the top."""
    projects = (folder for folder in folders_above(path) if f"{folder}/.dvc/config" in files.names)
    for folder in projects:
        return cache_dir(repo.top / folder, repo.state_dir / "dvc" / "cache")
    return cache_of(repo)[0]


def metrics_named(repo: Repository, commit: str) -> list[str]:
    """The metrics files that the dvc.yaml files of a commit name."""
    with repo.objects() as objects:
        files = CommitFiles.of(repo, objects, commit)
        return sorted(
            metric
            for name in files.names
            if posixpath.basename(name) == YAML
            for metric in read_declared(files.read(name), posixpath.dirname(name), files.read).metrics
        )

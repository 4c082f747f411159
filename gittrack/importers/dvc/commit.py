"""One experiment of DVC as a run: what its commit says, by the readers that record commits of our own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from gittrack.dvc.files import Out
from gittrack.errors import ConfigError
from gittrack.formats.config import FILE, Config, parse
from gittrack.git.repository import ObjectReader, Repository
from gittrack.importers.dvc.outputs import Outputs
from gittrack.importers.dvc.refs import Experiment
from gittrack.importers.dvclive.series import OF_MACHINE
from gittrack.importers.foreign import (
    Curve,
    Dataset,
    Final,
    ForeignCode,
    ForeignFile,
    ForeignRun,
    Loss,
    Moment,
    Options,
)
from gittrack.recording.commits import Commit, read_commit
from gittrack.recording.commits.data import data_deps
from gittrack.recording.commits.pipeline import (
    CommitFiles,
    Pipeline,
    cache_for,
    command_tags,
    read_pipelines,
)
from gittrack.recording.commits.results import ResultReader, Results

_EXPERIMENT = "dvc"
"""Of experiments whose commits name none; a folder's name would differ from clone to clone."""
_ITS_OWN = re.compile(r"dvc: commit experiment [0-9a-f]+\s*")

Points = dict[str, list[tuple[int | None, float]]]
"""Step and value, by metric."""
Checkpoints = dict[str, list[tuple[Moment, float]]]


@dataclass(frozen=True, slots=True)
class _Told:
    """What a commit says."""

    commit: Commit
    message: str
    experiment: str
    files: CommitFiles
    pipelines: Sequence[Pipeline]
    results: Results

    @property
    def finals(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.results.metrics.items()}

    @property
    def points(self) -> Points:
        points: Points = {}
        for step, values in self.results.rows:
            for name, value in values.items():
                points.setdefault(name, []).append((step, float(value)))
        return points


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the experiments of one repository."""

    source: Path
    repo: Repository
    objects: ObjectReader
    options: Options

    def run(self, experiment: Experiment) -> ForeignRun:
        """ValueError and GittrackError where its commits are not to be read."""
        told = self._told(experiment.tip, ran=not experiment.failed)
        lost = [Loss(what=what, why=why) for p in told.pipelines for what, why in p.losses]
        if experiment.apart:
            lost.append(Loss(what="checkpoints", why="the commits do not begin at the baseline"))
        finals, points = told.finals, told.points
        checkpoints = self._checkpoints(experiment, {*finals} - {*points})
        first = read_commit(experiment.commits[0], self._bytes(experiment.commits[0]))
        files = [] if experiment.failed else [*self._files(told, lost)]
        lost += [Loss(what=what, why=why) for what, why in told.results.losses]
        return ForeignRun(
            system="dvc",
            id=first.oid,
            experiment=told.experiment,
            name=experiment.name,
            status="failed" if experiment.failed else "finished",
            started=None if experiment.failed else float(first.seconds),
            ended=float(told.commit.seconds) if len(experiment.commits) > 1 else None,
            user=told.commit.author.name if self.options.people else None,
            note=None if experiment.failed else told.message,
            tags=command_tags(told.pipelines),
            group=experiment.baseline,
            params=told.results.params,
            finals={
                name: Final(rule="given", value=value)
                for name, value in finals.items()
                if name not in points and name not in checkpoints
            },
            curves=partial(_curves, points, checkpoints),
            system_curves=partial(_curves, points, {}, of_machine=True),
            code=ForeignCode(commit=experiment.tip),
            datasets=[*map(_dataset, data_deps(told.files, told.pipelines))],
            files=files,
            lost=lost,
        )

    def _told(self, oid: str, *, ran: bool = True) -> _Told:
        """What a commit says; of one that did not run, what dvc.lock and metrics say is of one before."""
        data = self._bytes(oid)
        commit = read_commit(oid, data)
        files = CommitFiles.of(self.repo, self.objects, oid)
        config = _config(files)
        pipelines = read_pipelines(files)
        if not ran:
            pipelines = [replace(pipeline, stages=()) for pipeline in pipelines]
        results = Results()
        with TemporaryDirectory(prefix="gittrack-") as folder:
            reader = ResultReader(
                files, pipelines, partial(cache_for, self.repo, files), Path(folder), results
            )
            reader.read_params(config.training_commit.params)
            if ran:
                reader.read_metrics(config.training_commit.metrics)
        message = data.partition(b"\n\n")[2].decode("utf-8", "replace").strip()
        return _Told(
            commit,
            "" if _ITS_OWN.fullmatch(message) else message,
            commit.experiment or config.experiment or _EXPERIMENT,
            files,
            pipelines,
            results,
        )

    def _bytes(self, oid: str) -> bytes:
        item = self.objects.get(oid)
        if item is None or item.kind != "commit":
            raise ValueError(f"its commit {oid[:12]} is not in the repository: fetch it")
        return item.data

    def _checkpoints(self, experiment: Experiment, names: Set[str]) -> Checkpoints:
        """Final values of each checkpoint, and of the last commit, at the times of the commits."""
        values: Checkpoints = {}
        for oid in experiment.commits if names and len(experiment.commits) > 1 else ():
            told = self._told(oid)
            for name, value in told.finals.items():
                if name in names:
                    values.setdefault(name, []).append((float(told.commit.seconds), value))
        return values

    def _files(self, told: _Told, lost: list[Loss]) -> Iterator[ForeignFile]:
        outputs = Outputs(self.source, self.repo, told.files, told.pipelines, lost)
        yield from outputs.files(told.results)
        timed = [name for name in told.results.tables if _has_times(told.files.read(name))]
        if timed:
            lost.append(Loss(what="times of points", why="series of a commit have steps alone"))
        for pipeline in told.pipelines:
            for artifact in pipeline.declared.artifacts.values():
                unsaid = ", ".join(key for key in ("labels", "meta") if artifact.get(key))
                if unsaid:
                    what = f"artifact {artifact['name']}: {unsaid}"
                    lost.append(Loss(what=what, why="a record has no place for them"))


def _config(files: CommitFiles) -> Config:
    """gittrack.yaml as the experiment has it."""
    data = files.read(FILE)
    try:
        return parse(data, FILE) if data is not None else Config()
    except ConfigError:
        return Config()


def _has_times(table: bytes | None) -> bool:
    return b"timestamp" in (table or b"").partition(b"\n")[0].split(b"\t")


def _dataset(dep: Out) -> Dataset:
    md5, kind = dep.fields.get("md5"), dep.fields.get("hash", "md5-dos2unix")
    details = {key: dep.fields[key] for key in ("size", "nfiles") if type(dep.fields.get(key)) is int}
    return Dataset(name=dep.path, digest=f"{kind}:{md5}" if md5 else None, details=details)


def _curves(points: Points, checkpoints: Checkpoints, *, of_machine: bool = False) -> Iterator[Curve]:
    for name, series in points.items():
        if bool(OF_MACHINE.fullmatch(name)) is not of_machine:
            continue
        steps, values = zip(*series, strict=True)
        stated = any(step is not None for step in steps)
        yield Curve(name=name, values=values, steps=cast("Sequence[int]", steps) if stated else None)
    for name, timed in checkpoints.items():
        times, values = zip(*timed, strict=True)
        yield Curve(name=name, values=values, times=times)

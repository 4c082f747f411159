"""MLflow's file store: a folder for each experiment, in it one for each run, a file for each value.

A run has ``meta.yaml`` and the folders ``params``, ``metrics``, ``tags``, ``inputs`` and ``outputs``;
``datasets``, ``models`` and ``traces`` lie beside the runs, the registry in ``models`` at the top.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

from gittrack.errors import RecordError
from gittrack.formats.codec.plain import MAX_BYTES
from gittrack.importers.foreign import Curve, Dataset, Final, ForeignRun, Loss, Options, Skipped
from gittrack.importers.mlflow import points
from gittrack.importers.mlflow.artifacts import (
    Beside,
    Model,
    Version,
    add_files,
    find_folder,
    is_own,
    is_plain_folder,
)
from gittrack.importers.mlflow.fields import RUN_ID, Row, dataset, foreign_run, whole
from gittrack.importers.mlflow.values import (
    folders_in,
    lose_odd,
    lose_once,
    mapping,
    opened,
    read_bytes,
    reason,
    shown,
    text_of,
    texts_below,
    values_below,
)

META = "meta.yaml"
_TRASH = ".trash"
_OF_RUN = re.compile(rb"^run_(?:id|uuid):", re.MULTILINE)
_OF_EXPERIMENT = re.compile(rb"^artifact_location:", re.MULTILINE)
_FAULTS = (OSError, ValueError, RecordError)
_BESIDE_RUNS = frozenset({"tags", "datasets", "traces", "models"})


@dataclass(frozen=True, slots=True)
class _Experiment:
    folder: Path
    name: str
    deleted: bool


def is_store(folder: Path) -> bool:
    """Whether `folder` is a file store, or one of its experiments."""
    return _is_experiment(folder) or any(
        _is_experiment(entry) for top in (folder, folder / _TRASH) for entry in folders_in(top)
    )


def _is_experiment(folder: Path) -> bool:
    """Whether its file says so, or runs lie in it."""
    return _says(folder, _OF_EXPERIMENT) or any(_says(run, _OF_RUN) for run in folders_in(folder))


def _says(folder: Path, line: re.Pattern[bytes]) -> bool:
    try:
        data = read_bytes(str(folder / META), MAX_BYTES)
    except (OSError, ValueError):
        return False
    return line.search(data) is not None


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the store, or of the one experiment, in the folder `source`, those in its trash last."""
    single = _is_experiment(source)
    top = (
        source.parent
        if single and source.parent.name != _TRASH
        else source.parent.parent
        if single
        else source
    )
    experiments = [(source, source.parent.name == _TRASH)] if single else [*_experiments(source)]
    faults: list[Skipped] = []
    versions = [*_versions(top / "models", faults)]
    for folder, in_trash in experiments:
        experiment, fault = _experiment(folder, in_trash)
        models = [*_models(folder / "models", faults)]
        yield from faults if fault is None else [fault, *faults]
        faults.clear()
        ids = {model.run for model in models}
        names = {entry.name for entry in folders_in(folder)} | ids
        beside = Beside(
            models, [version for version in versions if version.run in names or _is_of(version, models)]
        )
        versions = [
            version for version in versions if version.run not in names and not _is_of(version, models)
        ]
        yield from _runs(experiment, beside, (source, source.parent), options)
    if not single:
        for version in versions:
            yield Skipped(what=version.title, why="its run is not in the source", fault=False)


def _is_of(version: Version, models: list[Model]) -> bool:
    return any(model.id in version.source for model in models)


def _experiments(top: Path) -> Iterator[tuple[Path, bool]]:
    """Folders of experiments, and whether each lies in the trash."""
    for folder, in_trash in [(top, False), (top / _TRASH, True)]:
        for entry in folders_in(folder):
            if entry.name != _TRASH and _is_experiment(entry):
                yield entry, in_trash


def _experiment(folder: Path, in_trash: bool) -> tuple[_Experiment, Skipped | None]:
    """The experiment; under the name of its folder where its own file does not say it."""
    try:
        meta = mapping(folder / META)
        name, fault = text_of(meta, "name") or folder.name, None
    except _FAULTS as error:
        what = f"{shown(folder.name)}/{META}"
        meta, name, fault = {}, shown(folder.name), Skipped(what=what, why=reason(error))
    return _Experiment(folder, name, in_trash or text_of(meta, "lifecycle_stage") == "deleted"), fault


def _runs(
    experiment: _Experiment, beside: Beside, bases: tuple[Path, ...], options: Options
) -> Iterator[ForeignRun | Skipped]:
    traces = _traces(experiment.folder / "traces")
    datasets = lru_cache(maxsize=256)(mapping)
    for entry in _linked(experiment.folder):
        yield Skipped(what=f"{experiment.name}/{shown(entry)}", why="a link is not followed")
    for folder in folders_in(experiment.folder):
        if folder.name in _BESIDE_RUNS or not _is_run(folder):
            continue
        if options.ids is not None and folder.name not in options.ids:
            continue
        try:
            run = _run(folder, experiment, beside, bases, options, datasets)
        except _FAULTS as error:
            yield Skipped(what=f"run {shown(folder.name)} of {experiment.name}", why=reason(error))
            continue
        if count := traces.pop(run.id, 0):
            run.lost.append(Loss(what="traces", why="a record has no place for them", count=count))
        yield run
    if count := traces.total():
        what = f"{count} traces of {experiment.name} outside of runs"
        yield Skipped(what=what, why="a record has no place for them", fault=False)
    if tags := [*values_below(experiment.folder / "tags").files]:
        what = f"tags of the experiment {experiment.name}: {', '.join(tags)}"
        yield Skipped(what=what, why="records are of runs", fault=False)
    for left in beside.left():
        yield Skipped(what=left, why="it belongs to no run in the source", fault=False)


def _is_run(folder: Path) -> bool:
    return any(os.path.lexists(folder / name) for name in (META, "metrics", "params"))


def _linked(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if entry.is_symlink() and entry.name not in _BESIDE_RUNS
        )


def _run(
    folder: Path, experiment: _Experiment, beside: Beside, bases: tuple[Path, ...], options: Options,
    datasets: Callable[[Path], dict[str, Any]],
) -> ForeignRun:  # fmt: skip
    meta = mapping(folder / META)
    run_id = text_of(meta, "run_id") or text_of(meta, "run_uuid")
    if run_id != folder.name or not RUN_ID.fullmatch(run_id):
        raise ValueError(f"{META} is of run {run_id!r}")
    row = Row(
        id=run_id,
        experiment=experiment.name,
        name=text_of(meta, "run_name") or text_of(meta, "name"),
        status=text_of(meta, "status"),
        deleted=experiment.deleted or text_of(meta, "lifecycle_stage") == "deleted",
        start=whole(meta.get("start_time")),
        end=whole(meta.get("end_time")),
        user=text_of(meta, "user_id"),
        source_name=text_of(meta, "source_name"),
        source_version=text_of(meta, "source_version"),
        entry_point=text_of(meta, "entry_point_name"),
        artifact_uri=text_of(meta, "artifact_uri"),
    )
    row.params = texts_below(folder / "params", "parameter", row.lost)
    row.tags = texts_below(folder / "tags", "tag", row.lost)
    run = foreign_run(row, options)
    run.datasets = [*_datasets(folder, datasets, options, run.lost)]
    artifacts: Path | None = folder / "artifacts"
    if (folder / "artifacts").is_symlink():
        run.lost.append(Loss(what="artifacts", why="a link is not followed"))
        artifacts = None
    elif not is_plain_folder(folder / "artifacts", folder) or (
        # MLflow makes this folder also where artifacts go elsewhere.
        not is_own(row.artifact_uri, folder) and not any((folder / "artifacts").iterdir())
    ):
        artifacts = find_folder(row.artifact_uri, run_id, bases)
    add_files(run, row, artifacts, beside, _outputs(folder, run.lost), bases)
    metrics = values_below(folder / "metrics")
    lose_odd(metrics, "metric", run.lost)
    run.finals = {name: Final(rule="greatest-step") for name in metrics.files}
    system = {name: path for name, path in metrics.files.items() if name.startswith(points.SYSTEM)}
    run.curves = partial(_curves, {n: p for n, p in metrics.files.items() if n not in system}, run.lost)
    run.system_curves = partial(_curves, system, run.lost)
    if run.status == "running":
        run.changed = max(map(_changed, [str(folder), str(folder / META), *metrics.files.values()]))
    return run


def _changed(path: str) -> float:
    return Path(path).lstat().st_mtime


def _curves(files: Mapping[str, str], lost: list[Loss]) -> Iterator[Curve]:
    for name, path in files.items():
        try:
            with opened(path) as stream:
                yield from _curve(name, stream, lost)
        except (*_FAULTS, sqlite3.Error) as error:
            lose_once(lost, Loss(what=f"metric {name}", why=reason(error)))


def _curve(name: str, stream: BinaryIO, lost: list[Loss]) -> Iterator[Curve]:
    if os.fstat(stream.fileno()).st_size > points.LARGE:
        damaged = sum(bad for _, bad in points.stretches(stream))
        stream.seek(0)
        yield from (points.curve(name, series) for series in points.large(stream) if series)
    else:
        series, damaged = points.parse(stream.read())
        if series:
            yield points.curve(name, points.in_order(series))
    if damaged:
        why = "no points can be read from them"
        lose_once(lost, Loss(what=f"lines of metric {name}", why=why, count=damaged))


def _datasets(
    folder: Path, datasets: Callable[[Path], dict[str, Any]], options: Options, lost: list[Loss]
) -> Iterator[Dataset]:
    for entry in folders_in(folder / "inputs"):
        try:
            link = mapping(entry / META)
            identity = text_of(link, "source_id")
            if text_of(link, "source_type") == "MODEL":
                lost.append(Loss(what=f"input model {identity}", why="a record has no place for it"))
                continue
            if not RUN_ID.fullmatch(identity):
                raise ValueError("names no dataset")
            kept = datasets(folder.parent / "datasets" / identity / META)
            tags = link.get("tags")
            yield dataset(kept, tags if isinstance(tags, dict) else {}, options)
        except _FAULTS as error:
            lost.append(Loss(what=f"input {shown(entry.name)}", why=reason(error)))


def _outputs(folder: Path, lost: list[Loss]) -> dict[str, int | None]:
    """Ids of the models that a run logged, with the step of each."""
    outputs = {}
    for entry in folders_in(folder / "outputs"):
        try:
            link = mapping(entry / META)
            outputs[text_of(link, "destination_id")] = whole(link.get("step"))
        except _FAULTS as error:
            lost.append(Loss(what=f"output {shown(entry.name)}", why=reason(error)))
    return outputs


def _models(folder: Path, faults: list[Skipped]) -> Iterator[Model]:
    for entry in folders_in(folder):
        try:
            meta = mapping(entry / META)
        except _FAULTS as error:
            faults.append(Skipped(what=f"logged model {shown(entry.name)}", why=reason(error)))
            continue
        yield Model(
            id=entry.name,
            name=text_of(meta, "name"),
            uri=text_of(meta, "artifact_location") or str(entry / "artifacts"),
            run=text_of(meta, "source_run_id"),
            params=texts_below(entry / "params", "", []),
            deleted=text_of(meta, "lifecycle_stage") == "deleted",
        )


def _versions(registry: Path, faults: list[Skipped]) -> Iterator[Version]:
    for folder in folders_in(registry):
        aliases = texts_below(folder / "aliases", "alias", [])
        for entry in folders_in(folder):
            if not entry.name.startswith("version-"):
                continue
            try:
                meta = mapping(entry / META)
            except _FAULTS as error:
                what = f"{shown(entry.name)} of the registered model {shown(folder.name)}"
                faults.append(Skipped(what=what, why=reason(error)))
                continue
            version = text_of(meta, "version") or entry.name.removeprefix("version-")
            stage = text_of(meta, "current_stage")
            own = [alias for alias, number in aliases.items() if number.strip() == version]
            yield Version(
                name=folder.name,
                version=version,
                run=text_of(meta, "run_id"),
                source=text_of(meta, "source"),
                aliases=(*own, *([stage] if stage not in ("", "None") else [])),
            )


def _traces(folder: Path) -> Counter[str]:
    """Traces by the run that they are of; empty text for those of none."""
    traces: Counter[str] = Counter()
    for entry in folders_in(folder):
        texts = texts_below(entry / "request_metadata", "", [])
        traces[texts.get("mlflow.sourceRun", "")] += 1
    return traces

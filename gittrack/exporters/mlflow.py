"""MLflow: runs into a tracking store, through MLflow's own client. Nothing is exported twice.

Needs the extra ``gittrack[mlflow]``. What MLflow cannot hold as it is (types of parameters, names with
other characters, long values) is in the record, which goes along as an artifact where bytes do.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from gittrack.errors import RepositoryError, UsageError
from gittrack.exporters.contents import Names, contents_of, safe_path
from gittrack.exporters.losses import of_order, of_points, sentences, whole
from gittrack.exporters.source import Source, Subject
from gittrack.exporters.values import final_number, text
from gittrack.formats.exported import RUN_ID, Back
from gittrack.formats.flat import flatten
from gittrack.formats.record import Record, format_time, parse_time
from gittrack.reading.series import Curve

_STATUS = {"finished": "FINISHED", "failed": "FAILED", "killed": "KILLED", "unknown": "KILLED"}
"""MLflow has no word for an end that nobody saw: the tag gittrack.status has ours."""
# Since 3.13 a file store is refused otherwise; and nothing goes to anybody but the store.
_SETTINGS = {"MLFLOW_ALLOW_FILE_STORE": "true", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
_NAME = 250
_PARAM = 6000
_TAG = 5000
_BATCH = 1000
_FEW = 100

Point = tuple[str, float, int, int]
"""Metric, value, milliseconds since the epoch, step."""


@dataclass(frozen=True, slots=True)
class Exported:
    """Ids of the runs that were written, and of those that the store had."""

    written: list[str]
    there: list[str]


def tracking_uri(target: str) -> str:
    """Where `target` is: a URI as it is, a folder as a file store."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:", target):
        return target
    path = Path(target).absolute()
    if path.exists() and not path.is_dir():
        raise UsageError(f"{target} is no folder: for a database, -o sqlite:///{target}")
    return path.as_uri()


def export(subject: Subject, target: str, *, data: bool) -> Exported:
    """Write the runs of `subject` that the store does not have. RepositoryError where it cannot be used."""
    uri = tracking_uri(target)
    with _client(uri) as client:
        from mlflow.exceptions import MlflowException

        exported = Exported([], [])
        try:
            store = _store(client, uri, subject.experiment)
            for source in subject.sources:
                new = _export_run(store, source, data)
                (exported.written if new else exported.there).append(source.record.id)
        except MlflowException as error:
            message = " ".join(str(error).split())
            raise RepositoryError(f"MLflow at {shown(uri)} refused: {message[:500]}") from error
        return exported


def shown(uri: str) -> str:
    """Without a password."""
    return re.sub(r"//[^/@]*@", "//", uri)


@contextmanager
def _client(uri: str) -> Iterator[Any]:
    """MLflow's client, which is quiet, may use a file store, and reports to nobody."""
    before = {name: os.environ.get(name) for name in _SETTINGS}
    os.environ.update(_SETTINGS)
    logger = logging.getLogger("mlflow")
    level = logger.level
    try:
        try:
            from mlflow import MlflowClient
        except ImportError as error:
            raise UsageError("--to mlflow needs MLflow: pip install 'gittrack[mlflow]'") from error
        logger.setLevel(logging.WARNING)
        try:
            client = MlflowClient(tracking_uri=uri)
        except Exception as error:  # whatever a store raises that cannot be opened
            message = " ".join(str(error).split()) or type(error).__name__
            raise UsageError(f"{shown(uri)} is no store that MLflow can use: {message[:500]}") from error
        yield client
    finally:
        logger.setLevel(level)
        for key, value in before.items():
            os.environ.pop(key, None)
            if value is not None:
                os.environ[key] = value


@dataclass(frozen=True, slots=True)
class _Store:
    """An experiment of a store, and the ids that MLflow gave its runs, by ours."""

    client: Any
    experiment: str
    whole: dict[str, str]
    broken: dict[str, str]
    """Runs that an earlier export left half written."""


def _store(client: Any, uri: str, name: str) -> _Store:
    store = _Store(client, _experiment(client, uri, name), {}, {})
    token = None
    while True:
        page = client.search_runs([store.experiment], max_results=_BATCH, page_token=token)
        for run in page:
            known = store.broken if run.info.status == "RUNNING" else store.whole
            if RUN_ID in run.data.tags:
                known[run.data.tags[RUN_ID]] = run.info.run_id
        token = page.token
        if not token:
            return store


def _experiment(client: Any, uri: str, name: str) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is not None:
        if experiment.lifecycle_stage != "active":
            raise UsageError(f"the experiment {name} was deleted in MLflow: restore it there first")
        return str(experiment.experiment_id)
    return str(client.create_experiment(name, artifact_location=_artifacts(uri, name)))


def _artifacts(uri: str, name: str) -> str | None:
    """Beside a database file; by default MLflow would put them into the current folder."""
    match = re.match(r"sqlite:///(.+)", uri)
    if match is None:
        return None
    return (Path(match[1]).absolute().parent / "mlartifacts" / name).as_uri()


# --- a run --------------------------------------------------------------------------------------------


def _export_run(store: _Store, source: Source, data: bool) -> bool:
    """False where the store has it whole; one that an earlier export left half written is made anew."""
    record, client = source.record, store.client
    if record.id in store.whole:
        return False
    files = _artifact_files(source) if data else {}
    if record.id in store.broken:
        client.delete_run(store.broken[record.id])
    start = _milliseconds(record.started)
    names = _names(source)
    tags = _tags(source, store.whole.get(record.parent or ""), names)
    source.notes += _losses(source)
    name = record.name or record.id
    made = client.create_run(store.experiment, start_time=start, tags=tags, run_name=name)
    run = made.info.run_id
    _log_values(client, run, source, names)
    _log_inputs(client, run, source)
    if files:
        _log_artifacts(client, run, files)
    client.set_terminated(run, _STATUS[record.status], end_time=_end(record))
    store.whole[record.id] = run
    return True


def _log_values(client: Any, run: str, source: Source, names: _Names) -> None:
    """Parameters and metrics, in batches that MLflow takes."""
    from mlflow.entities import Metric as MlflowMetric
    from mlflow.entities import Param

    params = [Param(key, text(value)[:_PARAM]) for key, value in _params(source, names.params).items()]
    for chunk in _chunks(params, _FEW):
        client.log_batch(run, params=chunk)
    for points in _chunks(list(_points(source, names.metrics)), _BATCH):
        client.log_batch(run, metrics=[MlflowMetric(*point) for point in points])


def _chunks(items: list[Any], size: int) -> Iterable[list[Any]]:
    return (items[at : at + size] for at in range(0, len(items), size))


def _milliseconds(stamp: str | None) -> int:
    """0 where the moment is not known."""
    return 0 if stamp is None else _milliseconds_of(parse_time(stamp).timestamp())


def _milliseconds_of(seconds: float) -> int:
    return max(round(seconds * 1000), 0)


def _safe(names: Iterable[str]) -> dict[str, str]:
    """For each name one that MLflow takes, no two alike."""
    given = Names()
    names_there = {}
    for name in names:
        wanted = re.sub(r"[^\w./ -]", "_", name, flags=re.ASCII)[: _NAME - 10]
        wanted = "/".join(piece.strip(". ") or "_" for piece in wanted.split("/") if piece) or "_"
        names_there[name] = given.free(wanted)
    return names_there


@dataclass(frozen=True, slots=True)
class _Names:
    """By name, what MLflow is to call the metrics, parameters and tags of a run."""

    metrics: dict[str, str]
    params: dict[str, str]
    tags: dict[str, str]


def _names(source: Source) -> _Names:
    record, curves = source.record, _curves(source)
    own = {name: f"tag.{name}" if name.startswith(("mlflow.", "gittrack.")) else name for name in record.tags}
    safe = _safe(own.values())
    return _Names(
        _safe([*curves, *(name for name in record.metrics if name not in curves)]),
        _safe(flatten(record.params)),
        {name: safe[wanted] for name, wanted in own.items()},
    )


def _curves(source: Source) -> Mapping[str, Curve]:
    return source.series.curves if source.series else {}


def _params(source: Source, names: Mapping[str, str]) -> dict[str, Any]:
    record = source.record
    params = {names[name]: value for name, value in flatten(record.params).items()}
    if record.seed is not None:
        params.setdefault("seed", record.seed)
    return params


def _back(source: Source, names: _Names) -> Back:
    """What an import is to take back: names that MLflow does not take, and final values among the points."""
    record, added = source.record, _added(source)
    ruled = {name: m for name, m in record.metrics.items() if m.rule not in (None, "last", "greatest-step")}
    return Back(
        metrics=_renamed(names.metrics),
        params=_renamed(names.params),
        tags=_renamed(names.tags),
        added=tuple(names.metrics[name] for name in added),
        rules={names.metrics[name]: str(metric.rule) for name, metric in ruled.items()},
        values={
            names.metrics[name]: metric.status or final_number(metric)
            for name, metric in record.metrics.items()
            if (name in added and name not in _curves(source)) or metric.rule in ("given", "best")
        },
    )


def _renamed(names: Mapping[str, str]) -> dict[str, str]:
    return {there: here for here, there in names.items() if there != here}


def _end(record: Record) -> int:
    """The start, with a tag, where the end is not known: MLflow would put the present moment."""
    return _milliseconds(record.started if record.ended is None else format_time(record.ended))


def _points(source: Source, names: Mapping[str, str]) -> Iterator[Point]:
    """The series, and each final value that is not the last of its series."""
    start = _milliseconds(source.record.started)
    for name, curve in _curves(source).items():
        for (step, moment), value in zip(_moments(curve, start), curve.values, strict=True):
            yield names[name], value, moment, step
    for name, (value, moment, step) in _added(source).items():
        yield names[name], value, moment, step


def _moment(start: int, elapsed: float | None) -> int:
    """Milliseconds since 1970."""
    return max(start + round((elapsed or 0.0) * 1000), 0)


def _added(source: Source) -> dict[str, tuple[float, int, int]]:
    """Of metrics whose final value is not their last one: that, as the last point by MLflow's own order."""
    record, curves = source.record, _curves(source)
    start, end = _milliseconds(record.started), _end(record)
    added = {}
    for name, metric in record.metrics.items():
        value, curve = final_number(metric), curves.get(name)
        if curve is None or not curve.values:
            added[name] = value, end, 0 if metric.step is None else int(metric.step)
        elif repr(float(curve.values[-1])) != repr(value):
            steps, moments = zip(*_moments(curve, start), strict=True)
            added[name] = value, max(end, max(moments) + 1), max(steps)
    return added


def _losses(source: Source) -> Iterator[str]:
    record = source.record
    cut = [name for name, value in flatten(record.params).items() if len(text(value)) > _PARAM]
    cut += [name for name, value in record.tags.items() if len(value) > _TAG]
    start = _milliseconds(record.started)
    points = {
        name: [(*when, repr(value)) for when, value in zip(_moments(curve, start), curve.values, strict=True)]
        for name, curve in _curves(source).items()
    }
    losses = {"long values are cut": cut, **of_order(points), **of_points(source, texts=False)}
    yield from sentences(source, losses)


def _moments(curve: Curve, start: int) -> Iterator[tuple[int, int]]:
    """Steps and milliseconds since 1970, as MLflow has them."""
    for at, (step, elapsed) in enumerate(zip(curve.steps, curve.times, strict=True)):
        yield whole(step, at), _moment(start, elapsed)


def _tags(source: Source, parent: str | None, names: _Names) -> dict[str, str]:
    """MLflow's own for who, what and which code; the person's; where it came from."""
    record = source.record
    code = record.code
    facts = {
        "mlflow.user": record.author_name,
        "mlflow.note.content": source.note,
        "mlflow.source.name": code.entry or " ".join(code.command),
        "mlflow.source.type": "LOCAL",
        "mlflow.source.git.commit": code.snapshot or code.commit,
        "mlflow.source.git.branch": code.branch,
        "mlflow.source.git.repoURL": code.remote,
        "mlflow.parentRunId": parent,
    }
    own = {names.tags[name]: value for name, value in record.tags.items()}
    tags: Mapping[str, str | None] = {**own, **facts, **source.facts, **_back(source, names).as_tags()}
    return {name: value[:_TAG] for name, value in tags.items() if value}


def _log_inputs(client: Any, run: str, source: Source) -> None:
    """The data, with as much of the digest as MLflow keeps."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    inputs = [
        DatasetInput(
            Dataset(
                name=item.path[:500],
                digest=(item.sha256 or item.md5 or item.blob or "unknown")[:36],
                source_type=item.source,
                source=item.path[:500],
            ),
            [InputTag("mlflow.data.context", item.role)] if item.role else [],
        )
        for item in source.record.data
    ]
    inputs += [
        DatasetInput(
            Dataset(
                name=item.name[:500],
                digest=(item.digest or "unknown")[:36],
                source_type="external",
                source=(item.source or "unknown")[:500],
            ),
            [InputTag("mlflow.data.context", item.context)] if item.context else [],
        )
        for item in source.record.datasets
    ]
    if inputs:
        client.log_inputs(run, datasets=inputs)


def _artifact_files(source: Source) -> dict[str, bytes | Path]:
    """The record and what lies beside it, and the bytes of outputs, by name. DvcError where one is absent."""
    names = Names()
    files: dict[str, bytes | Path] = {f"gittrack/{name}": content for name, content in source.files.items()}
    for output in source.record.outputs:
        contents = contents_of(source.index.repository, output)
        base = names.free(safe_path(output.path), folder=output.md5.endswith(".dir"))
        for content in contents:
            inside = names.free(f"{base}/{safe_path(content.path)}") if content.path else base
            files[f"outputs/{inside}"] = content.file
    return files


def _log_artifacts(client: Any, run: str, files: Mapping[str, bytes | Path]) -> None:
    """MLflow copies or sends what it finds in a folder: links spare a copy before that."""
    with TemporaryDirectory(prefix="gittrack-") as temporary:
        for name, content in files.items():
            path = Path(temporary) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.symlink_to(content)
        client.log_artifacts(run, temporary)

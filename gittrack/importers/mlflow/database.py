"""MLflow's SQLite store, with the columns that its version has."""

from __future__ import annotations

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from gittrack.importers.foreign import Curve, Dataset, Final, ForeignRun, Loss, Options, Skipped
from gittrack.importers.mlflow import points
from gittrack.importers.mlflow.artifacts import Beside, Model, Version, add_files, find_folder
from gittrack.importers.mlflow.fields import RUN_ID, Row, dataset, foreign_run, whole
from gittrack.importers.mlflow.values import lose_once, reason
from gittrack.importers.sqlite import Tables, text

_INFINITE = 1.7976931348623157e308
"""What MLflow writes for an infinity, for databases that have none."""
_STRETCH = 100_000
_RUN = (
    "run_uuid", "name", "source_name", "entry_point_name", "user_id", "status", "start_time", "end_time",
    "source_version", "lifecycle_stage", "artifact_uri", "experiment_id",
)  # fmt: skip
_POINT = ("key", "step", "timestamp", "value", "is_nan")
_DATASET = ("name", "digest", "dataset_source_type", "dataset_source", "dataset_schema", "dataset_profile")
_TRACES = "SELECT experiment_id, COUNT(*) FROM trace_info GROUP BY 1"
_TRACES_OF_RUNS = """
SELECT COALESCE(m.value, t.experiment_id), COUNT(*) FROM trace_info t
LEFT JOIN trace_request_metadata m ON m.request_id=t.request_id AND m.key='mlflow.sourceRun' GROUP BY 1
"""
_Faults = (sqlite3.Error, OSError, ValueError)


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the database `source`."""
    try:
        tables = Tables(source)
        if not {"run_uuid", "experiment_id"} <= {*tables.columns.get("runs", ())}:
            raise ValueError("a SQLite database, but none of MLflow")
        yield from _Store(tables, options).read()
    except _Faults as error:
        yield Skipped(what=source.name, why=reason(error))
        return
    if tables.has_changed:
        yield Skipped(what=source.name, why="it was written to while it was read: import it again")


class _Store:
    def __init__(self, tables: Tables, options: Options) -> None:
        self.tables = tables
        self.options = options
        self.bases = (tables.path.parent,)
        columns = ("experiment_id", "name", "lifecycle_stage")
        self.experiments = {row[0]: row[1:] for row in tables.rows("experiments", columns)}
        self.beside = Beside(self._models(), self._versions())
        self.traces = self._traces()
        self.changed = tables.path.stat().st_mtime

    def read(self) -> Iterator[ForeignRun | Skipped]:
        for row in self.tables.rows("runs", _RUN, "ORDER BY experiment_id, run_uuid"):
            columns = dict(zip(_RUN, row, strict=True))
            if self.options.ids is not None and _shown(columns["run_uuid"]) not in self.options.ids:
                continue
            try:
                yield self._run(columns)
            except _Faults as error:
                yield Skipped(what=f"run {_shown(columns['run_uuid'])}", why=reason(error))
        for experiment, count in sorted(self.traces.items(), key=str):
            what = f"{count} traces of {self._experiment(experiment)[0]} outside of runs"
            yield Skipped(what=what, why="a record has no place for them", fault=False)
        tags = self.tables.rows("experiment_tags", ("experiment_id", "key"), "ORDER BY 1, 2")
        for identity, rows in groupby(tags, key=lambda row: row[0]):
            names = ", ".join(_shown(key) for _, key in rows)
            what = f"tags of the experiment {self._experiment(identity)[0]}: {names}"
            yield Skipped(what=what, why="records are of runs", fault=False)
        for left in self.beside.left():
            yield Skipped(what=left, why="it belongs to no run in the source", fault=False)

    def _experiment(self, identity: Any) -> tuple[str, bool]:
        """Name of the experiment, its number where it has no row, and whether it is deleted."""
        name, stage = self.experiments.get(identity, (None, None))
        return _shown(name) or _shown(identity), stage == b"deleted"

    def _run(self, columns: dict[str, Any]) -> ForeignRun:
        run_id = text(columns["run_uuid"])
        if not RUN_ID.fullmatch(run_id):
            raise ValueError("its id is none of MLflow")
        experiment, deleted = self._experiment(columns["experiment_id"])
        texts = {name: _shown(columns.get(name)) for name in _RUN}
        row = Row(
            id=run_id,
            experiment=experiment,
            name=texts["name"],
            status=texts["status"],
            deleted=deleted or texts["lifecycle_stage"] == "deleted",
            start=whole(columns.get("start_time")),
            end=whole(columns.get("end_time")),
            user=texts["user_id"],
            source_name=texts["source_name"],
            source_version=texts["source_version"],
            entry_point=texts["entry_point_name"],
            artifact_uri=texts["artifact_uri"],
        )
        row.params = self._texts("params", run_id, "parameter", row.lost)
        row.tags = self._texts("tags", run_id, "tag", row.lost)
        run = foreign_run(row, self.options)
        run.datasets = [*self._datasets(run_id, row.lost)]
        place = find_folder(row.artifact_uri, run_id, self.bases)
        add_files(run, row, place, self.beside, self._outputs(run_id), self.bases)
        names = self._metrics(run_id, row.lost)
        run.finals = {name: Final(rule="greatest-step") for name in names}
        run.curves = partial(self._curves, run_id, row.lost, lambda name: not name.startswith(points.SYSTEM))
        if any(name.startswith(points.SYSTEM) for name in names):
            run.system_curves = partial(
                self._curves, run_id, row.lost, lambda name: name.startswith(points.SYSTEM)
            )
        if count := self.traces.pop(columns["run_uuid"], 0):
            row.lost.append(Loss(what="traces", why="a record has no place for them", count=count))
        if run.status == "running":
            run.changed = self.changed
        return run

    def _texts(self, table: str, run_id: str, kind: str, lost: list[Loss]) -> dict[str, str]:
        texts = {}
        for key, value in self.tables.rows(table, ("key", "value"), "ORDER BY 1", where={"run_uuid": run_id}):
            try:
                texts[text(key)] = text(value)
            except UnicodeDecodeError:
                lost.append(Loss(what=f"{kind} {_shown(key)}", why="not UTF-8"))
        return texts

    def _metrics(self, run_id: str, lost: list[Loss]) -> list[str]:
        names = []
        rows = self.tables.rows("metrics", ("key",), "ORDER BY 1", where={"run_uuid": run_id}, distinct=True)
        for (key,) in rows:
            try:
                names.append(text(key))
            except UnicodeDecodeError:
                lost.append(Loss(what=f"metric {_shown(key)}", why="its name is not UTF-8"))
        return names

    def _curves(self, run_id: str, lost: list[Loss], is_wanted: Callable[[str], bool]) -> Iterator[Curve]:
        """Points in the order of their step, time and value, that of NaN being 0, as MLflow has it here."""
        order = "ORDER BY 1, 2, 3, 4, 5"
        rows = self.tables.rows("metrics", _POINT, order, where={"run_uuid": run_id}, distinct=True)
        try:
            for key, own in groupby(rows, key=lambda row: row[0]):
                name = _shown(key)
                if name.encode() != key or not is_wanted(name):
                    continue
                while stretch := [*islice(own, _STRETCH)]:
                    series = _points(stretch)
                    if len(series) < len(stretch):
                        why = "no points can be read from them"
                        lose_once(
                            lost,
                            Loss(what=f"rows of metric {name}", why=why, count=len(stretch) - len(series)),
                        )
                    if series:
                        yield points.curve(name, series)
        except sqlite3.Error as error:
            lose_once(lost, Loss(what="metrics, from where the database is damaged", why=str(error)))

    def _datasets(self, run_id: str, lost: list[Loss]) -> Iterator[Dataset]:
        used = {"destination_id": run_id, "source_type": "DATASET", "destination_type": "RUN"}
        for identity, source in self.tables.rows("inputs", ("input_uuid", "source_id"), where=used):
            rows = self.tables.rows("input_tags", ("name", "value"), where={"input_uuid": _shown(identity)})
            tags = {_shown(name): _shown(value) for name, value in rows}
            for row in self.tables.rows("datasets", _DATASET, where={"dataset_uuid": _shown(source)}):
                names = (name.removeprefix("dataset_") for name in _DATASET)
                yield dataset(dict(zip(names, map(_shown, row), strict=True)), tags, self.options)
        used = {"source_id": run_id, "source_type": "RUN_INPUT"}
        for (model,) in self.tables.rows("inputs", ("destination_id",), where=used):
            lost.append(Loss(what=f"input model {_shown(model)}", why="a record has no place for it"))

    def _outputs(self, run_id: str) -> dict[str, int | None]:
        made = {"source_id": run_id, "source_type": "RUN_OUTPUT", "destination_type": "MODEL_OUTPUT"}
        rows = self.tables.rows("inputs", ("destination_id", "step"), where=made)
        return {_shown(model): whole(step) for model, step in rows}

    def _models(self) -> Iterator[Model]:
        params: dict[Any, dict[str, str]] = defaultdict(dict)
        columns = ("model_id", "param_key", "param_value")
        for model, key, value in self.tables.rows("logged_model_params", columns, "ORDER BY 1, 2"):
            params[model][_shown(key)] = _shown(value)
        wanted = ("model_id", "name", "artifact_location", "source_run_id", "lifecycle_stage")
        for model, *row in self.tables.rows("logged_models", wanted, "ORDER BY 1"):
            name, uri, run, stage = map(_shown, row)
            yield Model(
                id=_shown(model),
                name=name,
                uri=uri,
                run=run,
                params=params.get(model, {}),
                deleted=stage == "deleted",
            )

    def _versions(self) -> Iterator[Version]:
        aliases = defaultdict(list)
        rows = self.tables.rows("registered_model_aliases", ("name", "version", "alias"), "ORDER BY 3")
        for name, version, alias in rows:
            aliases[name, version].append(_shown(alias))
        columns = ("name", "version", "run_id", "source", "storage_location", "current_stage")
        for name, version, *row in self.tables.rows("model_versions", columns, "ORDER BY 1, 2"):
            run, source, location, stage = map(_shown, row)
            if stage == "Deleted_Internal":
                continue
            yield Version(
                name=_shown(name),
                version=_shown(version),
                run=run,
                source=source or location,
                aliases=(*aliases[name, version], *([stage] if stage not in ("", "None") else [])),
            )

    def _traces(self) -> Counter[Any]:
        """How many traces there are by run, as bytes; of those of no run, by the number of the experiment."""
        if "trace_info" not in self.tables.columns:
            return Counter()
        known = "trace_request_metadata" in self.tables.columns
        return Counter(dict(self.tables.query(_TRACES_OF_RUNS if known else _TRACES)))


def _points(rows: list[tuple[Any, ...]]) -> list[points.Point]:
    """Points of rows of (key, step, time, value, is NaN); of what is no number, none."""
    return [
        (step or 0, moment, _value(value, is_nan))
        for _, step, moment, value, is_nan in rows
        if (type(step) is int or step is None)
        and type(moment) is int
        and (is_nan or type(value) in (float, int))
    ]


def _value(value: Any, is_nan: Any) -> float:
    if is_nan:
        return math.nan
    number = float(value)
    return math.copysign(math.inf, number) if abs(number) >= _INFINITE else number


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text(value)

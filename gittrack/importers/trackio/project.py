"""A project of Trackio: the runs in its database, with the columns that its version has."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from gittrack.importers import folders, values
from gittrack.importers.foreign import (
    Curve,
    ForeignFile,
    ForeignRun,
    Loss,
    Moment,
    Options,
    Skipped,
    TextPoint,
)
from gittrack.importers.mlflow.values import lose_once
from gittrack.importers.sqlite import Tables, text
from gittrack.importers.trackio.artifacts import Artifacts
from gittrack.importers.trackio.logged import HISTOGRAM, Row, restored, type_of

_OWN = ("_Username", "_Created", "_Group")
"""Keys of a configuration that Trackio adds."""
_STRETCH = 100_000
_OF_RUNS = ("configs", "metrics", "system_metrics", "alerts", "run_artifact_links")
_SHARED = "files"
"""Folder beside the runs' media, of files that were saved for the project."""

Point = tuple[Any, Any, float]
"""Step, time and value."""


class Project:
    """One project. `home` is the folder that has the media and the artifacts."""

    def __init__(self, tables: Tables, name: str, home: Path, options: Options) -> None:
        self._tables = tables
        self._name = name
        self._home = home
        self._options = options
        self._key = "run_id" if "run_id" in tables.columns["metrics"] else "run_name"
        self._artifacts = Artifacts(tables, home / "artifacts" / name / "blobs" / "sha256")

    def items(self) -> Iterator[ForeignRun | Skipped]:
        for key, name in self._runs().items():
            try:
                yield self._run(key, name)
            except ValueError as error:
                yield Skipped(what=f"run {name} of {self._name}", why=str(error))
        for path, _, _ in folders.walk(self._home / "media" / self._name / _SHARED):
            what = f"file {path} of the project {self._name}"
            yield Skipped(what=what, why="it belongs to no run in the source", fault=False)

    def _runs(self) -> dict[str, str]:
        """Names of the runs by what identifies them: their ids, or in old versions the names."""
        names: dict[str, str] = {}
        for table in _OF_RUNS:
            known = self._key in self._tables.columns.get(table, ())
            order = "ORDER BY 1, 2"
            rows = self._tables.rows(table, (self._key, "run_name"), order, distinct=True)
            for key, name in rows if known else ():
                if key is not None:
                    names.setdefault(_shown(key), _shown(name))
        return names

    def _run(self, key: str, name: str) -> ForeignRun:
        lost: list[Loss] = []
        config = self._config(key, lost)
        created = config.get("_Created")
        group, user = config.get("_Group"), config.get("_Username")
        started = values.utc(created) if isinstance(created, str) else self._first(key)
        artifacts, datasets = self._artifacts.of(key, self._key, lost)
        traces = sum(1 for _ in self._tables.rows("traces", ("id",), where={self._key: key}))
        if traces:
            lost.append(Loss(what="traces", why="a record has no place for them", count=traces))
        return ForeignRun(
            system="trackio",
            id=key if self._key == "run_id" else f"{self._name}/{name}",
            experiment=self._name,
            name=name or None,
            status="unknown",
            started=started,
            user=user if self._options.people and isinstance(user, str) else None,
            group=group if isinstance(group, str) else None,
            params={param: value for param, value in config.items() if param not in _OWN},
            curves=partial(self._curves, key, "metrics", lost),
            system_curves=partial(self._curves, key, "system_metrics", lost),
            texts=partial(self._texts, key),
            files=[*self._files(key, lost), *artifacts],
            datasets=datasets,
            lost=lost,
        )

    def _first(self, key: str) -> Moment | None:
        """The time of its first row."""
        rows = self._tables.rows("metrics", ("timestamp",), "ORDER BY timestamp", where={self._key: key})
        return values.utc(_shown(next(rows, ("",))[0]))

    def _config(self, key: str, lost: list[Loss]) -> dict[str, Any]:
        row = next(self._tables.rows("configs", ("config",), where={self._key: key}), None)
        try:
            config = restored(values.load(row[0])) if row is not None and row[0] is not None else {}
        except values.NotRead as error:
            lost.append(Loss(what="params", why=str(error)))
            return {}
        return config if isinstance(config, dict) else {}

    def _rows(self, key: str, table: str, lost: list[Loss], *, typed: bool = False) -> Iterator[Row]:
        """Rows in the order in which Trackio gives them; those with media and the like where `typed`."""
        damaged = 0
        columns, order = ("step", "timestamp", "metrics"), "ORDER BY timestamp, rowid"
        for step, time, logged in self._tables.rows(table, columns, order, where={self._key: key}):
            if typed and isinstance(logged, bytes) and b'"_type"' not in logged:
                continue
            try:
                yield Row.of(step, time, logged)
            except (TypeError, ValueError):
                damaged += 1
        if damaged:
            why = "no values can be read from them"
            lose_once(lost, Loss(what=f"rows of {table}", why=why, count=damaged))

    def _curves(self, key: str, table: str, lost: list[Loss]) -> Iterator[Curve]:
        """Points of all metrics, by and by."""
        strange: Counter[tuple[str, str]] = Counter()
        waiting: dict[str, list[Point]] = defaultdict(list)
        count = 0
        for row in self._rows(key, table, lost):
            for name, value in row.numbers():
                waiting[name].append((row.step, row.time, value))
                count += 1
            strange.update(row.strange())
            if count >= _STRETCH:
                yield from map(_curve, waiting, waiting.values())
                waiting, count = defaultdict(list), 0
        yield from map(_curve, waiting, waiting.values())
        for (name, why), number in strange.items():
            lose_once(lost, Loss(what=f"values of {name}", why=why, count=number))

    def _texts(self, key: str) -> Iterator[TextPoint]:
        for row in self._rows(key, "metrics", []):
            yield from row.texts()
        columns = ("timestamp", "step", "level", "title", "text")
        order = "ORDER BY timestamp, rowid"
        for time, step, level, *texts in self._tables.rows("alerts", columns, order, where={self._key: key}):
            yield TextPoint(
                name=f"alert.{_shown(level)}",
                text="\n".join(_shown(part) for part in texts if part is not None),
                step=step if type(step) in (int, float) else None,
                time=values.utc(_shown(time)),
            )

    def _files(self, key: str, lost: list[Loss]) -> Iterator[ForeignFile]:
        histograms: dict[str, None] = {}
        for row in self._rows(key, "metrics", lost, typed=True):
            yield from row.files(self._home)
            for name, value in row.leaves():
                if type_of(value) == HISTOGRAM:
                    histograms[name] = None
        for name in histograms:
            content = partial(self._histograms, key, name)
            yield ForeignFile(path=f"histograms/{name}.jsonl", kind="other", name=name, content=content)

    def _histograms(self, key: str, wanted: str) -> Iterator[bytes]:
        """A line for each step."""
        for row in self._rows(key, "metrics", [], typed=True):
            for name, value in row.leaves():
                if name == wanted and type_of(value) == HISTOGRAM:
                    stated = {"step": row.step, "bins": value.get("bins"), "values": value.get("values")}
                    yield json.dumps(stated).encode() + b"\n"


def _curve(name: str, points: list[Point]) -> Curve:
    steps, times, logged = zip(*points, strict=True)
    return Curve(
        name=name,
        values=logged,
        steps=steps if any(step is not None for step in steps) else None,
        times=times if any(time is not None for time in times) else None,
    )


def _shown(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else text(value)

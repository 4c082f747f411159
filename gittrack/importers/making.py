"""One foreign run as the record that the ledger gets, and the files beside it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from gittrack.errors import UsageError
from gittrack.formats.experiments import experiment_of
from gittrack.formats.media import write_media
from gittrack.formats.record import NotRecorded, Record, Series, Tool, clean_text
from gittrack.formats.spec import spec_of
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.texts import FILE as TEXTS
from gittrack.formats.texts import StoreFile, Text, Texts, write_texts
from gittrack.formats.values import MAX_LONG, metric_value, without_secrets
from gittrack.importers import stated
from gittrack.importers.foreign import ForeignRun, TextPoint
from gittrack.importers.kept import Files
from gittrack.importers.losses import Losses
from gittrack.importers.points import Points
from gittrack.version import VERSION

State = Literal["new", "changed", "there"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """The record of a run that was imported before, or of the run that has taken it up while it ran."""

    id: str
    digest: str | None
    """None where it was taken up: that record stays, whatever the source says later."""
    experiment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What all runs of one import share."""

    root: Path
    """The folder that all of the source lies in."""
    cache: Path
    """Of DVC."""
    scratch: Path
    """For what is made on the way; whoever imports takes it away at the end."""
    experiment: str | None = None
    people: bool = False
    dry: bool = False
    before: Mapping[str, Before] = field(default_factory=dict)
    """By the source's id, what the ledger has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What became of one run of the source. `record` is None where it is on the ledger already.

    The record names no parent yet, and of a run that has one its id is not the last: see `bringing`.
    """

    source: str
    name: str | None
    experiment: str
    status: str
    state: State
    deleted: bool = False
    points: int = 0
    outputs: int = 0
    size: int = 0
    parent: str | None = None
    losses: tuple[NotRecorded, ...] = ()
    record: Record | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)


class Maker:
    """Makes records of the runs of one source."""

    def __init__(self, setting: Setting, store: StoreFile) -> None:
        self._setting = setting
        self._store = store
        self._folder = Path(tempfile.mkdtemp(dir=setting.scratch))

    def make(self, run: ForeignRun) -> Made:
        """ValueError, OSError and GittrackError for a run that cannot be read."""
        making = _Making(self._setting, self._store, run, self._folder)
        try:
            return making.made()
        finally:
            making.points.close()
            making.system.close()
            for path in self._folder.iterdir():
                path.unlink()


class _Making:
    """One run on its way to a record."""

    def __init__(self, setting: Setting, store: StoreFile, run: ForeignRun, folder: Path) -> None:
        self._setting = setting
        self._store = store
        self._run = run
        self._folder = folder
        self._losses = Losses()
        self._began = stated.moment(run.started, "start", self._losses)
        self.points = Points(folder / "points", self._began, self._losses)
        self.system = Points(folder / "system", self._began, self._losses)
        self._has_texts = False
        self._files = Files(setting.root, folder, self._losses)

    def made(self) -> Made:
        from gittrack.formats.codec import dump_imported

        run, setting = self._run, self._setting
        self.points.take(run.curves())
        self.system.take(run.system_curves())
        self._files.take(run.files)
        digest = self._digest()
        before = setting.before.get(run.id)
        if before is not None and before.digest in (None, digest):
            return self._answer("there", before.experiment)
        experiment = setting.experiment or experiment_of(run.experiment)
        if before is not None:
            experiment = before.experiment
        record, files = self._record(digest, experiment, before)
        record, files["run.yaml"] = dump_imported(record)
        return replace(
            self._answer("new" if before is None else "changed", experiment),
            points=record.series.rows if record.series else 0,
            outputs=len(self._files.kept),
            size=sum(output.size or 0 for output in record.outputs),
            losses=tuple(self._losses.listed()),
            record=None if setting.dry else record,
            files={} if setting.dry else files,
        )

    def _answer(self, state: State, experiment: str) -> Made:
        run = self._run
        return Made(
            source=run.id,
            name=run.name,
            experiment=experiment,
            status=run.status,
            state=state,
            deleted=run.deleted,
            parent=run.parent,
        )

    def _record(self, digest: str, experiment: str, before: Before | None) -> tuple[Record, dict[str, bytes]]:
        run, losses, people = self._run, self._losses, self._setting.people
        files: dict[str, bytes] = {}
        plain, long = stated.params(run, losses)
        for param, text in long.items():
            output, data = stated.long_param(param, str(without_secrets(text)))
            self._files.add(output, data, "param")
        metrics, series = self._series(files)
        system = self._system(files)
        texts = self._write_texts(files)
        environment = self._environment(files)
        console = self._files.console(files)
        ended = stated.moment(run.ended, "end", losses)
        name = stated.label(run.name, "name", losses) if run.name else None
        losses.take(run.lost)
        if not self._setting.dry:
            self._files.store(self._setting.cache, files)
        record = Record(
            id="",
            experiment=experiment,
            experiment_name=clean_text(run.experiment) if run.experiment != experiment else None,
            name=name,
            imported=stated.imported(run, digest, losses),
            status=stated.STATUS[run.status],
            failure=stated.failure(run, losses),
            started=stated.started_text(self._began),
            duration_s=stated.duration(self._began, ended, losses),
            author=stated.author(run, people=people),
            tags=stated.tags(run, losses),
            params=plain,
            seed=stated.seed_of(plain),
            metrics=metrics,
            code=stated.code(run.code, losses, people=people),
            datasets=tuple(stated.dataset(item, losses, people=people) for item in run.datasets),
            environment=environment,
            outputs=self._files.outputs,
            media=write_media(self._files.media)[0] if self._files.media else None,
            series=series,
            texts=texts,
            system_series=system,
            console=console,
            spec="",
            supersedes=before.id if before is not None else None,
            tool=Tool(version=VERSION),
        )
        from gittrack.recording.finish import stated_losses

        record = replace(record, not_recorded=stated_losses(losses.listed()))
        return replace(record, spec=spec_of(record)), files

    def _series(self, files: dict[str, bytes]) -> tuple[Any, Series | None]:
        from gittrack.recording.finish import final_metrics, keep_series

        table = self.points.write(self._folder / "metrics.csv")
        finals = self._run.finals
        given = {}
        for name, final in finals.items():
            if final.rule == "given" and final.value is not None:
                try:
                    given[clean_text(name)] = metric_value(name, final.value)
                except UsageError as error:
                    self._losses.add(f"metric {name}", str(error))
        rules = {
            clean_text(name): {"rule": final.rule} for name, final in finals.items() if final.rule != "given"
        }
        metrics = final_metrics(table, given, {}, rules)
        series = keep_series(table, files, self._stored, self.points.axes) if table.rows else None
        return metrics, series

    def _stored(self, path: Path) -> tuple[str, bytes]:
        """Into the cache, unless it is only asked what would come."""
        if not self._setting.dry:
            return self._store(path)
        from gittrack.dvc.hashing import hash_path

        return hash_path(path).md5, b""

    def _system(self, files: dict[str, bytes]) -> Series | None:
        from gittrack.recording.finish import keep_series

        if not self.system.count:
            return None
        return keep_series(self.system.write(self._folder / SYSTEM), files, self._stored)

    def _write_texts(self, files: dict[str, bytes]) -> Texts | None:
        if not self._has_texts:
            return None
        return write_texts(self._texts(), self._folder / TEXTS, files, self._stored)

    def _texts(self) -> Iterator[Text]:
        for point in self._run.texts():
            name = clean_text(point.name)
            if len(point.text) > MAX_LONG:
                self._losses.add(f"text {name}", f"only its first {MAX_LONG:,} characters are kept")
            text = str(without_secrets(clean_text(point.text), name))[:MAX_LONG]
            elapsed = None
            if point.time is not None and self._began is not None:
                elapsed = round(point.time - self._began, 6)
            yield Text(name, text, point.step, elapsed)

    def _environment(self, files: dict[str, bytes]) -> Any:
        from gittrack.recording.capture import write_environment

        around = stated.environment(self._run, self._files.requirements, people=self._setting.people)
        if around is None:
            return None
        files["environment.yaml"], summary = write_environment(around, {})
        return summary

    # --- what was read --------------------------------------------------------------------

    def _digest(self) -> str:
        """SHA-256 of all that was read of the run: of values, never of where they lay."""
        run = self._run
        told: dict[str, Any] = {
            name: getattr(run, name)
            for name in (
                "system", "system_version", "id", "experiment", "name", "status", "deleted", "started",
                "ended", "user", "note", "tags", "labels", "group", "job_type", "params", "parent",
            )
        }  # fmt: skip
        told |= {
            "finals": {name: asdict(final) for name, final in run.finals.items()},
            "code": asdict(run.code) if run.code else None,
            "environment": asdict(run.environment) if run.environment else None,
            "datasets": [asdict(item) for item in run.datasets],
            "files": [*self._files.facts()],
            "missing": sorted(f.path for f in run.files if f.missing is not None),
        }
        if run.failure is not None:
            told["failure"] = asdict(run.failure)
        digest = hashlib.sha256(json.dumps(told, sort_keys=True, default=_plain).encode())
        digest.update(self.points.digest.digest())
        digest.update(self.system.digest.digest())
        for point in run.texts():
            self._has_texts = True
            digest.update(_line(point))
        return digest.hexdigest()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else repr(value)


def _line(point: TextPoint) -> bytes:
    return json.dumps([point.name, point.text, point.step, point.time]).encode()

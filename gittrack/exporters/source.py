"""What an export is made of: runs of the ledger with everything beside their records, read when asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gittrack.errors import ConfigError, RecordError, UsageError
from gittrack.formats.codec import read_yaml
from gittrack.formats.config import Config, EvidenceConfig, ExperimentConfig, load_cached, parse
from gittrack.formats.exported import EXPERIMENT, RUN_ID
from gittrack.formats.media import FILE as MANIFEST
from gittrack.formats.media import ROLE as MEDIA
from gittrack.formats.media import Medium, read_media
from gittrack.formats.record import Metric, Output, Record
from gittrack.formats.reproduction import Reproduction
from gittrack.formats.texts import FILE as TEXTS
from gittrack.formats.texts import Text, read_texts
from gittrack.git.repository import ObjectReader
from gittrack.reading.entry import Series, parse_series
from gittrack.reading.index import Index, Row
from gittrack.reading.reproductions import reproductions_of
from gittrack.stats.maths import Interval, mean_interval
from gittrack.stats.replicates import Group, group_of

if TYPE_CHECKING:
    from gittrack.governance.gate import Judgement
    from gittrack.reading.index.parse import Decided

FILES = ("run.yaml", "environment.yaml", "metrics.csv", TEXTS, MANIFEST)
"""What of a run's folder goes along with it."""

MODEL = "model"
"""Role of the output that is the model."""


@dataclass
class Source:
    """One run. `notes` gathers what the person has to know of the export: what was left out, and why."""

    index: Index
    row: Row
    objects: ObjectReader
    notes: list[str] = field(default_factory=list)

    @cached_property
    def record(self) -> Record:
        """RecordError if it is damaged."""
        return self.row.load()

    @property
    def caveats(self) -> list[str]:
        """What a reader of its figures has to know: what is missing, what changed, what ran beside it."""
        record = self.record
        return [
            *(f"not recorded: {loss.what}: {loss.reason}" for loss in record.not_recorded),
            *(f"changed while it ran: {item.what}: {item.shown}" for item in record.changed),
            *(f"at the same time: {overlap.sentence}" for overlap in record.overlaps),
        ]

    @property
    def note(self) -> str | None:
        """What people said of the run: the note that another tracker had, else the hypothesis."""
        return (self.record.imported.note if self.record.imported else None) or self.record.hypothesis

    @property
    def facts(self) -> dict[str, str]:
        """What a tracker has no field of its own for, as tags of ours."""
        record = self.record
        sampled = record.series is not None and record.series.pointer is not None
        facts = {
            RUN_ID: record.id,
            "gittrack.imported": record.imported.sentence if record.imported else None,
            EXPERIMENT: record.experiment,
            "gittrack.spec": record.spec,
            "gittrack.record_sha256": self.record_sha256,
            "gittrack.outcome": self.decision.outcome if self.decision else None,
            "gittrack.status": record.status,
            "gittrack.ended_by": record.ended_by,
            "gittrack.failure": f"{record.failure.type}: {record.failure.message}"
            if record.failure
            else None,
            "gittrack.duration": "not recorded" if record.duration_s is None else None,
            "gittrack.caveats": "; ".join(self.caveats),
            "gittrack.series": "a sample of the whole series" if sampled else None,
            "gittrack.final": "; ".join(_rule(name, metric) for name, metric in record.metrics.items()),
        }
        return {name: text for name, text in facts.items() if text}

    @cached_property
    def texts(self) -> list[Text]:
        """What the run logged as text at steps (the first and the last of many)."""
        data = self.file(TEXTS)
        return [] if data is None else read_texts(data, f"{self.row.folder}/{TEXTS}")

    @cached_property
    def media(self) -> dict[str, Medium]:
        """By path in the output that holds them, what the run showed at steps."""
        data = self.file(MANIFEST)
        media = [] if data is None else read_media(data, f"{self.row.folder}/{MANIFEST}")
        return {medium.file: medium for medium in media}

    def file(self, name: str) -> bytes | None:
        """The bytes of a file beside the record; None if there is none."""
        blob = self.objects.get(f"{self.index.tip}:{self.row.folder}/{name}")
        return blob.data if blob is not None and blob.kind == "blob" else None

    @cached_property
    def files(self) -> dict[str, bytes]:
        """Those of FILES that there are, in that order. RecordError where one that has to be is not."""
        files = {name: data for name in FILES if (data := self.file(name)) is not None}
        around = self.record.environment
        needed = [("run.yaml", None), *([("environment.yaml", around.sha256)] if around is not None else [])]
        for name, wanted in needed:
            digest = hashlib.sha256(files.get(name, b"")).hexdigest()
            if name not in files or digest != (wanted or digest):
                raise RecordError(f"{self.row.folder}/{name} is missing or altered: run gittrack verify")
        return files

    @property
    def record_sha256(self) -> str:
        """Of the bytes of run.yaml."""
        return hashlib.sha256(self.files["run.yaml"]).hexdigest()

    @cached_property
    def environment(self) -> dict[str, Any]:
        """environment.yaml as plain values."""
        data = self.files.get("environment.yaml")
        value = None if data is None else read_yaml(data, f"{self.row.folder}/environment.yaml")
        return value if isinstance(value, dict) else {}

    @property
    def packages(self) -> dict[str, str] | None:
        """Version of each distribution that the program could import, by name; None: not known."""
        installed = self.environment.get("packages")
        return {str(k): str(v) for k, v in installed.items()} if isinstance(installed, dict) else None

    @cached_property
    def series(self) -> Series | None:
        """The per-step series (a sample of it where it is large)."""
        data = self.files.get("metrics.csv")
        return (
            None
            if data is None
            else parse_series(
                data, f"{self.row.folder}/metrics.csv", self.record.series.names if self.record.series else {}
            )
        )

    # --- what was fixed before, and what was found after ----------------------------------

    @cached_property
    def protocol_bytes(self) -> bytes | None:
        """The gittrack.yaml in force; None where there was none, or this clone lacks it (with a note)."""
        if self.record.protocol is None:
            return None
        blob = self.objects.get(self.record.protocol)
        if blob is None:
            self.notes.append(
                f"the gittrack.yaml of run {self.record.id} is not in this clone, so that its question and "
                "gate are left out: gittrack pull brings it"
            )
        return None if blob is None else blob.data

    @cached_property
    def protocol(self) -> ExperimentConfig:
        """What that file says of the experiment; all defaults where there is none."""
        data = self.protocol_bytes
        config = Config() if data is None else parse(data, f"gittrack.yaml of run {self.record.id}")
        return config.experiment_config(self.record.experiment)

    @cached_property
    def evidence(self) -> EvidenceConfig:
        """What people state of the system today, in the work tree's gittrack.yaml."""
        repository = self.index.repository
        return load_cached(repository.worktree, repository.state_dir).evidence

    @cached_property
    def decision(self) -> Decided | None:
        """The decision on the run that holds."""
        decisions = self.index.decisions(self.record.id)
        return decisions[-1] if decisions else None

    @cached_property
    def reproductions(self) -> list[Reproduction]:
        """Statements of how far it could be had again, oldest first."""
        return list(reproductions_of(self.objects, self.index.tip or "", self.record))

    @cached_property
    def judgement(self) -> Judgement | None:
        """The verdict of the protocol's gate; None where there is no gate that can judge."""
        if self.protocol.gate is None:
            return None
        from gittrack.governance.gate import judge

        try:
            return judge(self.index.repository, self.index, self.record.id)
        except ConfigError as error:
            self.notes.append(f"the gate is left out: {error}")
            return None

    @cached_property
    def group(self) -> Group:
        """The run and its replicates."""
        return group_of(self.index, self.row)

    def interval(self, metric: str) -> Interval | None:
        """The two-sided 95 % t interval of the mean over replicates; None for fewer than two values."""
        values = self.group.across.values(metric)
        try:
            return mean_interval(values) if len(values) > 1 else None
        except UsageError:  # values beyond what can be squared
            return None

    # --- outputs --------------------------------------------------------------------------

    @property
    def model(self) -> Output | None:
        """The one output of the role ``model``, or the only output; None where no one is the model."""
        outputs = [output for output in self.record.outputs if output.role != MEDIA]
        models = [output for output in outputs if output.role == MODEL] or outputs
        return models[0] if len(models) == 1 else None


def _rule(name: str, metric: Metric) -> str:
    """``acc: max at step 3``: trackers show the value that came last, whatever it is."""
    rule = metric.rule or "rule not recorded"
    return f"{name}: {rule}" + (f" at step {metric.step}" if metric.step is not None else "")


@dataclass(frozen=True, slots=True)
class Subject:
    """A run, or an experiment with all its runs, oldest first."""

    sources: Sequence[Source]
    experiment: str
    whole: bool
    """An experiment was named."""

    @property
    def name(self) -> str:
        """Id of the run, or name of the experiment."""
        return self.experiment if self.whole else self.sources[0].record.id

    @property
    def notes(self) -> list[str]:
        return [note for source in self.sources for note in source.notes]


@contextmanager
def subject(index: Index, name: str) -> Iterator[Subject]:
    """What `name` means: an experiment, or a run. NotFoundError if nothing, RecordError if damaged."""
    is_experiment = name in index.experiments()
    rows = index.search(experiment=name)[::-1] if is_experiment else [index.one(name)]
    for row in rows:
        if row.fault is not None:
            raise RecordError(row.fault)
    with index.repository.objects() as objects:
        sources = [Source(index, row, objects) for row in rows]
        yield Subject(sources, rows[0].experiment, is_experiment)

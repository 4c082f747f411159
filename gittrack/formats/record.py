"""The frozen dataclasses of a run record, and their plain-dict form. No I/O.

A `Record` is what ``run.yaml`` says about an ended run. Field order here is the
order in the file. `to_dict` leaves out every field that is None or an empty
optional collection, `from_dict` is its inverse; bytes are the business of
`gittrack.formats.codec`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gittrack.formats import shown
from gittrack.formats.attempts import Attempt
from gittrack.formats.attempts import EndedBy as EndedBy
from gittrack.formats.attempts import Failure as Failure
from gittrack.formats.attempts import Status as Status
from gittrack.formats.code import Code as Code
from gittrack.formats.code import LeftOut as LeftOut
from gittrack.formats.code import Submodule as Submodule
from gittrack.formats.datasets import Dataset as Dataset
from gittrack.formats.during import Changed, Harvested, Overlap, Ranks
from gittrack.formats.experiments import EXPERIMENT as EXPERIMENT
from gittrack.formats.imported import Imported as Imported
from gittrack.formats.imported import is_same_import
from gittrack.formats.media import Media as Media
from gittrack.formats.scheduler import Scheduler
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.system import SystemUse as SystemUse
from gittrack.formats.texts import Texts as Texts

SERIES = "metrics.csv"
SCHEMA = "gittrack/run/1"
"""The version that this gittrack writes; readers look at it before anything else."""

Role = Literal["train", "validation", "test", "holdout", "reference"]
Pins = Literal["hashed", "versions", "none"]

# A free value: null, bool, int, finite float, text, list of these, mapping of text to these.
Value = Any

RUN_ID = re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6,12}\Z")
OID = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Author:
    """Who ran it: git's user.name and user.email."""

    name: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A final value, and by which `rule` it is it. A non-finite one has a `status` in place of `value`."""

    value: int | float | None = None
    status: Literal["nan", "inf", "-inf"] | None = None
    step: int | float | None = None
    split: str | None = None
    direction: Literal["maximize", "minimize"] | None = None
    unit: str | None = None
    rule: Literal["last", "greatest-step", "min", "max", "best", "given"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DataInput:
    """A file or folder that the run read. Digests are of the bytes on disk when it was logged."""

    path: str
    """Relative to the top of the work tree, with ``/``; absolute when outside it."""
    role: Role | None = None
    """What the run used it for, as somebody stated it; absent where nobody did."""
    source: Literal["dvc", "git", "file"]
    pointer: str | None = None
    """Path of the pointer beside the record, such as ``inputs/data/train.csv.dvc``."""
    md5: str | None = None
    """As DVC counts it; a folder's ends in ``.dir``."""
    hash: Literal["md5", "md5-dos2unix"] | None = None
    """DVC's name for the digest in `md5`: ``md5`` (3.x) or ``md5-dos2unix`` (2.x)."""
    sha256: str | None = None
    """Of the file; of a folder, of the lines ``<sha256>  <relative path>\\n`` sorted by path."""
    size: int | None = None
    nfiles: int | None = None
    blob: str | None = None
    """git object id, where git tracks it: a blob, or a tree for a folder."""
    differs_from: str | None = None
    """Pointer (or git path) that tracks this path but names other bytes, or has only a name for them."""

    @property
    def shown_role(self) -> str:
        """The role in words, for people."""
        return self.role or "role not stated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installed:
    """How many of a Python lock's packages are installed as locked, in another version, or not at all."""

    same: int
    differs: int
    missing: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A dependency lock file (or a manifest that is no lock, graded ``none``)."""

    path: str
    kind: str
    sha256: str
    blob: str | None = None
    """git object id of its bytes, as git stores them."""
    pins: Pins
    note: str | None = None
    installed: Installed | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentSummary:
    """The digest of environment.yaml, and the few facts of it that a reader wants first."""

    sha256: str
    python: str | None = None
    """Version of the interpreter that ran the program; None where none did, or none is known."""
    os: str | None = None
    cpu: str | None = None
    gpus: tuple[str, ...] = ()
    image: str | None = None
    """Container image digest, ``[name@]sha256:<64 hex>``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """A file or folder that the run produced; its bytes are in the DVC cache under `md5`."""

    path: str
    role: str
    pointer: str
    md5: str
    sha256: str | None = None
    """Absent where a past commit was recorded and the bytes were not at hand to be read."""
    size: int | None = None
    """Absent where a past commit was recorded whose dvc.lock does not say it."""
    nfiles: int | None = None
    logical: bool = False
    """True where `path` is a name that the run gave it, and no place in the work tree."""
    name: str | None = None
    """Of the artifact that it is a version of, or a part of one; absent where it has none."""
    version: str | None = None
    aliases: tuple[str, ...] = ()


SYSTEM_ROLE = "system metrics"
"""Of an output with the use of the machine, as another tracker sampled it: no two runs have the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """The per-step series. `rows`, `columns` and `sha256` are of the complete one.

    It is the file beside the record, metrics.csv or system.csv, unless `pointer` is set: then the
    complete series is DVC-tracked and the file holds `sampled_rows` of it for reviewers.
    """

    rows: int
    columns: tuple[str, ...]
    sha256: str
    values_sha256: str | None = None
    """Of the same without its column ``time``: equal where two runs logged the same values."""
    pointer: str | None = None
    md5: str | None = None
    size: int | None = None
    sampled_rows: int | None = None
    sampled_sha256: str | None = None
    names: Mapping[str, str] = field(default_factory=dict)
    """By column, the metric in it, where its name cannot head a column of CSV."""
    axes: Mapping[str, str] = field(default_factory=dict)
    """By metric, the metric that it is to be drawn over, in place of the step."""

    def metric_of(self, column: str) -> str:
        """The name of the metric in a column."""
        return self.names.get(column, column)


@dataclass(frozen=True, slots=True, kw_only=True)
class Console:
    """The tail of what the command printed, kept as console.txt beside the record."""

    sha256: str
    size: int
    truncated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A model that the run started from (Annex IV 2(a))."""

    name: str
    revision: str | None = None
    digest: str | None = None
    modification: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotRecorded:
    """Something that the run had and the record does not hold, or not as it was, and why."""

    what: str
    """Named by its section and path: ``metrics.json: loss``, ``params lr``, ``output s3://b/model``."""
    why: str
    """The first reason, where there were several."""
    count: int | None = None
    """How often, where it was more than once and the run lived to count it."""

    @property
    def reason(self) -> str:
        """Why, and how often."""
        return self.why if self.count is None else f"{self.why} ({self.count:,} times)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tool:
    """What wrote the record."""

    name: str = "gittrack"
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Immutable statement of an ended run: run.yaml."""

    schema: str = SCHEMA
    id: str
    experiment: str
    experiment_name: str | None = None
    """The experiment as it was named, where the grammar does not allow that name."""
    name: str | None = None
    imported: Imported | None = None
    """Of a run that another tracker kept: then the record says what that claims, and no more."""
    status: Status
    failure: Failure | None = None
    ended_by: EndedBy | None = None
    """Who says how it ended: the ``program`` (`finish`, a with block); the ``process``, whose end was
    observed because the program did not end the run; the ``command``, by its exit status;
    ``recovery``, when the process was gone; or ``preemption``, of which the program said so."""
    started: str | None = None
    """UTC, ISO 8601 with microseconds and ``Z``; None only of an imported run whose source does not say."""
    duration_s: float | None = None
    """Absent where nobody measured it, as of a commit that was recorded later."""
    author: Author | None = None
    """None only of an imported run."""
    hypothesis: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    params: Mapping[str, Value] = field(default_factory=dict)
    param_sources: Mapping[str, str] = field(default_factory=dict)
    """By dotted name; a name stands for all below it that have no entry of their own."""
    param_conflicts: Mapping[str, Mapping[str, Value]] = field(default_factory=dict)
    """What each source says, the recorded one last, where they differ; by dotted name."""
    masked: Mapping[str, str] = field(default_factory=dict)
    """Keyed digests of what is masked, by the dotted path in the record; see `formats.masks`."""
    seed: int | None = None
    seed_source: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    code: Code
    data: tuple[DataInput, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    """What the run read, as far as it has a name and no path."""
    locks: tuple[Lock, ...] = ()
    environment: EnvironmentSummary | None = None
    """None only of an imported run."""
    ranks: Ranks | None = None
    """Absent where the run was of one process, as far as a launcher says."""
    scheduler: Scheduler | None = None
    determinism: Mapping[str, Value] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    series: Series | None = None
    texts: Texts | None = None
    system_use: SystemUse | None = None
    """Absent where nobody sampled it, as in the first minute of a run."""
    system_series: Series | None = None
    """That in system.csv."""
    media: Media | None = None
    console: Console | None = None
    spec: str
    protocol: str | None = None
    reproduces: str | None = None
    parent: str | None = None
    continues: str | None = None
    """The run that had ended and that this one takes up."""
    supersedes: str | None = None
    base_models: tuple[BaseModel, ...] = ()
    harvested: tuple[Harvested, ...] = ()
    """Runs that other trackers kept of the program; absent in records of an older gittrack."""
    not_recorded: tuple[NotRecorded, ...] = ()
    changed: tuple[Changed, ...] = ()
    overlaps: tuple[Overlap, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    """Of a run that has more than one."""
    tool: Tool

    def __repr__(self) -> str:
        return f"<Record {shown.line(self)}>"

    def _repr_html_(self) -> str:
        return shown.as_html(self)

    @property
    def path(self) -> str:
        """Folder of this record on the ledger."""
        return run_path(self.experiment, self.id)

    @property
    def tables(self) -> dict[str, Series]:
        """The series by the names of their files beside the record."""
        series = {SERIES: self.series, SYSTEM: self.system_series}
        return {name: known for name, known in series.items() if known is not None}

    def succeeds(self, before: Record) -> bool:
        """Whether this record, which says that it supersedes `before`, is of the same execution."""
        if self.imported is not None or before.imported is not None:
            return is_same_import(self.imported, before.imported)
        return self.code.commit is not None and (self.experiment, self.started, self.code.commit) == (
            before.experiment,
            before.started,
            before.code.commit,
        )

    @property
    def ending(self) -> str:
        """The status, and whether the program ended the run: ``finished (not ended by the program)``."""
        return f"{self.status} (not ended by the program)" if self.ended_by == "process" else self.status

    @property
    def ended(self) -> datetime | None:
        """None where the duration is not known."""
        began, seconds = self.began, self.duration_s
        return None if seconds is None or began is None else began + timedelta(seconds=seconds)

    @property
    def surroundings(self) -> EnvironmentSummary:
        """`environment`; one that says nothing where it is not known."""
        return self.environment or EnvironmentSummary(sha256="")

    @property
    def author_name(self) -> str | None:
        """None where it is not known who ran it."""
        return self.author.name if self.author is not None and self.author.name else None

    @property
    def began(self) -> datetime | None:
        """When it started; None where that is not known."""
        return None if self.started is None else parse_time(self.started)


def run_path(experiment: str, run_id: str) -> str:
    """``runs/<experiment>/<YYYY-MM-DD>/<run-id>``; the day is that of the id."""
    return f"runs/{experiment}/{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}/{run_id}"


def format_time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def clean_text(text: str) -> str:
    """Text that UTF-8 can hold: lone surrogates (undecodable bytes of a path) become ``\\udcxx``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def new_id(moment: datetime) -> str:
    """An id of that second (UTC), unique by its random end."""
    return f"{moment:%Y%m%d-%H%M%S}-{os.urandom(3).hex()}"

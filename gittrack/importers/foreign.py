"""A run as another tracker kept it: what an importer reads, before anything is decided about the record.

An importer is a module with one function ``read(source, options)``: a generator of `ForeignRun`, and of
`Skipped` for what could not be read. It opens files for reading only, talks to no network, loads no
pickle, runs nothing, follows no link that leads out of the source, and holds one run in memory at a time, of
its points one `Curve` at a time. What it says was in the source; what it does not know it leaves out; what
it reads and cannot say goes to `lost`, by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from gittrack.formats.attempts import Failure as Failure
from gittrack.formats.datasets import Dataset as Dataset
from gittrack.formats.record import Value

Status = Literal["finished", "failed", "killed", "running", "unknown"]
Rule = Literal["last", "greatest-step", "min", "max", "given"]
Moment = float
"""Seconds since 1970 in UTC."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the user asked of an import. `people` keeps users, hosts, e-mail addresses and absolute paths."""

    people: bool = False
    mapping: Mapping[str, Value] = field(default_factory=dict)
    """Of ``--map``: which column or key is what, for files without a meaning of their own."""
    ids: frozenset[str] | None = None
    """Only runs of these ids, where a store has many (MLflow); None: all."""
    python: Path | None = None
    """The interpreter that has the tracker's own package, where only that reads the source; else this one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """Points of one metric in the order that the source counts them in, or a stretch of them.

    `steps` and `times`, where there are any, are as long as `values`. Further curves of the same `name` go on
    after it. Values may be NaN or infinite; steps may repeat, go back, be negative or fractional.
    """

    name: str
    values: Sequence[float]
    steps: Sequence[int | float] | None = None
    times: Sequence[Moment] | None = None
    axis: str | None = None
    """The metric over which the source draws it, in place of the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Final:
    """How the source comes to a metric's final value; `value` where it keeps one of its own (``given``)."""

    rule: Rule
    value: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TextPoint:
    """A text that was logged at a step: W&B strings, text of TensorBoard, Comet or neptune.ai."""

    name: str
    text: str
    step: int | float | None = None
    time: Moment | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignFile:
    """A file of the run under its logical `path`, with ``/``; with `missing`, why its bytes are not here."""

    path: str
    kind: Literal["artifact", "model", "media", "table", "console", "requirements", "patch", "other"]
    content: Path | bytes | Callable[[], Iterator[bytes]] | None = None
    """Where its bytes are: a regular file below the source, the bytes, or what streams them."""
    missing: str | None = None
    name: str | None = None
    """Of the artifact or model that it belongs to, with `version` and `aliases`, where there are those."""
    version: str | None = None
    aliases: tuple[str, ...] = ()
    digest: str | None = None
    """As the source states it, with the algorithm before a colon."""
    step: int | float | None = None
    caption: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignCode:
    """The code, as the source states it; this repository may not have the commit."""

    commit: str | None = None
    branch: str | None = None
    remote: str | None = None
    dirty: bool | None = None
    entry: str | None = None
    command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ForeignEnvironment:
    """The environment, as the source states it. Packages are versions by name."""

    python: str | None = None
    os: str | None = None
    cpu: str | None = None
    gpus: tuple[str, ...] = ()
    packages: Mapping[str, str] | None = None
    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What the source has and the record will not, and why."""

    what: str
    why: str
    count: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A run, or a file, of the source that could not be read, and why."""

    what: str
    why: str
    fault: bool = True
    """False for what was read and belongs to no run, so that no record can have it."""


@dataclass(slots=True, kw_only=True)
class ForeignRun:
    """One run of the source. `curves`, `texts` and `system` read anew each time they are called."""

    system: str
    """``mlflow``, ``wandb``, ``neptune``, ``clearml``, ``comet``, ``tensorboard``, ``dvclive``, ..."""
    system_version: str | None = None
    id: str
    """The source's own id of the run; the same when the source is read again, or a copy of it elsewhere."""
    experiment: str
    """As the source names it: any text."""
    name: str | None = None
    status: Status
    failure: Failure | None = None
    """Why it failed, where the source says so."""
    deleted: bool = False
    """Whether the source has it as deleted."""
    started: Moment | None = None
    ended: Moment | None = None
    user: str | None = None
    """Only with `Options.people`."""
    note: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    """Tags without a value."""
    group: str | None = None
    job_type: str | None = None
    params: Mapping[str, Value] = field(default_factory=dict)
    """Nested and typed as far as the source is; floats may be NaN or infinite."""
    params_as_text: bool = False
    """Whether the source keeps every parameter as text (MLflow)."""
    parent: str | None = None
    """The source's id of the run that it is part of."""
    finals: Mapping[str, Final] = field(default_factory=dict)
    """By metric; one without an entry has its last point."""
    curves: Callable[[], Iterator[Curve]] = field(default=lambda: iter(()))
    texts: Callable[[], Iterator[TextPoint]] = field(default=lambda: iter(()))
    system_curves: Callable[[], Iterator[Curve]] = field(default=lambda: iter(()))
    """Use of the machine over time, as the source sampled it."""
    code: ForeignCode | None = None
    environment: ForeignEnvironment | None = None
    datasets: Sequence[Dataset] = ()
    files: Sequence[ForeignFile] = ()
    lost: list[Loss] = field(default_factory=list)
    """Complete once `curves`, `texts` and `system_curves` have been read."""
    changed: Moment | None = None
    """When the source last changed, for one that may still grow."""

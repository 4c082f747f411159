"""gittrack.yaml, the one configuration file: found, read, checked, given as frozen dataclasses.

Fields and defaults are those of ``schemas/config.schema.json``. Untrusted like everything that
lies in a repository: bounded, never followed through a link.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gittrack.errors import ConfigError, RecordError, RepositoryError, UsageError
from gittrack.formats.codec import MAX_BYTES, read_yaml, validate
from gittrack.formats.experiments import experiment_of
from gittrack.formats.plain import from_dict
from gittrack.formats.record import Role, clean_text
from gittrack.version import VERSION

FILE = "gittrack.yaml"
CACHE = "config-cache.json"

Direction = Literal["maximize", "minimize"]
Final = Literal["last", "greatest-step", "min", "max", "best"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerConfig:
    """The branch that holds the records."""

    branch: str = "gittrack/runs"
    mode: Literal["direct", "review"] = "direct"
    """``review``: new runs go to a proposal, a branch cut from the ledger, for a pull request to add."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureConfig:
    """What is taken down at the start of a run."""

    dirty: Literal["snapshot", "refuse"] = "snapshot"
    max_file_mb: float = 10
    """Largest file of a snapshot, in MB (10^6 bytes)."""
    max_untracked_mb: float = 20
    """All files of a snapshot together that git does not track, in MB."""
    locks: tuple[str, ...] = ()
    """Lock files besides those found by name."""
    console: bool = True
    interpreter: bool = True
    """Whether Pythons below `gittrack run` are asked, by a hook at their start, which they are."""


Way = Literal["flags", "hydra", "env"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunConfig:
    """How programs are started."""

    way: Way | None = None
    """``run.pass``: how what -S and --seed say reaches the program, unless --pass says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InputConfig:
    """A file or folder that runs read."""

    path: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputConfig:
    """A file or folder that runs produce."""

    path: str
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DvcConfig:
    """What goes into the DVC cache besides outputs."""

    store_inputs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveConfig:
    """Snapshots of runs that others can see while they go on."""

    remote: str
    every: float = 60
    """Seconds between two of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCommitConfig:
    """What makes a commit that of a training, besides a change of dvc.lock, and what is read from it."""

    paths: tuple[str, ...] = ()
    """Files and folders of which a change means that a training has run."""
    params: tuple[str, ...] = ()
    """Files of parameters, besides those that dvc.yaml names."""
    metrics: tuple[str, ...] = ()
    """Files of metrics (or DVCLive folders), besides those that dvc.yaml names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricConfig:
    """What a metric means."""

    direction: Direction | None = None
    unit: str | None = None
    split: str | None = None
    final: Final | None = None
    """Which of the logged values is the final one; None: the last."""
    samples: int | None = None
    """Number of independent cases that the metric is a share of, such as the size of the test set."""
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The pass rule, fixed before results exist."""

    metric: str
    threshold: float
    direction: Direction | None = None
    """None: that of the metric."""
    confidence: float | None = None
    sided: Literal["one", "two"] = "one"
    runs: int | None = None
    """Number of runs, fixed in advance."""
    why: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproducibility:
    """What is claimed of a repeated run."""

    level: Literal["bitwise-same-host", "bitwise-cross-host", "numeric", "statistical", "none"] = "none"
    tolerance: Mapping[str, float] = field(default_factory=dict)
    """Largest absolute difference, by metric."""
    ignore: tuple[str, ...] = ()
    """Metrics that measure time or the machine: neither they nor their columns of a series are compared."""
    runs: int | None = None
    """Number of reruns that show it; None: 3 where the level is statistical, else 1."""
    confidence: float = 0.95
    """Of the prediction interval of a statistical reproduction."""
    why: str | None = None
    factors: tuple[str, ...] = ()
    """What may differ, such as the GPU model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentConfig:
    """What one experiment asks, and how it is judged."""

    question: str | None = None
    metrics: Mapping[str, MetricConfig] = field(default_factory=dict)
    gate: Gate | None = None
    reproducibility: Reproducibility = Reproducibility()
    inputs: tuple[InputConfig, ...] = ()
    outputs: tuple[OutputConfig, ...] = ()

    def direction_of(self, metric: str) -> Direction | None:
        """Which way `metric` gets better: as its gate says, else as it is declared."""
        if self.gate is not None and self.gate.metric == metric and self.gate.direction is not None:
            return self.gate.direction
        declared = self.metrics.get(metric)
        return None if declared is None else declared.direction


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceConfig:
    """What `gittrack report` cannot know from records. Links and sheets are paths or URLs."""

    purpose: str | None = None
    provider: str | None = None
    version: str | None = None
    since: str | None = None
    """The former release that a report compares with, unless it is told another."""
    limitations: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    datasheets: Mapping[str, str] = field(default_factory=dict)
    """By the path of the data."""
    links: Mapping[str, str] = field(default_factory=dict)
    """By the id of the item, such as ``annex-iv.5``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyConfig:
    """What `gittrack verify` asks of every run beyond the truth of its record."""

    preset: Literal["ai-act"] | None = None
    """``ai-act``: what Annex IV of Regulation (EU) 2024/1689 needs of a record."""
    required: tuple[str, ...] = ()
    """Fields of the record that have to say something, dotted, such as ``tags.owner``."""
    data_roles: tuple[Role, ...] = ()
    clean_tree: bool = False
    hashed_locks: bool = False
    seed: bool = False
    image: bool = False
    signatures: Literal["required", "optional"] = "optional"
    signers: str | None = None
    """Allowed signers file, from the top of the trusted revision."""
    author_not_approver: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """gittrack.yaml; all defaults where there is none."""

    experiment: str | None = None
    """Experiment of runs that name none."""
    ledger: LedgerConfig = LedgerConfig()
    capture: CaptureConfig = CaptureConfig()
    run: RunConfig = RunConfig()
    harvest: Literal["on", "off"] = "on"
    """Whether `gittrack run` takes up what other trackers kept of the program."""
    inputs: tuple[InputConfig, ...] = ()
    outputs: tuple[OutputConfig, ...] = ()
    dvc: DvcConfig = DvcConfig()
    live: LiveConfig | None = None
    system_metrics: str | bool | float = "on"
    """Whether the use of the machine is sampled; a number: every so many seconds."""
    training_commit: TrainingCommitConfig = TrainingCommitConfig()
    experiments: Mapping[str, ExperimentConfig] = field(default_factory=dict)
    evidence: EvidenceConfig = EvidenceConfig()
    policy: PolicyConfig = PolicyConfig()

    def experiment_config(self, name: str) -> ExperimentConfig:
        """That of the experiment, or an empty one."""
        return self.experiments.get(name) or ExperimentConfig()


def from_plain(plain: Mapping[str, Any], where: str = FILE) -> Config:
    """The configuration that plain dicts and lists describe; ConfigError where the schema disagrees."""
    try:
        validate(plain, "config", where)
    except RecordError as error:
        raise ConfigError(str(error)) from error
    config = _made(plain)
    for name, experiment in config.experiments.items():
        for metric, meant in experiment.metrics.items():
            if meant.final == "best" and experiment.direction_of(metric) is None:
                raise ConfigError(
                    f"{where}: experiments.{name}.metrics.{metric}: 'final: best' needs a direction: "
                    "add 'direction: maximize' or 'direction: minimize'"
                )
    return config


def _made(plain: Mapping[str, Any]) -> Config:
    run = plain.get("run", {})  # `pass` is no name that Python lets an attribute have
    return from_dict(Config, {**plain, "run": {"way": run["pass"]} if "pass" in run else {}})


def parse(data: bytes, where: str = FILE) -> Config:
    """The configuration in the bytes of a gittrack.yaml; ConfigError ``where:line:column: what``."""
    return from_plain(_read(data, where), where)


def _read(data: bytes, where: str) -> dict[str, Any]:
    """The plain mapping in `data`. A file of comments alone sets nothing."""
    if all(not line.strip() or line.lstrip().startswith(b"#") for line in data.splitlines()):
        return {}
    try:
        value = read_yaml(data, where)
    except RecordError as error:
        raise ConfigError(str(error)) from error
    if not isinstance(value, dict):
        raise ConfigError(
            f"{where}: should hold settings such as 'experiment: name', not {type(value).__name__}"
        )
    return value


def load(worktree: Path | None) -> Config:
    """The configuration at the top of the work tree; defaults without a file or (bare) work tree."""
    data = _file_bytes(worktree)
    return Config() if data is None else parse(data)


def load_cached(worktree: Path | None, state_dir: Path) -> Config:
    """`load`, without YAML while the file is the one whose content `state_dir` remembers."""
    data = _file_bytes(worktree)
    if data is None:
        return Config()
    digest = hashlib.sha256(data).hexdigest()
    cached = _cached(state_dir / CACHE, digest)
    if cached is not None:
        return cached
    plain = _read(data, FILE)
    config = from_plain(plain)
    _remember(state_dir, {"gittrack": VERSION, "sha256": digest, "config": plain})
    return config


def _file_bytes(worktree: Path | None) -> bytes | None:
    if worktree is None:
        return None
    path = worktree / FILE
    try:
        # O_NONBLOCK: a FIFO of that name must not make us wait.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise ConfigError(f"{FILE} is a symbolic link: put the file itself there") from error
        raise RepositoryError(f"cannot read {path}: {error.strerror}") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ConfigError(f"{FILE} is not a regular file: put a file there, or nothing")
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{FILE} is larger than {MAX_BYTES} bytes: shorten it")
    return data


def _cached(path: Path, digest: str) -> Config | None:
    """What the cache holds for the file of this digest; None where it holds nothing usable."""
    try:
        stored = json.loads(path.read_bytes())
        if stored["gittrack"] != VERSION or stored["sha256"] != digest:
            return None
        return _made(stored["config"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None  # absent, cut short, or of a shape that no gittrack wrote: built anew


def _remember(state_dir: Path, stored: dict[str, Any]) -> None:
    """Keeps the cache; without it the next call is slower and nothing else, so that failing is no error."""
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=state_dir, prefix=f"{CACHE}.", delete=False) as file:
            temporary = Path(file.name)
            try:
                json.dump(stored, file)
                file.flush()
                temporary.replace(state_dir / CACHE)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise
    except OSError:
        return


DEFAULT_EXPERIMENT = "default"


def choose_experiment(given: str | None, config: Config) -> str:
    """The experiment: as given, GITTRACK_EXPERIMENT, gittrack.yaml's, or ``default``; in the grammar."""
    return experiment_of(named_experiment(given, config))


def named_experiment(given: str | None, config: Config) -> str:
    """The experiment as it is named, by whatever name."""
    name = given or os.environ.get("GITTRACK_EXPERIMENT") or config.experiment or DEFAULT_EXPERIMENT
    if not isinstance(name, str) or len(name) > _LONGEST_NAME:
        raise UsageError(f"an experiment's name is text of at most {_LONGEST_NAME} characters")
    return clean_text(name)


_LONGEST_NAME = 1000


def declared_metrics(config: Config, experiment: str) -> dict[str, dict[str, Any]]:
    """What gittrack.yaml declares of the experiment's metrics, under the names that it has in a record."""
    declared = {}
    for name, metric in config.experiment_config(experiment).metrics.items():
        direction = metric.direction
        if metric.final == "best":
            direction = config.experiment_config(experiment).direction_of(name)
        facts = {"direction": direction, "unit": metric.unit, "split": metric.split, "rule": metric.final}
        declared[name] = {key: value for key, value in facts.items() if value is not None}
    return declared

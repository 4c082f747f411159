"""What a sweep would run: its settings, its runs, its id. It touches nothing."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.config import Config, Direction, Way, choose_experiment
from gittrack.formats.record import RUN_ID, new_id
from gittrack.formats.sources import Layer, resolve
from gittrack.formats.values import check_metric_name
from gittrack.git.repository import Repository
from gittrack.ledger.proposals import target
from gittrack.reading.index import Index
from gittrack.recording import result_files
from gittrack.recording.job import Job
from gittrack.recording.passing import Passed, pass_on
from gittrack.recording.request import check_seeds, stated
from gittrack.recording.store import relative_to_top
from gittrack.running.executor.choice import check_placement
from gittrack.running.sweep.search import Search, grid, sample
from gittrack.running.sweep.space import LIMIT, Setting, Space, parse

TAG = "sweep"
"""Tag of each run: the id of its sweep. ``sweep.search`` says how its settings were chosen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepOptions:
    """What the caller asked for."""

    search: str = "grid"
    runs: int | None = None
    """Settings to try, where the search is not a grid."""
    seeds: Sequence[int | None] = (None,)
    """Each setting is run with each of them."""
    search_seed: int | None = None
    """None: one that follows from the sweep's id."""
    metric: str | None = None
    """None: that of the experiment's gate, or the only one with a direction."""
    direction: str | None = None
    jobs: int | None = None
    """At a time; None: one here, and as many as there is room for elsewhere."""
    timeout_s: float | None = None
    executor: str = "local"
    address: str | None = None
    """Of a cluster."""
    resources: Mapping[str, float] = field(default_factory=dict)
    sbatch: Sequence[str] = ()
    """Options of sbatch, ``NAME=VALUE``."""
    wait: bool = True
    """Whether to wait for what Slurm has been handed."""
    typed: Mapping[str, Any] = field(default_factory=dict)
    """The other options of the command, for a collector who makes the plan again."""
    resume: str | None = None
    """Id, or an end of it, of the sweep that is to go on."""


@dataclass(frozen=True, slots=True)
class Point:
    """One run: a setting and a seed."""

    setting: Setting
    seed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepPlan:
    """A sweep that can be run."""

    id: str
    experiment: str
    job: Job
    options: SweepOptions
    search: Search
    search_seed: int
    space: Space
    base: tuple[Layer, ...]
    """Parameters of files."""
    way: Way | None
    """How what is not in the command reaches the program."""
    not_recorded: tuple[tuple[str, str], ...]
    """What files of parameters had besides, and why it is not among them."""
    settings: tuple[Setting, ...] | None
    """None: Optuna says them one after another."""
    metric: str | None
    direction: Direction | None
    branch: str
    onto: str | None
    """The ledger that `branch`, a proposal, is cut from; None: `branch` is the ledger."""

    @property
    def count(self) -> int:
        """Settings."""
        return len(self.settings) if self.settings is not None else self.options.runs or 0

    @property
    def how(self) -> str:
        """How settings are chosen: ``random, 20 settings, search seed 7``."""
        if self.search == "grid":
            return f"grid, {self.count} settings"
        return f"{self.search}, {self.count} settings, search seed {self.search_seed}"

    def example(self) -> Passed:
        """What some run would be started with. UsageError where it would not reach the program."""
        return pass_on(
            self.job.command, self.space.values(self.space.example()), self.options.seeds[0], self.way
        )

    def points(self, setting: Setting) -> list[Point]:
        return [Point(setting, seed) for seed in self.options.seeds]


def all_points(plan: SweepPlan) -> list[Point]:
    """The runs of a sweep whose settings are known beforehand."""
    return [point for setting in plan.settings or () for point in plan.points(setting)]


def make_plan(repository: Repository, config: Config, job: Job, options: SweepOptions) -> SweepPlan:
    """The plan for runs of `job`, whose settings may be ranges. UsageError where it cannot be run."""
    if repository.worktree is None:
        raise UsageError("a sweep needs a work tree: this repository is bare")
    space, search = parse(job.settings), _search(options)
    stated(job.request)  # complains of a name or text that a record cannot have
    experiment = choose_experiment(job.request.experiment, config)
    sweep_id = _resumed(repository, config, options.resume) if options.resume else new_id(datetime.now(UTC))
    seed = search_seed(options.search_seed, sweep_id)
    metric, direction = _judged(config, experiment, options)
    if search == "optuna":
        metric, direction = _require(metric, direction)
    base, losses = _base(repository, job)
    settings = _settings(space, search, options, seed)
    space.params(resolve(base).params, space.example())  # complains of keys that do not go together
    if TAG in job.request.tags:
        raise UsageError(f"the tag {TAG} is the sweep's own: choose another name")
    branch, onto = target(config, job.request.propose, sweep_id)
    plan = SweepPlan(
        id=sweep_id,
        experiment=experiment,
        job=job,
        options=options,
        search=search,
        search_seed=seed,
        space=space,
        base=base,
        way=job.passing or config.run.way,
        not_recorded=losses,
        settings=None if settings is None else tuple(settings),
        metric=metric,
        direction=direction,
        branch=branch,
        onto=onto,
    )
    plan.example()
    return plan


def _search(options: SweepOptions) -> Search:
    if options.search not in get_args(Search):
        raise UsageError(f"--search takes {', '.join(get_args(Search))}, not {options.search!r}")
    check_placement(options)
    if not options.wait and options.search == "optuna":
        raise UsageError("--search optuna waits for the results by which it goes on: leave out --no-wait")
    if options.search == "grid" and options.runs is not None:
        raise UsageError("a grid tries every setting: --runs goes with --search random or optuna")
    if options.search != "grid" and options.runs is None:
        raise UsageError(f"--search {options.search} needs --runs N, the number of settings to try")
    check_seeds({str(seed): seed for seed in options.seeds if seed is not None})
    if len(set(options.seeds)) < len(options.seeds):
        raise UsageError("--seeds names a seed twice: runs of one seed are no independent runs")
    if (options.runs or 0) * len(options.seeds) > LIMIT:
        many = f"{options.runs} settings with {len(options.seeds)} seeds"
        raise UsageError(f"{many} are more than {LIMIT:,} runs: take fewer")
    search: Search = options.search  # type: ignore[assignment]
    return search


def search_seed(given: int | None, sweep_id: str) -> int:
    """The seed of the search: as given, else one that follows from the sweep's id."""
    if given is None:
        return int(hashlib.sha256(sweep_id.encode()).hexdigest()[:7], 16)
    if not 0 <= given < 2**32:
        raise UsageError(f"--search-seed takes a number from 0 to 4294967295, not {given}")
    return given


def _settings(space: Space, search: Search, options: SweepOptions, seed: int) -> list[Setting] | None:
    if search == "grid":
        return grid(space, len(options.seeds))
    if not space.ranges:
        example = "-S 'lr=log(1e-4,1e-1)'"
        raise UsageError(f"--search {search} has nothing to choose: give a range, such as {example}")
    return sample(space, options.runs or 0, seed) if search == "random" else None


def _base(repository: Repository, job: Job) -> tuple[tuple[Layer, ...], tuple[tuple[str, str], ...]]:
    """Parameters of files, those that `gittrack run` would read, and what could not be taken of them.

    UsageError for a file, of metrics too, that could not be read.
    """
    for name in job.metrics:
        result_files.check_metrics_file(Path(name), name)
    losses = result_files.Losses()
    cwd = Path.cwd()
    files = job.params or [name for name in ("params.yaml",) if (cwd / name).is_file()]
    layers = [
        Layer(
            relative_to_top(cwd / name, repository.top) or name,
            result_files.read_params(cwd / name, losses, name=name),
        )
        for name in files
    ]
    return tuple(layers), tuple(losses.stated())


def _judged(config: Config, experiment: str, options: SweepOptions) -> tuple[str | None, Direction | None]:
    """The metric by which settings are compared, and its direction, as far as they are known."""
    declared = config.experiment_config(experiment)
    if options.direction not in (None, *get_args(Direction)):
        raise UsageError(f"--direction takes maximize or minimize, not {options.direction!r}")
    directed = [name for name, metric in declared.metrics.items() if metric.direction]
    name = options.metric and check_metric_name(options.metric)
    if name is None and options.direction is not None:
        raise UsageError("--direction needs --metric NAME")
    if name is None and declared.gate is not None:
        name = declared.gate.metric
    if name is None and len(directed) == 1:
        name = directed[0]
    if name is None:
        return None, None
    direction: Direction | None = options.direction or declared.direction_of(name)  # type: ignore[assignment]
    return name, direction


def _require(metric: str | None, direction: Direction | None) -> tuple[str, Direction]:
    if metric is None:
        raise UsageError("--search optuna needs --metric NAME, which it is to make better")
    if direction is None:
        raise UsageError(
            f"which way {metric} gets better is not known: say --direction maximize or minimize, "
            "or declare it in gittrack.yaml"
        )
    return metric, direction


def _resumed(repository: Repository, config: Config, name: str) -> str:
    """The full id of the sweep whose id ends with `name`; a full one need not be on the ledger."""
    if RUN_ID.match(name):
        return name
    if not re.fullmatch(r"[0-9a-f-]{4,}", name):
        raise UsageError(f"--resume takes the id of a sweep such as 20261122-142233-7f3a2c, not {name!r}")
    with Index.open(repository, config.ledger.branch) as index:
        rows = index.search(f"tags.{TAG} like '%{name}'")
    sweeps = sorted({str(row.record["tags"][TAG]) for row in rows})
    if not sweeps:
        listing = f'gittrack log -F "tags.{TAG} is not null"'
        raise NotFoundError(f"no run of a sweep {name} is on the ledger: {listing} lists those there are")
    if len(sweeps) > 1:
        raise NotFoundError(f"{name!r} is ambiguous: it may be sweep {', '.join(sweeps[:10])}")
    return sweeps[0]

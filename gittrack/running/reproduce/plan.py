"""What a reproduction would run, where, with which code, data, environment and seeds. It runs nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from gittrack.dvc.settings import cache_of
from gittrack.errors import UsageError
from gittrack.formats.config import Config, ExperimentConfig, Way
from gittrack.formats.flat import flatten
from gittrack.formats.masks import PARAMS, is_masked
from gittrack.formats.record import Code, Record, new_id
from gittrack.formats.sources import (
    COMMAND_LINE,
    OFFERED,
    PROGRAM,
    REPRODUCED,
    SEED_OFFERED,
    SEED_OPTION,
    SEED_VARIABLE,
    Layer,
    source_of,
)
from gittrack.formats.spec import UNSEEDED, has_seed, seed_key, with_seed
from gittrack.git.repository import Repository
from gittrack.reading.diff import Pair, environments
from gittrack.recording.capture.determinism import VARIABLES
from gittrack.recording.notebook import CELLS_ROLE
from gittrack.recording.passing import SEED, seed_words, with_words
from gittrack.running.executor.choice import SHARED, check_placement
from gittrack.running.executor.environments import EnvironmentPlan
from gittrack.running.executor.place import LocatedInput, Sources, find_data
from gittrack.running.executor.surround import plan_environment
from gittrack.running.executor.task import INTERPRETER, Surroundings, Task, search_path, with_interpreter
from gittrack.running.reproduce.cells import cells_of

SAME, NEW = "same", "new"
_MACHINE = ("python", "os", "host", "cpu", "gpus", "cuda", "image")
_NOT_AGAIN = frozenset({"gittrack.source", "sweep", "sweep.search"})
"""Tags that say where the original comes from."""
_NO_FILES = frozenset({"text", "dict", "figure", CELLS_ROLE})
"""Roles of outputs that a program logs as bytes: there need not be a file of that name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproduceOptions:
    """What the caller asked for."""

    repeats: int | None = None
    """None: as many as the experiment claims to need."""
    seeds: str = SAME
    """``same``, ``new``, or a list such as ``1,2,3``."""
    way: Way | None = None
    """How another seed reaches the program; None: as the recorded one did, else as gittrack.yaml has it."""
    environment: str = "current"
    environment_command: str | None = None
    jobs: int | None = None
    """At a time; None: one here, and as many as there is room for elsewhere."""
    timeout_s: float | None = None
    executor: str = "local"
    address: str | None = None
    """Of a cluster."""
    resources: Mapping[str, float] = field(default_factory=dict)
    """What a rerun needs of a node, such as ``{"CPU": 2, "GPU": 1}``."""
    sbatch: Sequence[str] = ()
    """Options of sbatch, ``NAME=VALUE``."""
    wait: bool = True
    """Whether to wait for what Slurm has been handed."""
    proposal: str | None = None
    """Name of the proposal that everything goes to; None: the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproducePlan:
    """What would be done."""

    original: Record
    protocol: ExperimentConfig
    options: ReproduceOptions
    own: bool
    """Whether this clone recorded the run itself."""
    tasks: tuple[Task, ...]
    data: tuple[LocatedInput, ...]
    packages: tuple[Pair, ...]
    """Those installed in another version, or not at all."""
    machine: tuple[Pair, ...]
    program: str | None
    """The executable that would be started; None where it is not found."""
    environment: EnvironmentPlan
    unknown: str = ""
    """Why packages are not compared; empty where they are."""
    warnings: tuple[str, ...] = ()


def make_plan(
    repository: Repository,
    config: Config,
    record: Record,
    environment: Mapping[str, Any],
    protocol: ExperimentConfig,
    options: ReproduceOptions,
    *,
    own: bool,
    used: Collection[int | None] = (),
) -> ReproducePlan:
    """The plan for reruns of `record`; UsageError where it cannot be run again at all.

    `environment`: the plain values of its environment.yaml; `used`: seeds that runs of its spec have had.
    """
    check_placement(options)
    _check(record)
    cache, _ = cache_of(repository)
    sources = Sources(cache, repository.top)
    outputs = tuple((o.path, o.role) for o in record.outputs if o.role not in _NO_FILES)
    seeds = choose_seeds(record, options, protocol, used)
    made = plan_environment(repository, record, environment, options.environment, options.environment_command)
    home = _home(repository, record, options)
    cells = cells_of(record, cache)
    today = _today(record, environment, options, home, cells)
    around = Surroundings(variables=recorded_variables(record), path=today.path)
    tasks = tuple(_task(config, record, seed, outputs, around, options, home, cells) for seed in seeds)
    return ReproducePlan(
        original=record,
        protocol=protocol,
        options=options,
        own=own,
        tasks=tasks,
        data=tuple(find_data(record.data, sources, [path for path, _ in outputs])),
        packages=today.packages,
        machine=today.machine,
        program=today.program,
        environment=made,
        unknown=today.unknown,
        warnings=tuple(_warnings(record, options)),
    )


def _check(record: Record) -> None:
    if record.status != "finished":
        ended = "has an unknown end" if record.status == "unknown" else record.status
        raise UsageError(f"run {record.id} {ended}: it has no result that could be had again")
    if not record.code.command:
        raise UsageError(
            f"run {record.id} names no command: it was recorded from a commit without a pipeline"
        )
    hidden = next((word for word in record.code.command if is_masked(word)), None)
    if hidden is not None:
        raise UsageError(
            f"the command of run {record.id} has an argument that the record masks ({hidden}): "
            "nothing can be run with it; hand credentials over in variables"
        )
    if Path(record.code.cwd).is_absolute():
        raise UsageError(f"run {record.id} was started outside its repository, in {record.code.cwd}")


def choose_seeds(
    record: Record, options: ReproduceOptions, protocol: ExperimentConfig, used: Collection[int | None] = ()
) -> list[int | None]:
    """A seed for each rerun. ``new`` ones follow from the run's id, and leave out those in `used`."""
    claim = protocol.reproducibility
    wanted = options.repeats or claim.runs or (3 if claim.level == "statistical" else 1)
    if options.seeds == SAME:
        return [record.seed] * wanted
    if options.seeds == NEW:
        taken = {*used, record.seed}
        fresh = (int(hashlib.sha256(f"{record.id} {n}".encode()).hexdigest()[:7], 16) for n in range(1 << 20))
        return [seed for seed, _ in zip(_distinct(fresh, taken), range(wanted), strict=False)]
    try:
        listed = [int(text) for text in options.seeds.split(",")]
    except ValueError as error:
        raise UsageError(
            f"--seeds takes same, new or numbers such as 1,2,3, not {options.seeds!r}"
        ) from error
    if len(set(listed)) < len(listed):
        raise UsageError("--seeds names a seed twice: runs of one seed are no independent runs")
    if options.repeats not in (None, len(listed)):
        raise UsageError(f"--repeats {options.repeats} and {len(listed)} seeds: give one of them")
    return list(listed)


def _distinct(seeds: Any, taken: set[int | None]) -> Any:
    for seed in seeds:
        if seed not in taken:
            taken.add(seed)
            yield seed


def recorded_variables(record: Record) -> dict[str, str]:
    """Switches for repeatable numbers that were set in the environment: only those known to be that."""
    flags = record.determinism
    return {name: str(flags[f"env.{name}"]) for name in VARIABLES if f"env.{name}" in flags}


def _task(
    config: Config,
    record: Record,
    seed: int | None,
    outputs: tuple[tuple[str, str], ...],
    around: Surroundings,
    options: ReproduceOptions,
    home: Path | None,
    cells: Sequence[str],
) -> Task:
    command, params, seed_source = _with_seed(config, record, seed, options)
    if cells and command != list(record.code.command):
        raise UsageError(f"run {record.id} was one of a notebook, whose cells take no arguments: --pass env")
    if seed is not None and seed != record.seed:
        variables = {k: v for k, v in around.variables.items() if k != "PYTHONHASHSEED"}
        around = replace(around, variables=variables)  # `gittrack run` sets it to the seed
    return Task(
        run_id=new_id(datetime.now(UTC)),
        experiment=record.experiment,
        code=record.code,
        command=tuple(command),
        launch=launched(cells or command, home),
        layers=_layers(record, params),
        seed=seed,
        seed_source=seed_source,
        seeds=record.seeds if seed == record.seed else {},
        name=record.name,
        hypothesis=record.hypothesis,
        tags={k: v for k, v in record.tags.items() if k not in _NOT_AGAIN},
        base_models=record.base_models,
        reproduces=record.id,
        data=record.data,
        outputs=outputs,
        image=record.environment.image,
        surroundings=around,
        timeout_s=options.timeout_s,
        branch=config.ledger.branch,
        proposal=options.proposal,
    )


def _layers(record: Record, params: Mapping[str, Any]) -> tuple[Layer, ...]:
    """The parameters of the record, but for masked ones that its program was given: a rerun has them not."""
    masked = {n.removeprefix(PARAMS): made for n, made in record.masked.items() if n.startswith(PARAMS)}
    withheld = set(withheld_params(record))
    own = _without(params, withheld)
    kept = {name: made for name, made in masked.items() if name not in withheld}
    return (Layer(REPRODUCED, own, kept),) if own else ()


def withheld_params(record: Record) -> list[str]:
    """Dotted names of what ``-S`` gave the program, and of which the record has no more than ``***``."""
    return [
        name
        for name, value in flatten(record.params).items()
        if is_masked(value) and source_of(record.param_sources, name) == OFFERED
    ]


def _without(params: Mapping[str, Any], names: Collection[str], prefix: str = "") -> dict[str, Any]:
    own: dict[str, Any] = {}
    for name, value in params.items():
        if f"{prefix}{name}" not in names:
            inner = isinstance(value, Mapping) and value
            own[name] = _without(value, names, f"{prefix}{name}.") if inner else value
    return own


def _with_seed(
    config: Config, record: Record, seed: int | None, options: ReproduceOptions
) -> tuple[list[str], Mapping[str, Any], str | None]:
    """Command and params for `seed`, and how it reaches the program. UsageError where it would not."""
    command, source = list(record.code.command), record.seed_source or ""
    if seed is None:
        return command, record.params, None
    changed, params = with_seed(command, record.params, seed)
    if seed == record.seed:
        return command, record.params, source if _ON_ITS_WAY & {*source.split(", ")} else REPRODUCED
    if options.way is None and changed != command:
        return changed, params, COMMAND_LINE
    if options.way is None and {*source.split(", ")} & {SEED_OFFERED, SEED_VARIABLE, *PROGRAM}:
        return command, params, SEED_OFFERED
    way = options.way or config.run.way
    if way is None:
        stated = f"comes from {source}" if source else "came from where the record does not say"
        raise UsageError(
            f"another seed would not reach the program of run {record.id}: its own {stated}; "
            f"say --pass flags (--seed {seed}), --pass hydra (seed={seed}), or --pass env"
        )
    words = [] if changed != command else seed_words(seed, way)
    return [*with_words(changed, words, way, [SEED])], params, SEED_OFFERED if way == "env" else SEED_OPTION


_ON_ITS_WAY = {SEED_OFFERED, SEED_VARIABLE, SEED_OPTION, COMMAND_LINE}


def launched(command: Sequence[str], home: Path | None = None) -> tuple[str, ...]:
    """What is started for a recorded command: left alone, DVC finds nothing to do, or uses its run cache.

    `home`: where the command's relative interpreter may lie, see `with_interpreter`.
    """
    program, *arguments = command
    if [program, *arguments[:1]] == ["dvc", "repro"]:
        return ("dvc", "repro", "--force", "--no-run-cache", *arguments[1:])
    return with_interpreter(command, home)


@dataclass(frozen=True, slots=True)
class _Today:
    """The program that is at hand today, and how what surrounds it differs from the record."""

    program: str | None
    path: tuple[str, ...] = ()
    packages: tuple[Pair, ...] = ()
    machine: tuple[Pair, ...] = ()
    unknown: str = ""
    """Why packages are not compared."""


def _home(repository: Repository, record: Record, options: ReproduceOptions) -> Path | None:
    """The folder of the user's work tree that the run was started in, where reruns use what is here now."""
    if options.executor not in SHARED or options.environment not in ("current", "command"):
        return None
    return repository.top / record.code.cwd


def _today(
    record: Record,
    environment: Mapping[str, Any],
    options: ReproduceOptions,
    home: Path | None,
    cells: Sequence[str],
) -> _Today:
    """What a rerun would start here; nothing is known of what other machines and environments have."""
    word = launched(cells or record.code.command, home)[0]
    if os.sep in word:
        return _seen(record, environment, word) if home and Path(word).is_file() else _Today(word)
    if home is None:
        return _Today(None)
    on_path = shutil.which(word, path=search_path(os.environ.get("PATH", os.defpath)))
    candidate = _seen(record, environment, on_path)
    if not candidate.packages or not INTERPRETER.fullmatch(word):
        return candidate
    return _closest(record, environment, candidate, Path(sys.executable).with_name(word))


def _closest(record: Record, environment: Mapping[str, Any], on_path: _Today, own: Path) -> _Today:
    """Of two interpreters, that on PATH and our own, the one with fewer packages unlike the record's."""
    if not own.exists():
        return on_path
    ours = replace(_seen(record, environment, str(own)), path=(str(own.parent),))
    return ours if len(ours.packages) < len(on_path.packages) else on_path


def _seen(record: Record, environment: Mapping[str, Any], program: str | None) -> _Today:
    from gittrack.recording.capture import describe_program

    now = describe_program(Path(program) if program else None, record.environment.image)
    asked = {name: facts for name, facts in environment.items() if name != "interpreters"}
    packages, machine = environments((asked, record), (now, record))
    machine_pairs = tuple(p for p in machine if not p.same and p.name.split(".")[0] in _MACHINE)
    unknown = "" if "packages" in now else f"which packages {Path(program or '').name} will have is not known"
    unknown = unknown if "packages" in environment else "which packages the run had is not known"
    return _Today(program, (), tuple(p for p in packages if not p.same), machine_pairs, unknown)


def _warnings(record: Record, options: ReproduceOptions) -> list[str]:
    code: Code = record.code
    warnings = [f"{left.path} is not in the snapshot of the code: {left.reason}" for left in code.left_out]
    warnings += [
        f"submodule {s.path} had changes of its own, which no snapshot holds"
        for s in code.submodules
        if s.dirty
    ]
    warnings += [
        f"{path} lies outside the work tree: a rerun writes over it"
        for path in [*(o.path for o in record.outputs), *code.metrics_files]
        if path.startswith("/") or ".." in path.split("/")
    ]
    if seed_key(record) == UNSEEDED and not has_seed(record.params):
        warnings.append("the run records no seed: what it drew at random cannot be drawn again")
    if options.seeds != SAME and options.way is None and {*(record.seed_source or "").split(", ")} <= PROGRAM:
        warnings.append("whether the program takes GITTRACK_SEED is not known: it said its seed itself")
    warnings += [
        f"{name} is masked in the record: a rerun does not have it" for name in withheld_params(record)
    ]
    if record.tags.get("gittrack.source") == "commit":
        warnings.append("the run was recorded from a commit: what it ran on is only as sure as that commit")
    if options.executor == "ray":
        warnings.append("ledger and code are pushed to the git remote first, for the nodes to clone")
    return warnings


def call_of(made: ReproducePlan) -> dict[str, Any]:
    """What makes the same plan again, for whoever collects its reruns."""
    return {"verb": "reproduce", "run": made.original.id, "options": asdict(made.options)}

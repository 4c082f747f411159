"""A command over a grid or sample of parameters: each setting is a run, in a work tree of its own.

    space.py     the ranges of -S
    search.py    which settings are tried
    plan.py      what would be run
    results.py   what came of it

Code is taken once, at the start; every run has that code, whatever happens to the work tree meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from gittrack.dvc.hashing import HashState
from gittrack.dvc.settings import cache_of
from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.record import Code, DataInput, Record, new_id
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Ledger
from gittrack.recording.begin import declared_inputs
from gittrack.recording.capture import limits_of
from gittrack.recording.capture.code import LIVE, capture_code, command_invocation
from gittrack.recording.capture.data import GitTracked, capture_input
from gittrack.recording.capture.determinism import VARIABLES
from gittrack.recording.job import DEFAULT_METRICS
from gittrack.recording.join import below_outer_run
from gittrack.recording.masking import key_of as mask_key_of
from gittrack.recording.params import masked_layer
from gittrack.recording.passing import pass_on
from gittrack.recording.program import check_command
from gittrack.recording.store import relative_to_top
from gittrack.running.executor import place
from gittrack.running.executor.task import INTERPRETER, Done, Surroundings, Task, with_interpreter
from gittrack.running.sweep.plan import TAG, Point, SweepOptions, SweepPlan, make_plan
from gittrack.running.sweep.results import (
    RunResult,
    Swept,
    earlier_result,
    earlier_runs,
    error_of,
    key_of,
    mean_of,
    result_of,
)
from gittrack.running.sweep.search import Tuner

log = logging.getLogger("gittrack")

__all__ = ["Point", "RunResult", "SweepOptions", "SweepPlan", "Swept", "make_plan", "sweep"]

Told = Callable[[RunResult], None]


def sweep(repository: Repository, config: Config, plan: SweepPlan, told: Told | None = None) -> Swept:
    """Run what `plan` says; `told` hears of each run as it ends. What has run is on the ledger.

    GittrackError where nothing could be started. An interrupt ends the programs, whose runs are
    recorded as killed, and is raised again.
    """
    repository.identity()
    example = plan.example().command
    check_command(example, Path.cwd())
    with repository.objects() as objects, _held(repository, objects, config, plan, example[0]) as template:
        Ledger(repository, plan.branch, plan.onto).ready(objects)
        known: dict[str, Record] = {}
        if plan.options.resume:
            known = earlier_runs(repository, plan, template.code, template.data)
        crew = _Crew(repository, objects, plan, template, told, known)
        if plan.settings is not None:
            results = crew.run([point for setting in plan.settings for point in plan.points(setting)])
        else:
            results = _tuned(plan, crew)
    if (error := error_of(results, crew.done)) is not None:
        raise error
    return Swept(plan, tuple(results))


def _tuned(plan: SweepPlan, crew: _Crew) -> list[RunResult]:
    """Ask Optuna for as many settings as run at a time, tell it what came of them, and so on."""
    options = plan.options
    tuner = Tuner(plan.space, plan.direction or "maximize", plan.search_seed, parallel=options.jobs > 1)
    at_once = max(options.jobs // len(options.seeds), 1)
    results: list[RunResult] = []
    left = plan.count
    while left > 0:
        trials = tuner.ask(min(at_once, left))
        left -= len(trials)
        came = crew.run([point for _, setting in trials for point in plan.points(setting)])
        for number, (trial, _) in enumerate(trials):
            of_this = came[number * len(options.seeds) :][: len(options.seeds)]
            tuner.tell(trial, mean_of(of_this, f"{plan.metric}"))
        results += came
    return list({result.run: result for result in results}.values())


@dataclass
class _Crew:
    """Runs points, each once; one that `known` says has finished is not run again."""

    repository: Repository
    objects: ObjectReader
    plan: SweepPlan
    template: Task
    told: Told | None
    known: dict[str, Record]
    done: dict[str, Done] = field(default_factory=dict)
    """By run."""
    _results: dict[str, RunResult] = field(default_factory=dict)
    """By `key_of` the point."""
    _points: dict[str, Point] = field(default_factory=dict)
    """By run."""

    def run(self, points: Sequence[Point]) -> list[RunResult]:
        """In the order of `points`."""
        keys = [self._key(point) for point in points]
        tasks: dict[str, Task] = {}
        for key, point in zip(keys, points, strict=True):
            if key in self.known:
                self._results.setdefault(key, earlier_result(point, self.known[key]))
            elif key not in tasks and key not in self._results:
                tasks[key] = self._task(point)
                self._points[tasks[key].run_id] = point
        if tasks:
            for result in execute(self.repository, self.plan.options, list(tasks.values()), self._heard):
                self.done[result.run_id] = result
                self._note(result)  # once more: a cluster's records may come at the end
        return [self._results[key] for key in keys]

    def _key(self, point: Point) -> str:
        return key_of(self.plan, point, mask_key_of(self.repository.state_dir))

    def _heard(self, rerun: Done) -> None:
        result = self._note(rerun)
        if self.told is not None:
            self.told(result)

    def _note(self, rerun: Done) -> RunResult:
        point = self._points[rerun.run_id]
        key = self._key(point)
        known = self._results.get(key)
        if known is None or not known.recorded:
            self._results[key] = result_of(self.objects, self.plan, point, rerun)
        return self._results[key]

    def _task(self, point: Point) -> Task:
        run_id = new_id(datetime.now(UTC))
        while run_id in self._points:
            run_id = new_id(datetime.now(UTC))
        space = self.plan.space
        passed = pass_on(self.template.command, space.values(point.setting), point.seed, self.plan.way)
        launch = with_interpreter(passed.command, Path.cwd())
        key = mask_key_of(self.repository.state_dir)
        return replace(
            self.template,
            run_id=run_id,
            command=passed.command,
            launch=() if launch == passed.command else launch,
            layers=tuple(masked_layer(layer, key) for layer in (*self.plan.base, *passed.layers)),
            seed=point.seed,
            seed_source=passed.seed_source,
        )


def execute(
    repository: Repository, options: SweepOptions, tasks: Sequence[Task], told: Callable[[Done], None]
) -> list[Done]:
    """Run `tasks` where `options` say."""
    if options.executor == "local":
        from gittrack.running.executor.local import run_tasks
        from gittrack.running.executor.workspace import workspace

        with workspace(repository) as space:
            return run_tasks(space, tasks, jobs=options.jobs, told=told)
    from gittrack.running.executor.cluster import run_tasks_on_ray

    return run_tasks_on_ray(
        repository, tasks, address=options.address, resources=options.resources, told=told
    )


# --- what all runs share -------------------------------------------------------------------------


@contextmanager
def _held(
    repository: Repository, objects: ObjectReader, config: Config, plan: SweepPlan, program: str
) -> Iterator[Task]:
    """The task that all runs are copies of. A snapshot of uncommitted changes is kept for the block."""
    job = plan.job
    declared = [*config.outputs, *config.experiment_config(plan.experiment).outputs]
    outputs = {_inside(repository, path): role for path, role in job.outputs}
    outputs |= {item.path: item.role for item in declared}
    metrics = tuple(_inside(repository, path) for path in job.metrics)
    inputs = [path for name, _ in job.inputs if (path := relative_to_top(name, repository.top))]
    notes: list[str] = []
    try:
        code = capture_code(
            repository,
            objects,
            command_invocation(job.command, Path.cwd()),
            plan.id,
            policy=job.request.dirty or config.capture.dirty,
            limits=limits_of(config, [*inputs, *declared_inputs(config, plan.experiment)]),
            notes=notes,
            exclude=[*outputs, *(metrics or (_inside(repository, name) for name in DEFAULT_METRICS))],
        )
        _require_program(repository, objects, code, program)
        data = _inputs(repository, objects, config, plan, code)
        if plan.options.executor == "local":
            sources = place.Sources(cache_of(repository)[0], repository.top)
            place.require(place.find_data(data, sources, outputs))
        yield _template(plan, replace(code, metrics_files=metrics), data, outputs)
        for note in notes:
            log.warning("%s", note)
    finally:
        repository.update_refs([(LIVE + plan.id, None, None)])


def _template(plan: SweepPlan, code: Code, data: Sequence[DataInput], outputs: Mapping[str, str]) -> Task:
    request = below_outer_run(plan.job.request)
    return Task(
        run_id="",
        experiment=plan.experiment,
        code=code,
        command=tuple(plan.job.command),
        name=request.name,
        hypothesis=request.hypothesis,
        tags={**request.tags, TAG: plan.id, f"{TAG}.search": plan.how},
        parent=request.parent,
        data=tuple(data),
        outputs=tuple(outputs.items()),
        not_recorded=plan.not_recorded,
        usual_metrics=not code.metrics_files,
        image=request.image,
        surroundings=Surroundings(variables={k: os.environ[k] for k in VARIABLES if k in os.environ}),
        timeout_s=plan.options.timeout_s,
        branch=plan.onto or plan.branch,
        proposal=plan.branch if plan.onto else None,
    )


def _inside(repository: Repository, path: str) -> str:
    """A path from the top of the work tree; UsageError for one outside, where runs would meet."""
    relative = relative_to_top(path, repository.top)
    if relative is None:
        raise UsageError(f"{path} lies outside the repository: runs of a sweep would overwrite each other's")
    return relative


def _require_program(repository: Repository, objects: ObjectReader, code: Code, program: str) -> None:
    """UsageError for a program that is named by its place, which a work tree of its own does not have."""
    if os.sep not in program or Path(program).is_absolute():
        return
    path = relative_to_top(program, repository.top)
    if path is None or objects.get(f"{code.tree}:{PurePosixPath(path)}") is None:
        if INTERPRETER.fullmatch(program) and (Path.cwd() / program).is_file():
            return
        raise UsageError(
            f"{program} is not in the code that git has, and each run has a work tree of its own: "
            "give its full path, or its name if it is on PATH"
        )


def _inputs(
    repository: Repository, objects: ObjectReader, config: Config, plan: SweepPlan, code: Code
) -> list[DataInput]:
    """What runs read, hashed once: what was named, and what gittrack.yaml declares."""
    cache, types = cache_of(repository)

    def in_code(path: str) -> GitTracked | None:
        item = objects.get(f"{code.tree}:{path}")
        if item is None or item.kind not in ("blob", "tree"):
            return None
        compare = ("diff", "--quiet", "--no-ext-diff", "--ignore-submodules", code.tree, "--", path)
        return GitTracked(oid=item.oid, modified=repository.run(*compare).code != 0)

    declared = [*config.inputs, *config.experiment_config(plan.experiment).inputs]
    wanted = [*plan.job.inputs, *((str(repository.top / item.path), item.role) for item in declared)]
    inputs = {
        (captured.input.path, captured.input.role): captured.input
        for captured in (
            capture_input(
                path,
                role,
                top=repository.top,
                cwd=Path.cwd(),
                cache=cache,
                types=types,
                state=HashState(repository.state_dir),
                git_state=in_code,
                store=config.dvc.store_inputs,
            )
            for path, role in wanted
        )
    }
    return list(inputs.values())

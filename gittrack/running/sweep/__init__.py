"""A command over a grid or sample of parameters: each setting is a run, in a work tree of its own.

    space.py     the ranges of -S
    search.py    which settings are tried
    plan.py      what would be run
    results.py   what came of it
    queued.py    the same where Slurm has it in its queue

Code is taken once, at the start; every run has that code, whatever happens to the work tree meanwhile.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.record import Record, new_id
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Ledger
from gittrack.recording.capture.determinism import VARIABLES
from gittrack.recording.join import below_outer_run
from gittrack.recording.masking import key_of as mask_key_of
from gittrack.recording.params import masked_layer
from gittrack.recording.passing import pass_on
from gittrack.recording.program import check_command
from gittrack.running.executor.choice import SHARED, slurm_options
from gittrack.running.executor.slurm.queue import Queue
from gittrack.running.executor.task import Done, Surroundings, Task, with_interpreter
from gittrack.running.executor.template import Template, template_of
from gittrack.running.sweep.plan import TAG, Point, SweepOptions, SweepPlan, all_points, make_plan
from gittrack.running.sweep.queued import call_of, collect_sweep
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

__all__ = [
    "Point",
    "RunResult",
    "SweepOptions",
    "SweepPlan",
    "Swept",
    "collect_sweep",
    "make_plan",
    "queue_sweep",
    "sweep",
]

Told = Callable[[RunResult], None]


def sweep(repository: Repository, config: Config, plan: SweepPlan, told: Told | None = None) -> Swept:
    """Run what `plan` says; `told` hears of each run as it ends. What has run is on the ledger.

    GittrackError where nothing could be started. An interrupt ends the programs, whose runs are
    recorded as killed, and is raised again.
    """
    with _assembled(repository, config, plan, told) as crew:
        results = _tuned(plan, crew) if plan.settings is None else crew.run(all_points(plan))
    if (error := error_of(results, crew.done)) is not None:
        raise error
    return Swept(plan, tuple(results))


def queue_sweep(repository: Repository, config: Config, plan: SweepPlan) -> Queue:
    """Hand all runs that `plan` says to Slurm, and leave them there."""
    with _assembled(repository, config, plan, None) as crew:
        return crew.enqueue(all_points(plan))


@contextmanager
def _assembled(repository: Repository, config: Config, plan: SweepPlan, told: Told | None) -> Iterator[_Crew]:
    repository.identity()
    example = plan.example().command
    check_command(example, Path.cwd())
    is_here = plan.options.executor in SHARED
    with (
        repository.objects() as objects,
        template_of(
            repository, objects, config, plan.job,
            experiment=plan.experiment, name=plan.id, program=example[0], is_here=is_here,
        ) as template,
    ):  # fmt: skip
        Ledger(repository, plan.branch, plan.onto).ready(objects)
        known: dict[str, Record] = {}
        if plan.options.resume:
            known = earlier_runs(repository, plan, template.code, template.data)
        yield _Crew(repository, objects, plan, _task_of(plan, template), told, known)
        for note in template.notes:
            log.warning("%s", note)


def _tuned(plan: SweepPlan, crew: _Crew) -> list[RunResult]:
    """Ask Optuna for as many settings as run at a time, tell it what came of them, and so on."""
    options = plan.options
    tuner = Tuner(
        plan.space, plan.direction or "maximize", plan.search_seed, parallel=(options.jobs or 1) > 1
    )
    at_once = max((options.jobs or 1) // len(options.seeds), 1)
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
        tasks = self._tasks(points)
        if tasks:
            for result in self._execute(tasks):
                self.done[result.run_id] = result
                self._note(result)  # once more: a cluster's records may come at the end
        return [self._results[self._key(point)] for point in points]

    def enqueue(self, points: Sequence[Point]) -> Queue:
        """The same, for whoever collects it. UsageError where all have finished before."""
        from gittrack.running.executor.slurm.array import enqueue

        tasks = self._tasks(points)
        if not tasks:
            raise UsageError(f"every run of sweep {self.plan.id} has finished: nothing is queued")
        options = slurm_options(self.plan.options)
        call = call_of(self.plan, tasks, self.known)
        return enqueue(self.repository, list(tasks.values()), options, call, name=self.plan.id)

    def _tasks(self, points: Sequence[Point]) -> dict[str, Task]:
        """What is to be run, by `key_of` its point."""
        tasks: dict[str, Task] = {}
        for point in points:
            key = self._key(point)
            if key in self.known:
                self._results.setdefault(key, earlier_result(point, self.known[key]))
            elif key not in tasks and key not in self._results:
                tasks[key] = self._task(point)
                self._points[tasks[key].run_id] = point
        return tasks

    def _execute(self, tasks: Mapping[str, Task]) -> list[Done]:
        """Run `tasks` where the options of the sweep say."""
        options, wanted = self.plan.options, list(tasks.values())
        if options.executor == "local":
            from gittrack.running.executor.local import run_tasks
            from gittrack.running.executor.workspace import workspace

            with workspace(self.repository) as space:
                return run_tasks(space, wanted, jobs=options.jobs or 1, told=self._heard)
        if options.executor == "slurm":
            from gittrack.running.executor.slurm.array import run_tasks_on_slurm

            call = call_of(self.plan, tasks, self.known)
            return run_tasks_on_slurm(
                self.repository, wanted, slurm_options(options), call, name=self.plan.id, told=self._heard
            )
        from gittrack.running.executor.cluster import run_tasks_on_ray

        return run_tasks_on_ray(
            self.repository, wanted, address=options.address, resources=options.resources, told=self._heard
        )

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


def _task_of(plan: SweepPlan, template: Template) -> Task:
    """The task that all runs are copies of."""
    request = below_outer_run(plan.job.request)
    return Task(
        run_id="",
        experiment=plan.experiment,
        code=template.code,
        command=tuple(plan.job.command),
        name=request.name,
        hypothesis=request.hypothesis,
        tags={**request.tags, TAG: plan.id, f"{TAG}.search": plan.how},
        parent=request.parent,
        data=template.data,
        outputs=tuple(template.outputs.items()),
        not_recorded=plan.not_recorded,
        usual_metrics=not template.code.metrics_files,
        image=request.image,
        surroundings=Surroundings(variables={k: os.environ[k] for k in VARIABLES if k in os.environ}),
        timeout_s=plan.options.timeout_s,
        harvest=plan.job.harvest,
        branch=plan.onto or plan.branch,
        proposal=plan.branch if plan.onto else None,
    )

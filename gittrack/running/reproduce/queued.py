"""Reruns that wait in Slurm's queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from gittrack.formats.config import Config
from gittrack.formats.record import new_id
from gittrack.git.repository import Repository
from gittrack.running.executor.choice import slurm_options
from gittrack.running.executor.slurm.array import collect, enqueue
from gittrack.running.executor.slurm.queue import Queue
from gittrack.running.executor.task import Done
from gittrack.running.reproduce import Reproduced, check_data, conclude, plan
from gittrack.running.reproduce.plan import ReproduceOptions, ReproducePlan, call_of


def queue_reruns(repository: Repository, made: ReproducePlan) -> Queue:
    """Hand what `made` says to Slurm, to which the caller has agreed, and leave it there."""
    check_data(repository, made)
    options = made.options
    return enqueue(
        repository, made.tasks, slurm_options(options), call_of(made), name=new_id(datetime.now(UTC)),
        environment=options.environment, environment_command=options.environment_command,
    )  # fmt: skip


def collect_reruns(
    repository: Repository, config: Config, queue: Queue, told: Callable[[Done], None] | None = None
) -> Reproduced:
    """Wait for what is queued, and judge it. The plan is made again but for its tasks, which have run."""
    call = queue.call
    made = plan(repository, config, call["run"], ReproduceOptions(**call["options"]))
    made = replace(made, tasks=tuple(queue.tasks()))
    return conclude(repository, config, made, collect(repository, queue, told))

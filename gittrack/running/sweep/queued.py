"""A sweep that waits in Slurm's queue: what its collector needs to know, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gittrack.formats.codec import load_record
from gittrack.formats.record import Record, run_path
from gittrack.git.repository import Repository
from gittrack.recording.masking import key_of as mask_key_of
from gittrack.running.executor.slurm.array import collect
from gittrack.running.executor.slurm.queue import Queue
from gittrack.running.executor.task import Done, Task
from gittrack.running.sweep.plan import SweepPlan, all_points
from gittrack.running.sweep.results import RunResult, Swept, earlier_result, error_of, key_of, result_of

VERB = "sweep"


def call_of(plan: SweepPlan, tasks: Mapping[str, Task], known: Mapping[str, Record]) -> dict[str, Any]:
    """What makes the same plan again, and which run is which of its points."""
    options = {k: v for k, v in asdict(plan.options).items() if k != "typed"}
    return {
        "verb": VERB,
        "cwd": str(Path.cwd()),
        "typed": dict(plan.options.typed),
        "options": {**options, "resume": plan.id},
        "runs": {key: task.run_id for key, task in tasks.items()},
        "earlier": {key: record.id for key, record in known.items()},
    }


def collect_sweep(
    repository: Repository, plan: SweepPlan, queue: Queue, told: Callable[[RunResult], None] | None = None
) -> Swept:
    """Wait for what is queued, `told` hearing of each run as it ends; the whole sweep then."""
    call = queue.call
    masks = mask_key_of(repository.state_dir)
    points = {key_of(plan, point, masks): point for point in all_points(plan)}
    by_run = {run: points[key] for key, run in call["runs"].items() if key in points}
    results: dict[str, RunResult] = {}
    with repository.objects() as objects:

        def heard(done: Done) -> None:
            results[done.run_id] = result_of(objects, plan, by_run[done.run_id], done)
            if told is not None:
                told(results[done.run_id])

        reruns = {done.run_id: done for done in collect(repository, queue, heard)}
        for key, run in call["earlier"].items():
            path = f"{run_path(plan.experiment, run)}/run.yaml"
            blob = objects.get(f"refs/heads/{plan.branch}:{path}")
            if blob is not None and key in points:
                results[run] = earlier_result(points[key], load_record(blob.data, path))
    of_key = {**call["earlier"], **call["runs"]}
    ordered = [results[of_key[key]] for key in points if of_key.get(key) in results]
    if (error := error_of(ordered, reruns)) is not None:
        raise error
    return Swept(plan, tuple(ordered))

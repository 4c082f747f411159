"""One task, in a process of its own: ``python -P -m gittrack.running.executor.worker TREE TASK RESULT``.

The process is the leader of a session, so that it and all that it starts can be ended together.
What it prints goes where its caller has sent it; RESULT says how it went.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.config import Config, load
from gittrack.formats.plain import to_dict
from gittrack.git.repository import Repository
from gittrack.recording.capture.determinism import VARIABLES
from gittrack.recording.job import DEFAULT_METRICS, Job, run_job
from gittrack.recording.request import Request
from gittrack.running.executor.task import Done, Surroundings, Task, search_path


def main(tree: str, task_file: str, result_file: str) -> int:
    """Run the task that `task_file` holds in the work tree `tree`."""
    logging.basicConfig(format="gittrack: %(message)s")
    task = Task.from_json(Path(task_file).read_bytes())
    try:
        result = execute(Path(tree), task)
    except GittrackError as error:
        result = Done(task.run_id, error.exit_code, error=str(error), exit_code=error.exit_code)
    target = Path(result_file)
    draft = target.with_name(target.name + ".new")
    draft.write_text(json.dumps(asdict(result)))
    draft.rename(target)
    return 0


def execute(tree: Path, task: Task) -> Done:
    """Run the program and record it. GittrackError where nothing could be started."""
    cwd = tree / (task.code.cwd or ".")
    if not cwd.resolve().is_relative_to(tree.resolve()) or not cwd.is_dir():
        raise UsageError(f"the run was started in {task.code.cwd}, which its code does not have")
    environment = surrounded(os.environ, task.surroundings)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(cwd)
    repo = Repository.discover(tree)
    job = _job(task, tree)
    outcome = run_job(repo, _config(tree, task), job)
    complaint = outcome.complaint.replace(f"{tree}{os.sep}", "")
    if outcome.record is None:
        return Done(task.run_id, outcome.status, error=complaint, exit_code=5)
    return Done(task.run_id, outcome.status, complaint)


def _config(tree: Path, task: Task) -> Config:
    """gittrack.yaml of the code, on today's ledger; the outputs are those of the task and no others."""
    config = load(tree)
    experiment = replace(config.experiment_config(task.experiment), outputs=())
    return replace(
        config,
        ledger=replace(config.ledger, branch=task.branch, mode="direct"),
        outputs=(),
        experiments={**config.experiments, task.experiment: experiment},
    )


def surrounded(env: Mapping[str, str], around: Surroundings) -> dict[str, str]:
    """`env` as the program is to see it: switches for repeatable numbers only as the task has them."""
    taken = {"GITTRACK_RUN", "GITTRACK_EXPERIMENT", "GITTRACK_SEED", "GITTRACK_PARAMS", "GITTRACK_REVIEW"}
    variables = {k: v for k, v in env.items() if k not in {*VARIABLES, *around.unset, *taken}}
    variables.update(around.variables)
    variables["PATH"] = search_path(os.pathsep.join([*around.path, variables.get("PATH", os.defpath)]))
    return variables


def _job(task: Task, tree: Path) -> Job:
    at = [(str(tree / item.path), item.role) for item in task.data]
    return Job(
        command=task.command,
        launch=[*task.surroundings.prefix, *(task.launch or task.command)],
        request=Request(
            run_id=task.run_id,
            experiment=task.experiment,
            name=task.name,
            hypothesis=task.hypothesis,
            seed=task.seed,
            seed_source=task.seed_source,
            seeds=task.seeds,
            layers=task.layers,
            tags=task.tags,
            parent=task.parent,
            reproduces=task.reproduces,
            resume=task.resume,
            base_models=[to_dict(model) for model in task.base_models],
            image=task.image,
            dirty="snapshot",
            propose=task.proposal,
        ),
        inputs=[(path, role) for path, role in at if os.path.lexists(path)],
        outputs=[(str(tree / path), role) for path, role in task.outputs],
        metrics=[
            *(str(tree / path) for path in task.code.metrics_files),
            *(DEFAULT_METRICS if task.usual_metrics else ()),
        ],
        usual=DEFAULT_METRICS if task.usual_metrics else (),
        defaults=False,
        handed_over=True,
        origin=task.code,
        timeout_s=task.timeout_s,
        harvest=task.harvest,
        held=None if task.held is None else Path(task.held),
        not_recorded=task.not_recorded,
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

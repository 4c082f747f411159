"""A task put into the environment that was planned for it: built beside its work tree, named in its task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.running.executor.environments import EnvironmentPlan, Reader, build, plan
from gittrack.running.executor.task import Surroundings, Task

BUILD_TIMEOUT_S = 3600.0
PASSED = ("GITTRACK_RUN", "GITTRACK_SEED", "GITTRACK_PARAMS", "PYTHONHASHSEED")
"""Variables that a program within a container needs besides those of its task."""


def plan_environment(
    repository: Repository, record: Record, environment: Mapping[str, Any], kind: str, prefix: str | None
) -> EnvironmentPlan:
    """How the environment of a run would be made today; UsageError or NotFoundError where it cannot be."""
    return plan(
        kind,
        _reader(repository, record.code.tree or ""),
        record.locks,
        record.surroundings.image,
        prefix,
        python=record.surroundings.python,
        packages=environment.get("packages"),
        gpus=bool(record.surroundings.gpus),
    )


def _reader(repository: Repository, tree: str) -> Reader:
    """Files of the recorded code, from git: a link there is no file, wherever it leads."""

    def read(path: str) -> bytes | None:
        with repository.objects() as objects:
            blob = objects.get(f"{tree}:{path}")
        return blob.data if blob is not None and blob.kind == "blob" else None

    return read


def surround(
    task: Task, planned: EnvironmentPlan, repository: Repository, tree: Path, home: Path, log: Path
) -> tuple[Task, list[str]]:
    """`task` in its environment, which is made for `tree` below `home`; the command that ends its container.

    RepositoryError where a tool fails: a lock that no longer resolves, a network that is away.
    """
    # A program in a container writes to the run's journal, and git there reads the rest of the git directory.
    mounts: Any = {repository.common_dir: "ro", repository.state_dir: "rw"}
    made = build(planned, tree, home, BUILD_TIMEOUT_S, log, mounts=mounts)
    around = task.surroundings
    passed = (*PASSED, *around.variables, *made.variables)
    name = f"gittrack-{task.run_id}"
    prefix = made.command_line((), tree / (task.code.cwd or "."), passed=passed, name=name)
    surroundings = Surroundings(
        path=(*map(str, made.path), *around.path),
        variables={**around.variables, **made.variables},
        unset=(*around.unset, *made.unset),
        prefix=tuple(prefix),
    )
    return replace(task, surroundings=surroundings), made.ending(name)

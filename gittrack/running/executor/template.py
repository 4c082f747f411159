"""What runs of one command have in common, taken once: the code as it stands, and the data they read.

Each then has a work tree of its own with that, whatever happens to the user's meanwhile.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from gittrack.dvc.hashing import HashState
from gittrack.dvc.settings import cache_of
from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.record import Code, DataInput
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.begin import declared_inputs
from gittrack.recording.capture import limits_of
from gittrack.recording.capture.code import LIVE, capture_code, command_invocation
from gittrack.recording.capture.data import GitTracked, capture_input
from gittrack.recording.job import DEFAULT_METRICS, Job
from gittrack.recording.store import relative_to_top
from gittrack.running.executor import place
from gittrack.running.executor.task import INTERPRETER


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """Code and data of runs that are still to come."""

    code: Code
    data: tuple[DataInput, ...]
    outputs: Mapping[str, str]
    """Roles by path."""
    notes: tuple[str, ...]
    """What is to be said once they have run."""


@contextmanager
def template_of(
    repository: Repository,
    objects: ObjectReader,
    config: Config,
    job: Job,
    *,
    experiment: str,
    name: str,
    program: str,
    is_here: bool,
) -> Iterator[Template]:
    """The template of runs of `job`. A snapshot of uncommitted changes is kept for the block.

    `name` is that of the snapshot, an id; `program` what is started first; `is_here` whether runs find the
    data in this clone.
    """
    declared = [*config.outputs, *config.experiment_config(experiment).outputs]
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
            name,
            policy=job.request.dirty or config.capture.dirty,
            limits=limits_of(config, [*inputs, *declared_inputs(config, experiment)]),
            notes=notes,
            exclude=[*outputs, *(metrics or (_inside(repository, usual) for usual in DEFAULT_METRICS))],
        )
        _require_program(repository, objects, code, program)
        data = _inputs(repository, objects, config, job, experiment, code)
        if is_here:
            sources = place.Sources(cache_of(repository)[0], repository.top)
            place.require(place.find_data(data, sources, outputs))
        yield Template(
            code=replace(code, metrics_files=metrics), data=tuple(data), outputs=outputs, notes=tuple(notes)
        )
    finally:
        repository.update_refs([(LIVE + name, None, None)])


def _inside(repository: Repository, path: str) -> str:
    """A path from the top of the work tree; UsageError for one outside, where runs would meet."""
    relative = relative_to_top(path, repository.top)
    if relative is None:
        raise UsageError(f"{path} lies outside the repository: runs would overwrite each other's")
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
    repository: Repository, objects: ObjectReader, config: Config, job: Job, experiment: str, code: Code
) -> list[DataInput]:
    """What runs read, hashed once: what was named, and what gittrack.yaml declares."""
    cache, types = cache_of(repository)

    def in_code(path: str) -> GitTracked | None:
        item = objects.get(f"{code.tree}:{path}")
        if item is None or item.kind not in ("blob", "tree"):
            return None
        compare = ("diff", "--quiet", "--no-ext-diff", "--ignore-submodules", code.tree or "", "--", path)
        return GitTracked(oid=item.oid, modified=repository.run(*compare).code != 0)

    declared = [*config.inputs, *config.experiment_config(experiment).inputs]
    wanted = [*job.inputs, *((str(repository.top / item.path), item.role) for item in declared)]
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

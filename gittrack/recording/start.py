"""`start_run()`: how a run begins, by itself or within `gittrack run`, and which one is active."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gittrack.formats.record import Role
from gittrack.formats.sources import START_RUN
from gittrack.git.repository import Repository
from gittrack.recording import exits
from gittrack.recording.begin import begin
from gittrack.recording.capture.code import this_invocation
from gittrack.recording.join import below_outer_run, given_seed, join, rank
from gittrack.recording.params import with_arguments
from gittrack.recording.request import Request, check
from gittrack.recording.run import Run, _active
from gittrack.recording.store import relative_to_top


def start_run(
    experiment: str | None = None,
    *,
    name: str | None = None,
    params: Mapping[str, Any] | None = None,
    seed: int | None = None,
    seeds: Mapping[str, int] | None = None,
    hypothesis: str | None = None,
    tags: Mapping[str, Any] | None = None,
    inputs: Mapping[str, Role] | None = None,
    parent: str | None = None,
    base_models: Sequence[Mapping[str, Any] | str] = (),
    dirty: str | None = None,
    image: str | None = None,
    every_rank: bool = False,
    resume: str | None = None,
    repository: str | Path | None = None,
) -> Run:
    """Begin a run, as a context manager or until `Run.finish`.

    Args:
        experiment: the question that groups runs; default from gittrack.yaml.
        name: a label for people; ids stay unique without it.
        params: parameters, nested as you like; more with `Run.log_params`.
        seed: the run's seed, recorded, not set; default from ``gittrack run --seed`` or ``params["seed"]``.
        hypothesis: what the run is to show, recorded before there is a result.
        inputs: paths the run reads, with their roles; more with `Run.log_input`.
        dirty: ``snapshot`` or ``refuse`` uncommitted changes; default from gittrack.yaml.
        image: container image digest ``[name@]sha256:...``; default GITTRACK_IMAGE.
        every_rank: record on each rank, not on rank 0 alone.
        resume: the run to go on with, or ``auto``: the newest of this script that did not finish, if any.
        repository: a folder inside the git repository; default the current directory.

    Raises:
        GittrackError: the run could not be recorded at its end; nothing has been started.
    """
    seed, seed_source = given_seed(seed)
    request = Request(
        experiment=experiment,
        name=name,
        hypothesis=hypothesis,
        seed=seed,
        seed_source=seed_source,
        seeds=seeds or {},
        params=params or {},
        tags=tags or {},
        parent=parent,
        base_models=base_models,
        dirty=dirty,
        image=image,
        inputs=[str(path) for path in inputs or ()],
        resume=resume,
    )
    if not every_rank and rank() != 0:
        run = Run(None, None)
        run.log_params(request.params)
    else:
        run = _join(request, repository) or _begin(request, repository)
    _active.append(run)
    exits.watch(run)
    try:
        for path, role in (inputs or {}).items():
            run.log_input(path, role)
    except BaseException:
        run._abandon()
        raise
    return run


def _begin(request: Request, where: str | Path | None) -> Run:
    from gittrack.formats.config import load_cached

    repo = Repository.discover(where)
    config = load_cached(repo.worktree, repo.state_dir)
    inputs = [path for given in request.inputs if (path := relative_to_top(given, repo.top))]
    checked = check(below_outer_run(replace(with_arguments(request), inputs=inputs)), config)
    if request.resume is None:
        journal = begin(repo, config, checked, this_invocation())
    else:
        from gittrack.recording.resume import open_run

        journal = open_run(repo, config, checked, this_invocation())
    run = Run(repo, journal)
    run._book.know(checked.layers)
    try:
        run._store.log_declared(config, run.experiment)
    except BaseException:
        run._abandon()
        raise
    return run


def _join(request: Request, where: str | Path | None) -> Run | None:
    joined = join(request, where)
    if joined is None:
        return None
    run = Run(joined.repository, joined.journal, joined=True)
    run.experiment = joined.experiment or run.experiment
    run._book.know(joined.layers)
    if not joined.again:
        run._book.take_arguments(joined.journal)
    run._book.add(request.params, joined.journal, START_RUN)
    run.set_tags(request.tags)
    run.set_seeds(request.seeds)
    return run


def active_run() -> Run | None:
    """The run begun last that has not ended, in this process."""
    return _active[-1] if _active else None


def current_run() -> Run:
    """The active run; one is begun if there is none, as MLflow does, and ends with the process."""
    return active_run() or start_run()

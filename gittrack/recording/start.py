"""`start_run()`: how a run begins, by itself or within `gittrack run`, and which one is active."""

from __future__ import annotations

import atexit
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError, UsageError, machine_errors
from gittrack.formats.record import Role
from gittrack.formats.sources import START_RUN
from gittrack.git.repository import Repository
from gittrack.recording import exits
from gittrack.recording.active import Ambiguous
from gittrack.recording.begin import begin
from gittrack.recording.capture.code import this_invocation
from gittrack.recording.children import imports_again, is_worker
from gittrack.recording.join import below_outer_run, given_seed, join, may_join
from gittrack.recording.notebook import is_interactive
from gittrack.recording.params import with_arguments
from gittrack.recording.ranks import other_rank, say_passed
from gittrack.recording.request import Request, check
from gittrack.recording.run import Run, open_runs
from gittrack.recording.store import relative_to_top
from gittrack.recording.system.sampling import interval_of
from gittrack.recording.verbs import OnError, choose, turns

log = logging.getLogger("gittrack")


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
    nested: bool = False,
    run_name: str | None = None,
    parent_run_id: str | None = None,
    on_error: OnError | None = None,
    resume: str | None = None,
    system_metrics: bool | str | float | None = None,
    repository: str | Path | None = None,
) -> Run:
    """Begin a run, as a context manager or until `Run.finish`.

    Args:
        experiment: the question that groups runs; default its parent's where nested, else gittrack.yaml's.
        name: a label for people; ids stay unique without it.
        params: parameters, nested as you like; more with `Run.log_params`.
        seed: the run's seed, recorded, not set; default from ``gittrack run --seed`` or ``params["seed"]``.
        hypothesis: what the run is to show, recorded before there is a result.
        inputs: paths the run reads, with their roles; more with `Run.log_input`.
        dirty: ``snapshot`` or ``refuse`` uncommitted changes; default from gittrack.yaml.
        image: container image digest ``[name@]sha256:...``; default GITTRACK_IMAGE.
        every_rank: record on each rank, not on rank 0 alone.
        nested: the active run is the parent, and goes on; in a notebook, or at a prompt, one that is open
            and was not begun by a block is ended otherwise, as it was forgotten.
        run_name, parent_run_id: MLflow's words for `name` and `parent`.
        on_error: once the run has started, ``warn`` of what cannot be recorded, or ``raise``; default
            GITTRACK_ON_ERROR, else ``warn``.
        resume: the run to go on with, or ``auto``: the newest of this script that did not finish, if any.
        system_metrics: whether to sample the use of the machine, or every how many seconds; default
            GITTRACK_SYSTEM_METRICS, else gittrack.yaml. Within `gittrack run` that samples.
        repository: a folder inside the git repository; default the current directory.

    Raises:
        GittrackError: the run could not be recorded at its end; nothing has been started.
    """
    policy = choose(on_error)
    name = _same("name", name, "run_name", run_name)
    parent = _same("parent", parent, "parent_run_id", parent_run_id)
    if nested and parent is None:
        outer = _open_here() or open_runs.outermost()
        parent = outer.id or None if outer is not None else None
        if parent and outer is not None and repository is None:
            experiment = experiment or outer.experiment
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
    passed = None if every_rank else other_rank()
    if passed is not None:
        say_passed(passed)
    if passed is not None or imports_again():
        run = _inert(request)
    else:
        run = turns.share(
            lambda: _started(request, inputs or {}, repository, system_metrics, ends_others=not nested)
        )
    run._losses.on_error = policy
    return run


def _same(name: str, value: str | None, other: str, also: str | None) -> str | None:
    """The value of an argument that has two names."""
    if value is not None and also is not None and value != also:
        raise UsageError(f"{name} is {value!r} and {other} is {also!r}, which is the same argument: give one")
    return also if value is None else value


def _started(
    request: Request,
    inputs: Mapping[str, Role],
    where: str | Path | None,
    system_metrics: object,
    *,
    ends_others: bool,
) -> Run:
    if ends_others and is_interactive():
        _end_forgotten()
    run = _join(request, where) or _begin(request, where, system_metrics)
    open_runs.enter(run)
    exits.watch(run, open_runs.adopt)
    try:
        for path, role in inputs.items():
            run._store.log_input(path, role)
    except BaseException:
        run._abandon()
        raise
    return run


def _open_here() -> Run | None:
    try:
        return open_runs.current()
    except Ambiguous:
        return None


def _end_forgotten() -> None:
    """In a session that goes on, what was begun here and no block will end."""
    while (run := open_runs.own()) is not None and run.active and not run._in_block:
        ending = exits.observed(run)
        log.warning(
            "run %s was still open, and ends now as %s: end a run with run.finish(), use with "
            "gittrack.start_run(), or begin one within it by start_run(nested=True)", run.id, ending.status,
        )  # fmt: skip
        try:
            run._end(ending)
        except GittrackError as error:
            log.error("%s", error)
            run._leave()


def _inert(request: Request) -> Run:
    """A run that has all verbs and records nothing; how the process ends is left as it was."""
    run = Run(None, None)
    run._book.add(request.params, None)
    open_runs.enter(run)
    return run


@machine_errors("begin the run")
def _begin(request: Request, where: str | Path | None, system_metrics: object) -> Run:
    from gittrack.formats.config import load_cached

    repo = Repository.discover(where)
    config = load_cached(repo.worktree, repo.state_dir)
    every = interval_of(system_metrics, config)
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
        run._sample(every)
    except BaseException:
        run._abandon()
        raise
    return run


@machine_errors("join the run")
def _join(request: Request, where: str | Path | None) -> Run | None:
    joined = join(request, where)
    if joined is None:
        return None
    run = Run(joined.repository, joined.journal, joined=True)
    run._losses.on_error = "raise"  # this is its start
    run.experiment = joined.experiment or run.experiment
    run._book.know(joined.layers)
    if not joined.again:
        run._book.take_arguments(joined.journal)
    run._book.add(request.params, joined.journal, START_RUN)
    run.set_tags(request.tags)
    run.set_seeds(request.seeds)
    return run


def active_run() -> Run | None:
    """The run begun last in this thread or task that has not ended; where none was begun, the only one."""
    return _open_here()


def current_run() -> Run:
    """The active run; one is begun if there is none, as MLflow does, and ends with the process.

    A worker process begins none: it joins that of `gittrack run` if nobody has, else its verbs do nothing.
    None is begun once the process has ended its runs, nor by what interrupts a beginning or an end.
    """
    try:
        run = open_runs.current()
        if run is None:
            with _beginning:
                run = open_runs.current() or _first_run()
        return run
    except GittrackError as error:
        if not exits.has_watched() and not turns.is_busy():  # this is the start
            raise
        return astray(error)


_nobody = Run(None, None)


_strays = count()


def astray(error: GittrackError) -> Run:
    """In the place of the run that nobody can tell, or that could not begin: one that records nothing.

    It is said at once, and at the end of the process how often it was.
    """
    _nobody._losses.on_error = choose(None)
    _nobody._losses.take(_nobody, None, error)
    if next(_strays) == 0:
        atexit.register(_say_strays)
    return _nobody


def _say_strays() -> None:
    calls = next(_strays)
    if calls > 1:
        log.warning(
            "%s calls of gittrack's verbs are in no record: what they should go to was not clear", calls
        )


_beginning = threading.RLock()
"""So that the first verbs of several threads begin one run, and no more."""


def _first_run() -> Run:
    if exits.is_over():
        raise UsageError("the program is ending, and its run has ended with it")
    if turns.is_busy():
        raise UsageError("a run is just beginning or ending in this thread, and none is open")
    if not is_worker() or imports_again() or may_join():
        return start_run()
    log.warning(
        "a worker process records nothing by itself: gittrack.start_run() there begins a run of its own"
    )
    return _inert(Request())


def _forget_holder() -> None:
    """In a fork: another thread of the parent may have been at it."""
    global _beginning
    _beginning = threading.RLock()


os.register_at_fork(after_in_child=_forget_holder)

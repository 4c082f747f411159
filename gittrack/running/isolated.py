"""`gittrack run --isolated`: a run in a work tree of its own, as each run of a sweep has it.

Runs at the same time in one checkout would read each other's files; these cannot. The program is started by
this process, so that its output, its signals and its exit status are those of any `gittrack run`.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.config import Config, choose_experiment
from gittrack.formats.record import new_id
from gittrack.git.repository import Repository
from gittrack.recording.job import Job, Outcome, handed_over, run_job
from gittrack.recording.program import check_command
from gittrack.recording.request import stated
from gittrack.recording.store import relative_to_top
from gittrack.running.executor.local import prepare
from gittrack.running.executor.task import with_interpreter
from gittrack.running.executor.template import Template, template_of
from gittrack.running.executor.workspace import workspace

log = logging.getLogger("gittrack")


def run_isolated(repository: Repository, config: Config, job: Job) -> Outcome:
    """`run_job` in a work tree of its own, with the code as it is now, uncommitted changes among it.

    Raises only before the program has started. Nothing that the program writes comes to the user's work
    tree: metrics and series are on the record, outputs in the DVC cache.
    """
    if repository.worktree is None:
        raise UsageError("--isolated needs a work tree: this repository is bare")
    if job.request.resume is not None:
        raise UsageError(
            "--isolated and --resume: choose one; a run goes on in the work tree that it began in"
        )
    cwd = Path.cwd()
    job = handed_over(job, config.run.way)
    check_command(job.command, cwd)
    stated(job.request)  # complains of a name or text that a record cannot have
    run_id = job.request.run_id or new_id(datetime.now(UTC))
    job = replace(
        job,
        request=replace(job.request, run_id=run_id),
        launch=with_interpreter(job.command, cwd),
    )
    with repository.objects() as objects, template_of(
        repository, objects, config, job,
        experiment=choose_experiment(job.request.experiment, config),
        name=run_id, program=job.command[0], is_here=True,
    ) as template, _tree(repository, template) as tree:  # fmt: skip
        outcome = _run(repository, config, job, template, tree)
        for note in template.notes:
            log.warning("%s", note)
    return replace(outcome, complaint=outcome.complaint.replace(f"{tree}{os.sep}", ""))


@contextmanager
def _tree(repository: Repository, template: Template) -> Iterator[Path]:
    """The work tree, for the block; it goes away even if this process is killed."""
    with workspace(repository) as space:
        tree = space.tree(1)
        try:
            prepare(repository, template.code, template.data, template.outputs, tree)
            yield tree
        finally:
            with suppress(GittrackError):
                repository.run("worktree", "remove", "--force", "--force", str(tree))


def _run(repository: Repository, config: Config, job: Job, template: Template, tree: Path) -> Outcome:
    """Run `job` there, from the folder that is ours here."""
    before = Path.cwd()
    cwd = tree / (template.code.cwd or ".")
    if not cwd.is_dir():
        raise UsageError(f"{template.code.cwd} is not in the code that git has: start in a folder that is")
    params = [_within(repository, tree, path) for path in job.params]
    for name, path in zip(job.params, params, strict=True):
        if not (cwd / path).exists() and (before / name).exists():
            raise UsageError(f"{name} is not in the code that git has: --isolated cannot read it")
    there = replace(
        job,
        request=replace(job.request, dirty="snapshot"),
        inputs=[(_within(repository, tree, path), role) for path, role in job.inputs],
        outputs=[(_within(repository, tree, path), role) for path, role in job.outputs],
        params=params,
        metrics=[_within(repository, tree, path) for path in job.metrics],
        origin=template.code,
    )
    os.chdir(cwd)
    try:
        return run_job(Repository.discover(tree), config, there)
    finally:
        os.chdir(before)


def _within(repository: Repository, tree: Path, path: str) -> str:
    """A path of the user's work tree as it is there; another one, and a relative one, as it is."""
    relative = relative_to_top(path, repository.top) if Path(path).is_absolute() else None
    return path if relative is None else str(tree / relative)

"""`gittrack run`: begin, run the program, read what it wrote, finish."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gittrack import command, result_files
from gittrack.artifacts import Store, relative_to_top
from gittrack.begin import Request, abandon, begin, choose_experiment
from gittrack.capture.code import command_invocation
from gittrack.config import Config
from gittrack.errors import GittrackError, UsageError
from gittrack.finish import commit, kept
from gittrack.journal import Journal, StoredJournal
from gittrack.record import Record
from gittrack.repository import Repository

log = logging.getLogger("gittrack")

SEED_VARIABLE = "GITTRACK_SEED"
RUN_VARIABLE = "GITTRACK_RUN"
PARAMS_VARIABLE = "GITTRACK_PARAMS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run and what to read before and after it. Paths are from the current directory."""

    command: Sequence[str]
    request: Request
    inputs: Sequence[tuple[str, str]] = ()
    """Paths and roles."""
    outputs: Sequence[tuple[str, str]] = ()
    params: Sequence[str] = ()
    metrics: Sequence[str] = ()
    settings: Sequence[str] = ()
    """``key=value`` of ``-S``."""
    console: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """The program's exit status, and the record (None when it could not be committed)."""

    status: int
    record: Record | None
    complaint: str = ""


def run_job(repo: Repository, config: Config, job: Job) -> Outcome:
    """Run `job` and record it. Raises only before the program has started."""
    cwd = Path.cwd()
    command.check_command(job.command, cwd)
    job = _with_files(job, cwd)
    experiment = choose_experiment(job.request.experiment, config)
    declared = config.experiment_config(experiment)
    outputs = [
        *job.outputs,
        *((str(repo.top / o.path), o.role) for o in [*config.outputs, *declared.outputs]),
    ]
    written = [relative_to_top(p, repo.top) for p in [*(p for p, _ in outputs), *job.metrics]]
    request = replace(job.request, params=_params(job, cwd), exclude=[p for p in written if p])
    _check_inputs(job)
    journal = begin(repo, config, request, command_invocation(job.command, cwd))
    try:
        store = Store(repo, journal, StoredJournal(journal.folder).start["record"]["code"]["tree"])
        store.log_declared(config, experiment)
        for path, role in job.inputs:
            store.log_input(path, role)
    except BaseException:
        abandon(repo, journal)
        raise
    began, started = time.time(), time.monotonic()
    keep = job.console and config.capture.console
    code = command.run_program(job.command, _environment(journal, request), journal, keep_console=keep)
    complaints: list[str] = []
    record = None
    try:
        complaints += _collect(store, journal, job, outputs, began, started)
        status, failure = command.judge(code)
        journal.event("x", status, failure, time.monotonic() - started)
        journal.close()
        record = commit(repo, StoredJournal(journal.folder))
    except (GittrackError, OSError) as error:
        complaints.append(str(kept(error, journal.folder.name)))
    return Outcome(command.exit_status(code), record, "; ".join(complaints))


def _with_files(job: Job, cwd: Path) -> Job:
    """Without any file named, those that DVC projects have are read: params.yaml, metrics.json, dvclive/."""
    params = job.params or [name for name in ("params.yaml",) if (cwd / name).is_file()]
    metrics = job.metrics or ["metrics.json", "dvclive"]
    return replace(job, params=params, metrics=metrics)


def _params(job: Job, cwd: Path) -> dict[str, object]:
    params: dict[str, object] = {}
    for name in job.params:
        params.update(result_files.read_params(cwd / name))
    for setting in job.settings:
        result_files.set_param(params, setting)
    return params | dict(job.request.params)


def _check_inputs(job: Job) -> None:
    for path, _ in job.inputs:
        if not Path(path).exists():
            raise UsageError(f"input {path} does not exist")


def _environment(journal: Journal, request: Request) -> dict[str, str]:
    import json

    env = dict(os.environ)
    env[RUN_VARIABLE] = str(journal.folder)
    env[PARAMS_VARIABLE] = json.dumps(StoredJournal(journal.folder).start["params"])
    if request.seed is not None:
        env[SEED_VARIABLE] = str(request.seed)
        env["PYTHONHASHSEED"] = str(request.seed % 2**32)
    return env


def _collect(
    store: Store, journal: Journal, job: Job, outputs: Sequence[tuple[str, str]], began: float, started: float
) -> list[str]:
    """Metrics and outputs that the program wrote; what could not be read is said, and costs no run."""
    complaints = []
    for name in job.metrics:
        path = Path(name)
        named = path.exists() and _newest(path) >= began - 1
        try:
            if named:
                _log_metrics(journal, path, time.monotonic() - started)
            elif name not in ("metrics.json", "dvclive"):
                complaints.append(f"metrics file {name} was not written by this run")
        except GittrackError as error:
            complaints.append(str(error))
    for name, role in outputs:
        try:
            store.log_output(name, role)
        except GittrackError as error:
            complaints.append(f"output {name}: {error}")
    return complaints


def _newest(path: Path) -> float:
    return max((p.stat().st_mtime for p in [path, *path.rglob("*")]), default=0.0)


def _log_metrics(journal: Journal, path: Path, elapsed: float) -> None:
    final, rows = result_files.read_metrics(path)
    for step, values in rows:
        if values:
            journal.append_row((elapsed, step, values))
    journal.flush()
    if path.is_dir() and (path / "params.yaml").is_file():
        journal.event("p", result_files.read_params(path / "params.yaml"))
    if final:
        journal.event("z", final)

"""`gittrack run`: begin, run the program, read what it wrote, finish."""

from __future__ import annotations

import itertools
import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.config import Config, Way, choose_experiment
from gittrack.formats.record import Code, Record, Role
from gittrack.formats.sources import Layer, contradictions
from gittrack.git.repository import Repository
from gittrack.recording import result_files
from gittrack.recording.begin import abandon, begin
from gittrack.recording.capture.code import command_invocation
from gittrack.recording.finish import commit, kept
from gittrack.recording.join import RUN_VARIABLE, below_outer_run
from gittrack.recording.journal import Journal
from gittrack.recording.journal.events import Kind
from gittrack.recording.journal.stored import StoredJournal
from gittrack.recording.params import log_params_file
from gittrack.recording.passing import hand_over
from gittrack.recording.program import Program, check_command, exit_status, judge
from gittrack.recording.request import Checked, Request, check
from gittrack.recording.store import Store, relative_to_top

log = logging.getLogger("gittrack")

SEED_VARIABLE = "GITTRACK_SEED"
PARAMS_VARIABLE = "GITTRACK_PARAMS"
DEFAULT_METRICS = ("metrics.json", "dvclive")


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
    passing: Way | None = None
    """How the program is given what `settings` and the seed say; None: as gittrack.yaml has it."""
    handed_over: bool = False
    """Whether the command and the request have that already."""
    console: bool = True
    defaults: bool = True
    """Whether, without any file named, the usual ones are read: params.yaml, metrics.json, dvclive."""
    launch: Sequence[str] = ()
    """What is started in place of `command`, which is what is recorded: inside a container, say."""
    origin: Code | None = None
    """The code that the work tree is a copy of."""
    timeout_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """The program's exit status, and the record (None when it could not be committed)."""

    status: int
    record: Record | None
    complaint: str = ""
    branch: str | None = None
    """The proposal that the run is on; None where it is on the ledger."""


def run_job(repo: Repository, config: Config, job: Job) -> Outcome:
    """Run `job` and record it. Raises only before the program has started."""
    cwd = Path.cwd()
    job = hand_over(job, config.run.way)
    check_command(job.launch or job.command, cwd)
    job = _with_files(job, cwd)
    outputs = _outputs(repo, config, job)
    checked = check(_request(repo, job, cwd, outputs), config)
    journal = begin(repo, config, checked, command_invocation(job.command, cwd, job.origin))
    store, program = _start(repo, config, job, checked, journal)
    began, started = time.time(), time.monotonic()
    code = program.run(journal if job.console and config.capture.console else None, job.timeout_s)
    start = StoredJournal(journal.folder).start
    complaints: list[str] = []
    record = None
    try:
        _note_end(journal, code, time.monotonic() - started, job.timeout_s if program.timed_out else None)
        complaints += _collect(store, journal, job, outputs, began, started)
        journal.close()
        record = commit(repo, StoredJournal(journal.folder))
        complaints += contradictions(record.param_conflicts)
    except (GittrackError, OSError) as error:
        complaints.append(str(kept(error, journal.folder.name)))
    proposal = start["ledger"] if start["onto"] else None
    return Outcome(exit_status(code), record, "; ".join(complaints), proposal)


def _outputs(repo: Repository, config: Config, job: Job) -> list[tuple[str, str]]:
    """Paths and roles of what the program is to produce, by the job and by gittrack.yaml."""
    experiment = config.experiment_config(choose_experiment(job.request.experiment, config))
    declared = [*config.outputs, *experiment.outputs]
    return [*job.outputs, *((str(repo.top / output.path), output.role) for output in declared)]


def _request(repo: Repository, job: Job, cwd: Path, outputs: Sequence[tuple[str, str]]) -> Request:
    """What is asked for, with the params of the job's files. UsageError for an input that is none."""
    written = [relative_to_top(path, repo.top) for path in [*(path for path, _ in outputs), *job.metrics]]
    exclude = [path for path in written if path]
    request = below_outer_run(replace(job.request, layers=_layers(repo, job, cwd), exclude=exclude))
    _check_inputs(job)
    return request


def _start(
    repo: Repository, config: Config, job: Job, checked: Checked, journal: Journal
) -> tuple[Store, Program]:
    """Log what the program reads, and start it; the run is taken back where that fails."""
    try:
        store = Store(repo, journal, StoredJournal(journal.folder).start["record"]["code"]["tree"])
        store.log_declared(config, checked.experiment)
        for path, role in job.inputs:
            store.log_input(path, role)
        environment = _environment(journal, checked)
        if checked.facts["seed"] is not None:
            journal.event(Kind.DETERMINISM, {"env.PYTHONHASHSEED": environment["PYTHONHASHSEED"]})
        program = Program(job.launch or job.command, environment, own_group=job.timeout_s is not None)
    except BaseException:
        abandon(repo, journal)
        raise
    return store, program


def _note_end(journal: Journal, code: int, elapsed: float, timeout_s: float | None) -> None:
    """Say how the program ended, in a file after that of a script which joined and spoke for itself.

    Before anything else, so that a run whose outputs could not all be stored is not taken for a lost one.
    """
    status, failure = judge(code)
    if timeout_s is not None:
        status, failure = "killed", {"type": "timeout", "message": f"it ran longer than {timeout_s:g} s"}
    end = Journal(journal.folder)
    end.event(Kind.END, status, failure, elapsed)
    end.close()


def _with_files(job: Job, cwd: Path) -> Job:
    """Without any file named, those that DVC projects have are read: params.yaml, metrics.json, dvclive/."""
    if not job.defaults:
        return job
    params = job.params or [name for name in ("params.yaml",) if (cwd / name).is_file()]
    metrics = job.metrics or DEFAULT_METRICS
    return replace(job, params=params, metrics=metrics)


def _layers(repo: Repository, job: Job, cwd: Path) -> list[Layer]:
    """What files say, and what the job's request has already."""
    files = [
        Layer(relative_to_top(cwd / name, repo.top) or name, result_files.read_params(cwd / name))
        for name in job.params
    ]
    return [*files, *job.request.layers]


def _check_inputs(job: Job) -> None:
    roles = get_args(Role)
    for path, role in job.inputs:
        if role not in roles:
            raise UsageError(f"{role!r} is no role of an input: use {', '.join(roles)}")
        if not Path(path).exists():
            raise UsageError(f"input {path} does not exist")


def _environment(journal: Journal, checked: Checked) -> dict[str, str]:
    import json

    env = dict(os.environ)
    env[RUN_VARIABLE] = str(journal.folder)
    env[PARAMS_VARIABLE] = json.dumps(checked.offered)
    seed = checked.facts["seed"]
    if seed is not None:
        env[SEED_VARIABLE] = str(seed)
        env["PYTHONHASHSEED"] = str(seed % 2**32)
    return env


def _collect(
    store: Store, journal: Journal, job: Job, outputs: Sequence[tuple[str, str]], began: float, started: float
) -> list[str]:
    """Metrics and outputs that the program wrote; what could not be read is said, and costs no run."""
    complaints, read = [], []
    logged = {event[1]["path"] for event in StoredJournal(journal.folder).events() if event[0] == Kind.OUTPUT}
    for name in job.metrics:
        try:
            if _written_since(Path(name), began):
                _log_metrics(journal, Path(name), time.monotonic() - started)
                read.append(relative_to_top(name, store.top) or str(Path.cwd() / name))
            elif name not in DEFAULT_METRICS:
                complaints.append(f"metrics file {name} was not written by this run")
        except (GittrackError, OSError) as error:
            complaints.append(str(error))
    if read:
        code = StoredJournal(journal.folder).start["record"]["code"]
        journal.event(Kind.FACTS, {"code": {**code, "metrics_files": read}})
    for name, role in outputs:
        try:
            if _written_since(Path(name), began):
                store.log_output(name, role)
            elif name not in logged:  # the program itself may have logged it, as bytes that are no file
                complaints.append(f"output {name} was not written by this run")
        except (GittrackError, OSError) as error:
            complaints.append(f"output {name}: {error}")
    return complaints


def _written_since(path: Path, began: float) -> bool:
    """Whether anything of the file or folder is new; by ctime, as what is copied or moved in keeps its mtime.

    A second of grace, for file systems with coarse clocks.
    """
    changed = (p.lstat().st_ctime for p in itertools.chain([path], path.rglob("*")))
    return os.path.lexists(path) and any(moment >= began - 1 for moment in changed)


def _log_metrics(journal: Journal, path: Path, elapsed: float) -> None:
    final, rows = result_files.read_metrics(path)
    for name in dict.fromkeys(name for _, values in rows for name in values):
        journal.new_metric(name)
    for step, values in rows:
        if values:
            journal.append_row((elapsed, step, values))
    journal.flush()
    if path.is_dir() and (path / "params.yaml").is_file():
        log_params_file(journal, path / "params.yaml")
    if final:
        journal.event(Kind.SUMMARY, final)

"""`gittrack run`: begin, run the program, read what it wrote, finish."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn, get_args

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.config import Config, Way, choose_experiment
from gittrack.formats.record import Code, Record, Role
from gittrack.formats.sources import Layer, contradictions
from gittrack.formats.values import without_secrets
from gittrack.git.repository import Repository
from gittrack.git.shared import settle_rights
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording import result_files
from gittrack.recording.arguments import works_elsewhere
from gittrack.recording.begin import abandon
from gittrack.recording.capture.code import command_invocation
from gittrack.recording.changes import note_code, note_params, watch_params
from gittrack.recording.collect import Collector
from gittrack.recording.endings import Ending
from gittrack.recording.finish import commit, kept
from gittrack.recording.harvest import Harvester, harvester
from gittrack.recording.identity import BEFORE, Before
from gittrack.recording.interpreters.settle import settle
from gittrack.recording.interpreters.watch import Watch
from gittrack.recording.join import RUN_VARIABLE, below_outer_run, is_left_behind
from gittrack.recording.journal import JOINED, Journal
from gittrack.recording.lost import forget_aims, note_aims, note_reading
from gittrack.recording.overlap import claim
from gittrack.recording.passing import pass_on, setting_of
from gittrack.recording.program import Program, become, check_command, exit_status, judge
from gittrack.recording.ranks import PASSED, RANK_VARIABLE, rank
from gittrack.recording.request import Checked, Request, check
from gittrack.recording.resume import RESUMED_VARIABLE, open_run, seconds_before
from gittrack.recording.store import Store, relative_to_top
from gittrack.recording.system.sampling import interval_of, is_below, sampled

log = logging.getLogger("gittrack")

SEED_VARIABLE = "GITTRACK_SEED"
PARAMS_VARIABLE = "GITTRACK_PARAMS"
DEFAULT_METRICS = ("metrics.json", "dvclive")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What to run and what to read before and after it. Paths are from the current directory."""

    command: Sequence[str]
    request: Request
    inputs: Sequence[tuple[str, str | None]] = ()
    """Paths and roles; None where none is stated."""
    outputs: Sequence[tuple[str, str]] = ()
    params: Sequence[str] = ()
    metrics: Sequence[str] = ()
    usual: Sequence[str] = ()
    """Those of `metrics` that nobody has named, and that need not be there."""
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
    held: Path | None = None
    """Once this file is there, the run is not over when its program has ended: it may be begun again."""
    harvest: str | None = None
    """The `harvester` that takes up what other trackers keep of the program; None: nobody does."""
    not_recorded: Sequence[tuple[str, str]] = ()
    """What files of parameters had that `request` has not, and why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The program's exit status, and the record (None when it could not be committed)."""

    status: int
    """As a shell gives it: 128 + n for signal n."""
    record: Record | None
    complaint: str = ""
    branch: str | None = None
    """The proposal that the run is on; None where it is on the ledger."""
    signal: int = 0
    """What ended the program, where that was a signal."""


def run_job(repo: Repository, config: Config, job: Job) -> Outcome:
    """Run `job` and record it. Raises only before the program has started."""
    cwd = Path.cwd()
    job = handed_over(job, config.run.way)
    job = job if config.harvest == "on" else replace(job, harvest=None)
    check_command(job.launch or job.command, cwd)
    is_elsewhere = works_elsewhere(job.command)
    job = _without_files(job) if is_elsewhere else _with_files(job, cwd)
    outputs = [] if is_elsewhere else _outputs(repo, config, job)
    losses = result_files.Losses()
    checked = check(_request(repo, job, cwd, outputs, losses), config)
    every = interval_of(None, config)
    journal = open_run(repo, config, checked, command_invocation(job.command, cwd, job.origin))
    if job.held is not None:
        journal.hold(job.held)
    for what, why in [*job.not_recorded, *losses.stated()]:
        journal.not_recorded(what, why)
    watch = Watch(journal.folder, hook=config.capture.interpreter)
    store, before, program = _start(repo, config, job, checked, journal, outputs, watch)
    start = StoredJournal(journal.folder).start
    started = time.monotonic() - seconds_before(journal)
    pid = program.pid if is_below(job.launch or job.command) else None
    with sampled(journal, pid, lambda: time.monotonic() - started, every):
        code = program.run(journal, console=job.console and config.capture.console, timeout_s=job.timeout_s)
    complaints: list[str] = []
    record = None
    try:
        stopped = job.held is not None and job.held.exists()
        if stopped:
            journal.event(Kind.PREEMPTED)
        _note_unended(journal, program)
        _note_end(journal, code, time.monotonic() - started, job.timeout_s if program.timed_out else None)
        settle(repo, journal, watch.end(), watch.installed)
        _note_changes(repo, store, journal.folder, job, outputs)
        note_reading(journal.folder)
        collector = Collector(store, journal, before, started, complaints)
        collector.metrics(job.metrics, job.usual)
        collector.outputs(outputs)
        if job.harvest is not None:
            _harvest(harvester(job.harvest), collector)
        forget_aims(journal.folder)
        journal.close()
        if stopped:
            why = "it was told to end, and may be begun again"
            return Outcome(exit_status(code), None, why, signal=max(0, -code))
        record = commit(repo, StoredJournal(journal.folder))
        complaints += contradictions(record.param_conflicts)
    except Exception as error:  # whatever it is, the program's own exit status goes on
        complaints.append(str(kept(error, journal.folder.name)))
    finally:
        program.release()
    proposal = start["ledger"] if start["onto"] else None
    return Outcome(exit_status(code), record, "; ".join(complaints), proposal, max(0, -code))


def pass_through(repo: Repository, config: Config, job: Job) -> NoReturn:
    """Become the program of `job`, which gets what it gets on rank 0; nothing is recorded, or written."""
    cwd = Path.cwd()
    job = handed_over(job, config.run.way)
    check_command(job.command, cwd)
    job = _without_files(job) if works_elsewhere(job.command) else _with_files(job, cwd)
    job = replace(job, inputs=(), metrics=())  # what another machine need not have
    checked = check(_request(repo, job, cwd, [], result_files.Losses()), config)
    become(job.command, {**_environment(checked), RANK_VARIABLE: PASSED})


def handed_over(job: Job, default: Way | None) -> Job:
    """`job` with its settings and seed in its command, and in the layers of its request.

    UsageError where they do not reach the program.
    """
    if job.handed_over:
        return job
    request = job.request
    settings = dict(setting_of(text) for text in job.settings)
    passed = pass_on(job.command, settings, request.seed, job.passing or default)
    return replace(
        job,
        command=passed.command,
        request=replace(request, layers=passed.layers, seed_source=passed.seed_source, losses=passed.losses),
        handed_over=True,
    )


def _outputs(repo: Repository, config: Config, job: Job) -> list[tuple[str, str]]:
    """Paths and roles of what the program is to produce, by the job and by gittrack.yaml."""
    experiment = config.experiment_config(choose_experiment(job.request.experiment, config))
    declared = [*config.outputs, *experiment.outputs]
    return [*job.outputs, *((str(repo.top / output.path), output.role) for output in declared)]


def _request(
    repo: Repository, job: Job, cwd: Path, outputs: Sequence[tuple[str, str]], losses: result_files.Losses
) -> Request:
    """What is asked for, with the params of the job's files. UsageError for a file that is of no use."""
    written = [relative_to_top(path, repo.top) for path in [*(path for path, _ in outputs), *job.metrics]]
    exclude = [path for path in [*written, *_kept(repo, job, outputs)] if path]
    inputs = [path for name, _ in job.inputs if (path := relative_to_top(name, repo.top))]
    layers = _layers(repo, job, cwd, losses)
    request = below_outer_run(replace(job.request, layers=layers, exclude=exclude, inputs=inputs))
    _check_inputs(job)
    return request


def _kept(repo: Repository, job: Job, outputs: Sequence[tuple[str, str]]) -> list[str | None]:
    """What other trackers have kept, from the top of the work tree."""
    paths = [] if job.harvest is None else harvester(job.harvest).kept([path for path, _ in outputs])
    return [relative_to_top(path, repo.top) for path in paths]


def _start(
    repo: Repository,
    config: Config,
    job: Job,
    checked: Checked,
    journal: Journal,
    outputs: Sequence[tuple[str, str]],
    watch: Watch,
) -> tuple[Store, Before, Program]:
    """Log what the program reads, and start it; the run is taken back where that fails."""
    try:
        record = StoredJournal(journal.folder).start["record"]
        store = Store(repo, journal, record["code"]["tree"])
        store.log_declared(config, record["experiment"])
        for path, role in job.inputs:
            store.log_input(path, role)
        environment = watch.environment(_environment(checked, journal))
        if checked.facts["seed"] is not None:
            journal.event(Kind.DETERMINISM, {"env.PYTHONHASHSEED": environment["PYTHONHASHSEED"]})
        before = _before(journal, job, checked, [*job.metrics, *(path for path, _ in outputs)])
        note_aims(journal.folder, job.metrics, job.usual, outputs)
        if job.harvest is not None:
            harvester(job.harvest).look(journal, [path for path, _ in outputs])
        settle_rights(repo)
        program = Program(job.launch or job.command, environment, own_group=job.timeout_s is not None)
        watch.follow(program.pid)
        journal.note_program(program.pid)
    except BaseException:
        abandon(repo, journal)
        raise
    return store, before, program


def _before(journal: Journal, job: Job, checked: Checked, names: Sequence[str]) -> Before:
    """What lies where the program will write, and word to other runs that it does; and what it may edit."""
    paths = [Path(name) for name in dict.fromkeys(names)]
    claim(journal.folder, paths)
    usual = [Path.cwd() / "params.yaml"] if job.defaults and [*job.params] in ([], ["params.yaml"]) else []
    watch_params(journal, without_secrets(checked.offered), [Path.cwd() / name for name in job.params], usual)
    kept, clock = journal.folder / BEFORE, (journal.folder / "start.json").stat()
    if journal.is_taken_up:  # what an earlier attempt has written is the run's own
        return Before.kept(kept, paths, clock)
    before = Before(paths, clock)
    before.keep(kept)
    return before


def _note_changes(
    repo: Repository, store: Store, folder: Path, job: Job, outputs: Sequence[tuple[str, str]]
) -> None:
    """What the program, or somebody while it ran, has edited. A script that joined has said its params."""
    named = [*job.params, *job.metrics, *(path for path, _ in [*job.inputs, *outputs]), "params.yaml"]
    leave = {path for name in named if (path := relative_to_top(name, repo.top))}
    leave |= {path for path in _kept(repo, job, outputs) if path}
    journal = Journal(folder)  # a file after that of such a script
    try:
        note_params(journal, take=not (folder / "joined").exists())
        store.note_changes(journal)
        note_code(journal, repo, leave, in_between=True)
    except (GittrackError, OSError) as error:
        journal.not_recorded("changed", f"what it read could not be compared again: {error}")
    journal.close()


def _harvest(harvest: Harvester, collector: Collector) -> None:
    """Take up what other trackers kept; whatever that comes to, the run ends well."""
    try:
        harvest.take(collector)
    except Exception as error:
        kind = "" if isinstance(error, (GittrackError, OSError)) else f"{type(error).__name__}: "
        collector.lose("runs of other trackers", f"{kind}{error}")


def _note_unended(journal: Journal, program: Program) -> None:
    """Say what of the program had not come to its end: what that did, or would do, the record lacks."""
    if program.left_behind:
        why = "they went on when the command had ended: what they did after that is not known"
        journal.not_recorded("processes that the command had started", why)
    ended = any(event[0] == Kind.END for event in StoredJournal(journal.folder).own_events())
    if (journal.folder / JOINED).exists() and not ended:
        why = "it was gone, or went on, without ending its run: what it had logged last may be missing"
        journal.not_recorded("end of the script that joined the run", why)


def _note_end(journal: Journal, code: int, elapsed: float, timeout_s: float | None) -> None:
    """Say how the program ended, in a file after that of a script which joined and spoke for itself.

    Before anything else, so that a run whose outputs could not all be stored is not taken for a lost one.
    """
    ending = judge(code)
    if timeout_s is not None:
        failure = {"type": "timeout", "message": f"it ran longer than {timeout_s:g} s"}
        ending = Ending("killed", failure, "command")
    end = Journal(journal.folder)
    end.event(Kind.END, ending.status, ending.failure, elapsed, ending.ended_by)
    end.close()


def _with_files(job: Job, cwd: Path) -> Job:
    """Without any file named, those that DVC projects have are read: params.yaml, metrics.json, dvclive/."""
    if not job.defaults:
        return job
    params = job.params or [name for name in ("params.yaml",) if (cwd / name).is_file()]
    metrics = job.metrics or DEFAULT_METRICS
    return replace(job, params=params, metrics=metrics, usual=() if job.metrics else DEFAULT_METRICS)


def _without_files(job: Job) -> Job:
    """Nothing in this work tree is what the program has read or written."""
    why = (
        "dvc worked in a folder of its own: leave out --temp and --queue, "
        "or record the experiment's commit with gittrack record"
    )
    losses = [*job.not_recorded, ("parameters, metrics and outputs in files", why)]
    return replace(job, params=(), metrics=(), outputs=(), defaults=False, harvest=None, not_recorded=losses)


def _layers(repo: Repository, job: Job, cwd: Path, losses: result_files.Losses) -> list[Layer]:
    """What files say, and what the job's request has already."""
    files = [
        Layer(
            relative_to_top(cwd / name, repo.top) or name,
            result_files.read_params(cwd / name, losses, name=name),
        )
        for name in job.params
    ]
    return [*files, *job.request.layers]


def _check_inputs(job: Job) -> None:
    roles = get_args(Role)
    for path, role in job.inputs:
        if role not in (None, *roles):
            raise UsageError(f"{role!r} is no role of an input: use {', '.join(roles)}")
        if not Path(path).exists():
            raise UsageError(f"input {path} does not exist")
    for name in job.metrics if job.defaults else ():
        if name not in job.usual:
            result_files.check_metrics_file(Path(name), name)


def _environment(checked: Checked, journal: Journal | None = None) -> dict[str, str]:
    """The variables of the program, which writes to the run of `journal` too."""
    import json

    env = dict(os.environ)
    if journal is not None:
        env[RUN_VARIABLE] = str(journal.folder)
        own = rank()
        env[RANK_VARIABLE] = "" if own is None else own.variable
    env[PARAMS_VARIABLE] = json.dumps(checked.offered)
    env.pop(RESUMED_VARIABLE, None)
    if journal is not None and StoredJournal(journal.folder).standing:
        env[RESUMED_VARIABLE] = "1"
    seed = checked.facts["seed"]
    if seed is not None:
        env[SEED_VARIABLE] = str(seed)
        env["PYTHONHASHSEED"] = str(seed % 2**32)
    elif is_left_behind():
        env.pop(SEED_VARIABLE, None)
    return env

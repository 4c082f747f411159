"""Having a run again: plan, consent, reruns in work trees of their own, and a verdict on the ledger.

A record is untrusted: its command is run only when verify does not find the record altered, and
whoever calls agrees to the plan.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from gittrack.errors import GittrackError, RecordError, RepositoryError
from gittrack.formats.codec import load_record
from gittrack.formats.config import Config
from gittrack.formats.record import Record, new_id
from gittrack.formats.reproduction import FILE, Reproduction, dump
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Addition, Ledger
from gittrack.ledger.origin import origin_now
from gittrack.ledger.proposals import review_branch
from gittrack.reading.entry import entry_of
from gittrack.reading.index import Index
from gittrack.reading.protocol import protocol_of
from gittrack.recording.own import is_own
from gittrack.running.executor.choice import SHARED, slurm_options
from gittrack.running.executor.task import Done
from gittrack.running.reproduce.plan import ReproduceOptions, ReproducePlan, call_of, make_plan
from gittrack.stats.result import Result, read_result
from gittrack.stats.verdict import judge
from gittrack.verify import VerifyOptions, verify

__all__ = ["ReproduceOptions", "ReproducePlan", "Reproduced", "plan", "reproduce"]

log = logging.getLogger("gittrack")

CONSENT = "gittrack.reproduce"
"""git setting; ``own``: runs that this clone recorded itself may be run again without being asked."""


class Refused(RecordError):
    """The record does not hold, so that what it says is not run."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Reproduced:
    """The statement as it is on the ledger, the branch of it, and how each rerun went."""

    statement: Reproduction
    branch: str
    done: tuple[Done, ...]


def plan(
    repository: Repository,
    config: Config,
    name: str,
    options: ReproduceOptions,
    *,
    harvest: str | None = None,
) -> ReproducePlan:
    """What reruns of the run called `name` would be. Refused where verify finds its record altered.

    `harvest`: who takes up what other trackers keep, as they did of the run itself.
    """
    with Index.open(repository, config.ledger.branch) as index:
        entry = entry_of(index, index.one(name))
        record = entry.record
        alike = index.search(f"spec = '{record.spec}'", experiment=record.experiment)
    doubts = _trusted(repository, record)
    with repository.objects() as objects:
        protocol = protocol_of(objects, record)
    made = make_plan(
        repository,
        config,
        record,
        entry.environment(),
        protocol,
        options,
        own=is_own(repository.state_dir, record.id, entry.yaml()),
        used=[row.seed for row in alike],
    )
    tasks = tuple(replace(task, harvest=harvest if record.harvested else None) for task in made.tasks)
    return replace(made, warnings=(*doubts, *made.warnings), tasks=tasks)


def _trusted(repository: Repository, record: Record) -> list[str]:
    """What verify could not check; Refused where something does not hold. Policy is another question."""
    report = verify(repository, selection=[record.id], options=VerifyOptions(fsck=False))
    failed = [f for f in report.findings if f.severity == "fail" and not f.code.startswith("policy")]
    if failed:
        first = failed[0]
        raise Refused(
            f"run {record.id} is not run: verify says FAIL, {first.code}: {first.says}; "
            f"gittrack verify {record.id} shows all"
        )
    open_ = [f for f in report.findings if f.severity == "incomplete"]
    return [f"verify could not check {len(open_)} things: {open_[0].says}"] if open_ else []


def has_consent(repository: Repository, made: ReproducePlan) -> bool:
    """Whether the user's own git settings agree to run this without being asked."""
    return made.own and repository.setting(CONSENT) == "own"


def reproduce(
    repository: Repository, config: Config, made: ReproducePlan, told: Callable[[Done], None] | None = None
) -> Reproduced:
    """Run what `made` says, to which the caller has agreed; the verdict, which is on the ledger then.

    GittrackError where a rerun could not be started; those that ran are on the ledger all the same.
    """
    check_data(repository, made)
    return conclude(repository, config, made, _run(repository, made, told))


def check_data(repository: Repository, made: ReproducePlan) -> None:
    """GittrackError where reruns could not be started for want of data, or of a name for their author."""
    from gittrack.running.executor.place import require

    if made.options.executor in SHARED:
        require(made.data)
    repository.identity()


def conclude(
    repository: Repository, config: Config, made: ReproducePlan, results: Sequence[Done]
) -> Reproduced:
    """Judge reruns that have ended, and put the verdict on the ledger."""
    branch, onto = config.ledger.branch, None
    if made.options.proposal is not None:
        branch, onto = review_branch(made.options.proposal), branch
    ledger = Ledger(repository, branch, onto)
    for result in results:
        if result.error:
            raise _error(result)
    statement = _statement(repository, ledger, made, results)
    subject = f"reproduce {made.original.experiment} {made.original.id}: {statement.verdict.level}"
    trailers = f"Gittrack-Reproduction: {statement.id}\nGittrack-Run: {made.original.id}"
    addition = Addition(statement.path, {FILE: dump(statement)}, f"{subject}\n\n{trailers}")
    ledger.append([addition])
    return Reproduced(statement, branch, tuple(results))


def _run(repository: Repository, made: ReproducePlan, told: Callable[[Done], None] | None) -> list[Done]:
    options = made.options
    if options.executor == "local":
        from gittrack.running.executor.local import run_tasks
        from gittrack.running.executor.workspace import workspace

        with workspace(repository) as space:
            return run_tasks(
                space, made.tasks, jobs=options.jobs or 1, told=told, environment=made.environment
            )
    if options.executor == "ray":
        from gittrack.running.executor.cluster import run_tasks_on_ray

        return run_tasks_on_ray(
            repository, made.tasks, address=options.address, resources=options.resources, told=told,
            environment=options.environment, environment_command=options.environment_command,
        )  # fmt: skip
    from gittrack.running.executor.slurm.array import run_tasks_on_slurm

    return run_tasks_on_slurm(
        repository, made.tasks, slurm_options(options), call_of(made), name=new_id(datetime.now(UTC)),
        told=told, environment=options.environment, environment_command=options.environment_command,
    )  # fmt: skip


def _error(result: Done) -> GittrackError:
    error = RepositoryError(result.error)
    error.exit_code = result.exit_code or RepositoryError.exit_code
    return error


def _statement(
    repository: Repository, ledger: Ledger, made: ReproducePlan, results: Sequence[Done]
) -> Reproduction:
    record = made.original
    with Index.open(repository, ledger.onto or ledger.branch) as index:
        entry = entry_of(index, index.one(record.id))
        original = read_result(entry.record, entry.file)
    tip = ledger.state().tip
    with repository.objects() as objects:
        reruns = [_result(objects, f"{tip}", record.experiment, result.run) for result in results]
    origin = origin_now(repository)
    return Reproduction(
        id=origin.id,
        run=record.id,
        experiment=record.experiment,
        made=origin.made,
        author=origin.author,
        claim=made.protocol.reproducibility.level,
        protocol=record.protocol,
        environment=made.environment.kind,
        executor=made.options.executor,
        verdict=judge(original, reruns, made.protocol),
        tool=origin.tool,
    )


def _result(objects: ObjectReader, tip: str, experiment: str, run_id: str) -> Result:
    from gittrack.formats.record import run_path

    folder = run_path(experiment, run_id)

    def read(name: str) -> bytes | None:
        blob = objects.get(f"{tip}:{folder}/{name}")
        return None if blob is None else blob.data

    data = read("run.yaml")
    if data is None:
        raise RepositoryError(f"rerun {run_id} is not on the ledger: run gittrack recover")
    return read_result(load_record(data, f"{folder}/run.yaml"), read)

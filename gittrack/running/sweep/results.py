"""What came of the runs of a sweep: read from the ledger, compared, the best one named."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.codec import load_record
from gittrack.formats.masks import PARAMS, Key, masked_params
from gittrack.formats.record import Code, DataInput, Failure, Record, Value, run_path
from gittrack.formats.values import without_secrets
from gittrack.git.repository import ObjectReader, Repository
from gittrack.reading.index import Index, Row
from gittrack.recording.passing import nested, shown
from gittrack.running.executor.task import Done
from gittrack.running.sweep.plan import TAG, Point, SweepPlan
from gittrack.running.sweep.space import Setting, value_at

NOT_RECORDED = "not recorded"
"""In place of a status, where nothing was run, or the run could not be committed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One run of a sweep as it ended."""

    point: Point
    run: str
    status: str
    recorded: bool = True
    """Whether its record is here."""
    metrics: Mapping[str, float | int | None] = field(default_factory=dict)
    """None: not finite."""
    seed: int | None = None
    """As recorded: the program may have said it."""
    said: str = ""
    """What went wrong, in a line."""
    earlier: bool = False
    """It had finished before: this call did not run it."""

    @property
    def finished(self) -> bool:
        return self.status == "finished"


@dataclass(frozen=True, slots=True)
class Best:
    """The setting with the best mean of the metric over its seeds."""

    setting: Setting
    mean: float
    results: tuple[RunResult, ...]


@dataclass(frozen=True, slots=True)
class Swept:
    """A sweep that has ended."""

    plan: SweepPlan
    results: tuple[RunResult, ...]

    @property
    def finished(self) -> int:
        return sum(result.finished for result in self.results)

    def by_setting(self) -> list[list[RunResult]]:
        """The results of each setting, in the order of the settings."""
        groups: dict[str, list[RunResult]] = {}
        for result in self.results:
            groups.setdefault(json.dumps(result.point.setting), []).append(result)
        return list(groups.values())

    def is_flat(self) -> bool:
        """Whether several settings all came to the same value of the metric, to the last digit."""
        metric = self.plan.metric
        if metric is None:
            return False
        groups = [[r.metrics.get(metric) for r in group if r.finished] for group in self.by_setting()]
        texts = [repr(group) for group in groups if group and None not in group]
        return len(texts) > 1 and len(set(texts)) == 1

    def best(self) -> Best | None:
        """None where no metric and direction are known, or no setting has a value for all its seeds."""
        metric, direction = self.plan.metric, self.plan.direction
        if metric is None or direction is None:
            return None
        candidates = [
            Best(results[0].point.setting, mean, tuple(results))
            for results in self.by_setting()
            if (mean := mean_of(results, metric)) is not None
        ]
        choose = max if direction == "maximize" else min
        return choose(candidates, key=lambda best: best.mean) if candidates else None


def mean_of(results: Sequence[RunResult], metric: str) -> float | None:
    """The mean of a metric; None unless all runs finished with a finite value."""
    values = [result.metrics.get(metric) if result.finished else None for result in results]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def result_of(objects: ObjectReader, plan: SweepPlan, point: Point, rerun: Done) -> RunResult:
    """What the ledger says of a run that has ended."""
    remark = rerun.error or rerun.complaint
    path = f"{run_path(plan.experiment, rerun.run)}/run.yaml"
    blob = objects.get(f"refs/heads/{plan.branch}:{path}")
    if blob is None:
        status = NOT_RECORDED if rerun.error else f"ended with {rerun.status}"
        return RunResult(point=point, run=rerun.run, status=status, recorded=False, said=remark)
    record = load_record(blob.data, path)
    if record.failure is not None:
        console = objects.get(f"refs/heads/{plan.branch}:{record.path}/console.txt")
        remark = _why(record.failure, console.data if console else b"")
    return _result(point, record, "; ".join(filter(None, [*_otherwise(point, record), remark])))


def _otherwise(point: Point, record: Record) -> list[str]:
    """What the program logged in place of what it was given."""
    given = without_secrets(nested(point.setting))
    for key in point.setting:
        recorded, value = value_at(record.params, key), value_at(given, key)
        if json.dumps(recorded, sort_keys=True) != json.dumps(value, sort_keys=True):
            asks = f"does it read GITTRACK_PARAMS, or take {{{key}}} as an argument?"
            return [f"the program says {key}={shown(recorded)}: {asks}"]
    return []


def _why(failure: Failure, console: bytes) -> str:
    """Why a run failed, and the last that its program said."""
    why = failure.message if failure.type == "exit" else f"{failure.type}: {failure.message}"
    lines = [line for line in console.decode("utf-8", "replace").splitlines() if line.strip()]
    return f"{why}: {lines[-1].strip()[:200]}" if lines and failure.type == "exit" else why


def _result(point: Point, record: Record, said: str = "", *, earlier: bool = False) -> RunResult:
    metrics = {name: metric.value for name, metric in record.metrics.items()}
    return RunResult(
        point=point,
        run=record.id,
        status=record.status,
        metrics=metrics,
        seed=record.seed,
        said=said,
        earlier=earlier,
    )


# --- going on with a sweep -----------------------------------------------------------------------


def key_of(plan: SweepPlan, point: Point, key: Key) -> str:
    """The same text for two runs of one setting and seed; `key` tells masked values apart."""
    values = plan.space.values(point.setting)
    safe, digests = masked_params(nested(values), key)
    return _key(safe, digests, values, point.seed)


def _key(
    params: Mapping[str, Value], digests: Mapping[str, str], keys: Iterable[str], seed: int | None
) -> str:
    values = {key: value_at(params, key) for key in keys}
    hidden = {n: d for n, d in digests.items() if any(f"{n}.".startswith(f"{key}.") for key in values)}
    return json.dumps([values, hidden, seed], sort_keys=True)


def earlier_runs(
    repository: Repository, plan: SweepPlan, code: Code, data: Sequence[DataInput]
) -> dict[str, Record]:
    """The finished runs of this sweep on the ledger, by `key_of`.

    UsageError where it has none at all, or they are of other code, data, command or experiment.
    """
    with Index.open(repository, plan.branch) as index:
        rows = index.search(f"tags.{TAG} = '{plan.id}'")[::-1]
        records = [record for record in map(Row.load, rows) if record.reproduces is None]
    if not records:
        raise UsageError(f"no run of sweep {plan.id} is on the ledger: start it anew, without --resume")
    earlier: dict[str, Record] = {}
    for record in records:
        _refuse_other(plan, record, code, data)
        if record.status == "finished":
            seed = None if plan.options.seeds == (None,) else record.seed
            hidden = {n.removeprefix(PARAMS): d for n, d in record.masked.items() if n.startswith(PARAMS)}
            earlier.setdefault(_key(record.params, hidden, plan.space.given, seed), record)
    return earlier


def _refuse_other(plan: SweepPlan, record: Record, code: Code, data: Sequence[DataInput]) -> None:
    then = {(item.path, item.sha256 or item.md5) for item in record.data}
    now = {(item.path, item.sha256 or item.md5) for item in data}
    has_places = plan.example().command != tuple(plan.job.command)
    for what, same in (
        ("experiment", record.experiment == plan.experiment),
        ("code", record.code.tree == code.tree),
        ("command", record.code.command == code.command or has_places),
        ("folder", record.code.cwd == code.cwd),
        ("data", now <= then or record.status != "finished"),
    ):
        if not same:
            commit = (record.code.snapshot or record.code.commit or "")[:12]
            raise UsageError(
                f"sweep {plan.id} cannot go on: its runs had another {what} (gittrack show {record.id[-6:]}, "
                f"code {commit}); go back to that, or start a new sweep"
            )


def earlier_result(point: Point, record: Record) -> RunResult:
    return _result(point, record, earlier=True)


def error_of(results: Sequence[RunResult], reruns: Mapping[str, Done]) -> GittrackError | None:
    """The error of the first run, where no run at all was recorded."""
    if not results or any(result.recorded for result in results):
        return None
    first = reruns.get(results[0].run)
    error = GittrackError(f"no run could be recorded: {results[0].said}")
    error.exit_code = (first.exit_code if first else 0) or GittrackError.exit_code
    return error

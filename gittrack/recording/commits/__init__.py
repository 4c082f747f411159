"""A training commit as a run record: what its tree says, read from git's objects. Nothing is run.

select.py       which commits of a range are training commits
brought.py      the results that a commit brings
declared.py     what dvc.yaml declares
pipeline.py     what dvc.yaml and dvc.lock say together
names.py        one set of names for the values of several files
refresh.py      records that supersede what was recorded when less could be read
results.py      parameters, metrics and series in the files that those name
data.py         data and outputs that dvc.lock, .dvc files and git keep
"""

from __future__ import annotations

import functools
import posixpath
import re
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from gittrack.dvc.settings import ledger_config
from gittrack.errors import ConfigError, GittrackError, UsageError
from gittrack.formats.config import DEFAULT_EXPERIMENT, FILE, Config, declared_metrics, parse
from gittrack.formats.masks import PARAMS, masked_params
from gittrack.formats.record import (
    EXPERIMENT,
    Author,
    Code,
    NotRecorded,
    Record,
    Submodule,
    Tool,
    clean_text,
    format_time,
)
from gittrack.formats.scrub import strip_url
from gittrack.formats.series import Point, by_step, write_table
from gittrack.formats.spec import spec_digest
from gittrack.formats.values import to_params, to_tags
from gittrack.git.objects import parse_commit
from gittrack.git.repository import ObjectReader, Repository
from gittrack.ledger import Ledger
from gittrack.ledger.proposals import PREFIX, target
from gittrack.recording.commits.brought import changes
from gittrack.recording.commits.data import DataReader
from gittrack.recording.commits.declared import YAML, Loss
from gittrack.recording.commits.pipeline import (
    LOCK,
    CommitFiles,
    Pipeline,
    cache_for,
    command_tags,
    read_pipelines,
)
from gittrack.recording.commits.refresh import newest_of, superseding
from gittrack.recording.commits.results import NOT_AT_HAND, ResultReader, Results
from gittrack.recording.commits.surroundings import read_surroundings
from gittrack.recording.finish import Frozen, file_store, final_metrics, keep_series, stated_losses
from gittrack.recording.masking import key_of
from gittrack.version import VERSION

TRAILER = "Gittrack-Experiment"
_TRAILER = re.compile(rf"^{TRAILER}:[ \t]*(\S+)[ \t]*$", re.MULTILINE)
_WHO = re.compile(rb"^(author|committer) (.*) <(.*)> ([0-9]{1,12}) [+-][0-9]{4}$", re.MULTILINE)
_OID_DIGITS = 12
"""Of a commit, at the end of its run's id; a run that was not recorded from a commit has fewer there."""
_MOST_TEXT = 1000
_LATEST = 253402300799  # the end of the year 9999

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Recorded:
    """What recording some commits came to."""

    records: list[Record] = field(default_factory=list)
    present: list[str] = field(default_factory=list)
    """Commits that were on the ledger already."""
    complaints: list[str] = field(default_factory=list)
    """What could not be read, and which commits were left out for it."""
    poor: bool = False
    """Whether a record lacks what the DVC cache does not hold, so that `refresh` can add it later."""


@dataclass(frozen=True, slots=True)
class Commit:
    """What a commit object says."""

    oid: str
    tree: str
    author: Author
    seconds: int
    """Committer date."""
    experiment: str | None

    @property
    def run_id(self) -> str:
        """The same for the same commit, always: recording it again finds the record there."""
        return f"{datetime.fromtimestamp(self.seconds, UTC):%Y%m%d-%H%M%S}-{self.oid[:_OID_DIGITS]}"


def read_commit(oid: str, data: bytes) -> Commit:
    """The commit with these bytes."""
    header, _, message = data.partition(b"\n\n")
    who = {m[1]: m for m in _WHO.finditer(header)}
    author, committer = who.get(b"author"), who.get(b"committer")
    names = (
        [m.decode("utf-8", "replace").strip() or "unknown" for m in author.groups()[1:3]] if author else []
    )
    text = message.decode("utf-8", "replace")
    trailer = _TRAILER.search(text.rstrip().rpartition("\n\n")[2]) if "\n\n" in text else None
    return Commit(
        oid,
        parse_commit(data)[0],
        Author(name=names[0], email=names[1]) if names else Author(name="unknown", email="unknown"),
        min(int(committer[4]), _LATEST) if committer else 0,
        trailer[1] if trailer else None,
    )


def record_commits(
    repo: Repository,
    config: Config,
    commits: Sequence[str],
    *,
    here: bool = False,
    experiment: str | None = None,
    results_from: Mapping[str, str] = MappingProxyType({}),
    refresh: bool = False,
    progress: Progress | None = None,
) -> Recorded:
    """Put each of the training `commits` on the ledger, in their order; those that are there stay.

    `results_from`: of commits that bring no results of their own, the commits that theirs are from.
    `refresh`: of those that are there, whatever can be read by now goes to a record that supersedes theirs.
    `here`: the commit was made just now on this machine, whose environment is recorded with it. Else
    environment.yaml says that nothing is known of it. What cannot be read costs no other commit.
    """
    recorded = Recorded()
    if not commits:
        return recorded
    additions = []
    with repo.objects() as objects:
        stated = [read_commit(oid, _bytes(objects, oid)) for oid in commits]
        ledger = _ledger(repo, config, stated[-1].run_id)
        base = ledger.check(objects).base
        present = _present(objects, base, {c.run_id for c in stated}) if base else set()
        for at, commit in enumerate(stated):
            if commit.run_id in present and not refresh:
                recorded.present.append(commit.oid)
                continue
            try:
                origin = results_from.get(commit.oid)
                recording = _Recording(repo, objects, config, commit, here, origin, recorded.complaints)
                before = newest_of(objects, base, commit.run_id) if base and refresh else None
                frozen = recording.freeze(before.record.experiment if before else experiment)
                anew = superseding(before, frozen) if before else frozen
            except GittrackError as error:
                recorded.complaints.append(f"commit {commit.oid[:10]} was not recorded: {error}")
                continue
            if anew is None:
                recorded.present.append(commit.oid)
                continue
            recorded.poor |= recording.is_poor
            recorded.records.append(anew.record)
            additions.append(replace(anew.addition(), releases=()))
            if progress:
                progress(at + 1, len(stated))
    if additions:
        ledger.append(additions, dvc_config=ledger_config(repo.worktree))
    return recorded


def is_recorded(repo: Repository, config: Config, commit: str) -> bool:
    """Whether the ledger has the record of this training commit."""
    with repo.objects() as objects:
        run_id = read_commit(commit, _bytes(objects, commit)).run_id
        base = _ledger(repo, config, run_id).state().base
        return base is not None and bool(_present(objects, base, [run_id]))


def recorded_commits(repo: Repository, config: Config) -> set[str]:
    """The first 12 digits of each commit that the ledger, or a proposal, has as a run."""
    ledger = Ledger(repo, config.ledger.branch).state().base
    tips = {ref.oid for ref in repo.refs(f"refs/heads/{PREFIX}").values()} | ({ledger} if ledger else set())
    commits: set[str] = set()
    with repo.objects() as objects:
        days: set[str] = set()
        for tip in tips:
            for experiment in (objects.tree(f"{tip}:runs") or {}).values():
                days |= {day.oid for day in (objects.tree(experiment.oid) or {}).values()}
        for day in days:
            ids = (run_id.rpartition("-")[2] for run_id in objects.tree(day) or {})
            commits |= {end for end in ids if len(end) == _OID_DIGITS}
    return commits


def _ledger(repo: Repository, config: Config, name: str) -> Ledger:
    """The ledger, or in review mode the proposal that is named after the (last) run."""
    return Ledger(repo, *target(config, None, name))


def _bytes(objects: ObjectReader, oid: str) -> bytes:
    blob = objects.get(oid)
    return blob.data if blob is not None else b""


def _present(objects: ObjectReader, base: str, run_ids: Iterable[str]) -> set[str]:
    """Those of the run ids that the ledger has, in whichever experiment."""
    wanted = set(run_ids)
    days = {f"{i[:4]}-{i[4:6]}-{i[6:8]}" for i in wanted}
    experiments = objects.tree(f"{base}:runs") or {}
    folders = (objects.tree(f"{base}:runs/{e}/{day}") or {} for e in experiments for day in days)
    return wanted & {run_id for folder in folders for run_id in folder}


class _Recording:
    """One commit on its way to a record."""

    def __init__(
        self,
        repo: Repository,
        objects: ObjectReader,
        config: Config,
        commit: Commit,
        here: bool,
        results_from: str | None,
        complaints: list[str],
    ) -> None:
        self._repo = repo
        self._commit = commit
        self._here = here
        self._complaints = complaints
        self._results_from = results_from
        self._files = CommitFiles.of(repo, objects, commit.oid)
        self._current = config
        self._config = self._config_then()
        self._pipelines = self._read_pipelines()
        self._poor = False
        self._losses: list[Loss] = [loss for p in self._pipelines for loss in p.losses]

    def _config_then(self) -> Config:
        """gittrack.yaml as it was committed; today's where that commit had none."""
        data = self._files.read(FILE)
        if data is None:
            return self._current
        try:
            return parse(data, FILE)
        except ConfigError as error:
            self._complaints.append(f"commit {self._commit.oid[:10]}: {error}; today's settings are used")
            return self._current

    def _read_pipelines(self) -> list[Pipeline]:
        """Those whose results the commit changed, or else all."""
        names = {posixpath.dirname(n) for n in self._files.names if posixpath.basename(n) in (LOCK, YAML)}
        changed = (
            [c for _, of in changes(self._repo, [self._commit.oid]) for c in of] if len(names) > 1 else []
        )
        return read_pipelines(self._files, frozenset(c.path for c in changed if c.now is not None))

    def freeze(self, experiment: str | None) -> Frozen:
        from gittrack.formats import codec

        name = self._experiment(experiment)
        code = self._code()
        around = read_surroundings(self._files, self._pipelines, self._config, here=self._here)
        with tempfile.TemporaryDirectory(prefix="gittrack-") as temporary:
            results, (metrics, series, files) = self._results(Path(temporary), name)
        data = DataReader(self._repo, self._files, self._pipelines, self._config.experiment_config(name))
        declared = [*self._config.inputs, *self._config.experiment_config(name).inputs]
        data.read(declared, self._config, frozenset(results.metrics_files))
        self._poor = any(output.sha256 is None for output in data.outputs)
        code = replace(code, metrics_files=tuple(map(clean_text, results.metrics_files)))
        params, digests = masked_params(self._params(results.params), key_of(self._repo.state_dir))
        masked = {f"{PARAMS}{name}": made for name, made in digests.items()}
        self._losses += [*results.losses, *data.losses]
        seed = params.get("seed")
        locked = any(pipeline.stages for pipeline in self._pipelines)
        has_results = bool(locked or metrics or results.metrics_files or data.outputs)
        record = Record(
            id=self._commit.run_id,
            experiment=name,
            status="finished" if has_results else "unknown",
            started=format_time(datetime.fromtimestamp(self._commit.seconds, UTC)),
            author=self._commit.author,
            tags=to_tags(self._tags()),
            params=params,
            masked=masked,
            seed=seed if type(seed) is int and seed.bit_length() <= 128 else None,
            metrics=metrics,
            code=code,
            data=tuple(data.inputs),
            locks=around.locks,
            environment=around.summary,
            outputs=tuple(data.outputs),
            series=series,
            not_recorded=self._not_recorded(),
            spec=spec_digest(code, params, data.inputs, around.locks, masked),
            protocol=self._files.oid(FILE),
            tool=Tool(version=VERSION),
        )
        files |= {"environment.yaml": around.written, **data.pointers}
        return Frozen(record, {"run.yaml": codec.dump_record(record), **files})

    @property
    def is_poor(self) -> bool:
        """Whether the frozen record lacks something that DVC keeps and the cache does not hold."""
        return self._poor or any(why == NOT_AT_HAND for _, why in self._losses)

    def _params(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """As a record holds them; one that it cannot hold is a loss of its own."""
        try:
            return to_params(params)
        except UsageError:
            held: dict[str, Any] = {}
            for name, value in params.items():
                try:
                    held |= to_params({name: value})
                except UsageError as error:
                    self._losses.append((f"params {name}"[:250], str(error)))
            return held

    def _not_recorded(self) -> tuple[NotRecorded, ...]:
        losses = list(dict.fromkeys(self._losses))
        self._complaints += [f"{what} of {self._commit.oid[:10]} {why}" for what, why in losses]
        return stated_losses(
            [
                NotRecorded(what=clean_text(what)[:_MOST_TEXT], why=clean_text(why)[:_MOST_TEXT])
                for what, why in losses
            ]
        )

    def _experiment(self, given: str | None) -> str:
        """The trailer's, as told, gittrack.yaml's of that commit or of today, or the default one."""
        names = (self._commit.experiment, given, self._config.experiment, self._current.experiment)
        name = next((n for n in names if n), DEFAULT_EXPERIMENT)
        if not EXPERIMENT.match(name):
            raise ConfigError(f"{TRAILER}: {name!r} is no name of an experiment")
        return name

    def _code(self) -> Code:
        remotes = self._repo.remotes()
        url = self._repo.setting(f"remote.{remotes[0]}.url") if remotes else None
        head = self._repo.run("symbolic-ref", "--quiet", "--short", "HEAD").out if self._here else b""
        branch = clean_text(head.decode("utf-8", "surrogateescape").strip()) or None
        folder = self._pipelines[0].folder if len(self._pipelines) == 1 else ""
        return Code(
            commit=self._commit.oid,
            tree=self._commit.tree,
            branch=branch,
            detached=self._here and branch is None,
            remote=clean_text(strip_url(url)) if url else None,
            command=("dvc", "repro") if any(p.stages for p in self._pipelines) else (),
            cwd=clean_text(folder) or ".",
            submodules=tuple(
                Submodule(path=clean_text(p), commit=c) for p, c in sorted(self._files.submodules.items())
            ),
        )

    def _tags(self) -> dict[str, str]:
        """Where the record comes from, and the command of each stage."""
        known = "of the machine that made the commit" if self._here else "not recorded"
        origin = {"gittrack.results_from": self._results_from} if self._results_from else {}
        return {
            "gittrack.source": "commit",
            "gittrack.environment": known,
            **origin,
            **command_tags(self._pipelines),
        }

    def _results(self, folder: Path, experiment: str) -> tuple[Results, Any]:
        reading = folder / "read"
        reading.mkdir()
        cache = functools.partial(cache_for, self._repo, self._files)
        reader = ResultReader(self._files, self._pipelines, cache, reading, Results())
        reader.read_params(self._config.training_commit.params)
        reader.read_metrics(self._config.training_commit.metrics)
        points: list[Point] = [(0.0, step, values) for step, values in by_step(reader.results.rows)]
        table = write_table(lambda: points, folder / "metrics.csv")
        declared = declared_metrics(self._config, experiment)
        summary = reader.results.metrics
        files: dict[str, bytes] = {}
        series = keep_series(table, files, file_store(self._repo)) if table.rows else None
        return reader.results, (final_metrics(table, summary, declared), series, files)

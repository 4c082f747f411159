"""What a reviewer of a pull request reads: its runs beside the baseline, and what is to be decided.

`review` gathers everything into a `Review`; `markdown`, `charts` and `terminal` show it.
A pull request into the ledger is about the records it adds; one into a code branch about the
runs of its commits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from gittrack.errors import RecordError
from gittrack.formats.masks import pool_of
from gittrack.formats.plain import to_dict as plain_decision
from gittrack.git.repository import Repository
from gittrack.publishing.review.select import (
    Baselines,
    Range,
    Selection,
    added_runs,
    find_range,
    runs_of_commits,
)
from gittrack.reading.diff import Comparison, compare
from gittrack.reading.entry import Entry
from gittrack.reading.index import Index, Row
from gittrack.stats.maths import Difference, Interval, mean_interval, welch
from gittrack.stats.metrics import direction_of, metric_names
from gittrack.stats.replicates import Group, Sample

if TYPE_CHECKING:
    from gittrack.verify import VerifyReport

MOST_COMPARED = 50
"""Runs of an experiment that are compared with the baseline one by one; the table lists them all."""


@dataclass(frozen=True, slots=True)
class Replicated:
    """A metric over the runs of one spec, beside that of the baseline's spec."""

    metric: str
    runs: tuple[str, ...]
    mean: Interval
    base: Interval | None
    difference: Difference | None
    direction: str | None = None

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, ``no real difference`` or why nobody can tell; empty without a baseline."""
        difference = self.difference
        if difference is None:
            return ""
        if difference.real is None:
            return difference.why
        if not difference.real:
            return "no real difference"
        if self.direction is None:
            return "differs"
        return "better" if (difference.difference > 0) == (self.direction == "maximize") else "worse"


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """The runs of one experiment; `comparisons` are those of the first with the baseline, if there is one."""

    name: str
    baseline: Entry | None
    runs: Sequence[Entry]
    comparisons: Sequence[Comparison]
    replicated: Sequence[Replicated]
    unreadable: Sequence[str] = ()
    """Why runs could not be compared: a damaged file beside the record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """All that is known of a pull request. `verified` is None where there was nothing to verify."""

    span: Range
    selection: Selection
    verified: VerifyReport | None
    experiments: Sequence[Experiment]
    damaged: Sequence[Row]

    @property
    def runs(self) -> int:
        return len(self.selection.rows) + self.selection.left_out


def review(
    repo: Repository, ledger: str, spec: str | None = None, base: str | None = None, *, fsck: bool = True
) -> Review:
    """What ``BASE..HEAD`` (or HEAD, with `base`) brings to the ledger on branch `ledger`."""
    span = find_range(repo, ledger, spec, base)
    with Index.open(repo, ledger) as index:
        selection = added_runs(repo, span) if span.kind == "ledger" else runs_of_commits(repo, index, span)
        baselines = Baselines(repo, index, span, selection.rows)
        sound = [row for row in selection.rows if row.fault is None]
        experiments = [
            _experiment(repo, index.tip or "", selection, baselines, name, list(rows))
            for name, rows in groupby(sound, key=lambda row: row.experiment)
        ]
    return Review(
        span=span,
        selection=selection,
        verified=_verify(repo, span, selection, fsck),
        experiments=experiments,
        damaged=[row for row in selection.rows if row.fault is not None],
    )


def _verify(repo: Repository, span: Range, selection: Selection, fsck: bool) -> VerifyReport | None:
    """What `gittrack verify` says of the same runs."""
    from gittrack.verify import VerifyOptions, verify

    options = VerifyOptions(fsck=fsck)
    if span.kind == "ledger":
        wanted = [f"{span.fork}..{span.head}" if span.fork else span.head]
    else:
        wanted = [row.id for row in selection.rows]
        if not wanted:
            return None
    return verify(repo, selection=wanted, options=options)


def _experiment(
    repo: Repository, tip: str, selection: Selection, baselines: Baselines, name: str, rows: Sequence[Row]
) -> Experiment:
    base = baselines.of(name)
    baseline = None if base is None else Entry(base, tip, repo)
    runs = [Entry(row, selection.at, repo) for row in rows]
    compared, unreadable = _compare(baseline, runs[:MOST_COMPARED])
    known = [] if base is None else [Entry(row, tip, repo) for row in baselines.replicates(base)]
    return Experiment(
        name=name,
        baseline=baseline,
        runs=runs,
        comparisons=compared,
        replicated=_replicated(runs, known),
        unreadable=unreadable,
    )


def _compare(baseline: Entry | None, runs: Sequence[Entry]) -> tuple[list[Comparison], list[str]]:
    """What differs from the baseline; a run with a damaged file is named, and does not stop the rest."""
    compared: list[Comparison] = []
    unreadable: list[str] = []
    if baseline is None:
        return compared, unreadable
    for run in runs:
        try:
            compared.append(compare(baseline, run))
        except RecordError as error:
            unreadable.append(str(error))
    return compared, unreadable


def _replicated(runs: Sequence[Entry], known: Sequence[Entry]) -> list[Replicated]:
    """Each metric of each spec that has several replicates on either side."""
    base = _replicates(known)
    rows = []
    for group in _by_spec(runs):
        sample = _replicates(group)
        for metric in metric_names(sample.runs):
            values, others = sample.values(metric), base.values(metric)
            if not values or max(len(values), len(others)) < 2:
                continue
            rows.append(
                Replicated(
                    metric,
                    tuple(run.id for run in group),
                    mean_interval(values),
                    mean_interval(others) if others else None,
                    welch(others, values) if others else None,
                    direction_of(sample.runs, metric),
                )
            )
    return rows


def _by_spec(runs: Sequence[Entry]) -> Iterable[list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for run in runs:
        if run.record.status == "finished":
            groups.setdefault(pool_of(run.record), []).append(run)
    return groups.values()


def _replicates(runs: Sequence[Entry]) -> Sample:
    """The sample across seeds of runs of one spec; reruns with nothing varied are no second replicate."""
    oldest_first = sorted(runs, key=lambda run: run.row.newest_key)
    sample = Group("", "", tuple(run.record for run in oldest_first)).across
    return Sample(sample.varied, sample.runs[:1]) if sample.varied == "nothing" else sample


def to_dict(review: Review, questions: Sequence[str]) -> dict[str, Any]:
    """The review as plain values, whole."""
    return {
        "kind": review.span.kind,
        "base": {"name": review.span.base_name, "commit": review.span.base},
        "head": {"name": review.span.head_name, "commit": review.span.head},
        "runs": review.runs,
        "verify": _verdict(review.verified),
        "altered": [{"status": letter, "path": path} for letter, path in review.selection.altered],
        "decisions": [plain_decision(made) for made in review.selection.decisions],
        "damaged": [{"path": row.path, "fault": row.fault} for row in review.damaged],
        "experiments": [_plain(e) for e in review.experiments],
        "questions": list(questions),
    }


def _verdict(report: VerifyReport | None) -> Mapping[str, Any] | None:
    from dataclasses import asdict

    if report is None:
        return None
    return {"outcome": report.outcome, "findings": [asdict(finding) for finding in report.findings]}


def _plain(experiment: Experiment) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "experiment": experiment.name,
        "baseline": experiment.baseline.row.record if experiment.baseline else None,
        "runs": [run.row.record for run in experiment.runs],
        "comparisons": [comparison.to_dict() for comparison in experiment.comparisons],
        "unreadable": list(experiment.unreadable),
        "replicates": [{**asdict(r), "verdict": r.verdict} for r in experiment.replicated],
    }

"""Learning curves of the subject and of the candidates that came nearest to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gittrack.errors import NotFoundError, RecordError
from gittrack.formats.config import ExperimentConfig
from gittrack.formats.record import Record
from gittrack.publishing.report.model import Curve, Curves
from gittrack.publishing.review.charts import ChartLine
from gittrack.publishing.review.charts import curves as lines_of
from gittrack.reading.entry import Entry, entry_of
from gittrack.reading.index import Index
from gittrack.stats.replicates import Group, final_value
from gittrack.text.line_chart import decimated

MOST_METRICS = 6
MOST_LINES = 8
"""Of a picture, that of the subject among them."""
MOST_POINTS = 240
"""Of a line: more than a picture has room for says nothing more."""


def learning_curves(
    index: Index,
    groups: Sequence[Group],
    records: Sequence[Record],
    subject: Entry | None,
    protocol: ExperimentConfig,
) -> list[Curves]:
    """By metric: declared ones first. A candidate is drawn by the first of its runs that has a series.

    `records` are the runs of all groups, oldest first.
    """
    drawn = [] if subject is None or subject.record.series is None else [subject]
    own = subject.record.spec if subject is not None else None
    first = {r.id for g in groups if g.spec != own if (r := _with_series(g)) is not None}
    runs = [record for record in records if record.id in first]
    for run in _nearest(runs, protocol)[: MOST_LINES - len(drawn)]:
        try:
            drawn.append(entry_of(index, index.one(run.id)))
        except (NotFoundError, RecordError):
            continue
    series = [(entry, lines_of(entry)) for entry in drawn]
    names = {name for _, lines in series for name in lines}
    ordered = sorted(names, key=lambda name: (name not in protocol.metrics, name))
    return [_curves(name, series) for name in ordered[:MOST_METRICS]]


def _with_series(group: Group) -> Record | None:
    return next((run for run in group.across.runs if run.series is not None), None)


def _nearest(runs: Sequence[Record], protocol: ExperimentConfig) -> list[Record]:
    """Of `runs`, oldest first, the best ones by the metric that decides, else the newest."""
    metric = protocol.gate.metric if protocol.gate else next(iter(protocol.metrics), None)
    direction = None if metric is None else protocol.direction_of(metric)
    if metric is None or direction is None:
        return list(reversed(runs))
    sign = -1 if direction == "maximize" else 1

    def key(run: Record) -> tuple[bool, float]:
        value = final_value(run, metric)
        return value is None, sign * (value or 0.0)

    return sorted(runs, key=key)


def _curves(name: str, series: Sequence[tuple[Entry, Mapping[str, ChartLine]]]) -> Curves:
    lines = [
        Curve(
            entry.id,
            entry.record.spec,
            decimated(line.points, MOST_POINTS),
            len(line.points),
            min(value for _, value in line.points),
            max(value for _, value in line.points),
            line.sampled,
            line.odd,
        )
        for entry, drawn in series
        if (line := drawn.get(name)) is not None
    ]
    return Curves(name, tuple(lines))

"""A record as a notebook shows it: one line, or a table with small curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gittrack.formats.flat import flatten

Curves = Mapping[str, Sequence[tuple[float, float]]]
"""By metric, its points: step and value."""

MOST = 40
"""Rows of each kind."""
_FEW = 3


def line(record: Any) -> str:
    """What a `Record` is of, how it ended, and its first metrics."""
    name = [repr(record.name)] if record.name else []
    metrics = [f"{name}={_value(metric)}" for name, metric in list(record.metrics.items())[:_FEW]]
    more = ["..."] if len(record.metrics) > _FEW else []
    return " ".join([record.id, record.experiment, *name, record.status, *metrics, *more])


def as_html(record: Any, curves: Curves | None = None) -> str:
    """What a `Record` was given and what came out, each metric beside its curve."""
    from gittrack.text import html, text

    facts = [
        ("status", record.ending),
        ("started", record.started),
        ("duration", text.duration(record.duration_s)),
        *([("hypothesis", record.hypothesis)] if record.hypothesis else []),
        *([("seed", str(record.seed))] if record.seed is not None else []),
        *([("failure", f"{record.failure.type}: {record.failure.message}")] if record.failure else []),
        *((f"tag {name}", value) for name, value in record.tags.items()),
        *((f"not recorded: {loss.what}", loss.reason) for loss in record.not_recorded),
    ]
    metrics = {name: (_value(metric), metric.step) for name, metric in record.metrics.items()}
    title = " ".join([record.experiment, *([record.name] if record.name else []), record.id])
    params = flatten(record.params)
    return "".join([html.caption(title), html.table(facts[:MOST]), body(params, metrics, curves or {})])


def body(params: Mapping[str, Any], metrics: Mapping[str, tuple[str, int | None]], curves: Curves) -> str:
    """Tables of parameters and of metrics: value, step, curve."""
    from gittrack.text import html, text

    given = [(name, text.value(value)) for name, value in params.items()]
    values = [
        (name, value, "" if step is None else f"step {step:,}", html.curve(curves.get(name, ())))
        for name, (value, step) in metrics.items()
    ]
    return "".join(html.table(_cut(rows)) for rows in (given, values) if rows)


def final(record: Any, name: str) -> str:
    """The final value of one metric; empty where there is none."""
    metric = record.metrics.get(name)
    return "" if metric is None else _value(metric)


def _cut(rows: Sequence[tuple[str, ...]]) -> Sequence[tuple[str, ...]]:
    return rows if len(rows) <= MOST else [*rows[:MOST], (f"and {len(rows) - MOST:,} more",)]


def _value(metric: Any) -> str:
    from gittrack.text import text

    return str(metric.status or text.number(metric.value, 6))

"""The experiment log as a spreadsheet: a row for each run, a column for each thing an assessor asks for.

Which run it was and when, what was expected, every hyperparameter, data version, code commit, seed,
duration, every metric, notes, and what became of it: selected, rejected or baseline, and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from gittrack.formats.flat import flatten
from gittrack.reading.index import Index, Row

DATE = "date (UTC)"
SECONDS = "training duration (s)"
_NOTES = ("notes", "note")


@dataclass(frozen=True, slots=True)
class Sheet:
    """A table; a cell is text, a number, a bool, a datetime (UTC, naive), or None."""

    name: str
    """The experiment; empty where there are several."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


def sheets(index: Index, rows: Sequence[Row], declared: Mapping[str, Sequence[str]]) -> list[Sheet]:
    """One sheet for each experiment, in the order in which `rows` have them.

    `declared`: the metrics that gittrack.yaml names, by experiment; they come first, logged or not.
    """
    by_experiment: dict[str, list[Row]] = {}
    for row in rows:
        by_experiment.setdefault(row.experiment, []).append(row)
    return [
        _sheet(name, own, _lines(index, own), declared.get(name, ())) for name, own in by_experiment.items()
    ]


def sheet(index: Index, rows: Sequence[Row], declared: Mapping[str, Sequence[str]]) -> Sheet:
    """All `rows` in one table."""
    experiments = dict.fromkeys(row.experiment for row in rows)
    metrics = dict.fromkeys(metric for name in experiments for metric in declared.get(name, ()))
    return _sheet("", rows, _lines(index, rows), tuple(metrics))


_Line = tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]
"""Facts that come first, parameters, metrics, and facts that come last; by column."""


def _sheet(name: str, rows: Sequence[Row], lines: Sequence[_Line], declared: Sequence[str]) -> Sheet:
    families: list[dict[str, None]] = [{}, {}, {f"metrics.{metric}": None for metric in declared}, {}]
    for line in lines:
        for family, part in zip(families, line, strict=True):
            family.update(dict.fromkeys(part))
    first, params, metrics, last = families
    at = list(last).index(SECONDS) + 1 if last else 0
    columns = (*first, *params, *list(last)[:at], *metrics, *list(last)[at:])
    everything = ({**a, **b, **c, **d} for a, b, c, d in lines)
    return Sheet(name, columns, tuple(tuple(line.get(c) for c in columns) for line in everything))


def _lines(index: Index, rows: Sequence[Row]) -> list[_Line]:
    return [_line(index, row) for row in rows]


def _line(index: Index, row: Row) -> _Line:
    record = row.record
    params = flatten(record.get("params", {}))
    metrics = {key: m.get("value", m.get("status")) for key, m in record.get("metrics", {}).items()}
    decided = index.decisions(row.id)[-1] if row.outcome else None
    return (
        {
            "experiment": row.experiment,
            "run": row.id,
            DATE: _date(row.started),
            "status": row.status,
            "author": row.author,
            "hypothesis": row.hypothesis,
        },
        {f"params.{key}": value for key, value in params.items()},
        {f"metrics.{key}": value for key, value in metrics.items()},
        {
            "data version": _data(record.get("data", ())),
            "code commit": _code(row),
            "random seed": record.get("seed"),
            SECONDS: row.duration_s,
            "notes": _notes(row),
            "outcome": decided.outcome if decided else None,
            "because": decided.because if decided else None,
            "decided by": decided.author if decided else None,
            "model sha256": _models(record.get("outputs", ())),
        },
    )


def _date(started: float) -> datetime | None:
    return datetime.fromtimestamp(started, UTC).replace(tzinfo=None) if started > 0 else None


def _data(inputs: Sequence[Mapping[str, Any]]) -> str | None:
    return "; ".join(f"{d.get('role', 'role not stated')} {d['path']} {_digest(d)}" for d in inputs) or None


def _digest(data: Mapping[str, Any]) -> str:
    for name in ("md5", "sha256", "blob"):
        if name in data:
            return f"{name}:{data[name]}"
    return "unknown"


def _code(row: Row) -> str | None:
    """The commit that ran: the snapshot where there were uncommitted changes."""
    if row.snapshot:
        return f"{row.snapshot} (snapshot on {row.commit})" if row.commit else f"{row.snapshot} (snapshot)"
    return row.commit


def _notes(row: Row) -> str | None:
    """The run's name and tags, and why it failed."""
    if row.fault is not None:
        return row.fault
    tags, failure = row.record.get("tags", {}), row.record.get("failure")
    parts = [row.name, *(tags.get(name) for name in _NOTES)]
    parts += [f"{key}: {value}" for key, value in tags.items() if key not in _NOTES]
    if failure:
        parts.append(f"{row.status}: {failure['type']}: {failure['message']}")
    return "; ".join(part for part in parts if part) or None


def _models(outputs: Sequence[Mapping[str, Any]]) -> str | None:
    """Of the outputs of the role model; with their paths where there are several."""
    models = [(o["path"], o.get("sha256", "")) for o in outputs if o["role"] == "model"]
    if len(models) == 1:
        return models[0][1] or None
    return "; ".join(f"{path} {sha256}" for path, sha256 in models) or None

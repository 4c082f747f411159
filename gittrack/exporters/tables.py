"""Runs as rows of tables: which columns there are, and what a run is in them. docs/export.md says more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from gittrack.formats.flat import flatten
from gittrack.formats.record import parse_time
from gittrack.reading.across import PlacedRun
from gittrack.reading.index import Row
from gittrack.reading.index.rows import number
from gittrack.text.json_text import json_line

SCHEMA = "gittrack/tables/1"
"""Columns may be added under this version; none is renamed, dropped or given another kind."""

Kind = Literal["text", "number", "whole", "truth", "time"]

TABLES: Mapping[str, Mapping[str, Kind]] = {
    "runs": {
        "repo": "text",
        "run_id": "text",
        "experiment": "text",
        "name": "text",
        "status": "text",
        "started": "time",
        "duration_s": "number",
        "author": "text",
        "email": "text",
        "hypothesis": "text",
        "outcome": "text",
        "commit": "text",
        "snapshot": "text",
        "branch": "text",
        "dirty": "truth",
        "seed": "whole",
        "spec": "text",
        "parent": "text",
        "reproduces": "text",
        "continues": "text",
        "supersedes": "text",
        "imported": "text",
        "source_id": "text",
        "failure_type": "text",
        "failure_message": "text",
        "path": "text",
        "blob": "text",
        "fault": "text",
        "record": "text",
    },
    "params": {
        "repo": "text",
        "run_id": "text",
        "key": "text",
        "type": "text",
        "number": "number",
        "text": "text",
    },
    "metrics": {
        "repo": "text",
        "run_id": "text",
        "key": "text",
        "value": "number",
        "status": "text",
        "step": "whole",
        "fractional_step": "number",
        "split": "text",
        "direction": "text",
        "unit": "text",
        "rule": "text",
    },
    "tags": {"repo": "text", "run_id": "text", "key": "text", "value": "text"},
    "inputs": {
        "repo": "text",
        "run_id": "text",
        "path": "text",
        "role": "text",
        "source": "text",
        "md5": "text",
        "sha256": "text",
        "blob": "text",
        "size": "whole",
        "nfiles": "whole",
    },
    "datasets": {
        "repo": "text",
        "run_id": "text",
        "name": "text",
        "digest": "text",
        "source": "text",
        "context": "text",
    },
    "outputs": {
        "repo": "text",
        "run_id": "text",
        "path": "text",
        "role": "text",
        "md5": "text",
        "sha256": "text",
        "size": "whole",
        "nfiles": "whole",
        "name": "text",
        "version": "text",
    },
    "decisions": {
        "repo": "text",
        "run_id": "text",
        "decision_id": "text",
        "experiment": "text",
        "outcome": "text",
        "because": "text",
        "author": "text",
        "made": "time",
    },
}
"""The columns of each table, in order. ``repo`` and ``run_id`` join them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ENTRIES = {"inputs": "data", "datasets": "datasets", "outputs": "outputs"}
"""Tables of the lists of a record."""


def rows_of(found: PlacedRun) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """What a run is in the tables: the name of one, and a value for each of its columns after ``repo``.

    Times are microseconds since the epoch. A damaged record is a row of ``runs`` alone.
    """
    row = found.row
    record = row.record
    yield "runs", _run(row, record)
    for key, value in flatten(record.get("params", {})).items():
        yield "params", (row.id, key, *_param(value))
    for key, metric in record.get("metrics", {}).items():
        yield "metrics", (row.id, key, *_metric(metric))
    for item in record.get("tags", {}).items():
        yield "tags", (row.id, *item)
    for table, field in _ENTRIES.items():
        names = list(TABLES[table])[2:]
        for entry in record.get(field, ()):
            yield table, (row.id, *(_fitting(entry.get(name)) for name in names))
    if row.outcome is not None:
        for made in found.place.index.decisions(row.id):
            yield (
                "decisions",
                (
                    row.id,
                    made.id,
                    made.experiment,
                    made.outcome,
                    made.because,
                    made.author,
                    _micros(made.made),
                ),
            )


def _run(row: Row, record: Mapping[str, Any]) -> tuple[Any, ...]:
    damaged = row.fault is not None
    failure = record.get("failure", {})
    return (
        row.id, row.experiment, row.name, row.status, _started(row, record), row.duration_s,
        row.author, row.email, row.hypothesis, row.outcome, row.commit, row.snapshot, row.branch,
        None if damaged else row.dirty, _fitting(record.get("seed")), row.spec,
        record.get("parent"), record.get("reproduces"), record.get("continues"),
        record.get("supersedes"), row.system, record.get("imported", {}).get("id"),
        failure.get("type"), failure.get("message"),
        row.path, row.blob, row.fault, None if damaged else row.text,
    )  # fmt: skip


def _started(row: Row, record: Mapping[str, Any]) -> int | None:
    """Of a damaged record as its path tells, to the second."""
    if "started" in record:
        return _micros(record["started"])
    return int(row.started) * 1_000_000 if row.started > 0 else None


def _micros(moment: str) -> int | None:
    try:
        return (parse_time(moment) - _EPOCH) // _MICROSECOND
    except (ValueError, TypeError):
        return None


def _fitting(value: Any) -> Any:
    """Whole numbers beyond 64 bits are in ``record`` alone."""
    return None if isinstance(value, int) and not -(2**63) <= value < 2**63 else value


def _param(value: Any) -> tuple[str, float | None, str | None]:
    """Type, number and text: JSON, but of a text the text itself."""
    if value is None:
        return "null", None, None
    if isinstance(value, str):
        return "text", None, value
    text = json_line(value)
    if isinstance(value, bool):
        return "bool", None, text
    if isinstance(value, (int, float)):
        return ("int" if isinstance(value, int) else "float"), float(number(value)), text
    return ("list" if isinstance(value, list) else "mapping"), None, text


def _metric(metric: Mapping[str, Any]) -> tuple[Any, ...]:
    value, step = metric.get("value"), metric.get("step")
    return (
        None if value is None else float(number(value)),
        metric.get("status"),
        None if isinstance(step, float) else _fitting(step),
        step if isinstance(step, float) else None,
        *(metric.get(name) for name in ("split", "direction", "unit", "rule")),
    )

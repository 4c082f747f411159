"""The questions that the index asks its tables, as SQL: which runs, in which order, with which facts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from gittrack.formats.experiments import experiment_of
from gittrack.reading.index.rows import OUTCOME, SUPERSEDED, TOTALS, Row

_ROW = (
    "r.id, r.experiment, r.status, r.started, r.duration_s, r.author, r.email, r.name, r.hypothesis, "
    "r.commit_id, r.snapshot, r.branch, r.dirty, r.seed, r.spec, r.path, r.blob, r.fault, d.json, "
    f"{OUTCOME}, r.continues, r.system, {', '.join(f'r.{name}' for name in TOTALS)}, r.place"
)
SELECT = f"SELECT {_ROW} FROM runs r JOIN records d ON d.run = r.run"  # noqa: S608
_FIELDS = (
    "id", "experiment", "status", "started", "duration_s", "author", "email", "name", "hypothesis", "commit",
    "snapshot", "branch", "dirty", "seed", "spec", "path", "blob", "fault", "text", "outcome",
    "continues", "system", *TOTALS, "place",
)  # fmt: skip
IMPORTS = (
    "SELECT source, id, digest, experiment FROM ("  # noqa: S608
    "SELECT r.source, r.id, json_extract(d.json, '$.imported.digest') AS digest, r.experiment FROM runs r "
    f"JOIN records d ON d.run = r.run WHERE r.system = ?1 AND NOT {SUPERSEDED} UNION ALL "
    "SELECT json_extract(h.value, '$.id'), r.id, NULL, r.experiment FROM runs r "
    "JOIN records d ON d.run = r.run, json_each(d.json, '$.harvested') h "
    "WHERE d.json LIKE '%\"harvested\":[%' AND json_extract(h.value, '$.system') = ?1"
    ") ORDER BY digest IS NOT NULL, id"
)
"""Runs that were imported, and before them those that a run has taken up, which have no digest."""
NEWEST = "CAST(r.started AS INTEGER) DESC, r.place DESC, r.started DESC, r.id DESC"
"""As `Row.newest_key` orders."""


def where_of(filter: str | None, experiment: str | None, ids: Sequence[str] | None) -> tuple[str, list[Any]]:
    terms: list[str] = ["1"] if ids is not None else [f"NOT {SUPERSEDED}"]
    values: list[Any] = []
    if filter is not None and filter.strip():
        from gittrack.reading.index.filters import parse_filter
        from gittrack.reading.index.sql import compile_filter

        sql, values = compile_filter(parse_filter(filter))
        terms.append(sql)
    if experiment is not None:
        terms.append("r.experiment = ?")
        values.append(experiment_of(experiment))
    if ids is not None:
        terms.append("r.id IN (SELECT value FROM json_each(?))")
        values.append(json.dumps(list(ids)))
    return " AND ".join(terms), values


def order_of(order_by: Sequence[str]) -> tuple[list[str], list[Any]]:
    if not order_by:
        return [], []
    from gittrack.reading.index.filters import parse_order
    from gittrack.reading.index.sql import compile_order

    parts = [compile_order(*parse_order(text)) for text in order_by]
    return [sql for sql, _ in parts], [value for _, values in parts for value in values]


def row_of(values: tuple[Any, ...]) -> Row:
    facts = dict(zip(_FIELDS, values, strict=True))
    facts["dirty"] = None if facts["dirty"] is None else bool(facts["dirty"])
    return Row(**facts)

"""One run.yaml as rows of the index's tables. Loaded only for what the index does not know."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from gittrack.errors import RecordError
from gittrack.formats.flat import flatten
from gittrack.git.repository import ObjectReader, Repository
from gittrack.reading.index.rows import DAMAGED, TOTALS, Row, number
from gittrack.text.json_text import json_compact, json_line

RUN_COLUMNS = (
    "path", "blob", "id", "tail", "experiment", "status", "started", "duration_s", "author", "email", "name",
    "hypothesis", "commit_id", "snapshot", "branch", "dirty", "seed", "spec", "fault", "supersedes",
    "continues", "system", "source", *TOTALS,
)  # fmt: skip

Number = int | float | None


class Parsed(NamedTuple):
    """What the tables get for one record."""

    run: tuple[Any, ...]
    """In the order of RUN_COLUMNS, of which the first two are path and blob."""
    json: str
    params: tuple[tuple[str, Number, str | None], ...] = ()
    metrics: tuple[tuple[str, Number, str | None], ...] = ()
    tags: tuple[tuple[str, str], ...] = ()

    @property
    def path(self) -> str:
        return str(self.run[0])

    @property
    def blob(self) -> str:
        return str(self.run[1])

    def row(self, place: int = 0) -> Row:
        """What the index would answer."""
        return _row(self.run, self.json, place)


def parse(path: str, blob: str, data: bytes | None) -> Parsed:
    """The rows of the run.yaml at `path`; a record that cannot be read becomes a row with its fault."""
    from gittrack.formats.codec import load_plain
    from gittrack.formats.record import run_path

    try:
        if data is None:
            raise RecordError(f"{path}: its content ({blob[:12]}) is not in this clone; run git fetch")
        record = load_plain(data, path)
        run_id, experiment = record["id"], record["experiment"]
        if f"{run_path(experiment, run_id)}/run.yaml" != path:
            raise RecordError(f"{path}: holds run {run_id} of {experiment}; rename nothing by hand")
    except RecordError as error:
        return _damaged(path, blob, str(error))
    return rows_of(path, blob, record)


def rows_of(path: str, blob: str, record: Mapping[str, Any]) -> Parsed:
    """The rows of a record in plain values, which may be that of a run that still goes on."""
    return Parsed(
        _columns(path, blob, record),
        json_compact(record),
        tuple([(key, *_param(value)) for key, value in flatten(record["params"]).items()]),
        tuple([(key, *_metric(metric)) for key, metric in record["metrics"].items()]),
        tuple(record.get("tags", {}).items()),
    )


def _columns(path: str, blob: str, record: Mapping[str, Any]) -> tuple[Any, ...]:
    code, author, imported = record["code"], record.get("author", {}), record.get("imported", {})
    dirty, started, used = code.get("dirty", False), record.get("started"), record.get("system_use", {})
    return (
        path, blob, record["id"], record["id"][-6:], record["experiment"], record["status"],
        0.0 if started is None else datetime.fromisoformat(started).timestamp(), record.get("duration_s"),
        author.get("name"), author.get("email"),
        record.get("name"), record.get("hypothesis"), code.get("commit"), code.get("snapshot"),
        code.get("branch"), None if dirty is None else int(dirty), number(record.get("seed")),
        record.get("spec"), None, record.get("supersedes"), record.get("continues"),
        imported.get("system"), imported.get("id"), *(used.get(name) for name in TOTALS),
    )  # fmt: skip


def row_beside(path: str, record: Mapping[str, Any]) -> Row:
    """The row of a run that is on no ledger, and newer than those that are."""
    return _row(_columns(path, "", record), json_compact(record), 1 << 30)


def _row(columns: tuple[Any, ...], text: str, place: int) -> Row:
    facts = dict(zip(RUN_COLUMNS, columns, strict=True))
    dirty = facts["dirty"]
    facts |= {"commit": facts["commit_id"], "text": text, "place": place}
    facts |= {"dirty": None if dirty is None else bool(dirty)}
    return Row(**{name: facts[name] for name in Row.__dataclass_fields__ if name in facts})


def _damaged(path: str, blob: str, fault: str) -> Parsed:
    parts = path.split("/")
    run_id = parts[-2]
    facts: dict[str, Any] = {
        "path": path, "blob": blob, "id": run_id, "tail": run_id[-6:],
        "experiment": parts[1] if len(parts) > 2 else "", "status": DAMAGED,
        "started": _time_of(path), "dirty": 0, "fault": " ".join(fault.split()),
    }  # fmt: skip
    return Parsed(tuple(facts.get(name) for name in RUN_COLUMNS), "{}")


def _time_of(path: str) -> float:
    """When the run began, as well as its path tells; 0 if it does not."""
    for pattern, form in ((r"/(\d{8}-\d{6})-[^/]*/", "%Y%m%d-%H%M%S"), (r"/(\d{4}-\d\d-\d\d)/", "%Y-%m-%d")):
        match = re.search(pattern, path, re.ASCII)
        try:
            if match:
                return datetime.strptime(match[1], form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    return 0.0


def _param(value: Any) -> tuple[Number, str | None]:
    """Number and text of a parameter; null has neither, true and false are text."""
    if value is None or isinstance(value, str):
        return None, value
    text = json_line(value)
    return (None if isinstance(value, (bool, list, Mapping)) else number(value)), text


def _metric(metric: Mapping[str, Any]) -> tuple[Number, str | None]:
    """Number and status; an infinite value compares as such, a NaN as nothing."""
    status = metric.get("status")
    if status in ("inf", "-inf"):
        return float(status), status
    return number(metric.get("value")), status


class Decided(NamedTuple):
    """A row of the table of decisions."""

    path: str
    blob: str
    id: str
    run_id: str
    experiment: str
    outcome: str
    made: str
    because: str
    author: str


def is_decision(path: str) -> bool:
    from gittrack.formats.decision import ROOT as DECISIONS

    return path.startswith(f"{DECISIONS}/") and path.endswith(".yaml")


def parse_decision(path: str, blob: str, data: bytes | None) -> Decided | None:
    """The row of the decision at `path`; None for one that cannot be read, of which verify speaks."""
    from gittrack.formats.decision import load

    try:
        decision = load(data or b"", path)
    except RecordError:
        return None
    if decision.path != path:
        return None
    return Decided(
        path, blob, decision.id, decision.run, decision.experiment, decision.outcome, decision.made,
        decision.because, decision.author.name,
    )  # fmt: skip


Wanted = Sequence[tuple[str, str]]
"""Paths of records and decisions, and their blobs."""


def reading(objects: ObjectReader) -> Callable[[Wanted], list[Parsed | Decided]]:
    """Reads and parses; decisions that cannot be read are left out."""

    def read(wanted: Wanted) -> list[Parsed | Decided]:
        rows: list[Parsed | Decided] = []
        for (path, blob), item in zip(wanted, objects.get_many(blob for _, blob in wanted), strict=True):
            data = item.data if item is not None and item.kind == "blob" else None
            row = parse_decision(path, blob, data) if is_decision(path) else parse(path, blob, data)
            rows += [row] if row is not None else []
        return rows

    return read


def elsewhere(repository: Repository) -> Callable[[Wanted], list[Parsed | Decided]]:
    """`reading` in another process (`gittrack.workers`)."""
    return reading(repository.reader())


_INSERT_RUN = f"INSERT INTO runs ({','.join(RUN_COLUMNS)}) VALUES ({','.join('?' * len(RUN_COLUMNS))})"  # noqa: S608


def insert(connection: sqlite3.Connection, row: Parsed | Decided) -> None:
    """Put the rows of one record or decision into the tables."""
    if isinstance(row, Decided):
        connection.execute("INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
        return
    run = connection.execute(_INSERT_RUN, row.run).lastrowid
    connection.execute("INSERT INTO records VALUES (?, ?)", (run, row.json))
    for table, values in (("params", row.params), ("metrics", row.metrics)):
        connection.executemany(
            f"INSERT OR IGNORE INTO {table} VALUES (?, {run}, ?, ?)",  # noqa: S608
            [(key, *columns) for key, *columns in values],
        )
    connection.executemany(f"INSERT OR IGNORE INTO tags VALUES (?, {run}, ?)", row.tags)  # noqa: S608

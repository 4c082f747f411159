"""What Aim's SQLite database says of runs: names, experiments, tags, notes, times."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.importers import values
from gittrack.importers.foreign import Moment
from gittrack.importers.sqlite import Tables

DATABASE = "run_metadata.sqlite"


@dataclass(slots=True)
class Facts:
    """Of one run; as for a run that the database does not have."""

    name: str | None = None
    description: str | None = None
    experiment: str | None = None
    archived: bool = False
    created: Moment | None = None
    tags: list[str] = field(default_factory=list)
    notes: list[tuple[str, Moment | None]] = field(default_factory=list)


def read_facts(home: Path) -> dict[str, Facts]:
    """By the hash of the run. sqlite3.Error, OSError or ValueError where the database cannot be read."""
    tables = Tables(home / DATABASE)
    experiments = dict(tables.rows("experiment", ("id", "name")))
    tags = dict(tables.rows("tag", ("id", "name")))
    of_run: dict[Any, list[str]] = defaultdict(list)
    for run, tag in tables.rows("run_tag", ("run_id", "tag_id"), "ORDER BY 1, 2"):
        of_run[run].append(_shown(tags.get(tag)))
    notes: dict[Any, list[tuple[str, Moment | None]]] = defaultdict(list)
    for run, content, created in tables.rows("note", ("run_id", "content", "created_at"), "ORDER BY rowid"):
        notes[run].append((_shown(content), values.utc(_shown(created))))
    facts = {}
    columns = ("id", "hash", "name", "description", "is_archived", "created_at", "experiment_id")
    for number, run_hash, name, description, archived, created, experiment in tables.rows("run", columns):
        given = _shown(name)
        facts[_shown(run_hash)] = Facts(
            name=None if given == f"Run: {_shown(run_hash)}" else given or None,
            description=_shown(description) or None,
            experiment=_shown(experiments.get(experiment)) or None,
            archived=bool(archived),
            created=values.utc(_shown(created)),
            tags=of_run[number],
            notes=notes[number],
        )
    return facts


def _shown(value: Any) -> str:
    return (
        value.decode("utf-8", "replace") if isinstance(value, bytes) else "" if value is None else str(value)
    )

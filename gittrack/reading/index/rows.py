"""A run as the index knows it. On the path of every command that reads: imports little."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from gittrack.errors import NotFoundError, RecordError, RepositoryError

if TYPE_CHECKING:
    from gittrack.formats.record import Record

T = TypeVar("T", int | float, int | float | None)

OUTCOME = "(SELECT outcome FROM decisions WHERE run_id = r.id ORDER BY made DESC, id DESC LIMIT 1)"
"""SQL of the outcome of the run ``r``."""

SUPERSEDED = (
    "r.id IN (SELECT o.id FROM runs s JOIN runs o ON o.id = s.supersedes AND o.experiment = s.experiment AND "
    "CASE WHEN s.system IS NULL AND o.system IS NULL "
    "THEN o.commit_id = s.commit_id AND o.started = s.started "
    "ELSE o.system = s.system AND o.source = s.source END WHERE s.supersedes IS NOT NULL)"
)
"""SQL of whether another record of the same execution, which says more, takes the place of the run ``r``."""

TOTALS = ("peak_memory", "gpu_hours", "energy_kwh")
"""Of the use of the machine, as a record, its row and a filter name them."""

DAMAGED = "damaged"
"""In place of a status, for a record that cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run as the index knows it: the facts to list, sort and find by, and the record itself.

    `started` is in seconds since the epoch, 0 where it is not known (`began`). A damaged record has a `fault`
    (file and what is wrong with it), the id and experiment of its path, and an empty `record`.
    """

    id: str
    experiment: str
    status: str
    started: float
    duration_s: float | None
    author: str | None
    email: str | None
    name: str | None
    hypothesis: str | None
    commit: str | None
    snapshot: str | None
    branch: str | None
    dirty: bool | None
    seed: int | None
    spec: str | None
    path: str
    """Of run.yaml on the ledger."""
    blob: str
    """git object id of run.yaml; empty for a run without a record."""
    fault: str | None
    text: str
    """The record as JSON."""
    outcome: str | None = None
    """That of the last decision on the run: ``selected``, ``rejected`` or ``baseline``."""

    continues: str | None = None
    """The run that this one takes up."""
    system: str | None = None
    """The tracker that an imported run is from."""
    peak_memory: int | None = None
    """Bytes; this and what follows are those of `formats.system.SystemUse`."""
    gpu_hours: float | None = None
    energy_kwh: float | None = None
    place: int = field(default=0, compare=False)
    """Among the runs in hand that began in the same second, by the commits that added them; else 0."""

    @property
    def began(self) -> float | None:
        """`started`, where it is known."""
        return self.started or None

    @property
    def newest_key(self) -> tuple[int, int, float, str]:
        """Larger for a run that counts as newer: by the second that it began, then by the ledger's order."""
        return newest_key(self.started, self.place, self.id)

    @property
    def folder(self) -> str:
        return self.path.removesuffix("/run.yaml")

    @cached_property
    def record(self) -> dict[str, Any]:
        """The record as run.yaml has it, in plain dicts, lists and scalars."""
        try:
            loaded = json.loads(self.text)
        except ValueError as error:
            raise RepositoryError("gittrack's index is damaged: delete .git/gittrack/index-*") from error
        return loaded if isinstance(loaded, dict) else {}

    @property
    def is_live(self) -> bool:
        """Whether this run has no record yet: then `record` is what it has said so far, with ``live``."""
        return not self.blob

    @property
    def last_point(self) -> float | None:
        """When a run without a record logged a metric last; None where that is not known."""
        said = self.record.get("live", {}).get("last_point")
        return None if said is None else datetime.fromisoformat(said).timestamp()

    def load(self) -> Record:
        """The record as a dataclass, of a running run as far as it is known; RecordError if it is damaged."""
        from gittrack.formats.plain import from_dict
        from gittrack.formats.record import Record  # its many dataclasses cost more than a query

        if self.fault is not None:
            raise RecordError(self.fault)
        return from_dict(Record, _without_end(self.record) if self.is_live else self.record)


def _without_end(said: dict[str, Any]) -> dict[str, Any]:
    """What a run has said so far as a record has it; empty is what only its end tells."""
    empty = {"code": {"tree": ""}, "environment": {"sha256": ""}, "tool": {"version": ""}}
    facts = {name: {**empty[name], **said.get(name, {})} for name in empty}
    author = {"name": "", "email": "", **said.get("author", {})}
    return {"spec": "", **{k: v for k, v in said.items() if k != "live"}, **facts, "author": author}


def newest_key(started: float, place: int, run_id: str) -> tuple[int, int, float, str]:
    """As `Row.newest_key`, of a run that is no row."""
    return int(started), place, started, run_id


def no_experiment(name: str, known: Iterable[str]) -> NotFoundError:
    """The error of asking for an experiment that is not among those `known`."""
    listed = ", ".join(sorted(known)[:20])
    return NotFoundError(f"no experiment {name!r}: there {f'are {listed}' if listed else 'are no runs yet'}")


def number(value: T) -> T | float:
    """As SQLite can hold it: whole numbers beyond 64 bits as the nearest float, at worst infinity."""
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        try:
            return float(value)
        except OverflowError:
            return float("inf") if value > 0 else float("-inf")
    return value

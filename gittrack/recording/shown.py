"""A run in progress as a notebook shows it: one line, or tables of what it has logged, with small curves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from gittrack.errors import GittrackError
from gittrack.formats import shown
from gittrack.formats.flat import flatten
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.journal import Journal
from gittrack.recording.params import ParamsBook

MAX_BYTES = 16 << 20
"""Of a journal that is read whenever a cell shows the run."""


class AnyRun(Protocol):
    """What is shown of a run."""

    id: str
    experiment: str
    record: Record | None
    _journal: Journal | None
    _repository: Repository | None
    _ended: bool
    _book: ParamsBook

    @property
    def active(self) -> bool: ...


class Shown:
    """What shows a run at a prompt and in a notebook."""

    def __repr__(self) -> str:
        return line(cast(AnyRun, self))

    def _repr_html_(self) -> str:
        return as_html(cast(AnyRun, self))


def line(run: AnyRun) -> str:
    """The run, and how it stands."""
    if run.record is not None:
        return f"<Run {shown.line(run.record)}>"
    return " ".join(["<Run", *filter(None, [run.id, run.experiment]), f"{_state(run)}>"])


def as_html(run: AnyRun) -> str:
    """Of a run that has ended that of its record; of one in progress what it has logged so far."""
    from gittrack.text import html

    if run.record is not None:
        return _ended(run)
    points: dict[str, list[tuple[int | None, float]]] = {}
    if run.active and run._journal is not None:
        with suppress(OSError):  # then what is on disk
            run._journal.flush()
        for step, values in _rows(run._journal.folder):
            for name, value in values.items():
                points.setdefault(name, []).append((step, float(value)))
    metrics = {name: (f"{row[-1][1]:.6g}", row[-1][0]) for name, row in points.items()}
    curves = {
        name: [(at if step is None else step, value) for at, (step, value) in enumerate(row)]
        for name, row in points.items()
    }
    title = html.caption(f"{run.experiment} {run.id} {_state(run)}".strip())
    return title + shown.body(flatten(run._book.values), metrics, curves)


def _ended(run: AnyRun) -> str:
    from gittrack.reading.search import load

    try:
        return load(run.id, repository=run._repository.top if run._repository else None)._repr_html_()
    except GittrackError:  # within `gittrack run` it is not on the ledger yet
        return shown.as_html(run.record)


def _state(run: AnyRun) -> str:
    if run.id and run._ended:
        return "ended"
    return "running" if run.active else "recorded elsewhere"


def _rows(folder: Path) -> Iterator[tuple[int | None, dict[str, Any]]]:
    size = sum(path.stat().st_size for path in folder.glob("events-*.jsonl"))
    for kind, *content in StoredJournal(folder).events() if size <= MAX_BYTES else ():
        for _, step, values in content[0] if kind == Kind.METRICS else ():
            yield step, values

"""Reading runs back in Python: `load` one, `search` many, tables for pandas."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from gittrack.errors import RecordError, UsageError
from gittrack.formats import shown
from gittrack.formats.flat import flatten
from gittrack.formats.record import Record
from gittrack.formats.tables import column_of
from gittrack.reading.artifact import Artifact, Outputs, artifact_of, media_of
from gittrack.reading.entry import Entry
from gittrack.reading.index import Index, Row
from gittrack.reading.index.known import require_known
from gittrack.reading.live.runs import open_runs, opening
from gittrack.reading.series import Curve

if TYPE_CHECKING:
    import pandas as pd


_FEW = 5
"""Runs of a line of text."""
_ROWS, _COLUMNS = 50, 8
"""Runs and metrics of a table."""


@dataclass(frozen=True, repr=False)
class Found(Entry):
    """A run on the ledger: its record, the files beside it, and its series for pandas."""

    repo: str | None = None
    """Short name of its repository, where several were searched."""

    def __repr__(self) -> str:
        return f"<Found {shown.line(self.record)}>"

    def _repr_html_(self) -> str:
        try:
            series = self.series()
        except RecordError:
            series = None
        curves = series.curves if series is not None else {}
        points = {name: _steps_of(curve) for name, curve in curves.items()}
        return shown.as_html(self.record, points)

    @property
    def outputs(self) -> Outputs:
        """What the run has kept, by path: ``found.outputs["model.pkl"].read_bytes()``."""
        return Outputs(self)

    def artifact(self, path: str) -> Artifact:
        """The output at `path`, or a file in one. NotFoundError, with names like it, where there is none."""
        return artifact_of(self, path)

    def media(self, name: str | None = None) -> list[Artifact]:
        """The images, sounds, tables and the like that were logged under `name`, or all, in their order."""
        return media_of(self, name)

    def to_pandas(self) -> pd.DataFrame:
        """The series as a DataFrame: ``step``, ``time`` (seconds since the start), a column for each metric.

        Of a long run it is the sample that git keeps; ``record.series`` says so and points to the rest. A
        metric that is called ``step`` or ``time`` has the column that it has in metrics.csv.
        """
        pandas = _pandas()
        series = self.series()
        if series is None:
            return pandas.DataFrame({"step": [], "time": []})
        is_whole = all(isinstance(step, int) for step in series.steps if step is not None)
        steps = pandas.array(series.steps, dtype="Int64" if is_whole else "Float64")
        values = {
            column_of(name) if name in ("step", "time") else name: v for name, v in series.values.items()
        }
        return pandas.DataFrame({"step": steps, "time": series.times, **values})


class Runs(Sequence[Found]):
    """The runs that a search found, in its order."""

    def __init__(self, runs: Sequence[Found]) -> None:
        self._found = runs

    @overload
    def __getitem__(self, at: int) -> Found: ...
    @overload
    def __getitem__(self, at: slice) -> Runs: ...
    def __getitem__(self, at: int | slice) -> Found | Runs:
        return Runs(self._found[at]) if isinstance(at, slice) else self._found[at]

    def __len__(self) -> int:
        return len(self._found)

    def __iter__(self) -> Iterator[Found]:
        return iter(self._found)

    def __repr__(self) -> str:
        first = [f"\n  {shown.line(run.record)}" for run in self[:_FEW]]
        more = [f"\n  and {len(self) - _FEW:,} more"] if len(self) > _FEW else []
        return "".join([f"<Runs: {len(self):,}", *first, *more, ">"])

    def _repr_html_(self) -> str:
        from gittrack.text import html, text

        names = list(dict.fromkeys(name for run in self[:_ROWS] for name in run.record.metrics))[:_COLUMNS]
        rows = []
        for record in (run.record for run in self[:_ROWS]):
            finals = [shown.final(record, name) for name in names]
            name, duration = record.name or "", text.duration(record.duration_s)
            rows.append((record.id, record.experiment, name, record.status, duration, *finals))
        header = ["run", "experiment", "name", "status", "duration", *names]
        more = html.caption(f"and {len(self) - _ROWS:,} more") if len(self) > _ROWS else ""
        return html.caption(f"{len(self):,} runs") + html.table(rows, header) + more

    def to_pandas(self) -> pd.DataFrame:
        """One row a run; ``params.<dotted name>``, final metrics as ``metrics.<name>``, ``tags.<name>``.

        With ``repo`` in front where several repositories were searched.
        """
        pandas = _pandas()
        table = pandas.DataFrame([_located(run) | _facts(run.record) for run in self])
        if len(table):
            table["started"] = pandas.to_datetime(table["started"])
        return table


def load(ref: str = "latest", *, repository: str | Path | None = None) -> Found:
    """The run that `ref` names: a prefix or suffix of its id, ``latest``, ``latest~1``, a code commit.

    ``latest`` is the newest run with a record; one that still runs is named by its id, and its record is
    what it has said so far.

    Raises NotFoundError when nothing or more than one run is meant, RecordError when it is damaged.
    """
    with open_runs(repository) as runs:
        run = _found(runs.index, runs.one(ref))
    run.record  # noqa: B018 - a damaged record is to be heard of now
    return run


def search(
    filter: str | None = None,
    order_by: Sequence[str] | str = (),
    *,
    experiment: str | None = None,
    limit: int | None = None,
    repository: str | Path | Sequence[str | Path] | None = None,
) -> Runs:
    """The runs that satisfy `filter`, newest first or by `order_by`; damaged records are left out.

    Those that still run are among them, with the status ``running`` and the last values of their metrics.

    UsageError, with the nearest names, for a metric, parameter or tag that no run (of `experiment`) has.

    Args:
        filter: such as ``"metrics.acc > 0.9 and params.lr = 0.1"``.
        order_by: such as ``["metrics.acc DESC"]``.
        repository: a folder in a clone; several give the runs of all, in the order of one ledger.
    """
    order = [order_by] if isinstance(order_by, str) else order_by
    if repository is not None and not isinstance(repository, (str, Path)):
        return _search_across(repository, filter, order, experiment, limit)
    with open_runs(repository) as runs:
        require_known(runs.indexes, filter, order, experiment)
        rows = runs.search(filter, experiment=experiment, order_by=order, limit=limit)
        return Runs([_found(runs.index, row) for row in rows if row.fault is None])


def _search_across(
    folders: Sequence[str | Path],
    filter: str | None,
    order: Sequence[str],
    experiment: str | None,
    limit: int | None,
) -> Runs:
    from gittrack.reading.across import open_across

    if not folders:
        raise UsageError("repository: name at least one folder")
    with open_across(folders, indexes=opening()) as across:
        several = len(across.names) > 1
        require_known([place.index for place in across.places], filter, order, experiment)
        entries = across.search(filter, experiment=experiment, order_by=order, limit=limit)
        return Runs(
            [
                _found(entry.place.index, entry.row, entry.place.name if several else None)
                for entry in entries
                if entry.row.fault is None
            ]
        )


def _steps_of(curve: Curve) -> list[tuple[float, float]]:
    """Steps and values; their places where there is no step."""
    numbered = enumerate(zip(curve.steps, curve.values, strict=True))
    return [(at if step is None else step, value) for at, (step, value) in numbered]


def _found(index: Index, row: Row, repo: str | None = None) -> Found:
    return Found(row, index.tip or "", index.repository, repo)


def _located(run: Found) -> dict[str, Any]:
    return {} if run.repo is None else {"repo": run.repo}


def _facts(record: Record) -> dict[str, Any]:
    code = record.code
    facts: dict[str, Any] = {
        "id": record.id,
        "experiment": record.experiment,
        "name": record.name,
        "status": record.status,
        "ended_by": record.ended_by,
        "started": record.started,
        "duration_s": record.duration_s,
        "author": record.author_name,
        "commit": code.commit,
        "dirty": code.dirty,
        "seed": record.seed,
        "spec": record.spec,
        "hypothesis": record.hypothesis,
    }
    facts |= {f"params.{name}": value for name, value in flatten(record.params).items()}
    for name, metric in record.metrics.items():
        facts[f"metrics.{name}"] = float(metric.status) if metric.status else metric.value
    return facts | {f"tags.{name}": value for name, value in record.tags.items()}


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise UsageError("pandas is not installed: run pip install 'gittrack[pandas]'") from error
    return pandas

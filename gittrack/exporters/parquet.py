"""A ledger as a folder of Parquet files, one for each table, for DuckDB, Spark or a warehouse.

Runs are read in pages and written in row groups, so that memory does not grow with the ledger.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.exporters.tables import SCHEMA, TABLES, Kind, rows_of
from gittrack.exporters.writing import new_folder
from gittrack.reading.across import Across
from gittrack.reading.index import Progress
from gittrack.version import VERSION

GROUP_ROWS = 50_000
GROUP_TEXT = 16 << 20
"""A row group ends with so many rows, or characters of text."""

FILES = {name: f"{name}.parquet" for name in TABLES}


@dataclass(frozen=True, slots=True)
class Written:
    """How many runs went into the files, and how many of them have a damaged record."""

    runs: int
    damaged: int


def write(
    across: Across,
    target: Path,
    *,
    experiment: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Written:
    """The runs of all repositories, or those of an experiment, as files in the folder `target`.

    It is there whole or not at all; with `force` one that holds such files and nothing else is replaced.
    UsageError without pyarrow, or where `target` is there.
    """
    total = across.count() if progress else 0
    runs = damaged = 0
    with _tables(across, target, force) as tables:
        for page in across.pages(experiment=experiment):
            for entry in page:
                runs += 1
                damaged += entry.row.fault is not None
                for name, values in rows_of(entry):
                    tables[name].add((entry.place.name, *values))
            if progress is not None:
                progress(min(runs, total - 1), total)
        if progress is not None:
            progress(total, total)
    return Written(runs, damaged)


@contextmanager
def _tables(across: Across, target: Path, force: bool) -> Iterator[Mapping[str, _Table]]:
    """The tables, open; the folder is put in its place when the block ends well."""
    arrow = _pyarrow()
    about = {
        "schema": SCHEMA,
        "gittrack": VERSION,
        "ledgers": {place.name: place.index.tip for place in across.places},
    }
    with (
        new_folder(target, ours=FILES.values(), force=force) as folder,
        ExitStack() as stack,
    ):
        tables = {}
        for name, columns in TABLES.items():
            tables[name] = _Table(arrow, folder / FILES[name], columns, about)
            stack.callback(tables[name].writer.close)
        yield tables
        for table in tables.values():
            table.flush()


class _Table:
    """A file that is being written: rows are gathered to a row group."""

    def __init__(self, arrow: Any, file: Path, columns: Mapping[str, Kind], about: Mapping[str, Any]) -> None:
        from pyarrow.parquet import ParquetWriter  # type: ignore[import-untyped]

        types = {
            "text": arrow.string(),
            "number": arrow.float64(),
            "whole": arrow.int64(),
            "truth": arrow.bool_(),
            "time": arrow.timestamp("us", tz="UTC"),
        }
        fields = [(name, types[kind]) for name, kind in columns.items()]
        self.schema = arrow.schema(fields, metadata={"gittrack": json.dumps(about, ensure_ascii=False)})
        self.writer = ParquetWriter(file, self.schema, compression="zstd")
        self._arrow = arrow
        self._rows: list[tuple[Any, ...]] = []
        self._text = 0

    def add(self, row: tuple[Any, ...]) -> None:
        self._rows.append(row)
        self._text += sum(len(value) for value in row if type(value) is str)
        if len(self._rows) >= GROUP_ROWS or self._text >= GROUP_TEXT:
            self.flush()

    def flush(self) -> None:
        """What was gathered becomes a row group."""
        if not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [self._arrow.array(c, field.type) for c, field in zip(columns, self.schema, strict=True)]
        self.writer.write_batch(self._arrow.record_batch(arrays, schema=self.schema))
        self._rows, self._text = [], 0


def _pyarrow() -> Any:
    try:
        import pyarrow  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("--to parquet needs pyarrow: pip install 'gittrack[parquet]'") from error
    return pyarrow

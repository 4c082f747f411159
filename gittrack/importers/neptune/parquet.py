"""Parquet of neptune-exporter: a row for each value and each point, in parts for each run."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.importers import folders
from gittrack.importers.foreign import ForeignRun, Moment, Options, Skipped
from gittrack.importers.mlflow.values import reason
from gittrack.importers.neptune.attributes import Change, Found, Histogram, Kind, Lost, Step, Verb
from gittrack.importers.neptune.fields import Origin, foreign_run
from gittrack.importers.neptune.operations import moment_text

_PART = re.compile(r"(.+)_part_([0-9]{1,9})")
_ROWS = 8192
"""That are in memory at a time."""
_UNFINISHED = ".parquet.tmp"
_TAIL = 1 << 20
"""Bytes at the end of a file in which the names of its columns are looked for."""
_DEPTH = 4
"""Folders below the source in which the files of a project are looked for."""
_MICRO = 1_000_000
_MODELS = {"models": "a model", "model_versions": "a version of a model"}
_NEEDED = {"project_id", "run_id", "attribute_path", "attribute_type"}
_VALUES: dict[str, str] = {
    "float": "float_value",
    "int": "int_value",
    "bool": "bool_value",
    "string": "string_value",
    "datetime": "datetime_value",
    "string_set": "string_set_value",
    "float_series": "float_value",
    "string_series": "string_value",
    "histogram_series": "histogram_value",
    "file": "file_value",
    "file_series": "file_value",
    "file_set": "file_value",
    "artifact": "file_value",
}
_HISTOGRAMS = {"COUNTING": "count", "DENSITY": "density"}
_NO_VALUE = "it has no value: the exporter writes NaN so"
_NOT_HERE = "its bytes are not below the source: name the folder that has both the data and the files"

Group = list[tuple[Path, int]]
"""Row groups: files, and the numbers of the groups in them."""


def is_table(path: Path) -> bool:
    """Whether it may be one of the exporter, by its name or its columns."""
    if path.suffix not in (".parquet", ".tmp") or not folders.is_regular(path):
        return False
    return _PART.fullmatch(path.name.partition(".parquet")[0]) is not None or is_exported(path)


def is_exported(path: Path) -> bool:
    """Whether a file has the columns of the exporter, as far as its end tells without pyarrow."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - _TAIL))
            tail = stream.read(_TAIL)
    except OSError:
        return False
    return tail.endswith(b"PAR1") and all(name.encode() in tail for name in _NEEDED)


class _Other(ValueError):
    """Parquet of something else."""


def read_parquet(paths: list[Path], top: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """The runs of Parquet files below `top`; those that are parts of one run are read as one."""
    try:
        import pyarrow.parquet  # type: ignore[import-untyped]  # noqa: F401
    except ImportError:
        count = f"{len(paths):,} Parquet file{'' if len(paths) == 1 else 's'}"
        yield Skipped(what=count, why="reading them needs pyarrow: pip install 'gittrack[parquet]'")
        return
    for path in paths:
        if path.name.endswith(_UNFINISHED):
            yield Skipped(what=path.name, why="the exporter was broken off before it had finished it")
    paths = [path for path in paths if path.suffix == ".parquet"]
    roots = _Roots(top)
    for parts in _together(paths):
        yield from _Table(parts, roots, options).items()


def _together(paths: list[Path]) -> Iterator[list[Path]]:
    """Files in groups that are the parts of one run, in their order."""
    groups: dict[tuple[Path, str], list[tuple[int, Path]]] = defaultdict(list)
    for path in paths:
        match = _PART.fullmatch(path.stem)
        name, number = (match[1], int(match[2])) if match else (path.stem, 0)
        groups[path.parent, name].append((number, path))
    for parts in groups.values():
        yield [path for _, path in sorted(parts)]


class _Roots:
    """Where the exporter keeps files: in folders that have the names of those with the data."""

    def __init__(self, top: Path) -> None:
        self._top = top
        self._known: dict[Path, list[Path]] = {}

    def of(self, folder: Path) -> list[Path]:
        if folder not in self._known:
            found: list[Path] = []
            level = [self._top]
            for _ in range(_DEPTH):
                below = [
                    path for above in level for path in folders.entries(above) if folders.is_folder(path)
                ]
                found += [path for path in below if path.name == folder.name and path != folder]
                level = [path for path in below if path.name != folder.name]
            self._known[folder] = found
        return self._known[folder]


class _Table:
    """The parts of one run, or files of several."""

    def __init__(self, parts: list[Path], roots: _Roots, options: Options) -> None:
        self._parts = parts
        self._roots = roots
        self._options = options
        self._lost: Lost = Lost()

    def items(self) -> Iterator[ForeignRun | Skipped]:
        first = self._parts[0]
        if first.parent.name in _MODELS and _PART.fullmatch(first.stem):
            why = f"it is of {_MODELS[first.parent.name]} of neptune.ai, and not of a run"
            yield Skipped(what=first.name, why=why, fault=False)
            return
        runs, bad = self._runs()
        yield from bad
        for (project, run_id), groups in runs.items():
            origin = Origin(
                id=f"{project}/{run_id}",
                changes=Changes(groups, project, run_id, self._roots.of(groups[0][0].parent)),
                project=project,
                name=run_id,
                lost=Lost(self._lost),
            )
            try:
                yield foreign_run(origin, self._options)
            except (OSError, ValueError) as error:
                yield Skipped(what=f"run {origin.id}", why=_short(error))

    def _runs(self) -> tuple[dict[tuple[str, str], Group], list[Skipped]]:
        """In which row groups each run is; and files that are none of these."""
        from pyarrow.parquet import ParquetFile

        runs: dict[tuple[str, str], Group] = {}
        bad: list[Skipped] = []
        for number, path in enumerate(self._parts):
            match = _PART.fullmatch(path.stem)
            if match and int(match[2]) != number:
                self._lost["parts of the run", f"the part before {path.name} is not there"] += 1
            try:
                with ParquetFile(path) as file:
                    if not {*file.schema_arrow.names} >= _NEEDED:
                        raise _Other
                    for group in range(file.num_row_groups):
                        for run in _runs_of(file, group):
                            runs.setdefault(run, []).append((path, group))
            except _Other:
                continue
            except _faults() as error:
                bad.append(Skipped(what=path.name, why=_short(error)))
        return runs, bad


def _runs_of(file: Any, group: int) -> dict[tuple[str, str], None]:
    found: dict[tuple[str, str], None] = {}
    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=["project_id", "run_id"]):
        pairs = zip(*(batch.column(name).to_pylist() for name in ("project_id", "run_id")), strict=True)
        for project, run_id in dict.fromkeys(pairs):
            if not isinstance(project, str) or not isinstance(run_id, str):
                raise ValueError("rows of it do not say of which run they are")
            found[project, run_id] = None
    return found


def _faults() -> tuple[type[Exception], ...]:
    """What a damaged file raises; that one says it is larger than memory is no fault of ours."""
    from pyarrow import ArrowException

    return (ArrowException, OSError, ValueError, TypeError, LookupError)


def _short(error: Exception) -> str:
    text = reason(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__


@dataclass(slots=True)
class Changes:
    """The values and points of one run."""

    groups: Group
    project: str
    run_id: str
    roots: list[Path]
    number: int = field(default=0, init=False)

    def __call__(self, lost: Lost, only: Kind | None = None) -> Iterator[Change]:
        from pyarrow.parquet import ParquetFile

        self.number = 0
        for path, group in self.groups:
            try:
                with ParquetFile(path) as file:
                    names = [name for name in file.schema_arrow.names if name in _READ]
                    for batch in file.iter_batches(_ROWS, row_groups=[group], columns=names):
                        yield from self._batch(batch, lost, only)
            except _faults() as error:
                lost[f"rows of {path.name}", f"they cannot be read to their end: {_short(error)}"] += 1

    def _batch(self, batch: Any, lost: Lost, only: Kind | None) -> Iterator[Change]:
        import pyarrow.compute as compute  # type: ignore[import-untyped]

        is_own = compute.and_(
            compute.equal(batch.column("project_id"), self.project),
            compute.equal(batch.column("run_id"), self.run_id),
        )
        own = batch.filter(is_own)
        if own.num_rows == 0:
            return
        for kind in compute.unique(own.column("attribute_type")).to_pylist():
            if only is not None and kind != only:
                continue
            rows = own.filter(compute.equal(own.column("attribute_type"), kind))
            if kind not in _VALUES:
                why = "a type of attribute that is not known"
                lost[f"rows of the type {kind}", why] += rows.num_rows
            elif _VALUES[kind] not in rows.schema.names:
                lost[f"rows of the type {kind}", "the file has no column of their values"] += rows.num_rows
            elif only is None and kind == "float_series":
                yield from self._in_short(rows, lost)
            else:
                yield from self._rows(kind, rows, lost)

    def _in_short(self, rows: Any, lost: Lost) -> Iterator[Change]:
        """One point for each series that has any in `rows`, the earliest."""
        import pyarrow

        times = pyarrow.array(_moments(rows, "timestamp"), pyarrow.float64())
        columns = [rows.column("attribute_path"), rows.column("float_value").is_valid(), times]
        table = pyarrow.table(columns, names=["path", "is_there", "time"])
        asked = [("is_there", "sum"), ("is_there", "count"), ("time", "min")]
        for row in table.group_by("path").aggregate(asked).to_pylist():
            path, there = row["path"], row["is_there_sum"]
            if isinstance(path, str):
                if row["is_there_count"] > there:
                    lost[f"a point of {path}", _NO_VALUE] += row["is_there_count"] - there
                if there:
                    self.number += 1
                    yield Change(self.number, "append", path, "float_series", time=row["time_min"])

    def _rows(self, kind: Kind, rows: Any, lost: Lost) -> Iterator[Change]:
        paths = rows.column("attribute_path").to_pylist()
        column = rows.column(_VALUES[kind])
        listed = _times(column) if kind == "datetime" else column.to_pylist()
        steps, times = _steps(rows, "step"), _moments(rows, "timestamp")
        for path, value, step, time in zip(paths, listed, steps, times, strict=True):
            if not isinstance(path, str):
                lost["a row", "it names no attribute"] += 1
                continue
            if value is None:
                if kind.endswith("_series"):
                    lost[f"a point of {path}", _NO_VALUE] += 1
                continue
            self.number += 1
            try:
                plain = self._plain(kind, path, value, step)
            except (ValueError, TypeError, LookupError):
                lost[f"a value of {path}", f"it is no {kind}"] += 1
                continue
            verb: Verb = "append" if kind.endswith("_series") else "set"
            of: Kind = "file" if kind == "artifact" else kind  # the exporter's list of its files
            yield Change(self.number, verb, path, of, plain, step, time)

    def _plain(self, kind: Kind, path: str, value: Any, step: Step | None) -> Any:
        if kind == "datetime":
            return moment_text(value)
        if kind == "float_series":
            return float(value)
        if kind == "histogram_series":
            edges, numbers = ([*map(float, value[name])] for name in ("edges", "values"))
            if len(numbers) != len(edges) - 1:
                raise ValueError("a histogram that is none")
            return Histogram(edges, numbers, _HISTOGRAMS.get(value["type"], "value"))
        if kind == "string_set":
            return [str(text) for text in value]
        if kind == "file_series":
            return self._file(path, value["path"], step)[0]
        if kind in ("file", "file_set", "artifact"):
            return self._file(path, value["path"], None)
        return value

    def _file(self, path: str, place: str, step: Step | None) -> list[Found]:
        """A file below the exporter's folder of files, or all that are in a folder there."""
        missing: str | None = _NOT_HERE
        for root in self.roots:
            below = folders.logical(place)
            if below is not None and folders.is_folder(root / below):
                inside = islice(folders.walk(root / below), folders.MOST_FILES)
                return [
                    Found(below=f"/{name}", content=file) for name, file, is_regular in inside if is_regular
                ]
            content, missing = folders.find(root, place)
            if content is not None:
                suffix = PurePosixPath(place).suffix
                return [Found(below="" if path.endswith(suffix) else suffix, content=content, step=step)]
        return [Found(missing=missing, step=step)]


_READ = {*_NEEDED, *_VALUES.values(), "step", "timestamp"}


def _steps(rows: Any, name: str) -> list[Step | None]:
    """Whole steps are int; those of six decimals are the nearest float to what is written."""
    import pyarrow

    if name not in rows.schema.names:
        return [None] * rows.num_rows
    column = rows.column(name)
    if not pyarrow.types.is_decimal(column.type):
        return [_step(value) for value in column.to_pylist()]
    import numpy

    # Arrow's own cast of decimals to floats is off by one digit in the last place for many.
    scaled = column.cast(pyarrow.decimal128(38, 6))
    low = numpy.frombuffer(scaled.buffers()[1], "<i8")[::2][scaled.offset : scaled.offset + len(scaled)]
    steps: list[Step | None] = [
        micro // _MICRO if micro % _MICRO == 0 else micro / _MICRO for micro in low.tolist()
    ]
    if scaled.null_count:
        steps = [
            step if valid else None for step, valid in zip(steps, scaled.is_valid().to_pylist(), strict=True)
        ]
    return steps


def _step(value: Any) -> Step | None:
    if isinstance(value, float):
        return int(value) if value.is_integer() else value
    return value if isinstance(value, int) else None


def _moments(rows: Any, name: str) -> list[Moment | None]:
    return _times(rows.column(name)) if name in rows.schema.names else [None] * rows.num_rows


def _times(column: Any) -> list[Moment | None]:
    """Moments as seconds since 1970."""
    import pyarrow

    if not pyarrow.types.is_timestamp(column.type):
        return [None] * len(column)
    micros = column.cast(pyarrow.timestamp("us", tz=column.type.tz), safe=False).cast(pyarrow.int64())
    return [None if micro is None else micro / _MICRO for micro in micros.to_pylist()]

"""CSV, TSV and JSON lines: a file for each run, or files whose rows say which run they are of.

Which column is what says a mapping, else their names do. Rows of one run may lie anywhere in a file: a first
look notes where they are, so that one run's are in memory at a time.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from gittrack.importers.folders import is_regular
from gittrack.importers.foreign import Curve, ForeignRun, Loss, Options, Skipped, Status, TextPoint
from gittrack.importers.table.mapping import ONE, Mapped

_SUFFIXES = {".csv": ",", ".tsv": "\t", ".jsonl": None, ".ndjson": None}
_LONGEST_LINE = 16 << 20
_MOST_FILES = 100_000
_STRETCH = 4096
_STEPS = ("step", "_step", "global_step", "iteration", "iter", "epoch")
_TIMES = ("timestamp", "_timestamp", "wall_time", "time")
_STATUSES = frozenset({"finished", "failed", "killed", "running", "unknown"})
_NUMBER = re.compile(
    r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf(?:inity)?)", re.I
)
_WHOLE = re.compile(r"[-+]?[0-9]{1,300}\Z", re.ASCII)

Row = dict[str, Any]


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs of the file `source`, or of the files in the folder."""
    mapped = Mapped.of(options.mapping)
    source = source.resolve()
    top = source if source.is_dir() else source.parent
    files = _files(source) if source.is_dir() else [source]
    count = 0
    for file in files:
        count += 1
        try:
            yield from _File(file, file.relative_to(top).as_posix(), mapped).runs()
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            yield Skipped(what=file.relative_to(top).as_posix(), why=reason)
    if not count:
        yield Skipped(what=source.name, why=f"no file of {', '.join(_SUFFIXES)} lies in it")


def _files(folder: Path) -> list[Path]:
    files = [path for path in folder.iterdir() if path.suffix in _SUFFIXES and not path.is_symlink()]
    return sorted(path for path in files[:_MOST_FILES] if path.is_file())


@dataclass(slots=True)
class _Rows:
    """Where the rows of one run lie, and what the first and the last of them say."""

    extents: list[list[int]] = field(default_factory=list)
    facts: Row = field(default_factory=dict)


class _File:
    def __init__(self, path: Path, name: str, mapped: Mapped) -> None:
        self._path = path
        self._name = name
        self._mapped = mapped
        self._separator = _SUFFIXES.get(path.suffix, ",")
        self._columns: list[str] = []
        self._numbers: dict[str, bool] = {}
        """By column: whether all that is in it are numbers."""
        self._damaged = 0
        self._is_utf8 = True
        one, several = mapped.one, mapped.several
        self._facts = {one[what] for what in (*ONE[:8], "parent") if what in one}
        self._facts |= {name for of in ("params", "tags") for name in several.get(of, ())}
        """Columns of what is said of a whole run."""

    def runs(self) -> Iterator[ForeignRun | Skipped]:
        if not is_regular(self._path):
            raise ValueError("it is no regular file")
        found = self._look()
        if not found:
            yield Skipped(what=self._name, why="it has no rows", fault=False)
        self._lost = [*self._losses()]
        for key, rows in found.items():
            yield self._run(key, rows)

    # --- rows ---------------------------------------------------------------------------

    def _rows(self, file: BinaryIO, end: int | None = None) -> Iterator[tuple[int, int, Row]]:
        """Begin, end and content of each row from where `file` stands."""
        lines = _Lines(file, end)
        yield from self._parted(lines)
        self._is_utf8 = self._is_utf8 and lines.is_utf8

    def _parted(self, lines: _Lines) -> Iterator[tuple[int, int, Row]]:
        if self._separator is None:
            for line in lines:
                text = line.strip()
                if text:
                    yield lines.begin, lines.at, self._parsed(text)
            return
        records = csv.reader(lines, delimiter=self._separator)
        while True:
            begin = lines.at
            try:
                cells = next(records)
            except StopIteration:
                return
            except csv.Error as error:
                raise ValueError(f"it is no CSV: {error}") from error
            if not self._columns:
                self._columns = [cell.strip().removeprefix("\ufeff") for cell in cells]
                if len({*self._columns}) != len(self._columns):
                    raise ValueError("two of its columns have one name")
            elif cells:
                self._damaged += len(cells) != len(self._columns)
                pairs = zip(self._columns, cells, strict=False)
                yield begin, lines.at, {name: cell for name, cell in pairs if cell != ""}

    def _parsed(self, text: str) -> Row:
        try:
            row = json.loads(text)
        except (ValueError, RecursionError) as error:
            self._damaged += 1
            if not isinstance(error, ValueError):
                raise ValueError("a line of it is nested too deeply") from error
            return {}
        self._damaged += not isinstance(row, dict)
        return _flat(row) if isinstance(row, dict) else {}

    def _look(self) -> dict[str, _Rows]:
        """By run, where its rows lie."""
        found: dict[str, _Rows] = {}
        key_column = self._mapped.one.get("run")
        with self._path.open("rb") as file:
            for begin, end, row in self._rows(file):
                key = str(row.get(key_column, "")) if key_column else ""
                rows = found.setdefault(key, _Rows())
                if rows.extents and rows.extents[-1][1] == begin:
                    rows.extents[-1][1] = end
                else:
                    rows.extents.append([begin, end])
                for name, value in row.items():
                    if self._numbers.get(name, True):
                        self._numbers[name] = type(value) is float or _number(value) is not None
                    if name in self._facts:
                        rows.facts[name] = value
        return found

    def _losses(self) -> Iterator[Loss]:
        """What the first look found."""
        if self._damaged:
            yield Loss(what=self._name, why="rows of another form than its heading", count=self._damaged)
        if "" in self._numbers:
            yield Loss(what=f"a column of {self._name}", why="it has no name")
        if not self._is_utf8:
            yield Loss(what=f"characters of {self._name}", why="no UTF-8")
        for column in sorted(self._mapped.columns - self._numbers.keys()):
            yield Loss(what=f"column {column} of {self._name}", why="--map names it, and it is not there")

    # --- a run --------------------------------------------------------------------------

    def _run(self, key: str, rows: _Rows) -> ForeignRun:
        mapped, facts = self._mapped, rows.facts

        def fact(what: str) -> str | None:
            value = facts.get(mapped.one.get(what, ""))
            return None if value is None else str(value)

        stem = Path(self._name).stem
        status = (fact("status") or "unknown").lower()
        lost = [*self._lost]
        if status not in _STATUSES:
            lost.append(Loss(what=f"status {status}", why=f"none of {', '.join(sorted(_STATUSES))}"))
        return ForeignRun(
            system="table",
            id=f"{self._place}#{key}" if "run" in mapped.one else self._id(rows),
            experiment=fact("experiment")
            or (stem if "run" in mapped.one else self._path.parent.name or stem),
            name=fact("name") or key or stem,
            status=cast("Status", status if status in _STATUSES else "unknown"),
            started=_moment(fact("started")) or self._first_time(rows),
            ended=_moment(fact("ended")),
            note=fact("note"),
            group=fact("group"),
            parent=f"{self._place}#{fact('parent')}" if fact("parent") else None,
            params={n: _typed(facts[n]) for n in mapped.several.get("params", ()) if n in facts},
            tags={n: str(facts[n]) for n in mapped.several.get("tags", ()) if n in facts},
            curves=lambda: self._curves(rows),
            texts=lambda: self._texts(rows),
            lost=lost,
            changed=self._path.stat().st_mtime,
        )

    @property
    def _place(self) -> str:
        """The name with that of the folder: many trainings write a file of one name."""
        return f"{self._path.parent.name}/{self._path.name}"

    def _id(self, rows: _Rows) -> str:
        """By the first row too, which stays the same while the file grows."""
        first = next(self._of(rows), {})
        digest = hashlib.sha256(json.dumps(first, sort_keys=True).encode()).hexdigest()
        return f"{self._place}#{digest[:16]}"

    def _of(self, rows: _Rows) -> Iterator[Row]:
        with self._path.open("rb") as file:
            for begin, end in rows.extents:
                file.seek(begin)
                for _, _, row in self._rows(file, end):
                    yield row

    @property
    def _step(self) -> str | None:
        step = self._mapped.column("step", self._numbers, _STEPS)
        return step if "step" in self._mapped.one or self._numbers.get(step or "") else None

    @property
    def _time(self) -> str | None:
        return self._mapped.column("time", self._numbers, _TIMES[:3])

    def _first_time(self, rows: _Rows) -> float | None:
        """The time of the first point: no run starts later."""
        time = self._time
        times = (_moment(row.get(time)) for row in self._of(rows)) if time else iter(())
        return next((at for at in times if at is not None), None)

    def _values(self) -> tuple[list[str], list[str]]:
        """Columns of metrics and of texts."""
        several = self._mapped.several
        taken = {*self._mapped.one.values(), self._step, self._time}
        taken |= {name for of in ("params", "tags", "ignore") for name in several.get(of, ())}
        free = [name for name in self._numbers if name and name not in taken]
        texts = [*several.get("texts", ())]
        if "metrics" in several:
            return [*several["metrics"]], texts
        metrics = [name for name in free if self._numbers[name] and name not in texts]
        return metrics, texts or [name for name in free if name not in metrics]

    def _points(self, rows: _Rows) -> Iterator[tuple[str, float, Any, float | None]]:
        metrics, _ = self._values()
        one, step, time = self._mapped.one, self._step, self._time
        for row in self._of(rows):
            at, moment = _number(_cell(row, step)), _moment(_cell(row, time))
            named = {str(row.get(one["metric"], "")): row.get(one["value"])} if "metric" in one else {}
            for name, value in named.items() if named else ((m, row.get(m)) for m in metrics):
                number = _number(value)
                if number is not None and name:
                    yield name, number, at, moment

    def _curves(self, rows: _Rows) -> Iterator[Curve]:
        waiting: dict[str, list[tuple[float, Any, float | None]]] = {}
        for name, *point in self._points(rows):
            points = waiting.setdefault(name, [])
            points.append((point[0], point[1], point[2]))
            if len(points) >= _STRETCH:
                yield _curve(name, waiting.pop(name))
        for name, points in waiting.items():
            yield _curve(name, points)

    def _texts(self, rows: _Rows) -> Iterator[TextPoint]:
        _, texts = self._values()
        if not texts:
            return
        for row in self._of(rows):
            for name in texts:
                if name in row:
                    at, moment = _number(_cell(row, self._step)), _moment(_cell(row, self._time))
                    yield TextPoint(name=name, text=_text(row[name]), step=at, time=moment)


def _cell(row: Row, column: str | None) -> Any:
    """None also where no column is what is asked for: one without a name is none of these."""
    return None if column is None else row.get(column)


class _Lines:
    """Lines of a file as text, with the places of the last one; none that begins behind `end`."""

    def __init__(self, file: BinaryIO, end: int | None) -> None:
        self._file = file
        self._end = end
        self.begin = self.at = file.tell()
        self.is_utf8 = True

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        if self._end is not None and self.at >= self._end:
            raise StopIteration
        line = self._file.readline(_LONGEST_LINE + 1)
        if len(line) > _LONGEST_LINE:
            raise ValueError(f"a line of it has more than {_LONGEST_LINE >> 20} MiB")
        if not line:
            raise StopIteration
        self.begin, self.at = self.at, self.at + len(line)
        text = line.decode("utf-8", "replace")
        self.is_utf8 = self.is_utf8 and ("\ufffd" not in text or "\ufffd".encode() in line)
        return text


def _curve(name: str, points: list[tuple[float, Any, float | None]]) -> Curve:
    steps = [step for _, step, _ in points]
    times = [time for _, _, time in points]
    return Curve(
        name=name,
        values=[value for value, _, _ in points],
        steps=steps if any(step is not None for step in steps) else None,
        times=cast("list[float]", times) if any(time is not None for time in times) else None,
    )


def _flat(row: Mapping[str, Any], before: str = "", depth: int = 0) -> Row:
    """Values by their names, nested ones joined by dots."""
    flat: Row = {}
    for name, value in row.items():
        if isinstance(value, Mapping) and value and depth < 20:
            flat |= _flat(value, f"{before}{name}.", depth + 1)
        elif value is not None:
            flat[f"{before}{name}"] = value
    return flat


def _number(value: Any) -> float | int | None:
    if isinstance(value, bool) or value is None:
        return None if value is None else int(value)
    if isinstance(value, (int, float)):
        return value
    text = value.strip() if isinstance(value, str) else ""
    if _WHOLE.match(text):
        return int(text)
    return float(text) if _NUMBER.fullmatch(text) else None


def _typed(value: Any) -> Any:
    """A cell of CSV has no type: what is written as a number is one."""
    if not isinstance(value, str):
        return value
    number = _number(value)
    return number if number is not None and math.isfinite(number) and str(number) == value.strip() else value


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _moment(value: Any) -> float | None:
    """Seconds since 1970, of such a number or of a date in ISO 8601, in UTC where it names no zone."""
    number = _number(value)
    if number is not None:
        return float(number)
    with suppress(ValueError, TypeError):
        date = datetime.fromisoformat(value)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    return None

"""Many runs as a table: which columns, in which order, and what each shows.

Parameters have a column when they differ between two runs of one experiment that are shown,
or when a single run is; differences between experiments would fill the table and say nothing.
Runs of several repositories come with `repos`, the repository's name for each, which is a column.
`Choice.only_changed` leaves out every column, but id and age, that says the same of all runs.
What was asked for by name comes before others and is never left out, then what `--keep` matches, then the
metrics that gittrack.yaml declares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from gittrack.cli.pages.statuses import COLOURS
from gittrack.errors import UsageError
from gittrack.formats.flat import flatten
from gittrack.reading.index import Row
from gittrack.reading.index.rows import TOTALS
from gittrack.text import text
from gittrack.text.table import Cell, Line, csv_text, layout, left_out_words, markdown
from gittrack.text.tables import table

_LAST = "last point"
_FRONT = ("id", "age", "repo", "experiment", "status", _LAST)
_FACTS = frozenset({*_FRONT, "reproduces", "continues", "commit", "outcome", "seed", "hypothesis"})
_LONGEST_VALUE = 24
"""Columns of a terminal that one parameter may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What a person asked to see."""

    only_changed: bool = False
    keep: str | None = None
    drop: str | None = None
    precision: int | None = None
    all_params: bool = False
    asked: tuple[str, ...] = ()
    """Full names that the filter and the order name, such as ``metrics.acc`` or ``duration``."""
    declared: tuple[str, ...] = ()
    """Full names of metrics that gittrack.yaml declares."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its heading, its full name (``params.lr``), and a value for each run."""

    label: str
    name: str
    values: tuple[Any, ...]

    @property
    def changes(self) -> bool:
        return len({_key(v) for v in self.values}) > 1


def terminal(
    rows: Sequence[Row],
    choice: Choice,
    paint: text.Paint,
    *,
    names: dict[str, str],
    columns: int | None,
    now: float | None = None,
    repos: Sequence[str] | None = None,
) -> list[str]:
    """The table for people. `names` are the ids to show, `columns` the terminal's width (None: any)."""
    chosen = _listed(rows, choice, names, now, repos)
    precision = 5 if choice.precision is None else choice.precision
    fixed = _fixed(chosen, choice, 3 if repos is None else 4)
    lines = [_line(row, at, chosen, precision, columns) for at, row in enumerate(rows)]
    prose = bool(chosen) and chosen[-1].name == "hypothesis"
    header = [text.cut(text.one_line(c.label), _LONGEST_VALUE) for c in chosen] + ([] if prose else [""])
    laid, hidden = layout(header, lines, paint, columns=columns, fixed=fixed)
    if hidden:
        more = "a wider terminal, --md, --csv or --json shows them"
        laid.append(paint("dim", f"{left_out_words(header, hidden)}: {more}"))
    return laid


def _fixed(columns: Sequence[Column], choice: Choice, facts: int) -> int:
    """How many columns at the front stay however narrow the terminal is: facts, and what was asked for."""
    asked = [at for at, column in enumerate(columns[:-1]) if column.name in choice.asked]
    return max([min(facts, sum(c.name in _FRONT for c in columns)), *(at + 1 for at in asked)])


def _document(
    rows: Sequence[Row], choice: Choice, now: float | None, repos: Sequence[str] | None
) -> list[Column]:
    """The columns of a document: full ids; a damaged record's fault is under ``hypothesis``."""
    return _listed(rows, choice, {}, now, repos, faults=True)


def as_format(
    rows: Sequence[Row],
    choice: Choice,
    form: str,
    repos: Sequence[str] | None = None,
    now: float | None = None,
) -> str:
    """The same table in one of `tables.FORMATS`."""
    columns = _document(rows, choice, now, repos)
    precision = 5 if choice.precision is None else choice.precision
    cells = zip(*([text.value(v, precision) for v in c.values] for c in columns), strict=True)
    numbers = {at for at, c in enumerate(columns) if any(_is_number(v) for v in c.values)}
    return table([c.label for c in columns], cells, form, numbers)


def _is_number(item: Any) -> bool:
    return isinstance(item, (int, float)) and not isinstance(item, bool)


def as_markdown(
    rows: Sequence[Row], choice: Choice, now: float | None = None, repos: Sequence[str] | None = None
) -> str:
    """The same table as Markdown, with full ids; a damaged record's fault is under ``hypothesis``."""
    columns = _document(rows, choice, now, repos)
    precision = 5 if choice.precision is None else choice.precision
    return markdown([c.label for c in columns], zip(*(c.values for c in columns), strict=True), precision)


def as_csv(rows: Sequence[Row], choice: Choice, repos: Sequence[str] | None = None) -> str:
    """Every fact, metric, parameter and tag under its full name, unless `choice` leaves some out."""
    facts = ("id", "started", "duration_s", "experiment", "status", "name", "author", "commit", "branch",
             "dirty", "seed", "spec", "hypothesis", "outcome", "reproduces", "continues",
             "fault")  # fmt: skip
    base = [Column(name, name, tuple(_plain(row, name) for row in rows)) for name in facts]
    base[1:1] = _repos(repos)
    if any(row.is_live for row in rows):
        moments = tuple(row.record.get("live", {}).get("last_point") for row in rows)
        base.append(Column("last_point", "last_point", moments))
    totals = [Column(name, name, tuple(getattr(row, name) for row in rows)) for name in TOTALS]
    base += [column for column in totals if any(value is not None for value in column.values)]
    everything = replace(choice, keep=None, all_params=not choice.only_changed)
    tags = _family("tags", [row.record.get("tags", {}) for row in rows])
    chosen = _chosen(rows, [*base, *_measured(rows, everything, repos), *tags], choice)
    return csv_text([c.name for c in chosen], zip(*(c.values for c in chosen), strict=True), choice.precision)


# --- columns ---------------------------------------------------------------------------------


def _facts(
    rows: Sequence[Row], names: dict[str, str], now: float | None, repos: Sequence[str] | None
) -> list[Column]:
    def column(name: str, values: list[Any]) -> Column:
        return Column(name, name, tuple(values))

    return [
        column("id", [names.get(row.id, row.id) for row in rows]),
        column("age", [text.age(row.started, now) for row in rows]),
        *_repos(repos),
        column("experiment", [row.experiment for row in rows]),
        column("status", [row.status for row in rows]),
        *_last_points(rows, now),
        *_related(rows, names, "reproduces", "rerun of"),
        *_related(rows, names, "continues", "continues"),
        column("commit", [_commit(row) for row in rows]),
    ]


def _last_points(rows: Sequence[Row], now: float | None) -> list[Column]:
    """How old the last point of each run is that still goes on, where one does."""
    if not any(row.is_live for row in rows):
        return []
    times = [row.last_point if row.is_live else None for row in rows]
    ages = [None if seconds is None else text.age(seconds, now) for seconds in times]
    return [Column(_LAST, _LAST, tuple(ages))]


def _related(rows: Sequence[Row], names: dict[str, str], field: str, label: str) -> list[Column]:
    """Which run each one repeats or continues, where one does."""
    others = tuple(row.record.get(field) for row in rows)
    short = bool(names)
    shown = tuple((names.get(o) or o[-6:]) if o and short else o for o in others)
    return [Column(label, field, shown)] if any(others) else []


def _listed(
    rows: Sequence[Row],
    choice: Choice,
    names: dict[str, str],
    now: float | None,
    repos: Sequence[str] | None,
    *,
    faults: bool = False,
) -> list[Column]:
    """The columns that are shown, in order."""
    facts = _facts(rows, names, now, repos)
    others = [*_measured(rows, choice, repos), *_ending(rows, choice, faults=faults)]
    others += _besides(rows, choice, {c.name for c in [*facts, *others]})
    front = [c for c in facts if c.name in _FRONT]
    ordered = sorted([*facts[len(front) :], *others], key=lambda c: _rank(c, choice))
    return _chosen(rows, [*front, *ordered], choice)


def _rank(column: Column, choice: Choice) -> tuple[int, int]:
    """Asked for by name, the rest of the facts, matched by --keep, declared, others; prose is last."""
    if column.name == "hypothesis":
        return 5, 0
    if column.name in choice.asked:
        return 0, choice.asked.index(column.name)
    if column.name in _FACTS and column.name not in ("outcome", "seed"):
        return 1, 0
    if choice.keep and _matches(choice.keep, column):
        return 2, 0
    return (3, choice.declared.index(column.name)) if column.name in choice.declared else (4, 0)


def _besides(rows: Sequence[Row], choice: Choice, shown: set[str]) -> list[Column]:
    """Columns that a table has only where they are asked for: tags, attributes, and what no run here has."""
    columns = []
    candidates = {c.name: c for c in [*_tags(rows), *_attributes(rows)] if c.name not in shown}
    for name in choice.asked:
        if name not in shown:
            missing = Column(name, name, (None,) * len(rows))
            columns.append(candidates.pop(name, missing))
    keep = choice.keep
    return columns + [c for c in candidates.values() if keep and compiled(keep).fullmatch(c.name)]


def _tags(rows: Sequence[Row]) -> list[Column]:
    tags = _family("tags", [row.record.get("tags", {}) for row in rows])
    return [Column(c.name, c.name, c.values) for c in tags]


def _attributes(rows: Sequence[Row]) -> list[Column]:
    """Facts of a run that have no column of their own, by the names that filters have for them."""
    columns = {
        name: [getattr(row, name) for row in rows] for name in ("name", "author", "email", "branch", "dirty")
    }
    columns["imported"] = [row.system for row in rows]
    columns["duration"] = [row.duration_s for row in rows]
    columns |= {name: [getattr(row, name) for row in rows] for name in TOTALS}
    columns["peak_memory"] = [text.size(row.peak_memory) or None for row in rows]
    columns["spec"] = [row.spec and row.spec[:12] for row in rows]
    columns["started"] = [_moment(row.began) for row in rows]
    columns["ended"] = [
        None if row.duration_s is None else _moment(row.began and row.began + row.duration_s) for row in rows
    ]
    return [Column(name, name, tuple(values)) for name, values in columns.items()]


def has_column(rows: Sequence[Row], pattern: str) -> bool:
    """Whether `pattern` matches a column that these runs could have."""
    everything = Choice(all_params=True, keep=pattern)
    columns = [*_listed(rows, everything, {}, None, None), *_attributes(rows), *_tags(rows)]
    return any(_matches(pattern, column) for column in columns) or _matches(
        pattern, Column("repo", "repo", ())
    )


def _repos(repos: Sequence[str] | None) -> list[Column]:
    return [] if repos is None else [Column("repo", "repo", tuple(repos))]


def _commit(row: Row) -> str | None:
    if row.fault is not None:
        return None
    without = "none" if row.system is None else "?"
    return (row.commit or without)[:7] + ("*" if row.dirty else "")


def _measured(rows: Sequence[Row], choice: Choice, repos: Sequence[str] | None) -> list[Column]:
    metrics = _family("metrics", [_metrics(row) for row in rows])
    params = _family("params", [_params(row.record) for row in rows])
    if not choice.all_params and len(rows) > 1:
        patterns = choice.keep
        asked = choice.asked
        params = [
            c for c in params if c.name in asked or _differs(rows, c) or (patterns and _matches(patterns, c))
        ]
    return _apart([*metrics, *params], _FACTS if repos is not None else _FACTS - {"repo"})


def _ending(rows: Sequence[Row], choice: Choice, *, faults: bool = False) -> list[Column]:
    texts = tuple((row.fault if faults else None) or row.hypothesis for row in rows)
    columns = [
        Column("outcome", "outcome", tuple(row.outcome for row in rows)),
        Column("seed", "seed", tuple(row.seed for row in rows)),
        Column("hypothesis", "hypothesis", texts),
    ]
    return [c for c in columns if c.name in choice.asked or any(v is not None for v in c.values)]


def _family(family: str, values: Sequence[dict[str, Any]]) -> list[Column]:
    keys = dict.fromkeys(key for item in values for key in item)
    return [Column(key, f"{family}.{key}", tuple(item.get(key) for item in values)) for key in keys]


def _metrics(row: Row) -> dict[str, Any]:
    return {key: m.get("value", m.get("status")) for key, m in row.record.get("metrics", {}).items()}


def _apart(columns: Sequence[Column], taken: frozenset[str]) -> list[Column]:
    """Columns with one heading (a metric and a parameter, or a fact of the run) under their full names."""
    labels = [c.label for c in columns]
    return [
        Column(c.name if c.label in taken or labels.count(c.label) > 1 else c.label, c.name, c.values)
        for c in columns
    ]


def _params(record: Mapping[str, Any]) -> dict[str, Any]:
    """By dotted name; a masked one by the beginning of its digest, so that runs that differ in it do."""
    params, masked = flatten(record.get("params", {})), record.get("masked")
    if not masked:
        return params
    from gittrack.formats.masks import PARAMS, digest_name

    named = {name: masked.get(f"{PARAMS}{name}") for name in params}
    return {name: digest_name(made) if (made := named[name]) else value for name, value in params.items()}


def _differs(rows: Sequence[Row], column: Column) -> bool:
    seen: dict[str, Any] = {}
    for row, item in zip(rows, column.values, strict=True):
        if row.fault is None and seen.setdefault(row.experiment, _key(item)) != _key(item):
            return True
    return False


def _key(item: Any) -> str:
    """What makes two values the same: 1, 1.0 and true are three."""
    return repr(item)


def _chosen(rows: Sequence[Row], columns: Sequence[Column], choice: Choice) -> list[Column]:
    chosen = []
    for c in columns:
        told = c.name in ("id", "age", *choice.asked)
        stays = not choice.only_changed or told or c.changes or len(rows) == 1
        if choice.keep and _matches(choice.keep, c):
            stays = True
        elif choice.drop and c.name != "id" and _matches(choice.drop, c):
            stays = False
        if stays:
            chosen.append(c)
    return chosen


def _matches(pattern: str, column: Column) -> bool:
    expression = compiled(pattern)
    return expression.search(column.label) is not None or expression.search(column.name) is not None


def compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{pattern!r} is no regular expression: {error}") from error


def _plain(row: Row, name: str) -> Any:
    if name == "started":
        return _moment(row.began)
    return row.record.get(name) if name == "reproduces" else getattr(row, name)


def _moment(seconds: float | None) -> str | None:
    return (
        None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    )


def _line(row: Row, at: int, columns: Sequence[Column], precision: int, wide: int | None) -> Line:
    cells = []
    for c in columns:
        if row.fault is not None and c.name not in ("id", "age", "repo", "experiment", "status"):
            break
        item = c.values[at]
        cell = text.value(item, precision)
        if wide is not None and c.name != "hypothesis":
            cell = text.cut(cell, _LONGEST_VALUE)
        cells.append(Cell(cell, _colour(row, c), right=_is_number(item) or c.name == "age"))
    fault = None if row.fault is None else Cell(text.one_line(row.fault), "red")
    return Line(cells, fault)


def _colour(row: Row, column: Column) -> str | None:
    if row.fault is not None:
        return "red"
    if column.name == "status":
        return None if row.status == "finished" else COLOURS.get(row.status)
    return {"id": "yellow", "age": "dim", "hypothesis": "dim"}.get(column.name)

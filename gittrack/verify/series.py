"""metrics.csv against its record: shape, and the final metrics by the rules that the record names.

Cells are compared as the writer wrote them. No column's name holds a comma, a quotation
mark or a line end, so that lines and cells need no reader of CSV.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from gittrack.formats.finals import exact, extreme_of, finals_in
from gittrack.formats.record import SERIES, Metric, Record, Series
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.tables import column_of, tables_of

Fault = tuple[str, str, str | None, str | None]
"""Code, what it says, expected and found."""

Table = tuple[list[str], Sequence[str]]
"""Columns and lines."""

_Finals = dict[str, tuple[str, str]]
"""By metric: the text of its final value, and of the step of that row."""


def check_series(record: Record, data: bytes | None) -> Iterator[Fault]:
    """What is wrong with the bytes of metrics.csv, None for a run without a series.

    A sample holds the first, last, smallest and largest values of each metric, so that it shows each final
    value; but in records that name no rule it is known to hold the last row alone.
    """
    finals: _Finals = {}
    if data is not None and record.series is not None:
        fault, tables = check_shape(SERIES, data, record.series)
        if fault is not None:
            yield fault
            return
        try:
            finals = _finals(record, _lines(data)[:-1], tables, record.series.pointer is not None)
        except ValueError:
            yield "record-series", "metrics.csv has a cell that is no number", None, None
            return
    yield from _metrics(record, finals)


def check_complete(record: Record, lines: Iterable[str]) -> Iterator[Fault]:
    """What is wrong with the final metrics by the complete series, of which the record has a sample."""
    rules = {
        name: rule
        for name, metric in record.metrics.items()
        if (metric.rule or metric.step is not None)
        and (rule := extreme_of(metric.rule or "last", metric.direction)) not in (None, "given")
    }
    try:
        yield from _metrics(record, finals_in(lines, rules, _names(record)))
    except (ValueError, IndexError):
        yield "record-series", "the complete series has a row or a cell that is none", None, None


def _lines(data: bytes) -> list[str]:
    return data.decode("utf-8", "replace").split("\n")


def check_system(record: Record, data: bytes) -> Iterator[Fault]:
    """What is wrong with the bytes of system.csv, and with the totals that follow from them or a sample."""
    series, use = record.system_series, record.system_use
    if series is None:
        return
    fault, tables = check_shape(SYSTEM, data, series)
    if fault is not None:
        yield fault
    elif use is not None:
        code, says = "record-system", "the totals are not those of system.csv:"
        if series.rows != use.samples:
            yield code, f"{says} samples", str(use.samples), str(series.rows)
        columns = [(names.index(_MEMORY), rows) for names, rows in tables if _MEMORY in names]
        cells = [line.split(",")[at] for at, rows in columns for line in rows]
        peak = max((cell for cell in cells if cell.isdecimal()), key=int, default=None)
        stated = None if use.peak_memory is None else str(use.peak_memory)
        if peak != stated:
            yield code, f"{says} peak memory", stated, None if peak is None else peak[:100]


_MEMORY = "processes.memory_bytes"


def check_shape(name: str, data: bytes, series: Series) -> tuple[Fault | None, list[Table]]:
    """What is wrong with the bytes of a series, and its tables. `name`: of the file."""
    code, lines, sampled = "record-series", _lines(data), series.pointer is not None
    if lines.pop() != "":
        return (code, f"{name} does not end with a line end", None, None), []
    try:
        tables = tables_of(lines)
    except ValueError as error:
        return (code, f"{name} is no series: {error}", None, None), []
    columns = ("step", "time", *(column for names, _ in tables for column in names[2:]))
    odd = {column: metric for column, metric in series.names.items() if column_of(metric) != column}
    if odd or not series.names.keys() <= {*columns}:
        says = "the record names metrics of columns that are not called after them"
        return (code, says, None, str(odd or dict(series.names))[:500]), []
    if columns != series.columns or any(names[:2] != ["step", "time"] for names, _ in tables):
        says = f"{name} has other columns than the record says"
        return (code, says, ",".join(series.columns)[:500], ",".join(columns)[:500]), []
    rows = series.sampled_rows if sampled else series.rows
    count = len(lines) - len(tables)
    if count != rows:
        says = f"{name} has more or fewer rows than the record says"
        return (code, says, str(rows), str(count)), []
    number = 0
    for names, table in tables:
        commas = len(names) - 1
        number += 1
        for line in table:
            number += 1
            if line.count(",") != commas:
                return (
                    code,
                    f"line {number} of {name} has more or fewer cells than columns",
                    None,
                    None,
                ), []
    return None, tables


def _finals(record: Record, lines: Sequence[str], tables: Sequence[Table], sampled: bool) -> _Finals:
    """The final value of each metric that the series has one of; ValueError for cells that are no numbers."""
    named = {name: metric.rule for name, metric in record.metrics.items() if metric.rule is not None}
    finals: _Finals = {}
    names = _names(record)
    for columns, rows in tables:
        metrics = [names.get(name, name) for name in columns[2:]]
        unnamed = sampled and any(name not in named for name in metrics)
        finals |= _last(metrics, rows[-1:] if unnamed else rows)
    rules = {
        name: rule
        for name, metric in record.metrics.items()
        if metric.rule and (rule := extreme_of(metric.rule, metric.direction)) not in (None, "last", "given")
    }
    return {**finals, **finals_in(lines, rules, names)} if rules else finals


def _names(record: Record) -> Mapping[str, str]:
    return record.series.names if record.series is not None else {}


def _last(metrics: Sequence[str], rows: Sequence[str]) -> _Finals:
    last: _Finals = {}
    for line in reversed(rows):
        cells = line.split(",")
        for name, cell in zip(metrics, cells[2:], strict=True):
            if cell and name not in last:
                last[name] = (cell, cells[0])
        if len(last) == len(metrics):
            break
    return last


def _metrics(record: Record, finals: _Finals) -> Iterator[Fault]:
    code = "record-metrics"
    for name in finals.keys() - record.metrics.keys():
        yield code, f"the series has the metric {name}, the record has not", None, finals[name][0][:100]
    series = record.series
    metrics = frozenset(map(series.metric_of, series.columns[2:])) if series else frozenset()
    for name, metric in record.metrics.items():
        if metric.rule == "given" or (metric.rule is None and metric.step is None):
            continue  # run.summary stands in place of what the series says
        if extreme_of(metric.rule or "last", metric.direction) is None:
            yield code, f"the final value of {name} is to be the best, but it has no direction", None, None
        elif name not in metrics:
            at = "a step" if metric.rule is None else f"the rule {metric.rule}"
            yield code, f"the metric {name} has {at}, but no series", str(metric.step), None
        elif name not in finals and metric.rule is not None:
            yield code, f"the metric {name} has no value in its series", None, _value(metric)
        elif name in finals and not _is(metric, *finals[name]):
            cell, step = finals[name]
            says = f"the final value of {name} is not {_MEANS[metric.rule or 'last']} of its series"
            yield code, says, f"{cell[:100]} at step {step[:100]}", f"{_value(metric)} at step {metric.step}"


_MEANS = {
    "last": "the last",
    "greatest-step": "that of the greatest step",
    "min": "the smallest",
    "max": "the largest",
    "best": "the best",
}


def _is(metric: Metric, cell: str, step: str) -> bool:
    return _number(cell) == _number(_value(metric)) and (_number(step) if step else None) == metric.step


def _value(metric: Metric) -> str:
    return metric.status or repr(metric.value)


def _number(text: str) -> int | float | str:
    """Numbers by their value, words (``nan``) and whatever else as they stand."""
    try:
        number = exact(text)
    except ValueError:
        return text
    return text if number != number else number

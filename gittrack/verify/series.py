"""metrics.csv against its record: shape, and the final metrics as its last values.

Cells are compared as the writer wrote them. No name of a metric holds a comma, a quotation
mark or a line end, so that lines and cells need no reader of CSV.
"""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.record import Metric, Record, Series

Fault = tuple[str, str, str | None, str | None]
"""Code, what it says, expected and found."""

_Last = dict[str, tuple[str, str]]
"""By metric: the text of its last value, and of the step of that row."""


def check_series(record: Record, data: bytes | None) -> Iterator[Fault]:
    """What is wrong with the bytes of metrics.csv, None for a run without a series."""
    finals: _Last | None = {}
    if data is not None and record.series is not None:
        lines = data.decode("utf-8", "replace").split("\n")
        fault = _shape(lines, record.series)
        if fault is not None:
            yield fault
            return
        finals = _last(lines, record.series)
    yield from _metrics(record, finals or {})


def _shape(lines: list[str], series: Series) -> Fault | None:
    code = "record-series"
    if lines.pop() != "":
        return code, "metrics.csv does not end with a line end", None, None
    columns = tuple(lines[0].split(",")) if lines else ()
    if columns != series.columns or columns[:2] != ("step", "time"):
        says = "metrics.csv has other columns than the record says"
        return code, says, ",".join(series.columns)[:500], ",".join(columns)[:500]
    rows = series.sampled_rows if series.pointer else series.rows
    if len(lines) - 1 != rows:
        return code, "metrics.csv has more or fewer rows than the record says", str(rows), str(len(lines) - 1)
    commas = len(columns) - 1
    for number, line in enumerate(lines, 1):
        if line.count(",") != commas:
            return code, f"line {number} of metrics.csv has more or fewer cells than columns", None, None
    return None


def _last(lines: list[str], series: Series) -> _Last:
    """The last value of each column; of a sample only the last row is known to be the last."""
    last: _Last = {}
    wanted = len(series.columns) - 2
    end = len(lines) - 2 if series.pointer else 0
    for at in range(len(lines) - 1, max(end, 0), -1):
        cells = lines[at].split(",")
        for name, cell in zip(series.columns[2:], cells[2:], strict=True):
            if cell and name not in last:
                last[name] = (cell, cells[0])
        if len(last) == wanted:
            break
    return last


def _metrics(record: Record, last: _Last) -> Iterator[Fault]:
    code = "record-metrics"
    for name in last.keys() - record.metrics.keys():
        yield code, f"the series has the metric {name}, the record has not", None, last[name][0][:100]
    columns = record.series.columns[2:] if record.series else ()
    for name, metric in record.metrics.items():
        if metric.step is None:
            continue  # run.summary stands in place of the series' last value
        if name not in columns:
            yield code, f"the metric {name} has a step, but no series", str(metric.step), None
        elif name in last and not _is(metric, *last[name]):
            cell, step = last[name]
            says = f"the final value of {name} is not the last of its series"
            yield code, says, f"{cell[:100]} at step {step[:100]}", f"{_value(metric)} at step {metric.step}"


def _is(metric: Metric, cell: str, step: str) -> bool:
    return _number(cell) == _number(_value(metric)) and _number(step) == metric.step


def _value(metric: Metric) -> str:
    return metric.status or repr(metric.value)


def _number(text: str) -> int | float | str:
    """Numbers by their value, words (``nan``) and whatever else as they stand."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return text
    return text if number != number else number

"""Parameters and metrics in files that programs of any language write: YAML, JSON, TOML, CSV, DVCLive."""

from __future__ import annotations

import csv
import io
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.errors import RecordError, UsageError
from gittrack.formats.flat import flatten
from gittrack.formats.values import check_metric_name, check_step, metric_value, to_value

log = logging.getLogger("gittrack")

MAX_BYTES = 64 << 20

Row = tuple[int | None, dict[str, Any]]
"""Step, and values by metric."""


def read_params(path: Path) -> dict[str, Any]:
    """The parameters in a YAML, JSON or TOML file, nested as they are."""
    content = _read_mapping(path)
    params = to_value(content, path.name)
    return params if isinstance(params, dict) else {}


def read_metrics(path: Path) -> tuple[dict[str, Any], list[Row] | Iterator[Row]]:
    """Final values and series rows of a metrics file, or of a DVCLive folder.

    JSON, YAML and TOML give final values (nested names joined by dots, entries that are no
    number left out); CSV and TSV give a series, with its steps from a column ``step`` (or
    ``epoch``), else counted from 0.
    """
    if path.is_dir():
        return _read_dvclive(path)
    if path.suffix.lower() in (".csv", ".tsv"):
        return {}, read_table(path)
    return _numbers(_read_mapping(path), path), []


def set_param(params: dict[str, Any], text: str) -> str:
    """Apply one ``-S key=value``: dotted keys nest, values are YAML (``0.1``, ``true``, ``[1, 2]``, text).

    The key, without the ``+`` that Hydra has in front of it.
    """
    key, equals, value = text.partition("=")
    key = key.strip().lstrip("+")
    if not equals or "" in key.split("."):
        raise UsageError(f"-S takes key=value, not {text!r}")
    set_value(params, key, to_value(parse_scalar(value), key), f"-S {text}")
    return key


def set_value(params: dict[str, Any], key: str, value: Any, where: str) -> None:
    """Set a dotted key. UsageError, which begins with `where`, for one below a value."""
    *parents, last = key.split(".")
    node = params
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise UsageError(f"{where}: {name!r} already has a value, so nothing can be below it")
        node = child
    node[last] = value


def parse_scalar(text: str) -> Any:
    """What YAML 1.2 makes of `text`; the text itself where it is not YAML, or a comment."""
    from gittrack.formats import codec

    if not text.strip() or text.lstrip().startswith("#"):
        return text
    try:
        return codec.read_yaml(text.encode("utf-8", "surrogateescape"), "-S")
    except RecordError:
        return text


def _read_mapping(path: Path) -> Mapping[str, Any]:
    data = _bytes(path)
    suffix = path.suffix.lower()
    content: Any
    try:
        if suffix == ".json":
            content = json.loads(data)
        elif suffix == ".toml":
            import tomllib

            content = tomllib.loads(data.decode())
        elif suffix in (".yaml", ".yml"):
            from gittrack.formats import codec

            content = codec.read_yaml(data, str(path)) if data.strip() else {}
        else:
            raise UsageError(
                f"{path}: cannot read {suffix or 'a file without suffix'}: use YAML, JSON, TOML or CSV"
            )
    except RecordError as error:
        raise UsageError(str(error)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not valid {suffix[1:].upper()}: {error}") from error
    if not isinstance(content, Mapping):
        raise UsageError(f"{path}: must hold names and values, not {type(content).__name__}")
    return content


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path}: larger than {MAX_BYTES} bytes")
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {(error.strerror or str(error)).lower()}") from error


def _numbers(content: Mapping[str, Any], path: Path) -> dict[str, Any]:
    numbers = {}
    for name, value in flatten(content).items():
        if isinstance(value, (int, float)) or value in _WORDS:
            checked = _metric_name(name, path)
            if checked:
                numbers[checked] = metric_value(name, float(value) if isinstance(value, str) else value)
    return numbers


_WORDS = ("nan", "NaN", "inf", "-inf", "Infinity", "-Infinity")


def _metric_name(name: str, path: Path) -> str | None:
    """The name as a metric may have it; None, and said so, where it may not: that costs no other metric."""
    try:
        return check_metric_name(name.strip().replace(",", "_"))
    except UsageError as error:
        log.warning("%s: %s; left out", path, error)
        return None


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV or TSV file with a header; cells that are no number are left out."""
    lines = io.StringIO(_bytes(path).decode("utf-8-sig", "replace"), newline="")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        reader = csv.reader(lines, delimiter=delimiter)
        header = [name.strip() for name in next(reader, [])]
        counter = next((name for name in ("step", "epoch") if name in header), None)
        names = [
            None if name in (counter, "time", "timestamp", "") else _metric_name(name, path)
            for name in header
        ]
        rows: list[Row] = []
        for cells in reader:
            if cells:
                at = _step(cells[header.index(counter)], len(rows)) if counter else len(rows)
                rows.append((at, _row_values(names, cells)))
    except (csv.Error, UsageError, ValueError, IndexError) as error:
        raise UsageError(f"{path}: not valid CSV: {error}") from error
    return rows


def _step(text: str, at: int) -> int:
    return check_step(float(text)) if text.strip() else at


def _row_values(names: Sequence[str | None], cells: Sequence[str]) -> dict[str, Any]:
    values = {}
    for name, text in zip(names, cells, strict=False):
        try:
            number = float(text)
        except ValueError:
            continue
        if name:
            integer = re.fullmatch(r"\s*[+-]?[0-9]{1,18}\s*", text)
            values[name] = metric_value(name, int(text) if integer else number)
    return values


def _read_dvclive(folder: Path) -> tuple[dict[str, Any], list[Row]]:
    """``metrics.json`` with the last values, ``plots/metrics/**/<name>.tsv`` with timestamp, step, value."""
    summary: dict[str, Any] = {}
    final = folder / "metrics.json"
    if final.is_file():
        summary = _numbers({k: v for k, v in _read_mapping(final).items() if k != "step"}, final)
    by_step: dict[int | None, dict[str, Any]] = {}
    series = folder / "plots" / "metrics"
    for path in sorted(series.rglob("*.tsv")):
        # A name such as train/loss is a folder and a file; a dot in it is none of a suffix.
        name = _metric_name(path.relative_to(series).as_posix().removesuffix(".tsv"), path)
        for step, values in read_table(path) if name else []:
            if values and name:
                by_step.setdefault(step, {})[name] = list(values.values())[-1]
    return _without_series(summary, by_step), sorted(by_step.items(), key=lambda row: row[0] or 0)


def _without_series(
    summary: Mapping[str, Any], by_step: Mapping[int | None, Mapping[str, Any]]
) -> dict[str, Any]:
    """metrics.json nests ``train/loss`` as train: loss: one metric keeps one name, and its step."""
    series = {name for values in by_step.values() for name in values}
    nested = {name.replace("/", ".") for name in series}
    return {name: value for name, value in summary.items() if name not in series | nested}

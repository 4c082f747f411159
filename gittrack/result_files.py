"""Parameters and metrics in files that programs of any language write: YAML, JSON, TOML, CSV, DVCLive."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from gittrack.errors import RecordError, UsageError
from gittrack.values import check_metric_name, check_step, flatten, metric_value, to_value

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
    return _numbers(_read_mapping(path)), []


def set_param(params: dict[str, Any], text: str) -> None:
    """Apply one ``-S key=value``: dotted keys nest, values are YAML (``0.1``, ``true``, ``[1, 2]``, text)."""
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"-S takes key=value, not {text!r}")
    *parents, last = key.strip().split(".")
    node = params
    for name in parents:
        child = node.setdefault(name, {})
        if not isinstance(child, dict):
            raise UsageError(f"-S {text}: {name!r} already has a value, so nothing can be below it")
        node = child
    node[last] = to_value(parse_scalar(value), key)


def parse_scalar(text: str) -> Any:
    """What YAML 1.2 makes of `text`; the text itself where it is not YAML."""
    from gittrack import codec

    if not text.strip():
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
            from gittrack import codec

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


def _numbers(content: Mapping[str, Any]) -> dict[str, Any]:
    found = {}
    for name, value in flatten(content).items():
        if isinstance(value, (int, float)) or value in ("nan", "inf", "-inf", "NaN"):
            number = float(value) if isinstance(value, str) else value
            found[check_metric_name(str(name).replace(",", "_"))] = metric_value(str(name), number)
    return found


def read_table(path: Path) -> list[Row]:
    """The rows of a CSV or TSV file with a header; cells that are no number are left out."""
    text = _bytes(path).decode("utf-8-sig", "replace")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    rows: list[Row] = []
    try:
        for at, cells in enumerate(csv.DictReader(text.splitlines(), delimiter=delimiter)):
            rows.append(
                _table_row(at, {k: v for k, v in cells.items() if isinstance(k, str) and v is not None})
            )
    except csv.Error as error:
        raise UsageError(f"{path}: not valid CSV: {error}") from error
    return rows


def _table_row(at: int, cells: Mapping[str, str]) -> Row:
    step = at
    values = {}
    for name, text in cells.items():
        try:
            number = float(text)
        except ValueError:
            continue
        if name in ("step", "epoch"):
            step = check_step(number)
        elif name not in ("time", "timestamp", ""):
            whole = int(text) if text.strip().lstrip("+-").isdigit() else number
            values[check_metric_name(name)] = metric_value(name, whole)
    return step, values


def _read_dvclive(folder: Path) -> tuple[dict[str, Any], list[Row]]:
    summary: dict[str, Any] = {}
    final = folder / "metrics.json"
    if final.is_file():
        summary = _numbers({k: v for k, v in _read_mapping(final).items() if k != "step"})
    by_step: dict[int | None, dict[str, Any]] = {}
    series = folder / "plots" / "metrics"
    for path in sorted(series.rglob("*.tsv")):
        name = path.relative_to(series).with_suffix("").as_posix()
        for step, values in read_table(path):
            for value in list(values.values())[-1:]:
                by_step.setdefault(step, {})[check_metric_name(name)] = value
    return summary, sorted(by_step.items(), key=lambda row: row[0] or 0)

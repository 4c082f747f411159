"""Files of metrics: final values, or a series; and folders of DVCLive."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.flat import flatten
from gittrack.formats.values import metric_value
from gittrack.recording.results import dvclive, tables
from gittrack.recording.results.documents import YAML, JsonReader, parse, parse_json, read_bytes, text_of
from gittrack.recording.results.fitting import fit
from gittrack.recording.results.histories import log_history, take_histories
from gittrack.recording.results.losses import Losses, gathering
from gittrack.recording.results.rows import Row, metric_name, series, why_none, word_or_number

LINES = (".jsonl", ".ndjson")
SUFFIXES = (*YAML, ".json", ".toml", *LINES, *tables.SUFFIXES)

Metrics = tuple[dict[str, Any], list[Row]]
"""Final values by metric, and the rows of a series."""


def read_metrics(
    path: Path, losses: Losses | None = None, *, name: str | None = None, stale: Collection[str] = ()
) -> Metrics:
    """Final values and series rows of a metrics file, or of a DVCLive folder but for its files `stale`.

    JSON, YAML and TOML give final values, nested names joined by dots; CSV, TSV and JSON lines a series, as
    do a list of rows in JSON, the ``log_history`` of a Hugging Face trainer and the history of Keras. What
    is no number costs that value or cell, and goes to `losses` (to the log without). `name` is what the
    file is called there. UsageError for what cannot be read at all.
    """
    name = name or str(path)
    if path.is_dir():
        with gathering(losses) as gathered:
            return dvclive.read_folder(path, name, gathered, read_final, stale)
    suffix = path.suffix.lower()
    if suffix in tables.SUFFIXES:
        return {}, tables.read_table(path, losses, name=name)
    _require_known(suffix, name)
    data = read_bytes(path)
    with gathering(losses) as gathered:
        if suffix in LINES:
            return {}, _lines(text_of(data, name, "replace"), name, gathered)
        return _document(data, suffix, name, gathered)


def check_metrics_file(path: Path, name: str) -> None:
    """UsageError, before anything runs, for what `read_metrics` could make nothing of afterwards."""
    if path.is_dir():
        dvclive.check_folder(path, name)
    elif path.suffix or path.exists():
        _require_known(path.suffix.lower(), name)


def _require_known(suffix: str, name: str) -> None:
    if suffix not in SUFFIXES:
        kinds = "JSON, JSON lines, YAML, TOML, CSV, TSV or a DVCLive folder"
        raise UsageError(f"{name}: cannot read {suffix or 'a file without suffix'} as metrics: use {kinds}")


def _document(data: bytes, suffix: str, name: str, losses: Losses) -> Metrics:
    if suffix == ".json":
        text = text_of(data, name)
        try:
            content = parse_json(text, name, losses)
        except json.JSONDecodeError as error:
            if not error.msg.startswith("Extra data"):
                raise UsageError(f"{name}: not valid JSON: {error}") from error
            return {}, _lines(text, name, losses)  # a line for each row, whatever the file is called
        except (ValueError, RecursionError) as error:
            raise UsageError(f"{name}: not valid JSON: {error}") from error
    else:
        content = parse(data, suffix, name, losses)
        if content is None:
            return {}, []
    if isinstance(content, list) and content and all(isinstance(item, dict) for item in content):
        return {}, series([(f"row {at + 1}", flatten(item)) for at, item in enumerate(content)], name, losses)
    if not isinstance(content, Mapping):
        kind = "a list" if isinstance(content, list) else type(content).__name__
        raise UsageError(f"{name}: must hold names and values, not {kind}")
    if suffix in YAML:  # an alias may stand for much
        content = fit(content, name, losses, room=4)
    logged = log_history(content, name, losses)
    if logged is not None:
        return logged
    flat, rows = take_histories(content, name, losses)
    return _numbers(flat, name, losses), rows


def _lines(text: str, name: str, losses: Losses) -> list[Row]:
    rows = []
    reader = JsonReader(name, losses)
    for at, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            cells = reader.read(line, f"line {at}")
        except (ValueError, RecursionError):
            losses.add(name, "line", f"line {at}", "not valid JSON")
            continue
        if isinstance(cells, dict):
            rows.append((f"line {at}", flatten(cells)))
        else:
            losses.add(name, "line", f"line {at}", "holds no names and values")
    return series(rows, name, losses)


def read_final(path: Path, name: str, losses: Losses, skip: str = "") -> dict[str, Any]:
    """The final values of a JSON file of DVCLive, without the key `skip`."""
    content = parse(read_bytes(path), ".json", name, losses)
    if not isinstance(content, Mapping):
        raise UsageError(f"{name}: must hold names and values")
    return _numbers(flatten({k: v for k, v in content.items() if k != skip}), name, losses)


def _numbers(flat: Mapping[str, Any], name: str, losses: Losses) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for key, value in flat.items():
        if value is None or value == {}:
            continue
        number = word_or_number(value)
        if number is None:
            losses.add(name, "value", key, why_none(value))
            continue
        metric = metric_name(key, name, losses, "value")
        if metric in numbers:
            losses.add(name, "value", key, f"another value is called {metric}")
        elif metric is not None:
            numbers[metric] = metric_value(metric, number)
    return numbers

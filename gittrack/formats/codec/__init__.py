"""Bytes to records and back: strict YAML in, JSON Schema, canonical YAML out, each write proved by reading.

PyYAML and the validators are imported by the first call that needs them.
"""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec.form import is_in_form, is_sorted
from gittrack.formats.codec.lines import read_canonical
from gittrack.formats.codec.plain import MAX_BYTES, MAX_DEPTH, MAX_INT_BITS, MAX_NODES, short
from gittrack.formats.codec.reader import read_yaml
from gittrack.formats.codec.schema import schema_names, schema_text, validate, validate_plain
from gittrack.formats.codec.writer import canonical, write_yaml
from gittrack.formats.imported import BLANK, import_id, with_line
from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import SCHEMA, Record, parse_time

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INT_BITS",
    "MAX_NODES",
    "dump_imported",
    "dump_record",
    "judge_record",
    "load_plain",
    "load_record",
    "read_yaml",
    "schema_names",
    "schema_text",
    "validate",
    "write_yaml",
]

_VERSION = re.compile(r"gittrack/run/([0-9]{1,6})")
_CURRENT = int(SCHEMA.rpartition("/")[2])

# The user's own keys, at every depth: their order says nothing, so that the file has them sorted.
_FREE = frozenset({"tags", "params", "seeds", "determinism"})


def load_record(data: bytes, where: str) -> Record:
    """The record in the bytes of a run.yaml; RecordError says where they are malformed."""
    return from_dict(Record, load_plain(data, where))


def load_plain(data: bytes, where: str) -> dict[str, Any]:
    """What `load_record` makes a record of: plain values that follow the schema. RecordError likewise."""
    return _checked(data, where)[0]


def judge_record(data: bytes, where: str) -> tuple[Record, bool]:
    """`load_record`, and whether the bytes are those that `dump_record` writes of it."""
    value, as_written = _checked(data, where)
    record = from_dict(Record, value)
    if not as_written:
        return record, canonical(_sorted(to_dict(record))) == data
    # Each line is as the writer writes it: what is left to ask is which keys there are, in which order.
    metrics = [*value["metrics"]]
    in_order = metrics == sorted(metrics) and all(is_sorted(value[name]) for name in _FREE if name in value)
    return record, in_order and is_in_form(Record, value)


def _checked(data: bytes, where: str) -> tuple[dict[str, Any], bool]:
    """The value in the bytes of a run.yaml, and whether each line of them is as the writer writes it."""
    value = read_canonical(data)
    as_written = value is not None
    if value is None:
        value = read_yaml(data, where)
    _check_version(value, where)
    validate_plain(value, "run", where)
    _check_time(value, where)
    return value, as_written


def dump_record(record: Record) -> bytes:
    """The canonical run.yaml of `record`; RecordError if it breaks the schema or would not read back."""
    where = "run.yaml"
    try:
        plain = to_dict(record)
    except RecursionError as error:
        raise RecordError(f"{where}: nested more than {MAX_DEPTH} levels deep") from error
    validate(plain, "run", where)
    plain = _sorted(plain)
    data = canonical(plain)
    _prove(record, plain, data, where)
    return data


def dump_imported(record: Record) -> tuple[Record, bytes]:
    """An imported `record`, whatever id it has, with the id that follows from all else, and its run.yaml."""
    data = dump_record(dataclasses.replace(record, id=BLANK))
    run_id = import_id(data, record.started)
    return dataclasses.replace(record, id=run_id), with_line(data, write_yaml({"id": run_id}))


def _check_version(value: Any, where: str) -> None:
    """The version comes first: a record of another version is not malformed."""
    schema = value.get("schema") if isinstance(value, dict) else None
    match = _VERSION.fullmatch(schema) if isinstance(schema, str) else None
    if match is None:
        raise RecordError(f"{where}: not a gittrack record: its first line should be 'schema: {SCHEMA}'")
    version = int(match.group(1))
    if version > _CURRENT:
        raise RecordError(f"{where}: too new ({schema}): upgrade gittrack, which reads up to {SCHEMA}")
    if version < _CURRENT:
        raise RecordError(f"{where}: too old ({schema}): no gittrack ever wrote that version")


def _check_time(value: dict[str, Any], where: str) -> None:
    """A date that the calendar lacks passes the schema."""
    if "started" not in value:
        return
    try:
        parse_time(value["started"]) + timedelta(seconds=value.get("duration_s", 0))
    except (ValueError, OverflowError) as error:
        raise RecordError(f"{where}: started: {short(value['started'])} is no time: {error}") from error


def _sorted(plain: dict[str, Any]) -> dict[str, Any]:
    """A record's plain dict with its free mappings in the order of their keys."""
    result = {name: _by_key(item) if name in _FREE else item for name, item in plain.items()}
    result["metrics"] = {name: plain["metrics"][name] for name in sorted(plain["metrics"])}
    return result


def _by_key(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_key(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_by_key(item) for item in value]
    return value


def _prove(record: Record, plain: dict[str, Any], data: bytes, where: str) -> None:
    """Reads `data` back and compares: values, their types and their order."""
    value = read_yaml(data, where)
    _check_time(value, where)
    loaded = from_dict(Record, value)
    for field in dataclasses.fields(Record):
        name = field.name
        same = repr(value.get(name)) == repr(plain.get(name))
        if not same or getattr(loaded, name) != getattr(record, name):
            raise RecordError(
                f"{where}: {name}: would not read back as it is: use plain lists, mappings and values"
            )

"""What every reader of a lock file hands back, and the loaders that keep hostile bytes harmless.

`load_toml`, `load_json` and `load_yaml` turn bytes into dicts, lists and scalars, or raise
`Malformed`. A `Malformed` never quotes the file: lock files hold URLs, and URLs hold passwords.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from gittrack.formats.codec.reader import LIBYAML_TOO_DEEP
from gittrack.formats.record import Pins

Use = Literal["required", "optional", "excluded"]
"""What the comparison with the installed distributions makes of an entry.

``required`` counts as missing when it is not installed. ``optional`` (an extra, a group, a conda
package whose PyPI name is a guess) counts only when it is installed. ``excluded`` is not compared:
its marker or platform is not this machine's, or it is no Python package.
"""

_MAX_YAML_DEPTH = 64
_POSITION = re.compile(r"line (\d+),? column (\d+)")
_COMMIT = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})\Z")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_~-]{0,99}\Z")


class Malformed(ValueError):
    """The bytes are not what the file's name promises. The message names no content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedPackage:
    """One package (or image, or input) that a lock names."""

    name: str
    version: str | None = None
    """The exact version; None where the file leaves a choice."""
    hashed: bool = False
    source: str | None = None
    """Where it comes from, if not from an index: ``git``, ``path`` or ``url``."""
    use: Use = "excluded"


@dataclass(slots=True, kw_only=True)
class Contents:
    """All that a lock names, and what its reader has to say about it."""

    entries: list[LockedPackage] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    pins: Pins | None = None
    """The grade, where the entries alone do not make it."""


def load_toml(data: bytes) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(decode(data))
    except tomllib.TOMLDecodeError as error:
        raise Malformed(f"no valid TOML{_position(str(error))}") from None
    except ValueError as error:
        raise _as_malformed(error, "TOML") from None


def load_json(data: bytes) -> dict[str, Any]:
    import json

    try:
        return table(json.loads(decode(data)), "the document")
    except json.JSONDecodeError as error:
        raise Malformed(f"no valid JSON (line {error.lineno}, column {error.colno})") from None
    except ValueError as error:
        raise _as_malformed(error, "JSON") from None


def load_yaml(data: bytes) -> dict[str, Any]:
    """The document with every scalar as text, so that version 1.10 stays "1.10".

    Built from the parser's events: no tag is acted on, aliases are refused, and nothing recurses.
    """
    import yaml

    events = yaml.parse(decode(data), Loader=getattr(yaml, "CBaseLoader", yaml.BaseLoader))
    try:
        return table(_yaml_document(events), "the document")
    except yaml.MarkedYAMLError as error:
        if LIBYAML_TOO_DEEP in (error.problem or ""):
            raise Malformed("nested too deeply") from None
        mark = error.problem_mark
        raise Malformed(f"no valid YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except yaml.YAMLError:
        raise Malformed("no valid YAML") from None


def _yaml_document(events: Iterator[Any]) -> Any:
    import yaml

    open_nodes: list[list[Any]] = [[]]
    for event in events:
        kind = type(event)
        if kind is yaml.ScalarEvent:
            open_nodes[-1].append(event.value)
        elif kind is yaml.MappingStartEvent or kind is yaml.SequenceStartEvent:
            if len(open_nodes) > _MAX_YAML_DEPTH:
                raise Malformed("nested too deeply")
            open_nodes.append([])
        elif kind is yaml.MappingEndEvent:
            flat = open_nodes.pop()
            open_nodes[-1].append(_yaml_mapping(flat))
        elif kind is yaml.SequenceEndEvent:
            node = open_nodes.pop()
            open_nodes[-1].append(node)
        elif kind is yaml.AliasEvent:
            raise Malformed("YAML aliases are not read")
    if len(open_nodes[0]) != 1:
        raise Malformed("not one YAML document")
    return open_nodes[0][0]


def _yaml_mapping(flat: list[Any]) -> dict[str, Any]:
    keys = flat[::2]
    if not all(isinstance(key, str) for key in keys):
        raise Malformed("a YAML key is no text")
    return dict(zip(keys, flat[1::2], strict=True))


def decode(data: bytes) -> str:
    """Text of UTF-8 with or without a byte order mark, or of UTF-16 with one (PowerShell's ``>``)."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if utf16 else "utf-8-sig")
    except UnicodeDecodeError:
        raise Malformed("no UTF-8 text") from None


def _position(message: str) -> str:
    match = _POSITION.search(message)
    return f" (line {match[1]}, column {match[2]})" if match else ""


def _as_malformed(error: ValueError, language: str) -> Malformed:
    """`error` itself, or what stands for the limits of int() and datetime(), which name no position."""
    return (
        error if isinstance(error, Malformed) else Malformed(f"no valid {language}: a value is out of range")
    )


def table(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Malformed(f"{what} is no table")
    return value


def tables(parent: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The list of tables at `key`; none where the key is absent."""
    value = parent.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise Malformed(f"'{key}' is no list of tables")
    return value


def texts(value: Any) -> list[str]:
    """The strings of a list; none of anything else."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def text(parent: Mapping[str, Any], key: str) -> str | None:
    """The string at `key`, or None: absent, empty or of another type."""
    value = parent.get(key)
    return value if isinstance(value, str) and value else None


def version(value: Any) -> str | None:
    """`value` if it can be one exact version: short, and with no room for an URL."""
    return value if isinstance(value, str) and _VERSION.match(value) else None


def name_of(parent: Mapping[str, Any], key: str = "name") -> str:
    name = text(parent, key)
    if name is None:
        raise Malformed(f"an entry has no '{key}'")
    return name


def is_commit(value: str | None) -> bool:
    """Whether this is a full git object id: it names its content as a hash does."""
    return value is not None and _COMMIT.match(value) is not None


def is_own_path(path: str) -> bool:
    """Whether a path of the lock stays in the lock's folder: then the recorded code tree holds it."""
    return not path.startswith(("/", "~")) and ":" not in path and ".." not in re.split(r"[/\\]", path)

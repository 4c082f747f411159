"""Canonical bytes to plain values, line by line: several times as fast as a parser of YAML.

It takes only what `gittrack.formats.codec.writer` writes, which it asks of each scalar. At anything else
it gives up, and `gittrack.formats.codec.reader` reads the file, to the same value wherever both give one,
or words the fault.
"""

from __future__ import annotations

import re
from typing import Any

from gittrack.formats.codec.plain import MAX_BYTES
from gittrack.formats.codec.writer import LONGEST_KEY, real, scalar

_MOST_LINES = 20_000
_MOST_LEVELS = 20

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_ESCAPE = re.compile(r'\\(?:(["\\nrt])|x([0-9a-f]{2})|u([0-9a-f]{4})|U(00(?:0[0-9a-f]|10)[0-9a-f]{4}))')
_SHORT = {'"': '"', "\\": "\\", "n": "\n", "r": "\r", "t": "\t"}
_INTEGER = re.compile(r"-?[0-9]{1,18}")
_REAL = re.compile(r"-?[0-9]+\.[0-9]+(?:e[+-][0-9]+)?")
_WORDS: dict[str, Any] = {"null": None, "true": True, "false": False, "{}": dict, "[]": list}

_BLOCK = object()
"""In place of a value: it is on the lines below."""

_Line = tuple[int, int, str | None, Any]
"""Indentation, number of dashes, key (None for an item of a list), and value.

An empty collection is its type: each file gets its own.
"""


class _NotCanonical(Exception):
    """Not what the writer writes."""


def read_canonical(data: bytes) -> dict[str, Any] | None:
    """The value of a canonical file that holds a mapping; None for every other file."""
    if len(data) > MAX_BYTES or data[-1:] != b"\n":
        return None
    try:
        lines = data[:-1].decode().split("\n")
        if len(lines) > _MOST_LINES:
            return None
        parsed = [_known.get(line) or _line(line) for line in lines]
        value, end = _mapping(parsed, 0, 0, _MOST_LEVELS)
    except (UnicodeDecodeError, _NotCanonical):
        return None
    return value if end == len(parsed) else None


def _mapping(lines: list[_Line], at: int, indent: int, levels: int) -> tuple[dict[str, Any], int]:
    """The mapping that begins at line `at`, and the line after it."""
    result: dict[str, Any] = {}
    while at < len(lines):
        pad, dashes, key, value = lines[at]
        if pad < indent:
            break
        if pad > indent or dashes or key is None or key in result:
            raise _NotCanonical
        at += 1
        if value is _BLOCK:
            value, at = _block(lines, at, indent + 2, levels - 1)
        result[key] = value() if value is dict or value is list else value
    return result, at


def _sequence(lines: list[_Line], at: int, indent: int, levels: int) -> tuple[list[Any], int]:
    result: list[Any] = []
    while at < len(lines):
        pad, dashes, key, value = lines[at]
        if pad < indent:
            break
        if pad > indent or not dashes:
            raise _NotCanonical
        if dashes == 1 and key is None:
            at += 1
            result.append(value() if value is dict or value is list else value)
            continue
        lines[at] = (pad + 2, dashes - 1, key, value)
        item, at = _block(lines, at, indent + 2, levels - 1)
        result.append(item)
    return result, at


def _block(lines: list[_Line], at: int, indent: int, levels: int) -> tuple[Any, int]:
    if at == len(lines) or lines[at][0] != indent or levels == 0:
        raise _NotCanonical
    read = _sequence if lines[at][1] else _mapping
    return read(lines, at, indent, levels)


# --- one line ------------------------------------------------------------------------------

_known: dict[str, _Line] = {}
"""Lines that records have in common."""
_keys: dict[str, str] = {}
_MOST_KNOWN = 20_000
_LONGEST_KNOWN = 200


def _line(line: str) -> _Line:
    content = line.lstrip(" ")
    pad = len(line) - len(content)
    dashes = 0
    while content.startswith("- "):
        content = content[2:]
        dashes += 1
    key, text = _parted(content)
    value = _BLOCK if text is None else _scalar(text)
    parsed = (pad, dashes, None if key is None else _key(key), value)
    if type(value) is not float and len(line) <= _LONGEST_KNOWN:
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[line] = parsed
    return parsed


def _parted(content: str) -> tuple[str | None, str | None]:
    """The text of the key, None for an item, and that of the value, None where it is on other lines."""
    if content.startswith('"'):
        quoted = _QUOTED.match(content)
        end = quoted.end() if quoted else 0
    else:
        end = content.find(": ")
        end = len(content) - 1 if end < 0 else end
    if content[end : end + 1] != ":":
        return None, content
    if end + 1 == len(content):
        return content[:end], None
    if content[end + 1] != " ":
        raise _NotCanonical
    return content[:end], content[end + 2 :]


def _key(text: str) -> str:
    known = _keys.get(text)
    if known is None:
        known = _scalar(text)
        if type(known) is not str or len(text) > LONGEST_KEY:
            raise _NotCanonical
        if len(_keys) < _MOST_KNOWN and len(text) <= _LONGEST_KNOWN:
            _keys[text] = known
    return known


def _scalar(text: str) -> Any:
    """The value of a scalar that the writer writes as `text`."""
    if _REAL.fullmatch(text):
        value: Any = float(text)
        written = real(value)
    elif _INTEGER.fullmatch(text):
        value = int(text)
        written = str(value)
    elif text in _WORDS:
        return _WORDS[text]
    else:
        value = _ESCAPE.sub(_unescaped, text[1:-1]) if text[:1] == '"' else text
        written = scalar(value)
    if written != text:
        raise _NotCanonical
    return value


def _unescaped(match: re.Match[str]) -> str:
    short, *digits = match.groups()
    return _SHORT[short] if short else chr(int("".join(filter(None, digits)), 16))

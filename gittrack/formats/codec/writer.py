"""Plain values to bytes: the one canonical YAML form, which readers of YAML 1.1 and of 1.2 take alike.

Block style, two spaces, one value a line, mappings in the order they come in. A string is
plain where no reader could take it for anything else; otherwise it is double-quoted on one line.
"""

from __future__ import annotations

import re
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec.plain import find_fault, located

# Certainly text: words, paths and addresses with a letter first. Or one word with a digit first and a
# letter that no number has, such as a digest or a run id; a colon there could make it a time.
_PLAIN = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./@+-]*(?:[: ][A-Za-z0-9_./@+-]+)*"
    r"|(?!0[xXoObB])[0-9](?=[0-9_.eE/@+-]*[A-DF-Za-df-z])[A-Za-z0-9_./@+-]+"
)
_NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})

# What a quoted string may not show as it is: quotes, control characters, line separators, the byte
# order mark, characters that turn the direction of text around, non-characters.
_ESCAPED = re.compile(
    '["\\\\\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufdd0-\ufdef\ufeff'
    "\ufffe\uffff"
    + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(1 << 16, 17 << 16, 1 << 16))
    + "]"
)
_SHORT_ESCAPES = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}

# YAML finds the colon of a plain `key: value` only within 1,024 characters.
LONGEST_KEY = 1000


def write_yaml(value: Any) -> bytes:
    """The canonical form of a plain value; RecordError names the part that YAML cannot hold."""
    fault = find_fault(value)
    if fault is not None:
        raise RecordError(located("cannot write", *fault))
    return canonical(value)


def canonical(value: Any) -> bytes:
    """`write_yaml` of what `find_fault` has passed."""
    lines: list[str] = []
    if value and isinstance(value, (dict, list)):
        _block(value, "", lines)
    else:
        lines.append(scalar(value))
    lines.append("")
    return "\n".join(lines).encode()


def _block(value: dict[str, Any] | list[Any], pad: str, lines: list[str]) -> None:
    """Adds the lines of a collection that is not empty, indented by `pad`."""
    inner = pad + "  "
    if isinstance(value, dict):
        for key, item in value.items():
            head = _text(key)
            head = f"{pad}{head}:" if len(head) <= LONGEST_KEY else f"{pad}? {head}\n{pad}:"
            if item and isinstance(item, (dict, list)):
                lines.append(head)
                _block(item, inner, lines)
            else:
                lines.append(f"{head} {scalar(item)}")
        return
    for item in value:
        if item and isinstance(item, (dict, list)):
            first = len(lines)
            _block(item, inner, lines)
            lines[first] = f"{pad}- {lines[first][len(inner) :]}"
        else:
            lines.append(f"{pad}- {scalar(item)}")


def scalar(value: Any) -> str:
    """The text of a scalar or of an empty collection."""
    if isinstance(value, str):
        return _text(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return real(value)
    if isinstance(value, int):
        return str(value)
    return "{}" if isinstance(value, dict) else "[]"


def real(value: float) -> str:
    """Shortest text that reads back as `value`, with the point that YAML 1.1 asks for."""
    text = repr(value)
    if "e" in text and "." not in text:
        mantissa, _, exponent = text.partition("e")
        return f"{mantissa}.0e{exponent}"
    return text


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text) and text.lower() not in _NOT_TEXT:
        return text
    return f'"{_ESCAPED.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    character = match.group()
    code = ord(character)
    if character in _SHORT_ESCAPES:
        return _SHORT_ESCAPES[character]
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"

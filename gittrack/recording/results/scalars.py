"""What a plain YAML scalar means to PyYAML, to DVC (ruamel.yaml, YAML 1.2) and to OmegaConf.

They agree on most. Where they do not, OmegaConf agrees with one of the other two: ``yes`` is true and
``0755`` is 493 to it and to PyYAML, ``1e-3`` is a number to it and to DVC. So its reading is that
of the majority. A date is text, as it is written. (``0o755`` is text to it and to PyYAML.)
"""

from __future__ import annotations

import re
from typing import Any

_ALIKE = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_WORDS = {
    word: truth
    for lower, truth in (("yes", True), ("on", True), ("no", False), ("off", False))
    for word in (lower, lower.capitalize(), lower.upper())
}
_NUMBER_START = frozenset("+-.0123456789")
_SIMPLE = re.compile(r"[-+]?(?:0|[1-9][0-9]*)|[-+]?[0-9]+\.[0-9]*|[-+]?[0-9]+\.[0-9]*[eE][-+][0-9]+")
_COMMON = (
    r"(?P<binary>[-+]?0b[01_]+)|(?P<hex>[-+]?0x[0-9a-fA-F_]+)"
    r"|(?P<real>[-+]?[0-9][0-9_]*(?:\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))"
    r"|(?P<endless>[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))"
)
_OMEGACONF = re.compile(
    r"(?P<octal>[-+]?0[0-7_]+)|(?P<decimal>[-+]?(?:0|[1-9][0-9_]*))"
    r"|(?P<sixties>[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)"
    rf"|(?P<fraction>\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)|{_COMMON}"
)
_DVC = re.compile(
    r"(?P<octal>[-+]?0o[0-7_]+)|(?P<decimal>[-+]?[0-9][0-9_]*)"
    rf"|(?P<fraction>[-+]?\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?)|{_COMMON}"
)
_BASES = {"binary": 2, "octal": 8, "decimal": 10, "hex": 16}
MOST_DIGITS = 4000
"""Python reads no more; a record holds a third of it."""


def readings(text: str) -> tuple[Any, Any]:
    """What a plain scalar is to OmegaConf, which is what two of the three say, and what it is to DVC."""
    if text in _ALIKE:
        return _ALIKE[text], _ALIKE[text]
    if text in _WORDS:
        return _WORDS[text], text
    if text[0] not in _NUMBER_START or len(text) > MOST_DIGITS:
        return text, text
    if _SIMPLE.fullmatch(text):
        number = int(text) if text.lstrip("+-").isdigit() else float(text)
        return number, number
    return _number(_OMEGACONF.fullmatch(text), text), _number(_DVC.fullmatch(text), text)


def _number(match: re.Match[str] | None, text: str) -> Any:
    if match is None:
        return text
    kind, digits = str(match.lastgroup), text.replace("_", "")
    if kind == "sixties":
        return _sixties(digits)
    if kind == "endless":
        return float(digits.replace(".", "", 1))
    try:
        return int(digits.replace("0o", "0"), _BASES[kind]) if kind in _BASES else float(digits)
    except ValueError:  # 0x_ and the like, which no tool reads
        return text


def _sixties(digits: str) -> int | float:
    sign = -1 if digits.startswith("-") else 1
    parts = [float(part) if "." in part else int(part) for part in digits.lstrip("+-").split(":")]
    total: int | float = 0
    for part in parts:
        total = total * 60 + part
    return sign * total

"""What a plain value is, and how to name a part of one in a message.

Plain are null, bool, int, finite float, text, and lists and dicts (with text keys) of these.
"""

from __future__ import annotations

import math
import re
import reprlib
from collections.abc import Iterable
from typing import Any

MAX_BYTES = 1 << 20
MAX_DEPTH = 40
MAX_NODES = 200_000
MAX_INT_BITS = 4096

SURROGATE = re.compile("[\ud800-\udfff]")

Fault = tuple[tuple[str | int, ...], str]
"""Path of the part that is not plain, and what is wrong with it."""


def find_fault(value: Any, max_depth: int = MAX_DEPTH) -> Fault | None:
    """The first part of `value` that is not plain; None where all of it is."""
    kind = type(value)
    if kind is dict or kind is list:
        if max_depth == 0:
            return (), f"is nested more than {MAX_DEPTH} levels deep"
        return _fault_in(value, max_depth - 1)
    if kind is str:
        bad = not value.isascii() and SURROGATE.search(value)
        return ((), "holds a lone surrogate, which UTF-8 cannot hold") if bad else None
    if kind is float:
        return None if math.isfinite(value) else ((), f"{value} is not a finite number")
    if kind is int:
        return ((), f"has more than {MAX_INT_BITS} bits") if value.bit_length() > MAX_INT_BITS else None
    if value is None or kind is bool:
        return None
    return (), f"is of type {kind.__module__}.{kind.__qualname__}, which YAML cannot hold"


def _fault_in(value: dict[Any, Any] | list[Any], depth_left: int) -> Fault | None:
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if isinstance(value, dict):
            if type(key) is not str:
                return (), f"the key {short(key)} is not text"
            if find_fault(key) is not None:
                return (), f"the key {short(key)} holds a lone surrogate, which UTF-8 cannot hold"
        fault = find_fault(item, depth_left)
        if fault is not None:
            return (key, *fault[0]), fault[1]
    return None


def dotted(path: Iterable[str | int]) -> str:
    """``metrics.acc.value``, ``data[0].path``; a key that would be misread is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif re.fullmatch(r"[\w/@+-]{1,60}", part):
            text += f".{part}"
        else:
            text += f"[{short(part)}]"
    return text.removeprefix(".")


def short(value: Any) -> str:
    """One-line repr of at most some 80 characters."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = 80
    return brief.repr(value)


def located(where: str, path: Iterable[str | int], what: str) -> str:
    """``where: metrics.acc.value: what``."""
    name = dotted(path)
    return f"{where}: {name}: {what}" if name else f"{where}: {what}"

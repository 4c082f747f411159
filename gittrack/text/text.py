"""Text that is safe to show, its width on a terminal, and how numbers, ages and sizes are written."""

from __future__ import annotations

import sys
import time
import unicodedata
from typing import Any, NamedTuple

_COLOURS = {"red": "31", "green": "32", "yellow": "33", "cyan": "36", "bold": "1", "dim": "2"}
_NAMED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_JOINER = "\u200d"


class Paint(NamedTuple):
    """Colours, or none of them."""

    on: bool = False

    def __call__(self, colour: str | None, text: str) -> str:
        if not self.on or not colour or not text:
            return text
        return f"\x1b[{_COLOURS[colour]}m{text}\x1b[0m"


def clean(text: str) -> str:
    """`text` with everything that could steer a terminal or turn its direction shown as an escape."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c == _JOINER or _is_space(c) else _escape(c) for c in text)


def _is_space(character: str) -> bool:
    return unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    code = ord(character)
    if character in _NAMED:
        return _NAMED[character]
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def clean_lines(text: str) -> list[str]:
    """The lines of `text`, each clean."""
    return [clean(line.rstrip("\r").expandtabs(4)) for line in text.split("\n")]


def one_line(text: str) -> str:
    """`text` as one clean line, its white space closed up."""
    return clean(" ".join(text.split()))


def width(text: str) -> int:
    """Columns that clean `text` takes on a terminal."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(character: str) -> int:
    if character < "\u0300":
        return 1
    if unicodedata.combining(character) or unicodedata.category(character) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def cut(text: str, columns: int) -> str:
    """Clean `text` in at most `columns` columns; what was cut off is an ellipsis."""
    if width(text) <= columns:
        return text
    taken = 0
    for at, character in enumerate(text):
        taken += _columns(character)
        if taken > columns - 1:
            return text[:at] + "…" if columns > 0 else ""
    return text


def pad(text: str, columns: int, *, right: bool = False) -> str:
    """`text` filled up with spaces to `columns` columns."""
    blank = " " * (columns - width(text))
    return blank + text if right else text + blank


def value(item: Any, precision: int | None = None) -> str:
    """A parameter or metric as one clean line; floats to `precision` significant digits, None: all."""
    if item is None:
        return ""
    if isinstance(item, bool):
        return "true" if item else "false"
    if isinstance(item, float):
        return number(item, precision)
    if isinstance(item, (list, tuple)):
        return "[" + ", ".join(literal(entry, precision) for entry in item) + "]"
    if isinstance(item, dict):
        return "{" + ", ".join(f"{clean(str(k))}: {literal(v, precision)}" for k, v in item.items()) + "}"
    return one_line(str(item))


def literal(item: Any, precision: int | None = None) -> str:
    """A value that is there, as `value` has it: null is one, and not nothing."""
    return "null" if item is None else value(item, precision)


def number(item: float, precision: int | None = None) -> str:
    """A number to `precision` significant digits, None: all. Whole ones may be larger than a float holds."""
    if precision is None:
        return repr(item)
    if isinstance(item, int) and abs(item) > sys.float_info.max:
        from decimal import Decimal

        return f"{Decimal(item):.{max(precision, 1)}g}"
    if 10**precision <= abs(item) < 1e15:
        return f"{item:.0f}"
    digits = f"{item:.{max(precision, 1)}g}"
    if "." in digits or "e" in digits:
        return digits
    rounded_up = float(digits) != int(item)  # 2.9996 to three digits is no whole number: 3, and not 3.0
    return digits if rounded_up else f"{digits}.0"


def age(started: float, now: float | None = None) -> str:
    """How long ago `started` (seconds since the epoch) was: ``3h ago``."""
    seconds = (time.time() if now is None else now) - started
    if started <= 0:
        return "?"
    if seconds < -60:
        return f"in {_span(-seconds)}"
    return f"{_span(max(seconds, 0))} ago"


def _span(seconds: float) -> str:
    for unit, length, limit in (("s", 1, 90), ("m", 60, 5400), ("h", 3600, 129600), ("d", 86400, 1209600),
                                ("w", 604800, 5184000), ("mo", 2629800, 63115200)):  # fmt: skip
        if seconds < limit:
            return f"{int(seconds / length)}{unit}"
    return f"{int(seconds / 31557600)}y"


def duration(seconds: float | None) -> str:
    """A stretch of time: ``0.42 s``, ``12.5 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds is None:
        return ""
    if seconds < 60:
        return f"{seconds:.3g} s"
    total = round(seconds)
    for big, small, large_name, small_name in (
        (60, 1, "min", "s"),
        (3600, 60, "h", "min"),
        (86400, 3600, "d", "h"),
    ):
        if total < big * (60 if big < 3600 else 24) or big == 86400:
            remainder = total % big // small
            return f"{total // big} {large_name}" + (f" {remainder} {small_name}" if remainder else "")
    return ""


def size(count: int | None) -> str:
    """A number of bytes: ``812 B``, ``1.2 MB`` (10^6)."""
    if count is None:
        return ""
    amount, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{count} B" if unit == "B" else f"{amount:.3g} {unit}"

"""JSON as we write it: letters as they are, and no NaN or infinity (ValueError), which JSON does not have."""

from __future__ import annotations

import json
from typing import Any

_LINE = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
_COMPACT = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"))
_PAGE = json.JSONEncoder(ensure_ascii=False, allow_nan=False, indent=2)


def json_line(plain: Any) -> str:
    """On one line, for people."""
    return _LINE.encode(plain)


def json_compact(plain: Any) -> str:
    """On one line, without a space."""
    return _COMPACT.encode(plain)


def json_page(plain: Any) -> str:
    """Indented, with the end of its last line."""
    return _PAGE.encode(plain) + "\n"

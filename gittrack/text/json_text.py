"""JSON as every command and file of ours has it."""

from __future__ import annotations

import json
from typing import Any


def json_text(plain: Any) -> str:
    """`plain` as indented JSON, one newline at its end; ValueError for NaN and infinity, which JSON lacks."""
    return json.dumps(plain, ensure_ascii=False, indent=2, allow_nan=False) + "\n"

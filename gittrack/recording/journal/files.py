"""Small files of a journal."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gittrack.git.shared import as_folder
from gittrack.reading.journal.owner import current_owner


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in the place of what is there; others find the one or the other, whole."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    as_folder(temporary)
    temporary.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """For a file that nobody reads yet, or waits for."""
    path.write_bytes(_json(content))
    as_folder(path)


def write_owner(folder: Path) -> None:
    """Say that this process writes the journal."""
    owner = current_owner()
    replace_file(folder / f"owner-{owner['pid']}.json", _json(owner))


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False, indent=1).encode()

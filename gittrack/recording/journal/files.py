"""Small files of a journal, which another process finds whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gittrack.git.shared import as_folder
from gittrack.reading.journal.owner import current_owner


def replace_file(path: Path, data: bytes) -> None:
    """Put `data` at `path` in the place of what is there."""
    temporary = path.with_suffix(".tmp")
    temporary.write_bytes(data)
    as_folder(temporary)
    temporary.replace(path)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    replace_file(path, json.dumps(content, ensure_ascii=False, indent=1).encode())


def write_owner(folder: Path) -> None:
    """Say that this process writes the journal."""
    owner = current_owner()
    write_json(folder / f"owner-{owner['pid']}.json", owner)

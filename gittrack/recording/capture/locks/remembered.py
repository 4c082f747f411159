"""Locks read before: a lock of a hundred packages takes 80 ms to read, and rarely changes between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gittrack.formats.record import Lock, from_dict, to_dict
from gittrack.recording.capture.locks import Drift, read_lock
from gittrack.version import VERSION

SMALL_BYTES = 8 << 10
"""Locks up to this size are read faster than they are remembered."""
KEPT = 64


def read_lock_once(
    path: str, data: bytes, *, blob: str | None, installed: Mapping[str, str], folder: Path
) -> tuple[Lock, list[Drift]]:
    """`read_lock`, from the cache file in `folder` where the same bytes met the same packages before."""
    if len(data) <= SMALL_BYTES:
        return read_lock(path, data, blob=blob, installed=installed)
    parts = [VERSION, path, str(blob), hashlib.sha256(data).hexdigest(), *map(str, sorted(installed.items()))]
    key = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()
    file = folder / "locks-cache.json"
    known = _load(file)
    if key in known:
        try:
            lock, drift = known[key]
            return from_dict(Lock, lock), [Drift(**d) for d in drift]
        except (TypeError, ValueError):
            known = {}
    read = read_lock(path, data, blob=blob, installed=installed)
    known[key] = [to_dict(read[0]), [asdict(d) for d in read[1]]]
    _save(file, dict(list(known.items())[-KEPT:]))
    return read


def _load(file: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads(file.read_bytes())
    except (OSError, ValueError):
        return {}  # a cache: what cannot be read is made anew
    return content if isinstance(content, dict) else {}


def _save(file: Path, content: dict[str, list[Any]]) -> None:
    temporary = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(content))
        temporary.replace(file)
    except OSError:
        temporary.unlink(missing_ok=True)

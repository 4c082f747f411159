"""A file that a person wrote, read: what is taken of it, and what is said of the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gittrack.recording.result_files import Losses, read_metrics, read_params


def params_of(
    folder: Path, name: str, text: str | bytes, **options: Any
) -> tuple[dict[str, Any], dict[str, str]]:
    """The parameters, and why what was not taken."""
    losses = Losses()
    params = read_params(write(folder, name, text), losses, name=name, **options)
    return params, dict(losses.stated())


def metrics_of(
    folder: Path, name: str, text: str | bytes
) -> tuple[dict[str, Any], list[Any], dict[str, str]]:
    """Final values, rows, and why what was not taken."""
    losses = Losses()
    final, series = read_metrics(write(folder, name, text), losses, name=name)
    return final, list(series), dict(losses.stated())


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path

"""Files of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.recording.results.documents import YAML, parse, read_bytes
from gittrack.recording.results.fitting import fit
from gittrack.recording.results.losses import Losses, gathering

SUFFIXES = (*YAML, ".json", ".toml", ".py")


def read_params(
    path: Path, losses: Losses | None = None, *, name: str | None = None, by_dvc: bool = False
) -> dict[str, Any]:
    """The parameters in a YAML, JSON, TOML or Python file, nested as they are, as a record can hold them.

    What a file has and the result has not, or not as every tool reads it, goes to `losses` (to the log
    without); `name` is what the file is called there. `by_dvc`: YAML scalars as DVC reads them, for a file
    that DVC has read. UsageError for a file that is absent, of another kind, malformed, or holds no names
    and values.
    """
    name = name or str(path)
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(
            f"{name}: cannot read {suffix or 'a file without suffix'}: use YAML, JSON, TOML or Python"
        )
    data = read_bytes(path)
    with gathering(losses) as gathered:
        content = parse(data, suffix, name, gathered, by_dvc=by_dvc)
        if content is None and suffix in YAML:
            return {}
        if not isinstance(content, Mapping):
            raise UsageError(f"{name}: must hold names and values, not {_kind(content)}")
        return fit(content, name, gathered)


def _kind(content: Any) -> str:
    return "a list" if isinstance(content, list) else type(content).__name__

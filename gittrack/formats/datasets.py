"""A dataset that a run read and that has a name, and no path."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """What is stated of a dataset; gittrack has not seen its bytes."""

    name: str
    digest: str | None = None
    """As it was stated, by whatever rule."""
    source: str | None = None
    """Where it comes from: an address, a query, a path of another machine."""
    context: str | None = None
    """What it was used for, in the word that was given, such as ``training``."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else is stated, such as its schema or its number of rows."""

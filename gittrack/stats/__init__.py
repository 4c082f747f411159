"""What replicates show; the pure functions of `gittrack.stats.maths` can be had from here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gittrack.stats.maths import *  # noqa: F403


def __getattr__(name: str) -> Any:
    from gittrack.stats import maths

    if name not in maths.__all__:
        raise AttributeError(f"module 'gittrack.stats' has no attribute {name!r}")
    return getattr(maths, name)

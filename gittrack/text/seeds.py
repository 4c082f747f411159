"""The seeds of one run in words."""

from __future__ import annotations

from collections.abc import Mapping


def seed_words(seed: int | None, seeds: Mapping[str, int], none: str = "none") -> str:
    """``3``, ``3 (split 1)``, ``split 1``, or `none`."""
    named = ", ".join(f"{name} {value}" for name, value in sorted(seeds.items()))
    if seed is None:
        return named or none
    return f"{seed} ({named})" if named else str(seed)

"""Worked-out numbers, compared: equal but for the last digits, which another libm may round otherwise."""

from __future__ import annotations

from typing import Any


def close(a: Any, b: Any) -> bool:
    """Whether two plain values are the same; floats to nine digits."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(close(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(close, a, b))
    if isinstance(a, float) and isinstance(b, float):
        return abs(a - b) <= 1e-9 * max(abs(a), abs(b))
    return type(a) is type(b) and bool(a == b)

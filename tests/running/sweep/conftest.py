"""Fixtures of these tests."""

from __future__ import annotations

from tests.running.sweep.sweeping import sweep, training

__all__ = ["sweep", "training"]

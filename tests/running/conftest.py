"""Fixtures of these tests."""

from __future__ import annotations

from tests.running.training import make_run, training

__all__ = ["make_run", "training"]

"""Fixtures of these tests."""

from __future__ import annotations

from tests.exporters.bench import bench

__all__ = ["bench"]

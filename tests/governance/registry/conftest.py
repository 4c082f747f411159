"""Fixtures of these tests."""

from __future__ import annotations

from tests.governance.registry.shop import shop

__all__ = ["shop"]

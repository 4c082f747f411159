"""Fixtures of these tests."""

from __future__ import annotations

from tests.publishing.review.proposing import propose

__all__ = ["propose"]

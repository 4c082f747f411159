"""Fixtures of these tests."""

from __future__ import annotations

from tests.publishing.report.study import decided, study

__all__ = ["decided", "study"]

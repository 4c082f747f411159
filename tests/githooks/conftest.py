"""Fixtures of the hook tests."""

from __future__ import annotations

from tests.githooks.pipeline import dvc_project

__all__ = ["dvc_project"]

"""Fixtures of the tests of recorded commits."""

from __future__ import annotations

from tests.cli.githooks.pipeline import dvc_project

__all__ = ["dvc_project"]

"""Fixtures of the hook tests."""

from __future__ import annotations

from tests.githooks.pipeline import dvc_project
from tests.githooks.served import server, two

__all__ = ["dvc_project", "server", "two"]

"""Fixtures of the hook tests."""

from __future__ import annotations

from tests.cli.githooks.pipeline import dvc_project
from tests.cli.githooks.served import server, two

__all__ = ["dvc_project", "server", "two"]

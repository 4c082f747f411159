"""Fixtures of these tests."""

from __future__ import annotations

from tests.cli.dying import dead
from tests.cli.githooks.served import server
from tests.cli.terminals import repo, terminal
from tests.shared import shared

__all__ = ["dead", "repo", "server", "shared", "terminal"]

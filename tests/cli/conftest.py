"""Fixtures of these tests."""

from __future__ import annotations

from tests.cli.dying import dead
from tests.cli.terminals import repo, terminal
from tests.shared import shared

__all__ = ["dead", "repo", "shared", "terminal"]

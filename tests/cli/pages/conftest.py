"""Fixtures of the pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.governance.gate.lab import Lab


@pytest.fixture
def lab(inside: Path) -> Lab:
    """A project without a gate so far."""
    return Lab(inside)

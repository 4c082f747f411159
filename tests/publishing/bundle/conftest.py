"""Fixtures of these tests."""

from __future__ import annotations

from tests.publishing.bundle.bundles import archive, elsewhere, temporary
from tests.shared import shared

__all__ = ["archive", "elsewhere", "shared", "temporary"]

"""Shared by the tests of lock files: the samples, and a short way to read a lock."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from gittrack.formats.locks import Drift, read_lock
from gittrack.formats.record import Installed, Lock

SAMPLES = Path(__file__).parents[2] / "data" / "locks"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
SHA256 = "sha256:" + "ab" * 32


def sample(name: str) -> bytes:
    return (SAMPLES / name).read_bytes()


def read(name: str, data: bytes | str, installed: Mapping[str, str] | None = None) -> Lock:
    return drift(name, data, installed or {})[0]


def drift(name: str, data: bytes | str, installed: Mapping[str, str]) -> tuple[Lock, list[Drift]]:
    raw = data.encode() if isinstance(data, str) else data
    return read_lock(name, raw, blob=None, installed=installed)


def counts(lock: Lock) -> tuple[int, int, int]:
    found = lock.installed
    assert isinstance(found, Installed)
    return found.same, found.differs, found.missing


def on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let conda's readers take this machine for linux-64."""
    monkeypatch.setattr("gittrack.formats.locks.conda.this_platform", lambda: "linux-64")

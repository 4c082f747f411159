"""A lock read twice is parsed once, and only while nothing has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.formats.locks import read_lock
from gittrack.recording.capture import locks

LOCK = "".join(f"package{n}==1.{n} --hash=sha256:{n:064x}\n" for n in range(200)).encode()


def test_the_second_reading_is_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Same bytes, same packages: the same answer without parsing; other packages: parsed again."""
    installed = {"package1": "1.1", "package2": "9"}
    first = locks.read_lock_once("requirements.txt", LOCK, blob=None, installed=installed, folder=tmp_path)
    assert first == read_lock("requirements.txt", LOCK, blob=None, installed=installed)
    calls: list[str] = []

    def counted(path: str, data: bytes, **more: object) -> object:
        calls.append(path)
        return read_lock(path, data, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(locks, "read_lock", counted)
    again = locks.read_lock_once("requirements.txt", LOCK, blob=None, installed=installed, folder=tmp_path)
    assert (again, calls) == (first, [])
    other = locks.read_lock_once("requirements.txt", LOCK, blob=None, installed={}, folder=tmp_path)
    assert calls and other != first


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff"])
def test_a_damaged_cache_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """Nothing in the cache file can make a run fail."""
    (tmp_path / "locks-cache.json").write_bytes(content)
    lock, _ = locks.read_lock_once("requirements.txt", LOCK, blob=None, installed={}, folder=tmp_path)
    assert lock.pins == "hashed"
    assert b"hashed" in (tmp_path / "locks-cache.json").read_bytes()

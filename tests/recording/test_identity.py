"""What a program wrote is told by what stood there before, never by a clock."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.recording import identity
from gittrack.recording.identity import Before, Written

OLD = "0.9"


def rewrite(path: Path, text: str) -> None:
    """In place, with all times but ctime as before."""
    times = path.stat().st_atime_ns, path.stat().st_mtime_ns
    path.write_text(text)
    os.utime(path, ns=times)


def swap(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def there_and_back(path: Path) -> None:
    path.replace(path.with_suffix(".old"))
    path.with_suffix(".old").replace(path)


@pytest.mark.parametrize(
    ("act", "is_written"),
    [
        (lambda path: None, False),
        (lambda path: path.read_text(), False),
        (lambda path: path.chmod(0o600), False),
        (lambda path: os.link(path, path.with_suffix(".copy")), False),
        (there_and_back, False),
        (lambda path: path.unlink(), False),
        (lambda path: path.write_text(OLD), True),
        (lambda path: path.write_text("0.1"), True),
        (lambda path: rewrite(path, "0.1"), True),
        (lambda path: swap(path, OLD), True),
        (lambda path: (path.unlink(), path.write_text(OLD)), True),
    ],
)
def test_file(tmp_path: Path, act: Callable[[Path], object], is_written: bool) -> None:
    """A touch of rights, names or links writes nothing; the same bytes written anew are written."""
    path = tmp_path / "metrics.json"
    path.write_text(OLD)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    before = Before([path])
    act(path)
    assert before.written(path) == Written(is_written)


def test_file_that_was_not_there(tmp_path: Path) -> None:
    """A copy that keeps its old time is new, and what is not there is nothing."""
    source = tmp_path / "source"
    source.write_text(OLD)
    os.utime(source, (1, 1))
    before = Before([tmp_path / "a", tmp_path / "b"])
    shutil.copy2(source, tmp_path / "a")
    assert before.written(tmp_path / "a") == Written(True)
    assert before.written(tmp_path / "b") == Written(False)


def test_link(tmp_path: Path) -> None:
    """A link is what it leads to."""
    (tmp_path / "one").write_text("1")
    (tmp_path / "two").write_text("2")
    link = tmp_path / "model.pt"
    link.symlink_to("one")
    before = Before([link])
    (tmp_path / "two").write_text("3")
    assert not before.written(link).any
    (tmp_path / "one").write_text("4")
    assert before.written(link).any


def test_folder(tmp_path: Path) -> None:
    """Of a folder, only what was written; a file that was there under another name is an old one."""
    for name in ("config.json", "1.pt", "sub/vocab.txt"):
        (tmp_path / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "model" / name).write_text(name)
    before = Before([tmp_path / "model"])
    assert before.written(tmp_path / "model") == Written(False, ("1.pt", "config.json", "sub/vocab.txt"))
    (tmp_path / "model" / "1.pt").rename(tmp_path / "model" / "2.pt")
    (tmp_path / "model" / "1.pt").write_text("new")
    assert before.written(tmp_path / "model") == Written(True, ("2.pt", "config.json", "sub/vocab.txt"))
    shutil.rmtree(tmp_path / "model")
    assert before.written(tmp_path / "model") == Written(False)
    (tmp_path / "model").mkdir()
    assert before.written(tmp_path / "model") == Written(True)


@pytest.mark.parametrize(("clock", "act", "expected"), [
    ("after", lambda path: None, Written(False)),
    ("none", lambda path: None, Written(False, unknown=(".",))),
    ("after", lambda path: rewrite(path, "0.1"), Written(False, unknown=(".",))),
    ("after", lambda path: path.write_text("0.1"), Written(True)),
])  # fmt: skip
def test_file_too_large_to_be_read_before(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clock: str,
    act: Callable[[Path], object],
    expected: Written,
) -> None:
    """Without its bytes, a file whose time is set back, or that is as young as the run, may be the run's."""
    monkeypatch.setattr(identity, "DIGEST_BYTES", 0)
    path = tmp_path / "model.pt"
    path.write_text(OLD)
    os.utime(path, (1_700_000_000, 1_700_000_000))
    moment = tmp_path / "moment"
    while not moment.exists() or moment.stat().st_ctime_ns <= path.stat().st_ctime_ns:
        moment.write_text("")
    before = Before([path], moment.stat() if clock == "after" else None)
    act(path)
    assert before.written(path) == expected

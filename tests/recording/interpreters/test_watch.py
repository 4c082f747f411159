"""A job's processes, looked at while they run."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack.recording.interpreters import watch
from gittrack.recording.interpreters.processes import Sighting, look_at
from gittrack.recording.interpreters.watch import Watch


@pytest.fixture
def waiting() -> Iterator[subprocess.Popen[str]]:
    """An isolated Python, which the hook cannot reach, that waits for us to close its input."""
    program = [sys.executable, "-I", "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(program, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def seen_as(monkeypatch: pytest.MonkeyPatch, *looks: Sighting | None) -> list[int]:
    """The first looks find these, the later ones what is there; how many there were."""
    count = [0]

    def look(pid: int, executable: str) -> Sighting | None:
        count[0] += 1
        return looks[count[0] - 1] if count[0] <= len(looks) else look_at(pid, executable)

    monkeypatch.setattr(watch, "look_at", look)
    return count


def ended(tmp_path: Path, process: subprocess.Popen[str], count: list[int], looks: int) -> list[str]:
    """The versions that a watch has learned after so many looks."""
    followed = Watch(tmp_path, hook=False)
    followed.follow(process.pid)
    until = time.monotonic() + 60
    while count[0] < looks and time.monotonic() < until:
        time.sleep(0.005)
    assert count[0] >= looks
    return [report.version for report in followed.end()]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are seen on Linux alone")
def test_a_program_that_the_kernel_still_starts_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: subprocess.Popen[str]
) -> None:
    """For a moment after exec it has no words; then words, and no variables."""
    file = str(Path(sys.executable).resolve())
    empty = Sighting(0.0, waiting.pid, file, (sys.executable, "-I"), os.fspath(tmp_path), {})
    count = seen_as(monkeypatch, None, empty)
    assert ended(tmp_path, waiting, count, 3) == [sys.version]


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="processes are seen on Linux alone")
def test_a_program_without_variables_is_known_at_the_second_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waiting: subprocess.Popen[str]
) -> None:
    file = str(Path(sys.executable).resolve())
    empty = Sighting(0.0, waiting.pid, file, (sys.executable, "-I"), os.fspath(tmp_path), {})
    count = seen_as(monkeypatch, empty, empty)
    assert ended(tmp_path, waiting, count, 2) == [sys.version]

"""Samples on their way into the journal: by a clock and a machine of the test's own."""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack import cli
from gittrack.errors import ConfigError, UsageError
from gittrack.formats.config import Config, from_plain
from gittrack.recording.journal import Journal
from gittrack.recording.system import sampling as module
from gittrack.recording.system.sampling import Sampler, Sampling, interval_of
from tests.recording.processes import only, run

HEAD = {"limits": {}, "rapl": {}, "gpus": {}, "has_processes": True}


class Looks:
    """A machine that says how often it was looked at."""

    def __init__(self) -> None:
        self.devices: dict[str, Any] = HEAD
        self.count = 0
        self.closed = False

    def take(self, seconds: float | None) -> dict[str, float]:
        self.count += 1
        return {"processes.count": self.count}

    def close(self) -> None:
        self.closed = True


class Clock:
    """Seconds, which the test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def make(folder: Path, looks: Looks, every: float = 10.0, **how: Any) -> tuple[Sampling, Clock]:
    clock = Clock()
    return Sampling(Journal(folder), every, clock, lambda: looks, **how), clock


def advance(sampling: Sampling, clock: Clock, *moments: float) -> None:
    for clock.now in moments:
        assert sampling.take() is not None


def lines(folder: Path) -> list[Any]:
    return [json.loads(line) for path in folder.glob("system-*") for line in path.read_text().splitlines()]


def test_what_lasts_a_minute_has_all_samples_and_what_is_shorter_no_file(tmp_path: Path) -> None:
    """Also those that were taken before anybody knew; the last one is of the end."""
    looks = Looks()
    sampling, clock = make(tmp_path, looks)
    advance(sampling, clock, 10, 20, 30, 40, 50)
    assert not lines(tmp_path)
    advance(sampling, clock, 60)
    head, *rows = lines(tmp_path)
    assert head == {"every": 10.0, **HEAD}
    assert rows[0] == [10, None, {"processes.count": 1}] and rows[5] == [60, 10, {"processes.count": 6}]
    clock.now = 64.5
    sampling.end()
    assert lines(tmp_path)[-1] == [64.5, 4.5, {"processes.count": 7}] and looks.closed


def test_a_run_that_ends_before_the_first_sample_costs_no_look(tmp_path: Path) -> None:
    """Nothing is loaded for it, either."""
    looks = Looks()
    make(tmp_path, looks)[0].end()
    assert looks.count == 0 and not looks.closed


def test_samples_that_cost_more_than_their_share_come_more_seldom(tmp_path: Path) -> None:
    """A sample of 50 ms on a large machine, every 25 s: 0.2 % of a core."""
    spent = iter([0.0, 0.001, 1.0, 1.05])
    sampling, _ = make(tmp_path, Looks(), cost=lambda: next(spent))
    assert sampling.take() == 10.0
    assert sampling.take() == pytest.approx(25.0)


def test_a_full_disk_keeps_samples_for_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And leaves no torn line, whether the kernel takes nothing or half."""
    sampling, clock = make(tmp_path, Looks())
    advance(sampling, clock, 10, 60)
    write = os.write

    def half(descriptor: int, data: bytes) -> int:
        return write(descriptor, data[:7])

    def nothing(descriptor: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    for full in (half, nothing):
        monkeypatch.setattr(os, "write", full)
        advance(sampling, clock, clock.now + 10)
        assert len(lines(tmp_path)) == 3
    monkeypatch.setattr(os, "write", write)
    advance(sampling, clock, 90)
    assert [row[0] for row in lines(tmp_path)[1:]] == [10, 60, 70, 80, 90]


def test_a_machine_that_cannot_be_read_ends_the_sampling_and_is_said(inside: Path) -> None:
    """psutil that is missing, a driver that fails as nobody expected: the run goes on."""

    def look() -> Looks:
        raise ImportError("No module named 'psutil'")

    with gittrack.start_run("x", system_metrics=False) as run:
        assert run._journal is not None
        assert Sampling(run._journal, 10, lambda: 12.0, look).take() is None
    record = only(inside)
    assert [loss.what for loss in record.not_recorded] == ["system metrics from 12 s on"]
    assert record.status == "finished" and record.system_use is None


def test_a_driver_that_hangs_holds_up_the_end_for_a_moment_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And writes nothing once it answers."""
    monkeypatch.setattr(module, "PATIENCE_S", 0.01)
    asked, answers = threading.Event(), threading.Event()

    class Hanging(Looks):
        def take(self, seconds: float | None) -> dict[str, float]:
            asked.set()
            answers.wait(60)
            return super().take(seconds)

    sampling, clock = make(tmp_path, Hanging(), every=0.001)
    clock.now = 100.0
    sampler = Sampler(sampling)
    assert asked.wait(60)
    clock.now = 200.0
    sampler.stop()
    assert sampler._thread.is_alive()
    answers.set()
    sampler._thread.join(60)
    assert not lines(tmp_path)
    assert "the machine did not answer when the run ended" in next(tmp_path.glob("events-*")).read_text()


FORK = """
import threading
run = gittrack.start_run("x", system_metrics=3600)
pid = os.fork()
if pid == 0:
    names = {thread.name for thread in threading.enumerate()}
    run.finish()
    os._exit("gittrack-system" in names)
assert os.waitpid(pid, 0)[1] == 0
assert "gittrack-system" in {thread.name for thread in threading.enumerate()}
run.finish()
assert "gittrack-system" not in {thread.name for thread in threading.enumerate()}
assert "psutil" not in sys.modules
"""


def test_a_fork_has_no_thread_and_the_end_waits_for_none(project: Path) -> None:
    """Nothing is loaded before the first sample."""
    code, _, err = run(project, FORK)
    assert (code, err) == (0, "")
    assert only(project).system_use is None


KILLED = """
from gittrack.recording.system import sampling
sampling.MINUTE_S = 0.0
run = gittrack.start_run("x", system_metrics=False)
class Looks:
    devices = {"limits": {}, "rapl": {}, "gpus": {}, "has_processes": True}
    def take(self, seconds): return {"processes.memory_bytes": 5}
clock = iter([0.0, 0.001, 0.003])
taken = sampling.Sampling(run._journal, 10, lambda: next(clock), Looks)
taken.take(), taken.take()
path = next(run._journal.folder.glob("system-*"))
with path.open("a") as file:
    file.write("[0.004,0.001,{")
run._journal.beat()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_sampled_before_a_kill_is_recovered(project: Path) -> None:
    """Up to the line that was being written."""
    assert run(project, KILLED)[0] == -9
    recovered = run(project, "from gittrack import cli; sys.exit(cli.execute(['recover']))")
    assert recovered[0] == 0
    use = only(project).system_use
    assert use is not None and (use.samples, use.peak_memory, use.over_s) == (2, 5, 0.002)


Watched = list[tuple[int | None, float | None]]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Which process was to be sampled, and how often."""
    calls: Watched = []

    def start(journal: Journal, pid: int | None, elapsed: Callable[[], float], every: float | None) -> None:
        calls.append((pid, every))

    monkeypatch.setattr(module, "start", start)
    return calls


def test_gittrack_run_samples_the_program_and_a_script_in_it_nothing(inside: Path, watched: Watched) -> None:
    """So that nothing is measured twice."""
    (inside / "train.py").write_text(
        "import gittrack\nwith gittrack.start_run() as run:\n"
        "    assert run._joined and run._sampler is None\n"
    )
    assert cli.execute(["run", "--", sys.executable, "train.py"]) == 0
    ((pid, every),) = watched
    assert isinstance(pid, int) and pid != os.getpid() and every == 10.0


def test_of_what_works_elsewhere_no_processes_are_measured(
    inside: Path, watched: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of docker uses next to nothing; the container is not below it."""
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\n")
    client.chmod(0o755)
    monkeypatch.setenv("GITTRACK_SYSTEM_METRICS", "30")
    assert cli.execute(["run", "--", str(client), "run", "image"]) == 0
    assert watched == [(None, 30.0)]


def test_who_says_whether_and_how_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """The call, else the variable, else gittrack.yaml, else on."""
    off, seldom = from_plain({"system_metrics": "off"}), from_plain({"system_metrics": 60})
    assert [interval_of(None, config) for config in (Config(), off, seldom)] == [10.0, None, 60.0]
    assert (interval_of(True, off), interval_of(False, seldom), interval_of(5, off)) == (10.0, None, 5.0)
    monkeypatch.setenv(module.VARIABLE, "OFF")
    assert (interval_of(None, seldom), interval_of("on", seldom)) == (None, 10.0)
    monkeypatch.setenv(module.VARIABLE, "often")
    with pytest.raises(UsageError, match="GITTRACK_SYSTEM_METRICS is on, off or the seconds"):
        interval_of(None, Config())
    for wrong in (0, 1e9, float("nan"), [1]):
        with pytest.raises(UsageError, match="system_metrics is on, off"):
            interval_of(wrong, Config())
    with pytest.raises(ConfigError, match="system_metrics"):
        from_plain({"system_metrics": 0})


def test_other_ranks_are_not_sampled(inside: Path, monkeypatch: pytest.MonkeyPatch, watched: Watched) -> None:
    """Rank 0 sees the machine for all of them."""
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with gittrack.start_run("x") as run:
        assert run._sampler is None
    assert watched == []

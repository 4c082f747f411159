"""A look at the machine: GPUs by a library that answers as NVIDIA's does, processes of this machine."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest

from gittrack.recording.system.readings import Processes, Readings
from tests.recording.nvml import FakeNvml

HOSTS = "pid:[4026531836]"


def machine(root: Path, pids: str = HOSTS) -> Path:
    (root / "proc/self/ns").mkdir(parents=True)
    (root / "proc/self/ns/pid").symlink_to(pids)
    return root


def test_gpus_with_the_processes_of_the_run_on_them(tmp_path: Path) -> None:
    """A GPU that is lost is left out; energy is what was counted since the look before."""
    library = FakeNvml(gpus=2)
    library.pids = [os.getpid(), 1, *range(100_000, 100_200)]
    readings = Readings(os.getpid(), machine(tmp_path), library)
    facts = {"name": "NVIDIA H100 80GB HBM3", "uuid": "GPU-100"}
    assert readings.devices == {"limits": {}, "rapl": {}, "gpus": {"gpu.0": facts}, "has_processes": True}
    first = readings.take(None)
    assert {name: value for name, value in first.items() if name.startswith("gpu")} == {
        "gpu.0.percent": 90, "gpu.0.memory_bytes": 1 << 30, "gpu.0.power_w": 300.5, "gpu.0.celsius": 60,
        "gpu.0.processes": 1,
    }  # fmt: skip
    library.joules += 3000.5
    assert readings.take(10.0)["gpu.0.energy_j"] == 3000.5
    readings.close()
    assert library.shut_down


def test_a_gpu_that_answers_no_more_has_no_values(tmp_path: Path) -> None:
    """What it counted meanwhile is not known, also when it answers again."""
    library = FakeNvml()
    readings = Readings(os.getpid(), machine(tmp_path), library)
    readings.take(None)
    library.status, library.joules = 15, 6000.0  # NVML_ERROR_GPU_IS_LOST
    assert not any(name.startswith("gpu") for name in readings.take(10.0))
    library.status, library.joules = 0, 7000.0
    assert "gpu.0.energy_j" not in readings.take(10.0)


def test_in_a_container_nobody_tells_whose_processes_are_on_a_gpu(tmp_path: Path) -> None:
    """NVML has the host's numbers, and one that is ours by chance would be a false claim."""
    library = FakeNvml()
    library.pids = [os.getpid()]
    readings = Readings(os.getpid(), machine(tmp_path, "pid:[4026532000]"), library)
    assert "gpu.0.processes" not in readings.take(None)
    elsewhere = Readings(None, machine(tmp_path / "host"), FakeNvml())
    assert not any("processes" in name for name in elsewhere.take(None))


def test_without_a_driver(tmp_path: Path) -> None:
    """The library is there, and finds none."""
    assert Readings(os.getpid(), tmp_path, FakeNvml(init=9)).devices["gpus"] == {}


@contextmanager
def child() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        yield process
    finally:
        process.communicate(b"\n")


def test_processes_below_are_counted_and_one_that_vanishes_is_no_error() -> None:
    """What a child has used stays counted when its parent has waited for it."""
    with child() as process:
        processes = Processes(os.getpid())
        both = processes.read(None)
        assert {os.getpid(), process.pid} <= processes.pids
        assert both["processes.count"] >= 2 and both["processes.memory_bytes"] > 0
    after = processes.read(10.0)
    assert after["processes.count"] < both["processes.count"] and after["processes.cpu_percent"] >= 0
    gone = Processes(process.pid)
    assert gone.read(None) == {} == gone.read(10.0)


@pytest.mark.parametrize(
    ("waited", "percent"), [(100.0, 2900.0), (0.0, None)], ids=["waited for", "waited for by nobody"]
)
def test_what_a_process_used_that_went_is_counted_or_nothing_is(
    monkeypatch: pytest.MonkeyPatch, waited: float, percent: float | None
) -> None:
    """Where nobody in here has waited for it (SIGCHLD ignored, say), others may have used more since."""
    table = {1: (10.0, 0.0, 0.0, 0.0), 2: (80.0, 10.0, 10.0, 0.0)}

    class Process:
        def __init__(self, pid: int) -> None:
            self.cpu_times = lambda: table[pid]

        oneshot = staticmethod(nullcontext)
        memory_info = staticmethod(lambda: SimpleNamespace(rss=1))

    monkeypatch.setattr("psutil.Process", Process)
    processes = Processes(1, lambda _: [*table])
    processes.read(None)
    table.clear()
    table[1] = (300.0, 0.0, waited, 0.0)
    assert processes.read(10.0).get("processes.cpu_percent") == percent
    table[1] = (301.0, 0.0, waited, 0.0)
    assert processes.read(10.0)["processes.cpu_percent"] == 10.0

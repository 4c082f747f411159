"""The machine is described from what it says of itself; what it does not say is absent."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from gittrack.recording.capture import hardware
from tests.recording.nvml import FakeNvml

X86 = """\
processor\t: {n}
vendor_id\t: GenuineIntel
model\t\t: 143
model name\t: Intel(R) Xeon(R) Platinum 8480+
physical id\t: {socket}
core id\t\t: {core}
flags\t\t: fpu sse2 sse4_2 fma f16c avx avx2 avx512f avx512_bf16 amx_tile amx_bf16 hypervisor md_clear
power management:

"""
ARM = """\
processor\t: 0
BogoMIPS\t: 243.75
Features\t: fp asimd evtstrm aes asimdhp sve
CPU implementer\t: 0x41
CPU part\t: 0xd40

"""


def machine(root: Path, cpuinfo: str) -> Path:
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(cpuinfo)
    return root


linux_only = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")


@linux_only
def test_an_x86_cpu(tmp_path: Path) -> None:
    """Two sockets of two cores with two threads each are four physical cores."""
    text = "".join(X86.format(n=n, socket=n // 4, core=n % 2) for n in range(8))
    found = hardware.cpu(machine(tmp_path, text))
    assert found["model"] == "Intel(R) Xeon(R) Platinum 8480+"
    assert found["physical_cores"] == 4
    assert found["flags"] == [
        *("amx_bf16", "amx_tile", "avx", "avx2", "avx512_bf16", "avx512f", "f16c", "fma", "sse4_2"),
    ]


@linux_only
def test_an_arm_cpu(tmp_path: Path) -> None:
    """ARM gives no model name and no topology: implementer and part stand for the model."""
    found = hardware.cpu(machine(tmp_path, ARM))
    assert found["model"] == "ARM implementer 0x41 part 0xd40"
    assert found["flags"] == ["asimd", "asimdhp", "sve"]
    assert "physical_cores" not in found


@linux_only
def test_without_cpuinfo(tmp_path: Path) -> None:
    """A machine that hides its processor is described by what the process knows."""
    found = hardware.cpu(tmp_path)
    assert "model" not in found
    assert found["available_cores"] == len(os.sched_getaffinity(0))


def test_a_mac(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fake: Callable[[str, str], None]) -> None:
    """On macOS sysctl is asked."""
    monkeypatch.setattr(sys, "platform", "darwin")
    fake("sysctl", "echo 'machdep.cpu.brand_string: Apple M2'; echo 'hw.physicalcpu: 8'")
    found = hardware.cpu()
    assert (found["model"], found["physical_cores"], found["flags"]) == ("Apple M2", 8, [])


def test_memory_is_that_of_the_machine() -> None:
    """Memory agrees with what the kernel calls MemTotal."""
    memory = hardware.memory_mb()
    assert memory is not None and memory > 100


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], None]:
    """Puts a shell script on PATH, which holds nothing else."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def install(name: str, script: str) -> None:
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)

    return install


def load_library(monkeypatch: pytest.MonkeyPatch, library: FakeNvml | None) -> None:
    def load(name: str) -> Any:
        if library is None:
            raise OSError(f"{name}: cannot open shared object file")
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    monkeypatch.delitem(sys.modules, "torch", raising=False)


def test_nvml(monkeypatch: pytest.MonkeyPatch) -> None:
    """GPUs come from NVML; a lost one is still counted, and a function the driver lacks is left out."""
    library = FakeNvml(gpus=2)
    load_library(monkeypatch, library)
    gpu = {
        "name": "NVIDIA H100 80GB HBM3",
        "uuid": "GPU-100",
        "memory_mb": 81920,
        "driver": "550.54.15",
        "compute_capability": "9.0",
    }
    assert hardware.accelerators() == ([gpu, {"name": "unknown"}], {"driver": "12.4"})
    assert library.shut_down


def test_nvml_without_a_driver(
    monkeypatch: pytest.MonkeyPatch, fake: Callable[[str, str], None], tmp_path: Path
) -> None:
    """A library that finds no driver means no GPU, and no process is started to ask again."""
    load_library(monkeypatch, FakeNvml(init=9))
    fake("nvidia-smi", f"echo called > {tmp_path}/called")
    assert hardware.accelerators() == ([], {})
    assert not (tmp_path / "called").exists()


def test_nvidia_smi(monkeypatch: pytest.MonkeyPatch, fake: Callable[[str, str], None]) -> None:
    """Without the library nvidia-smi is asked; what it does not know is absent."""
    load_library(monkeypatch, None)
    fake("nvidia-smi", "echo 'Tesla T4, GPU-1, 15360, 535.1, 7.5'; echo 'Orin, GPU-2, [N/A], 540.3, 8.7'")
    gpus, versions = hardware.accelerators()
    assert versions == {}
    assert gpus == [
        {
            "name": "Tesla T4",
            "uuid": "GPU-1",
            "memory_mb": 15360,
            "driver": "535.1",
            "compute_capability": "7.5",
        },
        {"name": "Orin", "uuid": "GPU-2", "driver": "540.3", "compute_capability": "8.7"},
    ]


@pytest.mark.parametrize("script", ["exit 9", "echo No devices were found; exit 6", "echo hello", "sleep 30"])
def test_a_failing_nvidia_smi(
    monkeypatch: pytest.MonkeyPatch, fake: Callable[[str, str], None], script: str
) -> None:
    """A failing, babbling or hanging nvidia-smi means no GPU."""
    load_library(monkeypatch, None)
    monkeypatch.setattr(hardware, "_PROCESS_TIMEOUT_S", 0.5)
    fake("nvidia-smi", script.replace("sleep", "exec /bin/sleep"))
    assert hardware.accelerators() == ([], {})


def test_no_gpu(monkeypatch: pytest.MonkeyPatch, fake: Callable[[str, str], None]) -> None:
    """No library and no nvidia-smi is the normal case, without a process."""
    load_library(monkeypatch, None)
    monkeypatch.setattr(subprocess, "run", None)
    assert hardware.accelerators() == ([], {})


def torch_module(monkeypatch: pytest.MonkeyPatch, **attributes: Any) -> None:
    load_library(monkeypatch, None)
    monkeypatch.setenv("PATH", "")
    module = ModuleType("torch")
    module.__dict__.update(attributes)
    monkeypatch.setitem(sys.modules, "torch", module)


def test_versions_of_a_loaded_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime that torch computes with is read from torch."""
    nccl = SimpleNamespace(version=lambda: (2, 21, 5))
    torch_module(
        monkeypatch,
        version=SimpleNamespace(cuda="12.4", hip=None),
        backends=SimpleNamespace(cudnn=SimpleNamespace(version=lambda: 90100)),
        cuda=SimpleNamespace(nccl=nccl),
    )
    assert hardware.accelerators() == ([], {"runtime": "12.4", "cudnn": "90100", "nccl": "2.21.5"})


@pytest.mark.parametrize("started", [False, True])
def test_rocm(monkeypatch: pytest.MonkeyPatch, started: bool) -> None:
    """ROCm's devices are counted, and described only where torch has started them."""
    properties = SimpleNamespace(name="AMD Instinct MI300X", total_memory=192 << 30, gcnArchName="gfx942")
    cuda = SimpleNamespace(is_initialized=lambda: started, device_count=lambda: 1)
    if started:
        cuda.get_device_properties = lambda index: properties
    mps = SimpleNamespace(is_available=lambda: False)
    torch_module(
        monkeypatch,
        version=SimpleNamespace(cuda=None, hip="6.2"),
        backends=SimpleNamespace(mps=mps),
        cuda=cuda,
    )
    described = {"name": "AMD Instinct MI300X", "memory_mb": 196608, "compute_capability": "gfx942"}
    assert hardware.accelerators() == (
        [described if started else {"name": "AMD GPU (ROCm)"}],
        {"hip": "6.2"},
    )


def test_mps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apple's GPU is recorded where a loaded torch can use it."""
    torch_module(monkeypatch, backends=SimpleNamespace(mps=SimpleNamespace(is_available=lambda: True)))
    assert hardware.accelerators() == ([{"name": "Apple GPU (MPS)"}], {})


def test_a_broken_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A torch that has none of its attributes breaks nothing."""
    torch_module(monkeypatch)
    assert hardware.accelerators() == ([], {})

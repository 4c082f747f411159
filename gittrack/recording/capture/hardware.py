"""The machine: processor, memory, accelerators. Absent or unreadable facts are left out.

On Linux no process is started, unless NVIDIA's library is missing while ``nvidia-smi`` is there.
Accelerators are those of the machine; which of them the run was shown is in CUDA_VISIBLE_DEVICES.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gittrack.recording.capture import nvml

# Instruction sets that math libraries choose their kernels by, and so can change the last digits.
_NUMERIC_FLAG = re.compile(
    r"(?:avx(?:2|512[a-z0-9_]*|_vnni|10[_.0-9]*)?|fma|f16c|sse4_[12]|amx_[a-z0-9_]+|neon|asimd(?:hp|dp)?"
    r"|fphp|bf16|i8mm|sve2?|sme2?|vsx|altivec)\Z",
    re.IGNORECASE,
)
_PROCESS_TIMEOUT_S = 5


def cpu(root: Path = Path("/")) -> dict[str, Any]:
    """``model``, ``architecture``, ``physical_cores``, ``logical_cores``, ``available_cores``, ``flags``."""
    machine = os.uname().machine if hasattr(os, "uname") else _platform_machine()
    facts: dict[str, Any] = {"model": None, "architecture": machine, "physical_cores": None, "flags": []}
    if sys.platform.startswith("linux"):
        facts |= _linux_cpu(root)
    elif sys.platform == "darwin":
        facts |= _darwin_cpu()
    else:
        facts["model"] = _platform_processor()
    facts["logical_cores"] = os.cpu_count()
    facts["available_cores"] = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    )
    order = ("model", "architecture", "physical_cores", "logical_cores", "available_cores", "flags")
    return {key: facts[key] for key in order if facts[key] is not None}


def _platform_machine() -> str:
    import platform

    return platform.machine()


def _platform_processor() -> str | None:
    import platform

    return platform.processor() or None


def _linux_cpu(root: Path) -> dict[str, Any]:
    text = read(root / "proc/cpuinfo", 16 << 20)
    fields = {
        name: value.strip()
        for name, value in re.findall(r"^([A-Za-z ]+?)[ \t]*:[ \t]*([^\n]*)$", text[:65536], re.MULTILINE)
    }
    flags = (fields.get("flags") or fields.get("Features") or "").split()
    return {
        "model": fields.get("model name") or fields.get("cpu") or _arm_model(fields),
        "physical_cores": _physical_cores(text),
        "flags": sorted(flag for flag in flags if _NUMERIC_FLAG.match(flag)),
    }


def _arm_model(fields: dict[str, str]) -> str | None:
    """ARM names no model: implementer and part tell one design from another (Arm MIDR register)."""
    implementer, part = fields.get("CPU implementer"), fields.get("CPU part")
    return f"ARM implementer {implementer} part {part}" if implementer and part else None


def _physical_cores(text: str) -> int | None:
    sockets = re.findall(r"^physical id[ \t]*:[ \t]*([0-9]+)", text, re.MULTILINE)
    cores = re.findall(r"^core id[ \t]*:[ \t]*([0-9]+)", text, re.MULTILINE)
    if not cores or len(sockets) != len(cores):
        return None
    return len(set(zip(sockets, cores, strict=True)))


def _darwin_cpu() -> dict[str, Any]:
    names = (
        "machdep.cpu.brand_string",
        "hw.physicalcpu",
        "machdep.cpu.features",
        "machdep.cpu.leaf7_features",
    )
    lines = _output(["sysctl", "-i", *names]).splitlines()
    fields = dict(line.split(": ", 1) for line in lines if ": " in line)
    flags = f"{fields.get(names[2], '')} {fields.get(names[3], '')}".lower().replace(".", "_").split()
    cores = fields.get("hw.physicalcpu", "")
    return {
        "model": fields.get("machdep.cpu.brand_string"),
        "physical_cores": int(cores) if cores.isdigit() else None,
        "flags": sorted(flag for flag in flags if _NUMERIC_FLAG.match(flag)),
    }


def memory_mb() -> int | None:
    """Physical memory of the machine in MiB, whatever a container's limit; None on Windows."""
    if not hasattr(os, "sysconf") or "SC_PHYS_PAGES" not in os.sysconf_names:
        return None
    return int(os.sysconf("SC_PHYS_PAGES")) * int(os.sysconf("SC_PAGE_SIZE")) >> 20


# --- accelerators --------------------------------------------------------------------------


def accelerators(*, loaded: bool = True) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The GPUs, and versions of what drives them: ``driver``, ``runtime``, ``cudnn``, ``nccl``, ``hip``.

    Without `loaded` only what belongs to the machine, and nothing that this process has loaded.
    Neither starts a CUDA context: that would cost memory on the GPU and break later forks.
    """
    gpus, versions = _nvml()
    torch = sys.modules.get("torch")
    if torch is not None and loaded:
        versions |= _torch_versions(torch)
        gpus = gpus or _torch_devices(torch)
    return gpus, versions


def _nvml() -> tuple[list[dict[str, Any]], dict[str, str]]:
    library = nvml.load()
    if library is None:
        return _nvidia_smi(), {}
    with nvml.opened(library) as driver:
        return ([], {}) if driver is None else driver.read()


def _nvidia_smi() -> list[dict[str, Any]]:
    """Where the library can't be loaded, such as on Windows."""
    columns = ("name", "uuid", "memory_mb", "driver", "compute_capability")
    query = "--query-gpu=name,uuid,memory.total,driver_version,compute_cap"
    lines = _output(["nvidia-smi", query, "--format=csv,noheader,nounits"]).splitlines()
    rows = [[value.strip() for value in line.split(",")] for line in lines]
    return [_from_text(dict(zip(columns, row, strict=True))) for row in rows if len(row) == len(columns)]


def _from_text(row: dict[str, str]) -> dict[str, Any]:
    known = {key: value for key, value in row.items() if value and not value.startswith("[")}  # "[N/A]"
    return known | ({"memory_mb": int(known["memory_mb"])} if "memory_mb" in known else {})


def _torch_versions(torch: Any) -> dict[str, str]:
    """Of the libraries that this torch computes with, which can be older than the driver's."""
    questions: dict[str, Callable[[], Any]] = {
        "runtime": lambda: torch.version.cuda,
        "cudnn": lambda: torch.backends.cudnn.version(),
        "nccl": lambda: ".".join(map(str, torch.cuda.nccl.version())),
        "hip": lambda: torch.version.hip,
    }
    versions: dict[str, str] = {}
    for name, ask in questions.items():
        try:
            version = ask()
        except (AttributeError, RuntimeError):
            continue  # This build of torch is without it.
        if version:
            versions[name] = str(version)
    return versions


def _torch_devices(torch: Any) -> list[dict[str, Any]]:
    """ROCm's and Apple's devices; their details only where torch has started them already."""
    try:
        if torch.backends.mps.is_available():
            return [{"name": "Apple GPU (MPS)"}]
        if not torch.version.hip:
            return []
        started, count = torch.cuda.is_initialized(), torch.cuda.device_count()
        return [
            _rocm_device(torch, index) if started else {"name": "AMD GPU (ROCm)"} for index in range(count)
        ]
    except (AttributeError, RuntimeError):
        return []  # A torch built without these backends.


def _rocm_device(torch: Any, index: int) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(index)
    return {
        "name": str(properties.name),
        "memory_mb": int(properties.total_memory) >> 20,
        "compute_capability": str(properties.gcnArchName),
    }


# --- reading -------------------------------------------------------------------------------


def read(path: Path, limit: int) -> str:
    """At most `limit` bytes of `path`; empty where there is no such file or no right to read it."""
    try:
        with path.open("rb") as file:
            return file.read(limit).decode("utf-8", "replace")
    except OSError:
        return ""


def _output(command: list[str]) -> str:
    """What `command` prints; empty where it is not on PATH, fails, or takes longer than 5 s."""
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        process = subprocess.run(
            [program, *command[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PROCESS_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return process.stdout.decode("utf-8", "replace")[:65536] if process.returncode == 0 else ""

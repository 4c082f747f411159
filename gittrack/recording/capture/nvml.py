"""NVIDIA's management library: the few questions that are asked of it. An answer that it refuses is None.

It comes with the driver and is called as it is, so that no package is needed. A GPU can be lost, a function
be missing in an old driver, a value be refused (as under MIG), at any moment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_NAME = "libnvidia-ml.so.1"
_TOO_SMALL = 7  # NVML_ERROR_INSUFFICIENT_SIZE
_MOST_PROCESSES = 4096
_PROCESS_WORDS = 3
"""Of eight bytes, in nvmlProcessInfo_v2_t: pid and padding, memory, ids of the instance."""
_GPU_CELSIUS = 0  # NVML_TEMPERATURE_GPU


def load() -> Any:
    """The library; None where there is none."""
    import ctypes

    try:
        return ctypes.CDLL(_NAME)
    except OSError:
        return None


@contextmanager
def opened(library: Any) -> Iterator[Nvml | None]:
    """The driver within the block; None where the library finds none, or no device."""
    if library.nvmlInit_v2() != 0:
        yield None
        return
    try:
        yield Nvml(library)
    finally:
        library.nvmlShutdown()


class Nvml:
    """A driver that answers."""

    def __init__(self, library: Any) -> None:
        self.library = library

    def read(self) -> tuple[list[dict[str, Any]], dict[str, str]]:
        driver = self.text("nvmlSystemGetDriverVersion")
        cuda = self.number("nvmlSystemGetCudaDriverVersion_v2")
        gpus = [self.gpu(index, driver) for index in range(self.count())]
        return gpus, {"driver": f"{cuda // 1000}.{cuda % 1000 // 10}"} if cuda else {}

    def count(self) -> int:
        return self.number("nvmlDeviceGetCount_v2") or 0

    def handle(self, index: int) -> Any:
        """That of a GPU; None for one that has fallen off the bus, say."""
        import ctypes

        handle = ctypes.c_void_p()
        question = ("nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(index), ctypes.byref(handle))
        return handle if self.call(*question) else None

    def gpu(self, index: int, driver: str | None) -> dict[str, Any]:
        handle = self.handle(index)
        if handle is None:
            return {"name": "unknown"}
        memory, _ = self.memory(handle)
        facts = {
            "name": self.text("nvmlDeviceGetName", handle) or "unknown",
            "uuid": self.text("nvmlDeviceGetUUID", handle),
            "memory_mb": memory >> 20 if memory else None,
            "driver": driver,
            "compute_capability": self.capability(handle),
            "cores": self.number("nvmlDeviceGetNumGpuCores", handle),
        }
        return {key: value for key, value in facts.items() if value is not None}

    def call(self, function: str, *arguments: Any) -> bool:
        symbol = getattr(self.library, function, None)  # An old driver lacks the newer functions.
        return symbol is not None and symbol(*arguments) == 0

    def text(self, function: str, *handle: Any) -> str | None:
        import ctypes

        buffer = ctypes.create_string_buffer(128)
        if not self.call(function, *handle, buffer, ctypes.c_uint(128)):
            return None
        return buffer.value.decode("utf-8", "replace") or None

    def number(self, function: str, *handle: Any) -> int | None:
        import ctypes

        number = ctypes.c_uint()
        return number.value if self.call(function, *handle, ctypes.byref(number)) else None

    def memory(self, handle: Any) -> tuple[int | None, int | None]:
        """Bytes in all, and in use."""
        import ctypes

        sizes = (ctypes.c_ulonglong * 3)()  # nvmlMemory_t: total, free, used
        known = self.call("nvmlDeviceGetMemoryInfo", handle, ctypes.byref(sizes))
        return (sizes[0], sizes[2]) if known else (None, None)

    def busy(self, handle: Any) -> int | None:
        """Percent of the last moments that something ran on it."""
        import ctypes

        rates = (ctypes.c_uint * 2)()  # nvmlUtilization_t: gpu, memory
        return rates[0] if self.call("nvmlDeviceGetUtilizationRates", handle, ctypes.byref(rates)) else None

    def celsius(self, handle: Any) -> int | None:
        import ctypes

        return self.number("nvmlDeviceGetTemperature", handle, ctypes.c_uint(_GPU_CELSIUS))

    def watts(self, handle: Any) -> float | None:
        """Power now."""
        milliwatts = self.number("nvmlDeviceGetPowerUsage", handle)
        return None if milliwatts is None else milliwatts / 1000

    def joules(self, handle: Any) -> float | None:
        """Energy since the driver was loaded."""
        import ctypes

        count = ctypes.c_ulonglong()
        known = self.call("nvmlDeviceGetTotalEnergyConsumption", handle, ctypes.byref(count))
        return count.value / 1000 if known else None

    def pids(self, handle: Any) -> set[int] | None:
        """The processes that compute on it, as the host numbers them."""
        import ctypes

        room = 64
        while room <= _MOST_PROCESSES:
            count, words = ctypes.c_uint(room), (ctypes.c_ulonglong * (_PROCESS_WORDS * room))()
            status = self._processes(handle, ctypes.byref(count), words)
            if status == 0:
                return {word & 0xFFFFFFFF for word in words[: _PROCESS_WORDS * count.value : _PROCESS_WORDS]}
            if status != _TOO_SMALL:
                return None
            room *= 4
        return None

    def _processes(self, *arguments: Any) -> int | None:
        for version in ("v3", "v2"):
            symbol = getattr(self.library, f"nvmlDeviceGetComputeRunningProcesses_{version}", None)
            if symbol is not None:
                return int(symbol(*arguments))
        return None

    def capability(self, handle: Any) -> str | None:
        import ctypes

        major, minor = ctypes.c_int(), ctypes.c_int()
        question = ("nvmlDeviceGetCudaComputeCapability", handle, ctypes.byref(major), ctypes.byref(minor))
        return f"{major.value}.{minor.value}" if self.call(*question) else None

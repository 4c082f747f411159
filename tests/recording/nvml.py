"""NVIDIA's management library as gittrack calls it, without a GPU."""

from __future__ import annotations

from typing import Any


class FakeNvml:
    """libnvidia-ml of a machine with GPUs; a function that is missing is refused by ctypes as here."""

    def __init__(self, gpus: int = 1, init: int = 0) -> None:
        self.gpus, self.init, self.shut_down = gpus, init, False
        self.status = 0
        """Of all questions about the use."""
        self.used = 1 << 30
        self.joules = 5000.0
        self.pids: list[int] = []

    def nvmlInit_v2(self) -> int:
        return self.init

    def nvmlShutdown(self) -> int:
        self.shut_down = True
        return 0

    def nvmlSystemGetDriverVersion(self, buffer: Any, size: Any) -> int:
        buffer.value = b"550.54.15"
        return 0

    def nvmlSystemGetCudaDriverVersion_v2(self, version: Any) -> int:
        version._obj.value = 12040
        return 0

    def nvmlDeviceGetCount_v2(self, count: Any) -> int:
        count._obj.value = self.gpus
        return 0

    def nvmlDeviceGetHandleByIndex_v2(self, index: Any, handle: Any) -> int:
        handle._obj.value = 100 + index.value
        return 15 if index.value == 1 else 0  # NVML_ERROR_GPU_IS_LOST

    def nvmlDeviceGetName(self, handle: Any, buffer: Any, size: Any) -> int:
        buffer.value = b"NVIDIA H100 80GB HBM3"
        return 0

    def nvmlDeviceGetUUID(self, handle: Any, buffer: Any, size: Any) -> int:
        buffer.value = b"GPU-%d" % handle.value
        return 0

    def nvmlDeviceGetMemoryInfo(self, handle: Any, sizes: Any) -> int:
        sizes._obj[0], sizes._obj[2] = 80 << 30, self.used
        return self.status

    def nvmlDeviceGetCudaComputeCapability(self, handle: Any, major: Any, minor: Any) -> int:
        major._obj.value, minor._obj.value = 9, 0
        return 0

    def nvmlDeviceGetUtilizationRates(self, handle: Any, rates: Any) -> int:
        rates._obj[0] = 90
        return self.status

    def nvmlDeviceGetTemperature(self, handle: Any, sensor: Any, degrees: Any) -> int:
        degrees._obj.value = 60 + sensor.value
        return self.status

    def nvmlDeviceGetPowerUsage(self, handle: Any, milliwatts: Any) -> int:
        milliwatts._obj.value = 300_500
        return self.status

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, millijoules: Any) -> int:
        millijoules._obj.value = int(self.joules * 1000)
        return self.status

    def nvmlDeviceGetComputeRunningProcesses_v3(self, handle: Any, count: Any, infos: Any) -> int:
        room, count._obj.value = count._obj.value, len(self.pids)
        if room < len(self.pids):
            return 7  # NVML_ERROR_INSUFFICIENT_SIZE
        for at, pid in enumerate(self.pids):
            infos[3 * at] = pid | 0xDEAD << 32  # what lies in the padding
        return self.status

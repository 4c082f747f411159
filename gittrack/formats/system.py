"""The use of the machine while a run went on: system.csv beside the record, and the totals in it.

system.csv is a series as metrics.csv is one, of the machine in place of the training. What was not observed
is absent, and each total names the time that it covers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

FILE = "system.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class GpuUse:
    """One GPU while it was observed."""

    name: str
    uuid: str | None = None
    over_s: float
    """Seconds between samples that it answered for."""
    hours: float | None = None
    """Of that, with the run on it, see `SystemUse.gpu_hours_by`."""
    mean_percent: float | None = None
    """Of the time, that something ran on it."""
    peak_memory: int | None = None
    """Most bytes in use at a sample, by whomever."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Energy:
    """What a counter of the hardware has counted, of a whole device."""

    device: str
    """Such as ``package-0``, ``dram of package-0`` or ``gpu 0``."""
    counter: Literal["rapl", "nvml"]
    kwh: float
    over_s: float
    """Seconds that were counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemUse:
    """Totals of what was sampled. Times are seconds from the start of the run; memory is bytes."""

    every_s: float
    """Between samples, as it was asked for; longer where one took more than its share of a core."""
    samples: int
    from_s: float
    to_s: float
    over_s: float
    """Seconds between samples of one process of ours: not those between two attempts."""
    peak_memory: int | None = None
    """Most that the run's processes had at a sample, added up: what they share counts for each."""
    memory_limit: int | None = None
    """That of the container, job or service (cgroup)."""
    cpu_hours: float | None = None
    """Hours of one core that the run's processes used."""
    cpu_over_s: float | None = None
    """Seconds that `cpu_hours` covers."""
    cpu_limit: float | None = None
    """Cores that the cgroup may use at once."""
    gpu_hours: float | None = None
    gpu_hours_by: Literal["processes", "shown"] | None = None
    """``processes``: hours of each GPU with a process of the run on it; ``shown``: in a container, which
    cannot tell processes, hours of each GPU that it was shown."""
    energy_kwh: float | None = None
    """The sum of `energy`."""
    gpus: tuple[GpuUse, ...] = ()
    energy: tuple[Energy, ...] = ()

    def facts(self) -> Iterator[tuple[str, str, str]]:
        """For people: what, how much, and what that is of."""
        from gittrack.text import text

        stretch = text.duration(self.over_s)
        yield "observed", stretch, f"{self.samples:,} samples, from {text.duration(self.from_s)} on"
        if self.peak_memory is not None:
            limit = "" if self.memory_limit is None else f"limit {text.size(self.memory_limit)}, "
            yield "peak memory", text.size(self.peak_memory), f"{limit}of the run's processes at a sample"
        if self.cpu_hours is not None:
            limit = "" if self.cpu_limit is None else f"limit {self.cpu_limit:g} cores, "
            yield "CPU hours", f"{self.cpu_hours:.3g}", f"{limit}over {text.duration(self.cpu_over_s)}"
        if self.gpu_hours is not None:
            by = (
                "a process of the run on it" if self.gpu_hours_by == "processes" else "shown to the container"
            )
            yield "GPU hours", f"{self.gpu_hours:.3g}", by
        for gpu in self.gpus:
            busy = "" if gpu.mean_percent is None else f"busy {gpu.mean_percent:.3g} %"
            peak = "" if gpu.peak_memory is None else f"peak memory {text.size(gpu.peak_memory)}"
            yield gpu.name, busy, ", ".join(filter(None, (peak, f"over {text.duration(gpu.over_s)}")))
        for energy in self.energy:
            whole = f"by {energy.counter.upper()}, of the whole device, over {text.duration(energy.over_s)}"
            yield f"energy {energy.device}", f"{energy.kwh:.3g} kWh", whole

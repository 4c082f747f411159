"""What the samples in a journal come to: the series of the machine, and the totals of the record."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gittrack.formats.series import Point, Table, write_table
from gittrack.formats.system import FILE, Energy, GpuUse, SystemUse
from gittrack.reading.journal.stored import named

Counter = Literal["rapl", "nvml"]
Told = Literal["processes", "shown"]
Sample = tuple[float, float, dict[str, Any]]
"""Seconds from the start of the run, seconds since the sample before (0 for a first one), values."""


def write_system(folder: Path, until: float) -> tuple[Table, SystemUse] | None:
    """system.csv in the journal's `folder`, and the totals; None where nothing was sampled.

    `until`: seconds from the start to the end of the run. What was sampled later, as in a notebook that
    stayed open, is not of the run.
    """
    files = [samples for path in named(folder, "system-", ".jsonl") if (samples := _File.open(path, until))]
    if not any(True for samples in files for _ in samples.read()):
        return None

    def points() -> Iterator[Point]:
        for samples in files:
            for elapsed, _, values in samples.read():
                yield elapsed, None, values

    totals = _Totals()
    for samples in files:
        totals.add(samples)
    return write_table(points, folder / FILE, as_rows=True), totals.use()


@dataclass(frozen=True, slots=True)
class _File:
    """The samples of one process."""

    path: Path
    until: float
    head: dict[str, Any]

    @classmethod
    def open(cls, path: Path, until: float) -> _File | None:
        import orjson

        with path.open("rb") as lines:
            try:
                return cls(path, until, orjson.loads(next(lines, b"")))
            except orjson.JSONDecodeError:
                return None

    def read(self) -> Iterator[Sample]:
        """Up to a line that a crash tore."""
        import orjson

        with self.path.open("rb") as lines:
            next(lines)
            for line in lines:
                try:
                    elapsed, seconds, values = orjson.loads(line)
                except orjson.JSONDecodeError:
                    return
                if elapsed > self.until:
                    return
                yield elapsed, seconds or 0.0, values


@dataclass(slots=True)
class _Device:
    """Sums of one device."""

    name: str
    uuid: str | None = None
    over_s: float = 0.0
    on_s: float = 0.0
    busy_s: float = 0.0
    rated_s: float = 0.0
    peak_memory: int | None = None


@dataclass(slots=True)
class _Totals:
    every: float = 0.0
    samples: int = 0
    first: float | None = None
    last: float = 0.0
    over_s: float = 0.0
    peak: int | None = None
    cpu_s: float = 0.0
    cpu_over_s: float = 0.0
    limits: dict[str, Any] = field(default_factory=dict)
    gpus: dict[str, _Device] = field(default_factory=dict)
    energy: dict[tuple[str, Counter, str], list[float]] = field(default_factory=dict)
    """By device, counter and identity: joules and seconds."""
    told: set[Told | None] = field(default_factory=set)
    """How GPU hours were told."""

    def add(self, samples: _File) -> None:
        head = samples.head
        self.every = head["every"]
        self.limits |= head["limits"]
        by = self._told(samples)
        self.told |= {by} if head["gpus"] else set()
        for elapsed, seconds, values in samples.read():
            self.samples += 1
            self.first = elapsed if self.first is None else self.first
            self.last = elapsed
            self.over_s += seconds
            self._processes(seconds, values)
            for column, device in head["rapl"].items():
                self._count(device, "rapl", seconds, values.get(f"{column}.energy_j"))
            for column, facts in head["gpus"].items():
                self._gpu(column, facts, by, seconds, values)

    @staticmethod
    def _told(samples: _File) -> Told | None:
        """Whether NVML has told which of the run's processes were on a GPU."""
        if not samples.head["has_processes"]:
            return None
        columns = [f"{column}.processes" for column in samples.head["gpus"]]
        is_told = any(column in values for _, _, values in samples.read() for column in columns)
        return "processes" if is_told else "shown"

    def _processes(self, seconds: float, values: dict[str, Any]) -> None:
        memory, percent = values.get("processes.memory_bytes"), values.get("processes.cpu_percent")
        if memory is not None:
            self.peak = max(self.peak or 0, memory)
        if percent is not None:
            self.cpu_s += seconds * percent / 100
            self.cpu_over_s += seconds

    def _gpu(
        self, column: str, facts: dict[str, Any], by: Told | None, seconds: float, values: dict[str, Any]
    ) -> None:
        if not any(name.startswith(f"{column}.") for name in values):
            return  # lost
        name = facts["name"] or "unknown"
        gpu = self.gpus.setdefault(facts["uuid"] or column, _Device(name, facts["uuid"]))
        gpu.over_s += seconds
        memory, busy = values.get(f"{column}.memory_bytes"), values.get(f"{column}.percent")
        if memory is not None:
            gpu.peak_memory = max(gpu.peak_memory or 0, memory)
        if busy is not None:
            gpu.busy_s += seconds * busy / 100
            gpu.rated_s += seconds
        is_on = values.get(f"{column}.processes", 0) > 0 if by == "processes" else by == "shown"
        if is_on:
            gpu.on_s += seconds
            joules = values.get(f"{column}.energy_j")
            self._count(f"gpu {column[4:]}", "nvml", seconds, joules, facts["uuid"] or "")

    def _count(
        self, device: str, counter: Counter, seconds: float, joules: float | None, identity: str = ""
    ) -> None:
        if joules is not None and seconds:
            counted = self.energy.setdefault((device, counter, identity), [0.0, 0.0])
            counted[0] += joules
            counted[1] += seconds

    def use(self) -> SystemUse:
        by = self.told.pop() if len(self.told) == 1 else None
        energy = tuple(
            Energy(device=device, counter=counter, kwh=_rounded(joules / 3.6e6), over_s=round(seconds, 3))
            for (device, counter, _), (joules, seconds) in self.energy.items()
        )
        gpus = tuple(
            GpuUse(
                name=gpu.name,
                uuid=gpu.uuid,
                over_s=round(gpu.over_s, 3),
                hours=_rounded(gpu.on_s / 3600) if by else None,
                mean_percent=round(100 * gpu.busy_s / gpu.rated_s, 1) if gpu.rated_s else None,
                peak_memory=gpu.peak_memory,
            )
            for gpu in self.gpus.values()
            if gpu.on_s or by != "processes"  # else it is of others alone
        )
        return SystemUse(
            every_s=self.every,
            samples=self.samples,
            from_s=self.first or 0.0,
            to_s=self.last,
            over_s=round(self.over_s, 3),
            peak_memory=self.peak,
            cpu_hours=_rounded(self.cpu_s / 3600) if self.cpu_over_s else None,
            cpu_over_s=round(self.cpu_over_s, 3) if self.cpu_over_s else None,
            gpu_hours=_rounded(sum(gpu.on_s for gpu in self.gpus.values()) / 3600)
            if self.gpus and by
            else None,
            gpu_hours_by=by if self.gpus else None,
            energy_kwh=_rounded(sum(item.kwh for item in energy)) if energy else None,
            gpus=gpus,
            energy=energy,
            **self.limits,
        )


def _rounded(amount: float) -> float:
    """Six digits: more is not known."""
    return float(f"{amount:.6g}")

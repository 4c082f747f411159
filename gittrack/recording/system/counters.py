"""Counters of the hardware and limits of the kernel, read from its files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

Values = dict[str, float]
"""By column of system.csv."""

MOST_WATTS = 1000
"""Of one processor package, more than any has: by that a counter that ran over is told from one set back."""


class Growth:
    """Counts of which only the growth says something."""

    def __init__(self) -> None:
        self._last: dict[str, float] = {}

    def of(self, name: str, count: float | None, runs_over_at: float = 0.0) -> float | None:
        """Since the sample before; None where one of the two is not known, or it was set back."""
        before = self._last.pop(name, None)
        if count is None:
            return None
        self._last[name] = count
        if before is None:
            return None
        grown = count - before if count >= before else count - before + runs_over_at
        return grown if grown >= 0 else None


@dataclass(frozen=True, slots=True)
class Zone:
    """Something of which RAPL counts the energy. `most`: joules at which the counter begins anew."""

    column: str
    device: str
    file: Path
    most: float


class Rapl:
    """Energy of processor packages and their memory, where this user may read it: mostly root alone may."""

    def __init__(self, root: Path) -> None:
        self.zones = list(_zones(root / "sys/class/powercap"))
        self._growth = Growth()

    def read(self, seconds: float | None) -> Values:
        """Joules of the last `seconds`. Nothing where a counter could have run over twice meanwhile."""
        values: Values = {}
        for zone in self.zones:
            grown = self._growth.of(zone.column, _joules(zone.file), zone.most)
            most = MOST_WATTS * (seconds or 0.0)
            if grown is not None and grown <= most <= zone.most:
                values[f"{zone.column}.energy_j"] = round(grown, 3)
        return values


def _zones(folder: Path) -> Iterator[Zone]:
    """Packages and their memory; cores are a part of these, and the whole platform is more."""
    names = {path.name: read_text(path / "name") for path in sorted(folder.glob("intel-rapl:*"))}
    for zone, name in names.items():
        match = re.fullmatch(r"(intel-rapl:(\d+))(?::\d+)?", zone)
        if match is None:
            continue
        is_package = zone == match[1] and name.startswith("package")
        if not is_package and name != "dram":
            continue
        file, most = folder / zone / "energy_uj", read_text(folder / zone / "max_energy_range_uj")
        if _joules(file) is not None and most.isdecimal():
            device = name if is_package else f"dram of {names.get(match[1], match[1])}"
            column = f"{'package' if is_package else 'dram'}.{match[2]}"
            yield Zone(column, device, file, int(most) / 1e6)


def _joules(file: Path) -> float | None:
    text = read_text(file)
    return int(text) / 1e6 if text.isdecimal() else None


class Cgroup:
    """The limits of the container, job or service that a process is in, and the memory in use there."""

    def __init__(self, root: Path, pid: int) -> None:
        groups: dict[str, list[Path]] = {}
        for controller, folders in _groups(root, pid):
            groups.setdefault(controller, []).extend(folders)
        self.cpu_limit = min(filter(None, map(_cores, groups.get("cpu", []))), default=None)
        limits = {folder: _bytes_allowed(folder) for folder in groups.get("memory", [])}
        known = {folder: limit for folder, limit in limits.items() if limit is not None}
        self._memory = min(known, key=lambda folder: known[folder], default=None)
        self.memory_limit = None if self._memory is None else known[self._memory]

    def read(self) -> Values:
        if self._memory is None:
            return {}
        text = _first(self._memory, "memory.current", "memory.usage_in_bytes")
        return {"cgroup.memory_bytes": int(text)} if text.isdecimal() else {}


def _groups(root: Path, pid: int) -> Iterator[tuple[str, list[Path]]]:
    """By controller, the folder of the group and those above it; in a container these begin at its own."""
    base = root / "sys/fs/cgroup"
    for line in read_text(root / f"proc/{pid}/cgroup").splitlines():
        _, _, rest = line.partition(":")
        names, _, path = rest.partition(":")
        parts = [part for part in path.split("/") if part]
        parts = [] if ".." in parts else parts
        for controller in names.split(",") if names else ("memory", "cpu"):
            top = base / controller if names else base
            yield controller, [top.joinpath(*parts[:depth]) for depth in range(len(parts), -1, -1)]


_NO_LIMIT = 1 << 60
"""cgroup v1 has a number for no limit, which is near 2^63."""


def _bytes_allowed(folder: Path) -> int | None:
    text = _first(folder, "memory.max", "memory.limit_in_bytes")
    return int(text) if text.isdecimal() and int(text) < _NO_LIMIT else None


def _cores(folder: Path) -> float | None:
    quota, _, period = read_text(folder / "cpu.max").partition(" ")
    if not quota:
        quota, period = read_text(folder / "cpu.cfs_quota_us"), read_text(folder / "cpu.cfs_period_us")
    known = quota.isdecimal() and period.isdecimal() and int(period)
    return round(int(quota) / int(period), 3) if known else None


def _first(folder: Path, *names: str) -> str:
    return next(filter(None, (read_text(folder / name) for name in names)), "")


def read_text(path: Path) -> str:
    """What a short file of the kernel says; empty where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def limits(cgroup: Cgroup) -> Mapping[str, float]:
    """By field of the record."""
    known = {"memory_limit": cgroup.memory_limit, "cpu_limit": cgroup.cpu_limit}
    return {name: limit for name, limit in known.items() if limit is not None}

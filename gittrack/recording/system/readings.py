"""One look at the machine, and at the processes of a run on it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from gittrack.recording.capture import nvml
from gittrack.recording.interpreters.processes import below
from gittrack.recording.system.counters import Cgroup, Growth, Rapl, Values, limits

_HOSTS_PIDS = "pid:[4026531836]"
"""The kernel's name of the first set of process numbers, which is the host's: NVML counts in that."""


class Readings:
    """What can be read here. `pid`: of the run; None where its processes are not below one of ours."""

    def __init__(self, pid: int | None, root: Path = Path("/"), library: Any = None) -> None:
        import psutil  # noqa: F401  (so that no sample takes the time of it)

        self._stack = ExitStack()
        self._processes = None if pid is None else Processes(pid)
        self._machine = Machine()
        self._rapl = Rapl(root)
        self._cgroup = Cgroup(root, os.getpid() if pid is None else pid)
        library = nvml.load() if library is None else library
        driver = None if library is None else self._stack.enter_context(nvml.opened(library))
        self._gpus = None if driver is None else Gpus(driver)
        self._tells = pid is not None and _is_hosts(root)

    @property
    def devices(self) -> dict[str, Any]:
        """What the columns are of."""
        return {
            "limits": limits(self._cgroup),
            "rapl": {zone.column: zone.device for zone in self._rapl.zones},
            "gpus": {} if self._gpus is None else self._gpus.names,
            "has_processes": self._processes is not None,
        }

    def take(self, seconds: float | None) -> Values:
        """The columns of a sample. `seconds` since the one before; None at first: then no growth is known."""
        values: Values = {}
        if self._processes is not None:
            values |= self._processes.read(seconds)
        values |= self._machine.read(seconds) | self._cgroup.read() | self._rapl.read(seconds)
        if self._gpus is not None:
            pids = self._processes.pids if self._processes is not None and self._tells else None
            values |= self._gpus.read(pids)
        return values

    def close(self) -> None:
        self._stack.close()


def _is_hosts(root: Path) -> bool:
    try:
        return os.readlink(root / "proc/self/ns/pid") == _HOSTS_PIDS  # noqa: PTH115
    except OSError:
        return False


_TICKS = 0.02
"""Seconds by which the kernel rounds what a process has used."""


class Processes:
    """A process and those below it."""

    def __init__(self, pid: int, find: Callable[[int], Iterable[int]] | None = None) -> None:
        self._pid = pid
        self._find = find or _below
        self._used: dict[int, tuple[float, float]] | None = None
        """By process, the seconds of CPU that it has used, and those of the children it has waited for."""
        self.pids: set[int] = set()
        """Those of the last look."""

    def read(self, seconds: float | None) -> Values:
        """Nothing where all of them are gone.

        What a child has used counts for its parent once that has waited for it, so that the sum only grows.
        Where a process went that nobody in here has waited for, the growth is not known.
        """
        import psutil

        count, memory, used = 0, 0, {}
        self.pids = set(self._find(self._pid))
        for pid in self.pids:
            try:
                process = psutil.Process(pid)
                with process.oneshot():
                    times, resident = process.cpu_times(), process.memory_info().rss
            except (psutil.Error, OSError):
                continue  # it has just ended
            count += resident > 0  # else it has ended, and nobody has waited for it yet
            memory += resident
            used[pid] = (sum(times[:2]), sum(times[2:4]))  # user and system; both of its children
        grown = self._grown(used)
        values: Values = {"processes.count": count, "processes.memory_bytes": memory} if count else {}
        if grown is not None and seconds:
            values["processes.cpu_percent"] = round(100 * grown / seconds, 3)
        return values

    def _grown(self, used: dict[int, tuple[float, float]]) -> float | None:
        """Seconds of CPU since the last look; None where they are not known."""
        before, self._used = self._used, used or None
        if before is None or not used:
            return None
        gone = sum(sum(before[pid]) for pid in before.keys() - used)
        waited = sum(children - before.get(pid, (0.0, 0.0))[1] for pid, (_, children) in used.items())
        grown = sum(map(sum, used.values())) - sum(map(sum, before.values()))
        return grown if grown >= 0 and waited >= gone - _TICKS * (len(before) + len(used)) else None


def _below(pid: int) -> Iterable[int]:
    if Path(f"/proc/self/task/{os.getpid()}/children").exists():
        return below(pid)
    import psutil

    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.Error:
        return []


class Machine:
    """All of the machine, or what a container shows of it."""

    def __init__(self) -> None:
        self._growth = Growth()

    def read(self, seconds: float | None) -> Values:
        import psutil

        memory, times = psutil.virtual_memory(), psutil.cpu_times()
        values: Values = {"machine.memory_bytes": memory.total - memory.available}
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted as user already
        everything = self._growth.of("cpu", sum(times) - guests)
        idle = self._growth.of("idle", times.idle + getattr(times, "iowait", 0.0))
        if everything and idle is not None:
            values["machine.cpu_percent"] = round(max(0.0, 100 * (1 - idle / everything)), 1)
        disk = net = None
        with suppress(OSError, RuntimeError, NotImplementedError):
            disk = psutil.disk_io_counters(nowrap=False)
        with suppress(OSError, RuntimeError, NotImplementedError):
            net = psutil.net_io_counters(nowrap=False)
        for name, counts, field in (
            ("machine.disk_read_bytes_s", disk, "read_bytes"),
            ("machine.disk_write_bytes_s", disk, "write_bytes"),
            ("machine.net_received_bytes_s", net, "bytes_recv"),
            ("machine.net_sent_bytes_s", net, "bytes_sent"),
        ):
            grown = self._growth.of(name, getattr(counts, field, None))
            if grown is not None and seconds:
                values[name] = round(grown / seconds)
        return values


class Gpus:
    """The GPUs that the driver shows."""

    def __init__(self, driver: nvml.Nvml) -> None:
        self._driver = driver
        self._growth = Growth()
        handles = {f"gpu.{index}": driver.handle(index) for index in range(driver.count())}
        self._handles = {column: handle for column, handle in handles.items() if handle is not None}
        questions = {"name": "nvmlDeviceGetName", "uuid": "nvmlDeviceGetUUID"}
        self.names = {
            column: {fact: driver.text(function, handle) for fact, function in questions.items()}
            for column, handle in self._handles.items()
        }

    def read(self, pids: set[int] | None) -> Values:
        """`pids`: the processes of the run; None where NVML cannot tell which they are."""
        values: Values = {}
        for column, handle in self._handles.items():
            driver = self._driver
            on_it = None if pids is None else driver.pids(handle)
            energy = self._growth.of(column, driver.joules(handle))
            for name, value in (
                ("percent", driver.busy(handle)),
                ("memory_bytes", driver.memory(handle)[1]),
                ("power_w", driver.watts(handle)),
                ("celsius", driver.celsius(handle)),
                ("energy_j", None if energy is None else round(energy, 3)),
                ("processes", None if on_it is None or pids is None else len(on_it & pids)),
            ):
                if value is not None:
                    values[f"{column}.{name}"] = value
        return values

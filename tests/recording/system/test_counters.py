"""Counters and limits of the kernel, from a tree of files as it shows them."""

from __future__ import annotations

from pathlib import Path

from gittrack.recording.system.counters import Cgroup, Growth, Rapl


def tree(root: Path, files: dict[str, object]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{content}\n")
    return root


POWERCAP = "sys/class/powercap/intel-rapl"
RANGE = 262_143_328_850


def test_growth() -> None:
    """Only between two counts that follow each other; one that was set back says nothing."""
    growth = Growth()
    counts = (10, 14, None, 20, 21, 5, 6)
    assert [growth.of("a", count) for count in counts] == [None, 4, None, None, 1, None, 1]
    assert [growth.of("b", count, 100) for count in (90, 5)] == [None, 15]


def test_rapl_counts_packages_and_their_memory(tmp_path: Path) -> None:
    """Not cores, which are part of them, nor the platform, nor a second view, nor what is not readable."""
    zones = {
        ":0": "package-0", ":0:0": "core", ":0:1": "dram", ":1": "psys", "-mmio:0": "package-0",
        ":2": "package-1",
    }  # fmt: skip
    for zone, name in zones.items():
        files = {"name": name, "max_energy_range_uj": RANGE, "energy_uj": 1_000_000}
        tree(tmp_path, {f"{POWERCAP}{zone}/{file}": content for file, content in files.items()})
    (tmp_path / f"{POWERCAP}:2/energy_uj").unlink()
    rapl = Rapl(tmp_path)
    assert {zone.column: zone.device for zone in rapl.zones} == {
        "package.0": "package-0", "dram.0": "dram of package-0",
    }  # fmt: skip
    assert rapl.read(None) == {}
    tree(tmp_path, {f"{POWERCAP}:0/energy_uj": 501_000_000, f"{POWERCAP}:0:1/energy_uj": 21_000_000})
    assert rapl.read(10.0) == {"package.0.energy_j": 500.0, "dram.0.energy_j": 20.0}


def test_rapl_that_runs_over_is_told_from_one_set_back(tmp_path: Path) -> None:
    """And nothing is said where it may have run over more than once."""

    def grown(before: int, after: int, seconds: float) -> float | None:
        files = {"name": "package-0", "max_energy_range_uj": RANGE}
        tree(tmp_path, {f"{POWERCAP}:0/{file}": content for file, content in files.items()})
        tree(tmp_path, {f"{POWERCAP}:0/energy_uj": before})
        rapl = Rapl(tmp_path)
        rapl.read(None)
        tree(tmp_path, {f"{POWERCAP}:0/energy_uj": after})
        return rapl.read(seconds).get("package.0.energy_j")

    assert grown(RANGE - 1_000_000, 2_000_000, 10) == 3.0
    assert grown(RANGE // 2, 2_000_000, 10) is None, "after a suspend, say"
    assert grown(0, 2_000_000, 600) is None


def test_limits_of_a_group_are_the_tightest_above_it(tmp_path: Path) -> None:
    """cgroup v2; a limit of a slice holds for the services in it."""
    group = "sys/fs/cgroup/slice/job"
    tree(tmp_path, {
        "proc/7/cgroup": "0::/slice/job", f"{group}/memory.max": "max", f"{group}/cpu.max": "max 100000",
        "sys/fs/cgroup/slice/memory.max": 4 << 30, "sys/fs/cgroup/slice/memory.current": 1 << 30,
        "sys/fs/cgroup/slice/cpu.max": "250000 100000",
    })  # fmt: skip
    cgroup = Cgroup(tmp_path, 7)
    assert (cgroup.memory_limit, cgroup.cpu_limit) == (4 << 30, 2.5)
    assert cgroup.read() == {"cgroup.memory_bytes": 1 << 30}


def test_limits_of_cgroup_v1_and_of_none(tmp_path: Path) -> None:
    """In a container the path is the host's, and the limits lie at the top; no limit is no fact."""
    top = "sys/fs/cgroup"
    tree(tmp_path, {
        "proc/7/cgroup": "4:memory:/docker/a\n2:cpu,cpuacct:/docker/a\n0::/../b",
        f"{top}/memory/memory.limit_in_bytes": 1 << 31, f"{top}/memory/memory.usage_in_bytes": 5,
        f"{top}/cpu/cpu.cfs_quota_us": -1, f"{top}/cpu/cpu.cfs_period_us": 100000,
    })  # fmt: skip
    cgroup = Cgroup(tmp_path, 7)
    assert (cgroup.memory_limit, cgroup.cpu_limit, cgroup.read()) == (
        1 << 31,
        None,
        {"cgroup.memory_bytes": 5},
    )
    tree(tmp_path, {f"{top}/memory/memory.limit_in_bytes": 9223372036854771712})
    assert Cgroup(tmp_path, 7).memory_limit is None and Cgroup(tmp_path, 8).read() == {}

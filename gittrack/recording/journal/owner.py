"""Which process a journal belongs to, and whether it still lives."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def current_owner() -> dict[str, Any]:
    """This process, told apart from a later one with the same pid and from one on another host."""
    return owner_of(os.getpid())


def owner_of(pid: int) -> dict[str, Any]:
    """`current_owner` of another process of this host."""
    return {
        "pid": pid,
        "started": _start_time(pid),
        "boot": _boot_id(),
        "host": os.uname().nodename,
        "namespace": _namespace(),
        **_job(),
    }


def is_alive(owner: Mapping[str, Any]) -> bool | None:
    """Whether the owner still runs; None when this host cannot tell (the owner is on another)."""
    if owner.get("boot") != _boot_id():
        return _unless_over(owner) if owner.get("host") != os.uname().nodename else False
    if owner.get("namespace") != _namespace():
        return _unless_over(owner)  # another container on this machine: its pids mean other processes
    pid = owner.get("pid")
    if not isinstance(pid, int):
        return False
    started = _start_time(pid)
    return started is not None and started == owner.get("started")


def _job() -> dict[str, Any]:
    """The Slurm job of this process, and which beginning of it this is; nothing outside of a job."""
    job, restarts = os.environ.get("SLURM_JOB_ID", ""), os.environ.get("SLURM_RESTART_COUNT", "0")
    if not (job.isdecimal() and restarts.isdecimal()):
        return {}
    return {
        "slurm": {
            "cluster": os.environ.get("SLURM_CLUSTER_NAME", ""), "job": job, "restarts": int(restarts),
        }
    }  # fmt: skip


def _unless_over(owner: Mapping[str, Any]) -> bool | None:
    """False for an earlier beginning of our own Slurm job: Slurm ends it on every node first."""
    theirs, ours = owner.get("slurm"), _job().get("slurm")
    if not isinstance(theirs, Mapping) or ours is None:
        return None
    is_ours = all(theirs.get(name) == ours[name] for name in ("cluster", "job"))
    before = theirs.get("restarts")
    return False if is_ours and isinstance(before, int) and before < ours["restarts"] else None


@functools.cache
def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        import psutil  # not Linux: psutil comes with DVC

        return str(int(psutil.boot_time()))


def _namespace() -> str | None:
    """Which set of pids this process sees; None where there is only one."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _start_time(pid: int) -> str | None:
    """When process `pid` started, in the kernel's own unit; None when there is no such process."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else fields[19]
    import psutil

    try:
        return str(psutil.Process(pid).create_time())
    except psutil.NoSuchProcess:
        return None

"""Which process a journal belongs to, and whether it still lives."""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gittrack.reading.journal.scheduler import current_job, is_requeue_of


def current_owner() -> dict[str, Any]:
    """This process, told apart from a later one with the same pid and from one on another host."""
    job = current_job(os.environ)
    return {**owner_of(os.getpid()), **({"job": job} if job else {})}


def owner_of(pid: int) -> dict[str, Any]:
    """`current_owner` of another process of this host."""
    return {
        "pid": pid,
        "started": _start_time(pid),
        "boot": _boot_id(),
        "host": os.uname().nodename,
        "namespace": _namespace(),
    }


def is_alive(owner: Mapping[str, Any]) -> bool | None:
    """Whether the owner still runs; None when this host cannot tell (the owner is on another).

    Of a job that its scheduler has restarted, what ran before is gone, on whichever host it was.
    """
    elsewhere = False if is_requeue_of(owner.get("job"), current_job(os.environ)) else None
    if owner.get("boot") != _boot_id():
        return elsewhere if owner.get("host") != os.uname().nodename else False
    if owner.get("namespace") != _namespace():
        return elsewhere  # another container on this machine: the same pid there is another process
    pid = owner.get("pid")
    if not isinstance(pid, int):
        return False
    started = _start_time(pid)
    return started is not None and started == owner.get("started")


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

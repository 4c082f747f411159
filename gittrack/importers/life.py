"""Whether a run of which a source states no end still goes on, by the file that it writes."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from gittrack.importers.foreign import Moment, Status

_FRESH = 300
"""Seconds without a sign of life after which a run counts as dead, W&B's measure."""


def status_of(log: Path, changed: Moment | None, host: str | None = None) -> Status:
    """Running where a process has the log open, else killed.

    A log that changed in these minutes may be written to from another machine than `host`, the run's: then it
    is not known.
    """
    if changed is None or time.time() - changed >= _FRESH:
        return "killed"
    if _is_open(log):
        return "running"
    return "killed" if host == socket.gethostname() and Path("/proc/self/fd").is_dir() else "unknown"


def _is_open(log: Path) -> bool:
    """Whether a process of this machine that we may look at has the file open."""
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if opened.samefile(log):
                return True
        except OSError:
            continue
    return False

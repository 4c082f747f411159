"""Peak memory of a process tree, size of a folder, and the timed logging loop."""

import os
import re
import time
from array import array
from pathlib import Path

from benchmarks.peers.isolation import HOME
from benchmarks.peers.peer import Log

EVERY = 7  # prime, so that the timed calls do not fall in step with a peer's buffers


def peaks(process: int) -> dict[int, int]:
    """Peak resident memory so far, KiB, of a process and its living descendants (Linux)."""
    at, found = Path(f"/proc/{process}"), {}
    try:
        peak = re.search(r"VmHWM:\s*(\d+)", (at / "status").read_text())
        found[process] = int(peak[1]) if peak else 0
        for children in at.glob("task/*/children"):
            for child in children.read_text().split():
                found |= peaks(int(child))
    except OSError:  # it ended meanwhile
        pass
    return found


def folder_bytes() -> tuple[int, int]:
    """Bytes of all files below the working directory: by length, and on disk; home left out."""
    length = allocated = 0
    for at, folders, names in os.walk("."):
        folders[:] = [name for name in folders if name != HOME]
        for name in names:
            try:
                status = (Path(at) / name).lstat()
            except FileNotFoundError:  # a service's temporary file
                continue
            length, allocated = length + status.st_size, allocated + status.st_blocks * 512
    return length, allocated


def log_steps(log: Log, steps: int, seconds: float) -> tuple[int, list[int]]:
    """Log up to ``steps`` steps of five metrics: steps done, and sorted nanoseconds of every seventh
    call. The clock is read and compared with the limit there only; six of seven run undisturbed."""
    samples = array("q", bytes(8 * (steps // EVERY + 1)))
    limit = time.perf_counter_ns() + int(seconds * 1e9)
    for i in range(steps):
        metrics = {"a": i * 0.1, "b": i * 0.2, "c": i * 0.3, "d": i * 0.4, "e": i * 0.5}
        if i % EVERY:
            log(metrics, i)
            continue
        began = time.perf_counter_ns()
        if began > limit:
            steps = i
            break
        log(metrics, i)
        samples[i // EVERY] = time.perf_counter_ns() - began
    return steps, sorted(samples[: (steps + EVERY - 1) // EVERY])

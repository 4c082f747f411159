"""A program that writes down which signals it gets, started with gittrack and without, and what was seen."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.recording.commands import GITTRACK, PYTHON

LIMIT_S = 60.0
NAMES = ("USR1", "USR2", "XCPU", "ALRM", "TERM", "INT", "HUP", "QUIT", "CONT", "TSTP", "WINCH", "PIPE")
NUMBERS = {name: signal.Signals[f"SIG{name}"] for name in NAMES}
_NOW = os.WNOHANG | os.WUNTRACED
LAST = signal.SIGRTMIN
"""Ends the program: the highest, so that what was sent before it comes before it."""

ARRIVALS = f"""
import os, signal, sys
numbers = {sorted(int(number) for number in (*NUMBERS.values(), LAST))}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("ready", flush=True)
with open(sys.argv[1], "w", buffering=1) as arrivals:
    number = 0
    while number != {int(LAST)}:
        number = signal.sigwait(numbers)
        arrivals.write(f"{{int(number)}}\\n")
print("checkpoint written", flush=True)
sys.exit(7)
"""
"""Every delivery is counted: a handler in Python is called once for two that come together."""

WAITS = """
import signal
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
print("ready", flush=True)
while True: signal.pause()
"""


@dataclass(frozen=True)
class Seen:
    """What became of a program: the signals that it got, what its caller saw of it."""

    arrivals: list[str]
    status: int
    output: str


def start(where: Path, *command: str, plain: bool) -> subprocess.Popen[str]:
    """The command, by itself or under `gittrack run`, in a group of its own, once it is ready."""
    before = [] if plain else [*GITTRACK, "run", "-q", "--"]
    process = subprocess.Popen(
        [*before, *command],
        cwd=where,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        process_group=0,  # not a session: a group without anybody outside it is not stopped
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def until(is_so: Callable[[], bool]) -> None:
    """Wait for it, for a generous while."""
    end = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def arrivals_of(where: Path, ways: list[Callable[[int, int], None]], number: int, *, plain: bool) -> Seen:
    """Send `number` in those ways, one after the other has arrived, and end the program."""
    log = where.parent / f"arrivals-{plain}"
    process = start(where, PYTHON, "-c", ARRIVALS, str(log), plain=plain)

    def lines() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    for count, way in enumerate(ways, 1):
        way(process.pid, number)
        until(lambda count=count: len(lines()) >= count)  # type: ignore[misc]
    os.kill(process.pid, LAST)
    output, _ = process.communicate(timeout=LIMIT_S)
    return Seen([signal.Signals(int(line)).name for line in lines()], process.returncode, output)


def end_of(where: Path, way: Callable[[int, int], None], number: int, *, plain: bool) -> int:
    """How a program ends that does not know `number`; of one that is stopped, minus 1,000 and by what."""
    process = start(where, PYTHON, "-c", WAITS, plain=plain)
    way(process.pid, number)
    statuses: list[int] = []
    until(lambda: bool(statuses.extend(s for p, s in [os.waitpid(process.pid, _NOW)] if p) or statuses))
    (status,) = statuses
    if os.WIFSTOPPED(status):
        os.killpg(process.pid, signal.SIGCONT)
        os.killpg(process.pid, signal.SIGTERM)
        _, end = os.waitpid(process.pid, 0)
        assert os.waitstatus_to_exitcode(end) == -signal.SIGTERM
        code = -1000 - os.WSTOPSIG(status)
    else:
        code = os.waitstatus_to_exitcode(status)
    process.returncode = code
    process.communicate(timeout=LIMIT_S)
    return code

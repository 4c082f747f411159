"""A terminal with a shell's job control, and a program on it: what a person sees who types."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import termios
import time
from collections.abc import Sequence
from pathlib import Path

from tests.recording.commands import PYTHON
from tests.recording.signalled import LIMIT_S

SHELL = """
import os, signal, sys
signal.signal(signal.SIGTTOU, signal.SIG_IGN)
job = os.fork()
if job == 0:
    os.setpgid(0, 0)
    os.tcsetpgrp(0, os.getpid())
    signal.signal(signal.SIGTTOU, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    status = os.waitpid(job, os.WUNTRACED)[1]
    os.tcsetpgrp(0, os.getpgrp())
    if not os.WIFSTOPPED(status):
        break
    print(f"<shell: stopped by {os.WSTOPSIG(status)}>", flush=True)
    os.tcsetpgrp(0, job)
    os.killpg(job, signal.SIGCONT)
print(f"<shell: ended with {os.waitstatus_to_exitcode(status)}>", flush=True)
"""
"""What a shell does for a job in the foreground: one that is stopped goes on at once."""

PROGRAM = """
import os, signal, sys
def got(number, frame):
    if number == signal.SIGWINCH:
        os.write(1, b"<%d columns>" % os.get_terminal_size(1).columns)
    else:
        os.write(1, b"<%s>" % signal.Signals(number).name.encode())
for number in (signal.SIGINT, signal.SIGCONT, signal.SIGWINCH):
    signal.signal(number, got)
print("<ready>", flush=True)
for line in sys.stdin:
    print(f"<read {line.strip()}>", flush=True)
"""
_MARK = re.compile(r"<[^>]+>")


class Terminal:
    """A terminal of 80 columns on which a command has been started."""

    def __init__(self, where: Path, command: Sequence[str]) -> None:
        self._pid, self._master = pty.fork()
        if self._pid == 0:
            os.chdir(where)
            os.execv(PYTHON, [PYTHON, "-c", SHELL, *command])  # noqa: S606
        self.resize(80)
        self._said = ""

    def resize(self, columns: int) -> None:
        """As a person who pulls at the window."""
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def type(self, keys: bytes) -> None:
        os.write(self._master, keys)

    def until(self, mark: str) -> None:
        """Wait until it says that, for a generous while."""
        end = time.monotonic() + LIMIT_S
        while mark not in self._said:
            assert select.select([self._master], [], [], end - time.monotonic())[0], self._said
            self._said += os.read(self._master, 4096).decode()

    @property
    def marks(self) -> list[str]:
        """What was said by program and shell, in order."""
        return _MARK.findall(self._said)

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)
        os.close(self._master)

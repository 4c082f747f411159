"""A wrapped command: any program in any language, its output streamed and its end recorded."""

from __future__ import annotations

import contextlib
import fcntl
import os
import selectors
import shutil
import signal
import subprocess
import sys
import termios
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from gittrack.capture.secrets import scrub_text
from gittrack.errors import UsageError
from gittrack.journal import Journal
from gittrack.record import Status, clean_text

TAIL_BYTES = 64 << 10
_KEEP_BYTES = 4 * TAIL_BYTES
_SAVE_EVERY_S = 2.0
_KILLED_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGHUP)


class CommandNotFound(UsageError):
    """The command to run does not exist; the shell's exit code for that."""

    exit_code = 127


class CommandNotExecutable(UsageError):
    """The command to run exists and cannot be run; the shell's exit code for that."""

    exit_code = 126


def check_command(command: Sequence[str], cwd: Path) -> None:
    """Raise, before anything is recorded, when there is nothing to run."""
    if not command:
        raise UsageError("no command given: gittrack run [OPTIONS] -- COMMAND...")
    program = command[0]
    if shutil.which(program) is None:
        if os.sep in program and (cwd / program).exists():
            raise CommandNotExecutable(f"{program} is not executable: run chmod +x {program}")
        raise CommandNotFound(f"command not found: {program}")


class Tail:
    """The end of what a program printed: terminal tricks resolved, secrets gone, at most 64 KiB."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._cut = False

    def add(self, data: bytes) -> None:
        self._chunks.append(data)
        self._size += len(data)
        while self._size - len(self._chunks[0]) >= _KEEP_BYTES:
            self._size -= len(self._chunks.popleft())
            self._cut = True

    def text(self, env: Mapping[str, str]) -> tuple[bytes, bool]:
        """UTF-8 text and whether its front was cut off."""
        raw = b"".join(self._chunks).decode("utf-8", "replace").replace("\r\n", "\n")
        # A progress bar rewrites its line: what stood there last is what a person saw.
        lines = [line.rstrip("\r").rpartition("\r")[2] for line in raw.split("\n")]
        kept = clean_text(scrub_text("\n".join(lines), env)).encode()
        if len(kept) <= TAIL_BYTES and not self._cut:
            return kept, False
        kept = kept[-TAIL_BYTES:]
        return kept.partition(b"\n")[2] or kept.decode("utf-8", "ignore").encode(), True


def run_program(
    command: Sequence[str], env: Mapping[str, str], journal: Journal, *, keep_console: bool = True
) -> int:
    """Run the program to its end; its return code as `subprocess` gives it (negative: a signal).

    On a terminal the program sees a terminal; otherwise two pipes, so that stdout and
    stderr stay apart. Its stdin is ours.
    """
    tail = Tail()
    terminal = sys.stdout.isatty() and sys.stderr.isatty()
    with contextlib.ExitStack() as stack:
        sources: dict[int, int] = {}
        if terminal:
            master, slave = _open_terminal(stack)
            sources[master] = 1
            process = subprocess.Popen(command, env=dict(env), stdout=slave, stderr=slave)
            os.close(slave)
        else:
            process = subprocess.Popen(command, env=dict(env), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            for pipe, target in ((process.stdout, 1), (process.stderr, 2)):
                if pipe is not None:
                    stack.enter_context(pipe)
                    sources[pipe.fileno()] = target
        stack.enter_context(_forwarding(process, terminal))
        saved = time.monotonic()
        for target, data in _read_all(process, sources):
            _write_all(target, data)
            if keep_console:
                tail.add(data)
                if time.monotonic() - saved > _SAVE_EVERY_S:
                    _save(tail, journal)
                    saved = time.monotonic()
        code = process.wait()
    if keep_console:
        _save(tail, journal)
    return code


def _save(tail: Tail, journal: Journal) -> None:
    # A full disk must not stop the program; the run's end, written next, says that it is full.
    with contextlib.suppress(OSError):
        journal.write_console(*tail.text(os.environ))


def judge(code: int) -> tuple[Status, dict[str, str] | None]:
    """Status and failure of a program that ended with `code` (negative: by a signal)."""
    number = -code if code < 0 else code - 128 if code - 128 in _KILLED_BY else 0
    if number in _KILLED_BY:
        return "killed", {"type": "signal", "message": signal.Signals(number).name}
    if code < 0:
        return "failed", {"type": "signal", "message": signal.Signals(-code).name}
    return ("failed", {"type": "exit", "message": f"exit status {code}"}) if code else ("finished", None)


def exit_status(code: int) -> int:
    """The exit status that a shell would give for that return code."""
    return 128 - code if code < 0 else code


def _open_terminal(stack: contextlib.ExitStack) -> tuple[int, int]:
    import pty

    master, slave = pty.openpty()
    stack.callback(os.close, master)
    with contextlib.suppress(OSError, termios.error):
        fcntl.ioctl(slave, termios.TIOCSWINSZ, fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST  # our own terminal turns \n into \r\n
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def _read_all(process: subprocess.Popen[bytes], sources: Mapping[int, int]) -> Iterator[tuple[int, bytes]]:
    """(1 or 2, bytes) as they come, until all ends are closed, or the program is gone and all is quiet."""
    with selectors.DefaultSelector() as selector:
        for descriptor, target in sources.items():
            selector.register(descriptor, selectors.EVENT_READ, target)
        while selector.get_map():
            ready = selector.select(timeout=0.2)
            if not ready and process.poll() is not None:
                return  # a background process of the program still holds the other end
            for key, _ in ready:
                try:
                    data = os.read(key.fd, 1 << 16)
                except OSError:
                    data = b""  # a terminal whose last user has gone
                if data:
                    yield key.data, data
                else:
                    selector.unregister(key.fd)


def _write_all(target: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:
            time.sleep(0.01)
        except BrokenPipeError:
            return  # whoever read our output has gone; the training goes on


@contextlib.contextmanager
def _forwarding(process: subprocess.Popen[bytes], terminal: bool) -> Iterator[None]:
    """Pass signals on to the program; Ctrl-C reaches it from the terminal by itself."""

    def forward(number: int, frame: FrameType | None) -> None:
        if number != signal.SIGINT or not (terminal or os.isatty(0)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)

    before: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before[number] = signal.signal(number, forward)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

"""A wrapped command: any program in any language, its output streamed and its end recorded."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import re
import selectors
import shutil
import signal
import subprocess
import termios
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from gittrack.errors import UsageError
from gittrack.formats.record import clean_text
from gittrack.formats.scrub import scrub_text, secret_arguments
from gittrack.recording.endings import Ending
from gittrack.recording.journal import Journal

log = logging.getLogger("gittrack")

TAIL_BYTES = 64 << 10
_KEEP_BYTES = 4 * TAIL_BYTES
_PIPE_BYTES = 1 << 21
"""More than two pipes can hold: what comes after that from a program that is gone is not its own."""
_SAVE_EVERY_S = 2.0
GRACE_S = 5.0
"""Between asking a program that has run too long to end, and making it."""
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
        if os.sep in program and (cwd / program).is_dir():
            raise CommandNotExecutable(f"{program} is a folder, not a program")
        if os.sep in program and (cwd / program).exists():
            raise CommandNotExecutable(f"{program} is not executable: run chmod +x {program}")
        raise CommandNotFound(f"command not found: {program}")


def become(command: Sequence[str], env: Mapping[str, str]) -> NoReturn:
    """Put the program in the place of this process: output, signals and exit status are its own."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # which Python ignores, and a program would go on to
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), env)  # noqa: S606
    except OSError as error:
        raise _cannot_run(command, error) from error


def _cannot_run(command: Sequence[str], error: OSError) -> CommandNotExecutable:
    """A missing interpreter in the first line, a binary of another machine, too long a command line."""
    return CommandNotExecutable(f"cannot run {command[0]}: {(error.strerror or str(error)).lower()}")


class Tail:
    """The end of what a program printed: terminal tricks resolved, secrets gone, at most 64 KiB."""

    def __init__(self) -> None:
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._cut = False
        self._open: dict[int, bytes] = {}

    def add(self, data: bytes, source: int = 1) -> None:
        """Take what came from `source` (1 or 2); lines that are still being written are kept apart by it."""
        lines, newline, partial = (self._open.pop(source, b"") + data).rpartition(b"\n")
        partial = _as_seen(partial)
        if len(partial) > _KEEP_BYTES:
            lines, newline, partial = lines + newline + partial, b"", b""
        self._open[source] = partial
        if not lines and not newline:
            return
        self._chunks.append(_as_seen(lines) + newline)
        self._size += len(self._chunks[-1])
        while self._size - len(self._chunks[0]) >= _KEEP_BYTES:
            self._size -= len(self._chunks.popleft())
            self._cut = True

    def text(self, env: Mapping[str, str]) -> tuple[bytes, bool]:
        """UTF-8 text and whether its front was cut off."""
        raw = b"".join([*self._chunks, *self._open.values()]).decode("utf-8", "replace")
        lines = [line.rstrip("\r") for line in raw.split("\n")]
        tail = clean_text(scrub_text("\n".join(lines), env)).encode()
        if len(tail) <= TAIL_BYTES and not self._cut:
            return tail, False
        tail = tail[-TAIL_BYTES:]
        return tail.partition(b"\n")[2] or tail.decode("utf-8", "ignore").encode(), True


_OVERWRITTEN = re.compile(rb"(?m)^[^\n]*\r(?=[^\r\n])")


def _as_seen(lines: bytes) -> bytes:
    """A progress bar rewrites its line: what stood there last is what a person saw."""
    return _OVERWRITTEN.sub(b"", lines) if b"\r" in lines else lines


class Program:
    """A program that has been started, its stdin ours.

    On a terminal the program sees a terminal; otherwise two pipes, so that stdout and
    stderr stay apart. Signals to us are passed on to it.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, own_group: bool = False) -> None:
        """Start it. CommandNotExecutable where the system cannot.

        With `own_group` all that it starts can be ended with it; it cannot read from a terminal then.
        """
        self.timed_out = False
        self._own_group = own_group
        self._process: subprocess.Popen[bytes] | None = None
        self._secrets = {**env, **secret_arguments(command, env)}
        self._early: list[int] = []
        self._terminal = os.isatty(1) and os.isatty(2)
        self._sources: dict[int, int] = {}
        with contextlib.ExitStack() as stack:
            stack.enter_context(self._forwarding())
            self._process = self._start(command, dict(env), stack)
            self._stack = stack.pop_all()
        for number in self._early:
            self._forward(number)

    def _start(
        self, command: Sequence[str], env: dict[str, str], stack: contextlib.ExitStack
    ) -> subprocess.Popen[bytes]:
        master, slave = _open_terminal(stack) if self._terminal else (0, subprocess.PIPE)
        try:
            process = subprocess.Popen(
                command, env=env, stdout=slave, stderr=slave, process_group=0 if self._own_group else None
            )
        except OSError as error:
            raise _cannot_run(command, error) from error
        finally:
            if self._terminal:
                os.close(slave)
        self._take_ends(process, master, stack)
        return process

    def _take_ends(self, process: subprocess.Popen[bytes], master: int, stack: contextlib.ExitStack) -> None:
        """Know what the program prints by where it comes out: its terminal, or its two pipes."""
        if self._terminal:
            self._sources[master] = 1
        for pipe, target in ((process.stdout, 1), (process.stderr, 2)):
            if pipe is not None:
                stack.enter_context(pipe)
                self._sources[pipe.fileno()] = target

    @property
    def pid(self) -> int:
        """Of the process that was started; those that it starts are below it."""
        return self._running.pid

    def run(self, journal: Journal | None, timeout_s: float | None = None) -> int:
        """Pass its output on until it ends, its tail into `journal`; the return code, a signal negative.

        After `timeout_s` it is asked to end, and a little later made to.
        """
        tail = Tail()
        with self._stack, self._ending_after(timeout_s):
            saved = time.monotonic()
            for target, data in self._read_all():
                _write_all(target, data)
                if journal is not None:
                    tail.add(data, target)
                    if time.monotonic() - saved > _SAVE_EVERY_S:
                        self._save(journal, tail)
                        saved = time.monotonic()
            code = self._running.wait()
        if journal is not None:
            self._save(journal, tail)
        return code

    def _save(self, journal: Journal, tail: Tail) -> None:
        try:
            journal.write_console(*tail.text(self._secrets))
        except OSError as error:
            log.warning("the end of the output could not be kept: %s", error.strerror)

    @property
    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise ValueError("the program has not been started")
        return self._process

    def _read_all(self) -> Iterator[tuple[int, bytes]]:
        """(1 or 2, bytes) as they come, until all ends are closed, or the program is gone and all is read.

        A background process of the program may hold the other end for ever, and write to it.
        """
        after = 0
        with selectors.DefaultSelector() as selector:
            for descriptor, target in self._sources.items():
                selector.register(descriptor, selectors.EVENT_READ, target)
            while selector.get_map() and after < _PIPE_BYTES:
                gone = self._running.poll() is not None
                ready = selector.select(timeout=0.02 if gone else 0.2)
                if gone and not ready:
                    return
                for key, _ in ready:
                    try:
                        data = os.read(key.fd, 1 << 16)
                    except OSError:
                        data = b""  # a terminal whose last user has gone
                    after += len(data) if gone else 0
                    if data:
                        yield key.data, data
                    else:
                        selector.unregister(key.fd)

    # --- signals ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _forwarding(self) -> Iterator[None]:
        """Pass on what is sent to us within the block; afterwards signals do what they did before."""
        before: dict[signal.Signals, Any] = {}
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) != signal.SIG_IGN:  # nohup: stay deaf, as the program does
                before[number] = signal.signal(number, self._forward)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _forward(self, number: int, frame: FrameType | None = None) -> None:
        """Pass a signal on to the program, at once or as soon as it has been started."""
        if self._process is None:
            self._early.append(number)
        elif not self._comes_from_terminal(number):
            self._signal_all(number)

    def _comes_from_terminal(self, number: int) -> bool:
        """Ctrl-C reaches the program from the terminal by itself."""
        return number == signal.SIGINT and (self._terminal or os.isatty(0))

    @contextlib.contextmanager
    def _ending_after(self, timeout_s: float | None) -> Iterator[None]:
        """End it within the block once that time is over."""
        over = threading.Event()
        if timeout_s is not None:
            watch = threading.Thread(
                target=self._end_after, args=(timeout_s, over), name="gittrack-timeout", daemon=True
            )
            watch.start()
        try:
            yield
        finally:
            over.set()

    def _end_after(self, timeout_s: float, over: threading.Event) -> None:
        """Ask it to end after `timeout_s`, and make it end a little later, unless `over` is set by then."""
        for number, patience in ((signal.SIGTERM, timeout_s), (signal.SIGKILL, GRACE_S)):
            if over.wait(patience):
                return
            self.timed_out = True
            self._signal_all(number)

    def _signal_all(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            if self._own_group:
                os.killpg(self._running.pid, number)
            else:
                self._running.send_signal(number)


def judge(code: int) -> Ending:
    """How a program ended that left `code` (negative: by a signal)."""
    number = -code if code < 0 else code - 128 if code - 128 in _KILLED_BY else 0
    if number in _KILLED_BY:
        return Ending("killed", {"type": "signal", "message": signal.Signals(number).name}, "command")
    if code < 0:
        return Ending("failed", {"type": "signal", "message": signal.Signals(-code).name}, "command")
    failure = {"type": "exit", "message": f"exit status {code}"}
    return Ending("failed", failure, "command") if code else Ending("finished", None, "command")


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


def _write_all(target: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return  # whoever read our output has gone, or its disk is full; the training goes on

"""A wrapped command: any program in any language, its output streamed and its end recorded."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import selectors
import shutil
import signal
import termios
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from gittrack.errors import UsageError
from gittrack.formats.scrub import secret_arguments
from gittrack.recording.endings import Ending
from gittrack.recording.journal import Journal
from gittrack.recording.relay import Child, Hold, Relay
from gittrack.recording.tail import Tail
from gittrack.recording.witness import Witness, write_all

log = logging.getLogger("gittrack")

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


class Program:
    """A program that has been started, its stdin ours.

    On a terminal the program sees a terminal; otherwise two pipes, so that stdout and
    stderr stay apart. It gets the signals that it would get without us.
    """

    def __init__(self, command: Sequence[str], env: Mapping[str, str], *, own_group: bool = False) -> None:
        """Start it. CommandNotExecutable where the system cannot.

        With `own_group` all that it starts can be ended with it; it cannot read from a terminal then.
        """
        self.timed_out = False
        self.left_behind = False
        """Whether something that it had started still held its output open when it was gone."""
        self._own_group = own_group
        self._is_written = False
        """Whether somebody may still print what we have not read."""
        self._secrets = {**env, **secret_arguments(command, env)}
        self._terminal: int | None = None
        self._sources: dict[int, int] = {}
        self._stack = contextlib.ExitStack()
        self._hold = Hold()
        try:
            with self._stack, contextlib.ExitStack() as ours:
                self._start(command, dict(env), ours)
                self._stack = self._stack.pop_all()
        except BaseException:
            self._hold.release()
            raise

    def _start(self, command: Sequence[str], env: dict[str, str], ours: contextlib.ExitStack) -> None:
        """`ours` ends as soon as it has started."""
        try:
            ends = self._open_ends(ours)
            witness = Witness(self._sources)
            self._stack.callback(lambda: witness.end(passes_on=self._is_written))
            early = self._hold.taken()
            for number in early:
                witness.takes(number)
            pid = _spawn(command, env, ends, self._hold.before, own_group=self._own_group)
        except OSError as error:
            raise _cannot_run(command, error) from error
        self._is_written = True
        self._child = Child(pid, own_group=self._own_group)
        for number in early:
            self._child.send(number)
        relay = Relay(
            self._child,
            None if self._own_group else witness,
            self._waking(),
            None if self._terminal is None else self._resize,
        )
        self._stack.callback(relay.end)

    def _open_ends(self, ours: contextlib.ExitStack) -> tuple[int, int]:
        """Where the program writes to. What it prints is known by where that comes out."""
        if os.isatty(1) and os.isatty(2):
            self._terminal, slave = _open_terminal()
            self._stack.callback(os.close, self._terminal)
            ours.callback(os.close, slave)
            self._sources[self._terminal] = 1
            self._resize()
            return slave, slave
        (out, out_end), (err, err_end) = os.pipe(), os.pipe()
        for source, end in ((out, out_end), (err, err_end)):
            self._stack.callback(os.close, source)
            ours.callback(os.close, end)
        self._sources = {out: 1, err: 2}
        return out_end, err_end

    def _resize(self) -> None:
        """The program's terminal is as large as ours."""
        if self._terminal is not None:
            with contextlib.suppress(OSError):
                fcntl.ioctl(self._terminal, termios.TIOCSWINSZ, fcntl.ioctl(1, termios.TIOCGWINSZ, b"\0" * 8))

    def _waking(self) -> Callable[[], None]:
        """What makes `_read_all` look at the program at once."""
        self._woken, end = os.pipe()
        self._stack.callback(os.close, self._woken)
        self._stack.callback(os.close, end)
        os.set_blocking(end, False)

        def wake() -> None:
            with contextlib.suppress(BlockingIOError):
                os.write(end, b"!")

        return wake

    @property
    def pid(self) -> int:
        """Of the process that was started; those that it starts are below it."""
        return self._child.pid

    def run(self, journal: Journal, *, console: bool, timeout_s: float | None = None) -> int:
        """Pass its output on until it ends; the return code, a signal negative. With `console` keep the tail.

        After `timeout_s` it is asked to end, and a little later made to. Until `release` we are deaf to
        what warned it, while it is recorded, but not to Ctrl-C.
        """
        tail = Tail() if console else None
        saved = time.monotonic()
        with self._stack, self._ending_after(timeout_s):
            for target, data in self._read_all():
                journal.beat()
                write_all(target, data)
                if tail is not None and data:
                    tail.add(data, target)
                    if time.monotonic() - saved > _SAVE_EVERY_S:
                        self._save(journal, tail)
                        saved = time.monotonic()
        self._hold.loosen()
        if tail is not None:
            self._save(journal, tail)
        return self._child.wait()

    def release(self) -> None:
        """Signals do what they did before."""
        self._hold.release()

    def _save(self, journal: Journal, tail: Tail) -> None:
        try:
            journal.write_console(*tail.text(self._secrets))
        except OSError as error:
            log.warning("the end of the output could not be kept: %s", error.strerror)

    def _read_all(self) -> Iterator[tuple[int, bytes]]:
        """(1 or 2, bytes) as they come, and nothing a few times a second, until it is gone and all is read.

        A background process of the program may hold the other end for ever, and write to it: to us as long
        as the program lives, then to the witness.
        """
        after = 0
        left = set(self._sources)
        with selectors.DefaultSelector() as selector:
            for descriptor in (self._woken, *left):
                selector.register(descriptor, selectors.EVENT_READ)
            while True:
                gone = self._child.poll() is not None
                if gone and (not left or after >= _PIPE_BYTES):
                    self.left_behind = bool(left)
                    return
                ready = selector.select(timeout=0.02 if gone else 0.2)
                if gone and not ready:
                    self.left_behind = bool(left)
                    return
                for key, _ in ready:
                    data = _read(key.fd)
                    if key.fd == self._woken:
                        continue
                    after += len(data) if gone else 0
                    if not data:
                        selector.unregister(key.fd)
                        left.remove(key.fd)
                        self._is_written = bool(left)
                    yield self._sources[key.fd], data
                if not ready:
                    yield 1, b""

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
            self._child.send(number)


def _spawn(
    command: Sequence[str],
    env: Mapping[str, str],
    ends: tuple[int, int],
    mask: Iterable[int],
    *,
    own_group: bool,
) -> int:
    """Start it with the signals as our caller has set them; it keeps the descriptors that it gave to us."""
    program = shutil.which(command[0], path=env.get("PATH", os.defpath)) or command[0]
    group: dict[str, Any] = {"setpgroup": 0} if own_group else {}
    return os.posix_spawn(
        program,
        list(command),
        env,
        file_actions=[(os.POSIX_SPAWN_DUP2, end, target) for target, end in enumerate(ends, 1)],
        setsigmask=mask,
        setsigdef={signal.SIGPIPE, signal.SIGXFSZ},  # Python ignores these two
        **group,
    )


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


def _open_terminal() -> tuple[int, int]:
    """Both ends of a terminal for the program."""
    import pty

    master, slave = pty.openpty()
    with contextlib.suppress(OSError, termios.error):
        attributes = termios.tcgetattr(slave)
        attributes[1] &= ~termios.OPOST  # our own terminal turns \n into \r\n
        termios.tcsetattr(slave, termios.TCSANOW, attributes)
    return master, slave


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 1 << 16)
    except OSError:
        return b""  # a terminal whose last user has gone

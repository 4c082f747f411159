"""Signals to a wrapped program: it gets those, and as often, as without us.

The program is in our process group, as our caller, its terminal and its shell expect. So what is sent to
the group (by a terminal, a shell, a scheduler) has reached it, and what is sent to our process alone
has not. Nothing that comes with a signal tells these apart. A witness does: a process of ours in the same
group that all signals reach and none wakes. What is pending there was sent to all.

Signals stay blocked here while the program runs, so that none ends us, and a thread takes them one by one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable

from gittrack.recording.witness import Witness

GROUP_S = 0.1
"""Within that a signal to the group reaches all of it. One more of its kind in that time is the same."""
_OURS = {
    signal.SIGKILL, signal.SIGSTOP,  # nobody can take them
    signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGSYS, signal.SIGTRAP,  # our faults
}  # fmt: skip
TAKEN = frozenset(signal.valid_signals() - _OURS)
_STILL_HEARD = {
    signal.SIGINT, signal.SIGQUIT, signal.SIGCHLD,
    signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT,
}  # fmt: skip
"""While the end of a run is recorded. A warning or a TERM then has nobody left to warn."""


class Hold:
    """Signals blocked for this thread, and those that it starts, until `release`."""

    def __init__(self) -> None:
        self.before = signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)
        # A caller that ignores it (some daemons) would have the system forget how the program ended.
        self._on_child = signal.getsignal(signal.SIGCHLD)
        if self._on_child == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def taken(self) -> set[int]:
        """Those that have come by now, which do nothing more."""
        numbers: set[int] = set()
        while (
            info := signal.sigtimedwait(TAKEN, 0)
        ) is not None:  # what pends, another thread may take first
            numbers.add(info.si_signo)
        return numbers

    def loosen(self) -> None:
        """The program is gone: what was meant for it is dropped, and Ctrl-C is for us again."""
        self.taken()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _STILL_HEARD - self.before)

    def release(self) -> None:
        """As it was before."""
        if self._on_child == signal.SIG_IGN:
            signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, self.before)


class Child:
    """A process that we have started, which nobody else waits for."""

    def __init__(self, pid: int, *, own_group: bool) -> None:
        self.pid = pid
        self._own_group = own_group
        self._lock = threading.Lock()
        self._code: int | None = None

    def poll(self) -> int | None:
        """Its return code, a signal negative; None while it runs."""
        self._look(0)
        return self._code

    def wait(self) -> int:
        """`poll`, once it has ended."""
        self._look(0, wait=True)
        return self._code or 0

    def stopped_by(self) -> int | None:
        """The signal that has stopped it since we asked last."""
        return self._look(os.WUNTRACED)

    def _look(self, how: int, *, wait: bool = False) -> int | None:
        with self._lock:
            if self._code is not None:
                return None
            pid, status = os.waitpid(self.pid, how | (0 if wait else os.WNOHANG))
            if pid and os.WIFSTOPPED(status):
                return os.WSTOPSIG(status)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
            return None

    def send(self, number: int) -> None:
        """To its process, or its own group; never to another that has its number by now."""
        with self._lock, contextlib.suppress(OSError):  # gone, or of another user
            if self._code is None:
                (os.killpg if self._own_group else os.kill)(self.pid, number)


class Relay:
    """Passes on to a program what is sent to this process alone, and stops and goes on with it."""

    def __init__(
        self,
        child: Child,
        witness: Witness | None,
        on_child: Callable[[], None],
        on_resize: Callable[[], None] | None,
    ) -> None:
        """Without a witness all is passed on: the program is not in our group.

        `on_child` is called when the program has ended or stopped, `on_resize` when our terminal has
        another size.
        """
        self._child = child
        self._witness = witness
        self._on_child = on_child
        self._on_resize = on_resize
        self._sent_to_all: dict[int, float] = {}
        self._over = False
        self._thread = threading.Thread(target=self._take, name="gittrack-signals", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """No longer; what has come by now has been passed on."""
        self._over = True
        while self._thread.is_alive():  # a sign may come just before it waits, where it does not block it yet
            if self._thread.ident is not None:
                signal.pthread_kill(self._thread.ident, signal.SIGCHLD)
            self._thread.join(0.05)

    def _take(self) -> None:
        while True:
            number = int(signal.sigwait(TAKEN))
            if number != signal.SIGCHLD:
                self._pass(number)
            elif self._over:
                return
            else:
                self._on_child()
                self._stop_with(self._child.stopped_by())

    def _pass(self, number: int) -> None:
        if number == signal.SIGWINCH and self._on_resize is not None:
            # Sent to all, it has reached the program before the size of its own terminal was set.
            self._on_resize()
            self._is_sent_to_all(number)
            self._child.send(number)
        elif not self._is_sent_to_all(number):
            self._child.send(number)

    def _is_sent_to_all(self, number: int) -> bool:
        """Whether the program got that signal by itself."""
        if self._witness is None:
            return False
        until = time.monotonic() + GROUP_S
        while True:
            now = time.monotonic()
            if self._witness.takes(number):
                self._sent_to_all[number] = now
                return True
            if now - self._sent_to_all.get(number, -GROUP_S) < GROUP_S:
                return True  # timeout(1) sends to its child and to its group: one request
            if now >= until:
                return False
            time.sleep(0.002)

    def _stop_with(self, number: int | None) -> None:
        """Stop as the program has, for a shell to see; whoever lets us go on may let go on it alone.

        No shell looks after one with a group of its own, which is ended when its time is over.
        """
        if number is None or self._witness is None or signal.SIGCONT in signal.sigpending():
            return
        self._witness.watch(self._child.pid)
        os.kill(os.getpid(), number)  # one with that of a terminal, where that still waits here
        with contextlib.suppress(ValueError):  # SIGSTOP cannot be blocked
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
        signal.pthread_sigmask(signal.SIG_BLOCK, TAKEN)


def die_of(number: int) -> None:
    """End this process by a signal, as the program did. Returns where the system does not let it."""
    import resource

    with contextlib.suppress(OSError, ValueError):  # SIGKILL has no handler; the core is not of the program
        resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {number})
    os.kill(os.getpid(), number)

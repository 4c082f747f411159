"""A second process of `gittrack run`: it knows which signals were sent to all, and outlives the first.

It blocks every signal, so that those that were sent to the whole group wait there until they are asked for.
When the first process is gone, killed or at its end, it passes on what is still printed: a training, or
a server that it has left in the background, would end by writing into a pipe without a reader.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import os
import select
import signal
import struct
import time
from collections.abc import Mapping
from pathlib import Path

_QUESTION = struct.Struct("ii")
"""A signal and 0; or 0 and the process to watch."""
_WATCH_S = 0.25
_ANSWER_S = 1.0


class Witness:
    """The second process, as the first one sees it. Made while all signals are blocked."""

    def __init__(self, sources: Mapping[int, int]) -> None:
        """`sources`: ends of the program's output, and where it goes."""
        asked, self._ask = os.pipe()
        self._hear, answer = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                _live(asked, answer, sources)
            finally:
                os._exit(0)
        os.close(asked)
        os.close(answer)

    def takes(self, number: int) -> bool:
        """Whether that signal waits there, or it has sent that itself; it does no longer then."""
        try:
            os.write(self._ask, _QUESTION.pack(number, 0))
            if not select.select([self._hear], [], [], _ANSWER_S)[0]:
                return self._wake(number)
            return os.read(self._hear, 1) == b"y"
        except OSError:
            return False  # killed

    def _wake(self, number: int) -> bool:
        """Its answer, where the whole group was stopped and we alone were let go on."""
        os.kill(self._pid, signal.SIGCONT)
        is_here = os.read(self._hear, 1) == b"y"
        if number == signal.SIGCONT:
            return False  # it is from us
        os.write(self._ask, _QUESTION.pack(signal.SIGCONT, 0))
        os.read(self._hear, 1)
        return is_here

    def watch(self, pid: int) -> None:
        """Until the next question, have this process go on when the process `pid` does."""
        with contextlib.suppress(OSError):
            os.write(self._ask, _QUESTION.pack(0, pid))

    def end(self, *, passes_on: bool) -> None:
        """Let it go; with `passes_on` what is still printed has somebody who reads it, as long as it comes.

        Nobody else may read it from then on.
        """
        # One that was stopped with its group would not see that we have gone.
        os.kill(self._pid, signal.SIGCONT if passes_on else signal.SIGKILL)
        os.close(self._ask)
        os.close(self._hear)
        os.waitpid(self._pid, 0)


def _live(asked: int, answer: int, sources: Mapping[int, int]) -> None:
    gc.disable()  # it would copy what both processes share
    _keep({1, 2, asked, answer, *sources})
    first = os.getppid()
    watched = 0
    has_woken = False
    while True:
        if watched and not select.select([asked], [], [], _WATCH_S)[0]:
            if not _is_stopped(watched) and os.getppid() == first:
                watched, has_woken = 0, True
                os.kill(first, signal.SIGCONT)
            continue
        message = os.read(asked, _QUESTION.size)
        if len(message) < _QUESTION.size:
            break
        number, watched = _QUESTION.unpack(message)
        if number:
            is_here = number in signal.sigpending()
            if is_here:
                signal.sigwait({number})
            elif number == signal.SIGCONT:
                is_here, has_woken = has_woken, False
            with contextlib.suppress(BrokenPipeError):
                os.write(answer, b"y" if is_here else b"n")
    if os.fork() == 0:  # whoever waits for us, and lives on, is not kept waiting
        pass_on(sources)


def _keep(descriptors: set[int]) -> None:
    """Close all others: an end of a pipe that is held here is never at its end for anybody else."""
    for low, high in itertools.pairwise([-1, *sorted(descriptors), os.sysconf("SC_OPEN_MAX")]):
        os.closerange(low + 1, high)


def _is_stopped(pid: int) -> bool:
    """Whether a process is stopped; True as well where that cannot be seen."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except FileNotFoundError:
        return not Path("/proc/self/stat").exists()
    except OSError:
        return True


def pass_on(sources: Mapping[int, int]) -> None:
    """What comes from each source to its target, until all are closed."""
    left = dict(sources)
    while left:
        for source in select.select([*left], [], [])[0]:
            try:
                data = os.read(source, 1 << 16)
            except OSError:
                data = b""  # a terminal whose last user has gone
            if data:
                write_all(left[source], data)
            else:
                del left[source]


def write_all(target: int, data: bytes) -> None:
    """All of it, or nothing more where nobody takes it."""
    while data:
        try:
            data = data[os.write(target, data) :]
        except BlockingIOError:
            time.sleep(0.01)
        except OSError:
            return  # whoever read our output has gone, or its disk is full; the training goes on

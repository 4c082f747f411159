"""One thing after the other in a thread, though a signal handler comes in between and wants the next.

A handler runs in the middle of whatever its thread does. Where that holds a lock, waiting for it would never
end, and a lock that lets its holder in again would show it a state that is half changed.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from threading import get_ident
from types import FrameType
from typing import TypeVar

from gittrack.recording.frames import frames_of

log = logging.getLogger("gittrack")

Result = TypeVar("Result")


class Turns:
    """What each thread is in the middle of, kept by single operations that no handler comes between."""

    def __init__(self) -> None:
        self._busy: set[int] = set()
        self._waiting: dict[int, deque[Callable[[], object]]] = {}

    def take(self, work: Callable[[], Result]) -> Result | None:
        """Do `work`, or have what it interrupts do it as soon as that is done; None then."""
        thread = get_ident()
        if thread in self._busy:
            self._waiting.setdefault(thread, deque()).append(work)
            return None
        try:
            self._busy.add(thread)
            return work()
        finally:
            try:
                self._do_waiting(thread)
            finally:
                self._busy.discard(thread)
                if self._waiting.get(thread):  # it came when nothing was waiting any more
                    self.take(_nothing)

    def share(self, work: Callable[[], Result]) -> Result:
        """Do `work` at once, also in the middle of something; what interrupts it waits as for `take`."""
        if get_ident() in self._busy:
            return work()
        result: list[Result] = []
        self.take(lambda: result.append(work()))
        return result[0]

    def is_busy(self) -> bool:
        """Whether this thread is in the middle of something."""
        return get_ident() in self._busy

    def _do_waiting(self, thread: int) -> None:
        while waiting := self._waiting.get(thread):
            try:
                waiting.popleft()()
            except Exception as error:  # nobody is there any more who could take it
                say("in a signal handler: %s", error)


def _nothing() -> None:
    return None


def say(message: str, *parts: object, exc_info: BaseException | None = None) -> None:
    """A warning; none where a handler interrupts the writing of another, which cannot be entered again."""
    with suppress(RuntimeError):
        log.warning(message, *parts, exc_info=exc_info)


def thrown_in(error: BaseException) -> BaseException | None:
    """The error of a signal handler that came between two instructions: it is the program's, not ours.

    Such an error may be the cause of ours, where ours stands for whatever went wrong.
    """
    chain: BaseException | None = error
    while chain is not None:
        if any(_is_handler(frame) for frame in frames_of(chain.__traceback__)):
            return chain
        chain = chain.__cause__ or chain.__context__
    return None


def _is_handler(frame: FrameType) -> bool:
    """Whether it was called as handlers are: with the number of a signal and a frame."""
    code, values = frame.f_code, frame.f_locals
    given = [values.get(name) for name in code.co_varnames[: code.co_argcount + 1]]
    flat = [item for value in given for item in (value if isinstance(value, tuple) else (value,))]
    return any(isinstance(first, int) and isinstance(second, FrameType) for first, second in pairwise(flat))

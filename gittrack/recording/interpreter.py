"""How this Python ends, as far as it can be observed, for runs that nobody has ended.

What runs at the exit of a process is not told the exit status. What can be seen: whether the outermost
frame of a thread returned or was left by an error, the error that was printed last (`sys.last_value`),
which call of `sys.exit` went all the way up, and what cells of a notebook raised.
"""

from __future__ import annotations

import builtins
import sys
import threading
from collections.abc import Callable
from functools import wraps
from types import FrameType
from typing import Any

from gittrack.recording.endings import UNSEEN, Ending, Terminated, judge, unknown
from gittrack.recording.frames import (
    callers,
    frames_of,
    goes_on,
    has_returned,
    innermost,
    outermost,
    runs,
    was_left_at,
)

_leaving: Departure | None = None
_thread_errors: dict[int, BaseException | None] = {}
"""What ended each thread that has begun a run."""
_restore: list[Callable[[], None]] = []


class Departure:
    """A `SystemExit` on its way up, from the frame that it was raised in."""

    def __init__(self, error: SystemExit, frame: FrameType | None) -> None:
        self.error = error
        self._frames = [(caller, caller.f_lasti) for caller in callers(frame)]

    @property
    def went_out(self) -> bool:
        """Whether it has left all of its frames: none caught it and went on."""
        top = self._frames[-1][0] if self._frames else None
        if top is None or runs(top):
            return False
        if isinstance(self.error, Terminated) and not has_returned(top):
            return True  # a signal comes between two instructions
        return all(was_left_at(frame, at) for frame, at in self._frames)


class Scope:
    """Where a run was begun: the thread, the session and the process whose ends can end it."""

    def __init__(self) -> None:
        main = threading.main_thread().ident
        self._thread = threading.get_ident()
        self._main = outermost(innermost().get(main or 0))
        self._own = None
        if self._thread != main:
            self._own = outermost(sys._getframe())
            _thread_errors[self._thread] = None
        self._printed = _last_printed()
        self._cell_error: Ending | None = None
        self._cell_raised = False

    def note_cell(self, error: BaseException | None) -> None:
        """A cell of a notebook has ended, with `error` or well."""
        self._cell_raised = error is not None
        if error is not None:
            self._cell_error = judge(error, "process")

    def ending(self) -> Ending:
        """How the thread, the process and the session ended: the first of them that did not end well."""
        in_flight = sys.exception()  # a child of multiprocessing ends its runs while its error goes up
        if in_flight is not None:
            return judge(in_flight, "process")
        well = judge(None, "process")
        for ending in (self._thread_ending, self._process_ending, self._session_ending):
            if (found := ending()) is not None and found.status != "finished":
                return found
        return well

    def _thread_ending(self) -> Ending | None:
        if self._own is None or has_returned(self._own):
            return None
        if runs(self._own):
            return unknown("thread", "the process ended while the thread that had begun the run was running")
        error = _thread_errors.get(self._thread)
        if error is not None and any(frame is self._own for frame in frames_of(error.__traceback__)):
            return judge(error, "process")
        return unknown("thread", "the thread that had begun the run ended with an error that was not seen")

    def _process_ending(self) -> Ending | None:
        if _leaving is not None and _leaving.went_out:
            return judge(_leaving.error, "process")
        if self._main is None or has_returned(self._main) or runs(self._main):
            return None
        printed = _last_printed()
        if printed is not None and next(frames_of(printed.__traceback__), None) is self._main:
            return judge(printed, "process")
        return unknown(UNSEEN, "the process was left by SystemExit with a status that could not be seen")

    def _session_ending(self) -> Ending | None:
        """What was raised in a notebook or at a prompt, which go on after an error."""
        if self._cell_raised:
            return self._cell_error
        printed = _last_printed()
        error = self._cell_error
        if error is None and printed is not None and printed is not self._printed:
            error = judge(printed)
        if error is None or error.failure is None:
            return None
        kind, message = error.failure["type"], error.failure["message"]
        return unknown(kind, f"raised in an interactive session that went on: {message}")


def error_going_on() -> BaseException | None:
    """The error that is on its way out while a ``finally`` or a ``with`` of the program ends the run."""
    error = sys.exception()
    return error if error is not None and goes_on(error) else None


def observe() -> None:
    """Take note of calls of `sys.exit`, and of threads that die, until `unobserve`."""
    if _restore:
        return
    from _sitebuiltins import Quitter

    _wrap(sys, "exit")
    if isinstance(getattr(builtins, "exit", None), Quitter):
        _wrap(Quitter, "__call__")
    previous = threading.excepthook

    def note_death(arguments: Any) -> None:
        if threading.get_ident() in _thread_errors:
            _thread_errors[threading.get_ident()] = arguments.exc_value
        previous(arguments)

    threading.excepthook = note_death
    _restore.append(lambda: _put_back(threading, "excepthook", note_death, previous))


def unobserve() -> None:
    """Leave the interpreter as it was, and let go of the errors that were noted."""
    global _leaving
    while _restore:
        _restore.pop()()
    _leaving = None
    _thread_errors.clear()


def note_leaving(error: SystemExit, frame: FrameType | None) -> None:
    """`error` is raised now, in `frame`, and may end the process."""
    global _leaving
    _leaving = Departure(error, frame)


def _wrap(owner: Any, name: str) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def leave(*arguments: Any, **named: Any) -> Any:
        try:
            return original(*arguments, **named)
        except SystemExit as error:
            note_leaving(error, sys._getframe(1))
            raise

    setattr(owner, name, leave)
    _restore.append(lambda: _put_back(owner, name, leave, original))


def _put_back(owner: Any, name: str, ours: Any, original: Any) -> None:
    if getattr(owner, name) is ours:  # else somebody else has wrapped it since
        setattr(owner, name, original)


def _last_printed() -> BaseException | None:
    """The error that the interpreter or a prompt printed last, whatever hook it used."""
    error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
    return error if isinstance(error, BaseException) else None

"""How a run ends when nobody calls `finish`: signals, the end of the process, forks."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable
from types import FrameType
from typing import Any, Protocol

from gittrack.errors import GittrackError
from gittrack.recording.endings import Ending, Terminated, judge
from gittrack.recording.interpreter import Scope, note_leaving, observe, unobserve
from gittrack.recording.notebook import follow_cells


class OpenRun(Protocol):
    """What the end of a process needs of a run that nobody has ended."""

    _joined: bool

    @property
    def id(self) -> str: ...

    def _end(self, ending: Ending) -> Any: ...

    def _detach(self) -> None: ...

    def _note_cell(self) -> None: ...


log = logging.getLogger("gittrack")

_watched: weakref.WeakKeyDictionary[OpenRun, Scope] = weakref.WeakKeyDictionary()
_installed = False
_is_over = False
_pid = 0
"""The process that has watched a run last: not its forks."""
_lock = threading.RLock()


def watch(run: OpenRun, begin_cell: Callable[[], None]) -> None:
    """End `run` with the process if nobody else does, and as killed on SIGTERM.

    `begin_cell` is called before each further cell of a notebook.
    """
    global _installed, _pid
    _pid = os.getpid()
    if not _installed:
        _installed = True
        atexit.register(_end_all)
        os.register_at_fork(after_in_child=_detach_all)
    with _lock:
        observe()
        _watched[run] = Scope()
    follow_cells(_note_cell, begin_cell)
    _end_with_child()
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _terminate)


def has_watched() -> bool:
    """Whether this process has begun a run before."""
    return _installed


def is_over() -> bool:
    """Whether this process ends, and with it all that it had begun: nobody would end what begins now."""
    return _is_over


def observed(run: OpenRun) -> Ending:
    """How an open run ended, as far as that can be seen now."""
    scope = _watched.get(run)
    return scope.ending() if scope is not None else judge(None, "process")


def forget(run: OpenRun) -> None:
    """The run has ended."""
    with _lock:
        _watched.pop(run, None)
        if _watched:
            return
        unobserve()
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is _terminate
    ):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _end_with_child() -> None:
    """A child of multiprocessing leaves by `os._exit`, without what is registered with atexit."""
    multiprocessing = sys.modules.get("multiprocessing.process")
    if multiprocessing is not None and multiprocessing.parent_process() is not None:
        from multiprocessing.util import Finalize

        Finalize(None, _end_all, exitpriority=100)


def _note_cell(error: BaseException | None) -> None:
    for run, scope in list(_watched.items()):
        scope.note_cell(error)
        run._note_cell()


def _terminate(number: int, frame: FrameType | None) -> None:
    if os.getpid() != _pid:  # a fork that is ended before it could let go of its parent's runs
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
    error = Terminated()
    note_leaving(error, frame)  # for a run without a with block, which only the process's end closes
    raise error


def _end_all() -> None:
    global _is_over
    _is_over = True
    for run, scope in list(_watched.items()):
        ending = scope.ending()
        is_open = ending.status == "unknown" and not run._joined  # of a joined one the exit status is to come
        if is_open and ending.failure is not None:
            log.warning(
                "run %s: whether it succeeded is not known (%s): end it with run.finish(), or use "
                "with gittrack.start_run()", run.id, ending.failure["message"],
            )  # fmt: skip
        try:
            run._end(ending)
        except GittrackError as error:
            log.error("%s", error)
        except Exception:
            log.exception("run %s could not be finished", run.id)


def _detach_all() -> None:
    global _lock
    _lock = threading.RLock()  # another thread of the parent may have held it
    for run in list(_watched):
        run._detach()
    _watched.clear()
    unobserve()
    if _installed and signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

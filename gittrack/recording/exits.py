"""How a run ends when nobody calls `finish`: exceptions, signals, the end of the process, forks."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
import threading
import weakref
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, Protocol, get_args

from gittrack.errors import GittrackError, UsageError
from gittrack.formats.record import Status, clean_text


class OpenRun(Protocol):
    """What the end of a process needs of a run that nobody has ended."""

    @property
    def id(self) -> str: ...

    def finish(self, status: Status = ..., *, failure: Mapping[str, str] | None = ...) -> Any: ...

    def _detach(self) -> None: ...


log = logging.getLogger("gittrack")

_watched: weakref.WeakSet[OpenRun] = weakref.WeakSet()
_uncaught: list[BaseException] = []
_previous_hook = sys.excepthook
_installed = False
MAX_MESSAGE = 2000


class Terminated(SystemExit):
    """SIGTERM as an exception that unwinds ``with`` blocks; the process exits with 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def judge(error: BaseException | None) -> tuple[Status, dict[str, str] | None]:
    """Status and failure of a run whose block was left by `error`."""
    if error is None:
        return "finished", None
    if isinstance(error, KeyboardInterrupt):
        return "killed", {"type": "signal", "message": "SIGINT"}
    if isinstance(error, Terminated):
        return "killed", {"type": "signal", "message": "SIGTERM"}
    if isinstance(error, SystemExit):
        if error.code in (None, 0):
            return "finished", None
        return "failed", {"type": "exit", "message": _message(str(error.code))}
    kind = type(error)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return "failed", {"type": clean_text(named)[:250], "message": _message(str(error))}


def ending(status: Status, failure: Mapping[str, str] | None) -> tuple[Status, dict[str, str] | None]:
    """Status and failure as somebody states them; UsageError for what a record cannot say."""
    if status not in get_args(Status):
        raise UsageError(f"a run's status is one of {', '.join(get_args(Status))}, not {status!r}")
    if failure is None:
        return status, None if status != "failed" else {"type": "stated", "message": "ended as failed"}
    if failure.keys() != {"type", "message"}:
        raise UsageError(f"a failure has a type and a message, not {', '.join(map(str, failure))}")
    return status, {"type": clean_text(str(failure["type"]))[:250], "message": _message(failure["message"])}


def _message(text: str) -> str:
    from gittrack.formats.scrub import scrub_text, secret_arguments

    known = {**os.environ, **secret_arguments(sys.orig_argv, os.environ)}
    return clean_text(scrub_text(str(text), known))[:MAX_MESSAGE]


def watch(run: OpenRun) -> None:
    """End `run` with the process if nobody else does, and as killed on SIGTERM."""
    global _installed, _previous_hook
    _watched.add(run)
    if not _installed:
        _installed = True
        _previous_hook, sys.excepthook = sys.excepthook, _note_uncaught
        atexit.register(_end_all)
        os.register_at_fork(after_in_child=_detach_all)
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    ):
        signal.signal(signal.SIGTERM, _terminate)


def forget(run: OpenRun) -> None:
    """The run has ended."""
    _watched.discard(run)
    if (
        not _watched
        and threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is _terminate
    ):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    error = Terminated()
    _uncaught.append(error)  # for a run without a with block, which only the process's end closes
    raise error


def _note_uncaught(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if not hasattr(sys, "ps1"):  # at a prompt, an error ends a line and not the process
        _uncaught.append(error)
    _previous_hook(kind, error, trace)


def _end_all() -> None:
    status, failure = judge(_uncaught[-1] if _uncaught else None)
    for run in list(_watched):
        try:
            run.finish(status, failure=failure)
        except GittrackError as error:
            log.error("%s", error)
        except Exception:
            log.exception("run %s could not be finished", run.id)


def _detach_all() -> None:
    for run in list(_watched):
        run._detach()
    _watched.clear()
    if _installed and signal.getsignal(signal.SIGTERM) is _terminate:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

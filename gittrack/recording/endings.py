"""How a run ended: status and failure, by the error that ended it or by what somebody states."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import cast, get_args

from gittrack.errors import UsageError
from gittrack.formats.record import EndedBy, Status, clean_text

MAX_MESSAGE = 2000
UNSEEN = "SystemExit"
"""Type of failure where the process was left by `SystemExit` and its status could not be seen."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended, why it did not finish, and who says so."""

    status: Status
    failure: dict[str, str] | None = None
    ended_by: EndedBy | None = "program"


_UNSAID = "the process ended without finishing the run; its duration is that up to its last sign of life"
LOST = Ending("killed", {"type": "lost", "message": _UNSAID}, "recovery")
"""Of a run, or an attempt, whose process is gone without a word."""


def preempted(ending: Ending) -> Ending:
    """The ending of a run whose program was told that it has to go: killed, however it went."""
    failure = ending.failure if ending.status in ("killed", "failed") else None
    told = {"type": "preemption", "message": "the program was told that it has to go"}
    return Ending("killed", failure or told, "preemption")


class Terminated(SystemExit):
    """SIGTERM as an exception that unwinds ``with`` blocks; the process exits with 143."""

    def __init__(self) -> None:
        super().__init__(128 + signal.SIGTERM)


def judge(error: BaseException | None, ended_by: EndedBy = "program") -> Ending:
    """The ending of a run whose block, or process, was left by `error`."""
    if error is None:
        return Ending("finished", None, ended_by)
    if isinstance(error, KeyboardInterrupt):
        return Ending("killed", {"type": "signal", "message": "SIGINT"}, ended_by)
    if isinstance(error, Terminated):
        return Ending("killed", {"type": "signal", "message": "SIGTERM"}, ended_by)
    if isinstance(error, GeneratorExit):
        message = "the generator that the run was begun in was closed before its end"
        return Ending("unknown", {"type": "GeneratorExit", "message": message}, ended_by)
    kind = type(error)
    if (kind.__module__, kind.__name__) == ("asyncio.exceptions", "CancelledError"):
        told = "the task was cancelled, by Ctrl-C or by the program"
        return Ending("killed", {"type": "cancelled", "message": _words_of(error) or told}, ended_by)
    if isinstance(error, SystemExit) or (kind.__module__, kind.__name__) == ("click.exceptions", "Exit"):
        code = error.code if isinstance(error, SystemExit) else getattr(error, "exit_code", 1)
        if code is None or code == 0:
            return Ending("finished", None, ended_by)
        code = int(code) if isinstance(code, bool) else code
        return Ending("failed", {"type": "exit", "message": scrubbed(str(code))}, ended_by)
    named = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return Ending("failed", {"type": clean_text(named)[:250], "message": _words_of(error)}, ended_by)


_MLFLOW = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


def stated(status: Status, failure: Mapping[str, str] | None) -> Ending:
    """The ending as somebody states it, MLflow's words too; UsageError for what a record cannot say."""
    status = cast(Status, _MLFLOW.get(status, status))
    if status not in get_args(Status):
        raise UsageError(f"a run's status is one of {', '.join(get_args(Status))}, not {status!r}")
    if failure is None:
        return Ending(
            status, None if status != "failed" else {"type": "stated", "message": "ended as failed"}
        )
    if failure.keys() != {"type", "message"}:
        raise UsageError(f"a failure has a type and a message, not {', '.join(map(str, failure))}")
    kind = clean_text(str(failure["type"]))[:250]
    return Ending(status, {"type": kind, "message": scrubbed(failure["message"])})


def not_stated(misuse: UsageError) -> Ending:
    """The ending of a run of which somebody stated what a record cannot say."""
    return Ending("unknown", {"type": "stated", "message": scrubbed(str(misuse))})


def unknown(kind: str, message: str) -> Ending:
    """The ending of a run of which nobody can say whether it succeeded, and why that is so."""
    return Ending("unknown", {"type": kind, "message": message[:MAX_MESSAGE]}, "process")


def merged(first: Ending, command: Ending) -> Ending:
    """The ending of a run within `gittrack run`: what the program said, then the exit status of the command.

    The program knows best why it failed; where it did not end its run, the exit status says how it ended.
    """
    if command.failure is not None and command.failure["type"] == "timeout" and first.status == "killed":
        return command
    if first.ended_by in ("program", "preemption"):
        return command if first.status == "finished" else first
    if first.status == "finished" or (first.failure is not None and first.failure["type"] == UNSEEN):
        return command
    if command.status == "finished":
        return first  # a thread that died, a cell that raised: the exit status does not show it
    return replace(command, failure=first.failure) if first.status == command.status else command


def scrubbed(text: str) -> str:
    """`text` as a record can hold it: without credentials, at most 2,000 characters."""
    from gittrack.formats.scrub import scrub_text, secret_arguments

    known = {**os.environ, **secret_arguments(sys.orig_argv, os.environ)}
    return clean_text(scrub_text(str(text), known))[:MAX_MESSAGE]


def _words_of(error: BaseException) -> str:
    try:
        return scrubbed(str(error))
    except Exception as bug:  # of an exception's own __str__
        return f"(its message cannot be had: {type(bug).__name__})"

"""A verb: what it cannot record ends no training. It is said once, counted, and the training goes on.

Whoever wants errors asks for them: ``start_run(on_error="raise")``, or GITTRACK_ON_ERROR.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import wraps
from inspect import signature
from itertools import count
from typing import Any, Literal, ParamSpec, Protocol, TypeVar, cast, get_args

from gittrack.errors import GittrackError, UsageError
from gittrack.recording.journal import Journal
from gittrack.recording.turns import Turns, say, thrown_in

OnError = Literal["warn", "raise"]
VARIABLE = "GITTRACK_ON_ERROR"

turns = Turns()
"""Of all runs of this process: two at once in one thread would wait for each other's locks on files."""

MOST = 200
"""Things that are named and counted one by one."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
Part = Callable[[Any, dict[str, Any]], object]


class Recorder(Protocol):
    """What a verb needs of its run."""

    _journal: Journal | None
    _ended: bool

    @property
    def _losses(self) -> Losses: ...


def choose(on_error: str | None) -> OnError:
    """What to do about what cannot be recorded: as given, else by the environment, else to warn."""
    chosen, by = (on_error, "on_error") if on_error is not None else (os.environ.get(VARIABLE), VARIABLE)
    if chosen and chosen not in get_args(OnError):
        raise UsageError(f"{by} is one of {', '.join(get_args(OnError))}, not {chosen!r}")
    return cast(OnError, chosen or "warn")


class Losses:
    """What a run was given and does not record."""

    def __init__(self) -> None:
        self.on_error: OnError = "warn"
        self._counts: dict[str, tuple[str, count[int]]] = {}

    def take(self, run: Recorder, what: str | None, error: Exception) -> None:
        """Raise it or, the first time, say it; `what` is not recorded, None where nothing is missing."""
        thrown = thrown_in(error)
        if thrown is not None:
            raise thrown
        if self.on_error == "raise":
            raise error
        why = str(error) if isinstance(error, GittrackError) else f"{type(error).__name__}: {error}"
        journal = run._journal
        is_over = what is None or journal is None or run._ended
        name = why if what is None or is_over else what
        if name not in self._counts and len(self._counts) >= MOST:
            name, why = "more", "the first reasons are said of others"
        _, times = known = self._counts.setdefault(name, (why, count(1)))
        if next(times) > 1:
            return
        if is_over or journal is None:
            is_bug = what is None and not isinstance(error, (GittrackError, OSError))
            say("%s", why, exc_info=error if is_bug else None)
            self._counts[name] = ("", known[1])  # the record, which is closed, has no place for it
        else:
            journal.not_recorded(name, why)

    def note_counts(self, run: Recorder) -> None:
        """Say in the record how often each was, where that was more than once."""
        for what, (why, times) in self._counts.items():
            often = next(times) - 1
            if often > 1 and why and run._journal is not None:
                run._journal.not_recorded(what, why, often)


def verb(
    what: str | None, *, part: Part | None = None, subject: str | None = None, at_once: bool = False
) -> Callable[[Callable[Parameters, Result]], Callable[Parameters, Result]]:
    """Make a method of `Run` a verb. It returns None where something went wrong.

    Args:
        what: what is not recorded then, its name apart; None where nothing is missing in the record.
        part: checks one entry of the mapping that the verb takes, so that the others are recorded.
        subject: the parameter with the name; the first one where none is given.
        at_once: the method touches nothing but the journal, and may come in the middle of another.
    """

    def decorate(method: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        @wraps(method)
        def call(*given: Parameters.args, **named: Parameters.kwargs) -> Result:
            def attempt() -> Any:
                try:
                    return method(*given, **named)
                except Exception as error:
                    return _instead(cast(Callable[..., Any], method), given, named, error)

            return cast(Result, turns.share(attempt) if at_once else turns.take(attempt))

        return call

    def _instead(
        method: Callable[..., Any], given: tuple[Any, ...], named: dict[str, Any], error: Exception
    ) -> None:
        run = cast(Recorder, given[0])
        content = next(iter([*given[1:], *named.values()]), None)
        if part is None or run._losses.on_error == "raise" or not isinstance(content, Mapping):
            run._losses.take(run, what and _named(what, method, subject, given, named), error)
            return
        good: dict[Any, Any] = {}
        for name, value in content.items():
            try:
                part(run, {name: value})
                good[name] = value
            except Exception as reason:
                run._losses.take(run, f"{what} {name}", reason)
        if len(good) == len(content):
            run._losses.take(run, f"{what} {', '.join(map(str, content))}", error)
        elif good:
            try:
                _ = method(run, good, *given[2:], **_others(named, content))
            except Exception as reason:
                run._losses.take(run, f"{what} {', '.join(map(str, good))}", reason)

    return decorate


def _others(named: Mapping[str, Any], content: Any) -> dict[str, Any]:
    return {name: value for name, value in named.items() if value is not content}


def _named(
    what: str,
    method: Callable[..., Any],
    subject: str | None,
    given: tuple[Any, ...],
    named: Mapping[str, Any],
) -> str:
    """`what` with the name that the call gives it, where it gives one."""
    try:
        arguments = signature(method).bind(*given, **named).arguments
        name = arguments[subject or [*arguments][1]]
        return f"{what} {name}" if isinstance(name, (str, os.PathLike)) and str(name) else what
    except (TypeError, LookupError):
        return what

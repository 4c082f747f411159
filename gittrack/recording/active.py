"""Which of the open runs the verbs of the module mean: that of this thread or task, else the only one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Generic, Protocol, TypeVar

from gittrack.errors import UsageError


class Ambiguous(UsageError):
    """Runs are open, and whether one of them is meant, and which, nobody can know."""


class OpenRun(Protocol):
    id: str
    parent: str | None

    @property
    def active(self) -> bool: ...


R = TypeVar("R", bound=OpenRun)


class OpenRuns(Generic[R]):
    """The runs of this process that have begun and not ended.

    A thread has those that it has begun, a task of asyncio also those of whoever has made it. Threads that
    have begun none, such as those of a library, are taken for helpers of the only run that is open.
    """

    def __init__(self) -> None:
        self._runs: list[R] = []
        self._threads: dict[int, int] = {}
        """By `id` of a run, the thread that began it."""
        self._own: ContextVar[tuple[R, ...]] = ContextVar("gittrack_runs", default=())
        """Those begun in this context; one that has ended tells it from a context that never had any."""

    def __iter__(self) -> Iterator[R]:
        return iter(list(self._runs))

    def enter(self, run: R) -> None:
        """`run` has begun, here."""
        own = tuple(outer for outer in self._own.get() if outer in self._runs)
        self._threads[id(run)] = threading.get_ident()
        self._runs.append(run)
        self._own.set((*own, run))

    def leave(self, run: R) -> None:
        """`run` has ended, wherever that was said."""
        if run in self._runs:
            self._runs.remove(run)
            self._threads.pop(id(run), None)

    def current(self) -> R | None:
        """The run that is meant here; None where none is open. `Ambiguous` where it may be another's."""
        own = self._own.get()
        for run in reversed(own):
            if run in self._runs:
                return run
        runs = list(self._runs)
        live = [run for run in runs if run.active]
        if not live:  # of another rank, or of the parent of a fork: it does not matter which
            return runs[-1] if runs else None
        if len(live) == 1 and not own:
            return live[0]
        raise Ambiguous(
            "a run is open, but none was begun in this thread or task: call the methods of the run that is "
            "meant, or begin one here with gittrack.start_run()"
        )

    def own(self) -> R | None:
        """The run that this thread itself has begun last, of those that are meant here."""
        here = threading.get_ident()
        return next((run for run in reversed(self._own.get()) if self._threads.get(id(run)) == here), None)

    def outermost(self) -> R | None:
        """The run that all others are part of, as is what begins within it; None where there is none such."""
        runs = list(self._runs)
        ids = {run.id for run in runs}
        roots = [run for run in runs if run.parent not in ids]
        return roots[0] if len(roots) == 1 else None

    def adopt(self) -> None:
        """Take what this thread has begun for this context's own: cells of a notebook have one each."""
        here = threading.get_ident()
        self._own.set(tuple(run for run in list(self._runs) if self._threads.get(id(run)) == here))

"""Cells of a notebook (IPython): what each raised, for runs that are open while the session goes on."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable
from typing import Any

_followed: weakref.WeakSet[Any] = weakref.WeakSet()


def follow_cells(note: Callable[[BaseException | None], None], begin: Callable[[], None]) -> None:
    """Have `note` called after each cell from this one on, with what it raised; once in each session.

    `begin` is called before each cell after this one, in the context of that cell.
    """
    shell = session()
    events = getattr(shell, "events", None)
    if shell is None or events is None or shell in _followed:
        return
    _followed.add(shell)
    events.register("pre_run_cell", lambda info: begin())
    # IPython looks for the argument's name.
    events.register("post_run_cell", lambda result: note(_error_of(result)))


def session() -> Any:
    """The session of IPython that this process has; None where it has none."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None


def is_interactive() -> bool:
    """Whether a person types what is run: in a notebook, or at a prompt."""
    return session() is not None or hasattr(sys, "ps1")


def _error_of(result: Any) -> BaseException | None:
    for name in ("error_before_exec", "error_in_exec"):
        error = getattr(result, name, None)
        if isinstance(error, BaseException):
            return error
    return None

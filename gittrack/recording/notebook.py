"""A notebook, or a prompt of IPython: its file, its cells, and what each raised while a run is open."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

CELLS = "_gittrack/cells.py"
"""The output that holds the cells which a session had executed when the run ended, as one script."""
CELLS_ROLE = "cells"

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


def notebook_file() -> Path | None:
    """The notebook that is open, as VS Code and Jupyter name it; None where it has no name, or no file."""
    names = getattr(session(), "user_ns", {}).get("__vsc_ipynb_file__"), os.environ.get("JPY_SESSION_NAME")
    for name in filter(None, names):
        for path in (Path(str(name)), Path(Path(str(name)).name)):  # Jupyter's is from where it was started
            if path.suffix == ".ipynb" and path.is_file():
                return path
    return None


def without_connection(command: Sequence[str]) -> list[str]:
    """The command of a kernel without the file of its connection, which is another at each start."""
    at = next((at for at, word in enumerate(command) if word == "-f" and at > 0), None)
    return list(command) if at is None or session() is None else [*command[:at], *command[at + 2 :]]


def cells() -> str:
    """What the session has executed so far, as Python: IPython's own syntax as calls of `get_ipython`.

    Empty where it has executed no cell, as where a script is all that it runs.
    """
    history = getattr(getattr(session(), "history_manager", None), "input_hist_parsed", ())
    numbered = [(number, str(cell).strip()) for number, cell in enumerate(history)]
    return "\n".join(f"# %% [{number}]\n{cell}\n" for number, cell in numbered if cell)


class Work:
    """When a run was last at work: a session may go on for hours after the last cell that logged to it."""

    def __init__(self) -> None:
        self._progress = -1
        self._until: float | None = None

    def note(self, progress: int) -> None:
        """A cell has ended, when so much was logged."""
        if progress != self._progress:
            self._progress, self._until = progress, monotonic()

    def end(self, progress: int) -> float | None:
        """The end of the last cell that logged anything; None where that is not known, or going on."""
        return self._until if progress == self._progress else None


def _error_of(result: Any) -> BaseException | None:
    for name in ("error_before_exec", "error_in_exec"):
        error = getattr(result, name, None)
        if isinstance(error, BaseException):
            return error
    return None

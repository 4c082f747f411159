"""A session that goes on after its cells, as far as gittrack asks one: IPython's, without IPython."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

SHELL = """
import os, signal, sys, threading, time, types

class Shell:
    def __init__(self, cells):
        self.events, self.callbacks, self.cells = self, {}, cells
        self.user_ns = {"__name__": "__main__"}
        self.history_manager = types.SimpleNamespace(input_hist_parsed=[""])

    def register(self, event, callback):
        self.callbacks.setdefault(event, []).append(callback)

    def call(self, event, *given):
        for callback in list(self.callbacks.get(event, ())):
            callback(*given)

    def run(self):
        for cell in self.cells:
            self.history_manager.input_hist_parsed.append(cell)
            info = types.SimpleNamespace(raw_cell=cell)
            self.call("pre_run_cell", info)
            error = None
            try:
                exec(cell, self.user_ns)
            except BaseException as raised:
                error = raised
            result = types.SimpleNamespace(info=info, error_before_exec=None, error_in_exec=error)
            self.call("post_run_cell", result)

shell = Shell(CELLS)
sys.modules["IPython"] = types.SimpleNamespace(get_ipython=lambda: shell)
shell.user_ns.update(VARIABLES)
shell.run()
"""


def session(
    project: Path, cells: Sequence[str], variables: dict[str, object] | None = None
) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a session that runs the cells and ends."""
    script = f"CELLS = {['import gittrack', *cells]!r}\nVARIABLES = {variables or {}!r}\n{SHELL}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=project, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr

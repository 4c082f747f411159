"""A run that nobody ended says how its process ended, as far as that was seen; the rest is unknown."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.recording.endings import Ending, judge, merged
from gittrack.recording.interpreter import Scope
from tests.recording.processes import only, records, run

BEGIN = "run = gittrack.start_run()\n"
CLICK = "import click\n@click.command()\ndef main():\n    gittrack.start_run()\n    {}\nmain([])"
THREAD = (
    "import threading\ndef work():\n    gittrack.start_run()\n    {}\n"
    "thread = threading.Thread(target=work)\nthread.start()\nthread.join()"
)
CHILD = (
    "import multiprocessing\ndef work():\n    gittrack.start_run()\n    {}\n"
    "if __name__ == '__main__':\n    child = multiprocessing.get_context('fork').Process(target=work)\n"
    "    child.start()\n    child.join()"
)
ENDS = {
    "the end of the script": (BEGIN, "finished", None),
    "sys.exit()": (BEGIN + "sys.exit()", "finished", None),
    "sys.exit(1)": (BEGIN + "sys.exit(1)", "failed", "1"),
    "sys.exit(True)": (BEGIN + "sys.exit(True)", "failed", "1"),
    "sys.exit(text)": (BEGIN + "sys.exit('no data')", "failed", "no data"),
    "sys.exit through finally": (
        BEGIN + "with open(os.devnull):\n    try: sys.exit(3)\n    finally: print('x')", "failed", "3"
    ),
    "sys.exit raised again": (BEGIN + "try: sys.exit(3)\nexcept SystemExit: raise", "failed", "3"),
    "sys.exit caught": (BEGIN + "try: sys.exit(3)\nexcept SystemExit: pass", "finished", None),
    "raise SystemExit": (BEGIN + "raise SystemExit(1)", "unknown", "could not be seen"),
    "raise SystemExit after another": (
        BEGIN + "try: sys.exit(3)\nexcept SystemExit: pass\nwith open(os.devnull): raise SystemExit(0)",
        "unknown", "could not be seen",
    ),
    "quit": (BEGIN + "quit(2)", "failed", "2"),
    "argparse": (BEGIN + "import argparse\nargparse.ArgumentParser().parse_args(['x'])", "failed", "2"),
    "click, well": (CLICK.format("pass"), "finished", None),
    "click, an error": (CLICK.format("raise click.UsageError('bad')"), "failed", "2"),
    "a hook set later": (BEGIN + "sys.excepthook = lambda *_: None\n1 / 0", "failed", "division by zero"),
    "unittest": (
        "import unittest\nclass Case(unittest.TestCase):\n    def test(self):\n        gittrack.start_run()\n"
        "        self.fail()\nunittest.main()", "failed", "1",
    ),
    "a thread": (THREAD.format("1 / 0"), "failed", "division by zero"),
    "a thread, well": (THREAD.format("pass"), "finished", None),
    "a thread with a hook of its own": (
        THREAD.format("threading.excepthook = lambda _: None; 1 / 0"), "unknown", "not seen"
    ),
    "a child": (CHILD.format("1 / 0"), "failed", "division by zero"),
    "a child, well": (CHILD.format("pass"), "finished", None),
    "a prompt": (
        BEGIN + "import code, io\nsys.stdin = io.StringIO('1 / 0')\ncode.interact()",
        "unknown", "interactive session that went on: division by zero",
    ),
}  # fmt: skip


@pytest.mark.parametrize("how", ENDS)
def test_the_end_of_the_process(project: Path, how: str) -> None:
    """Status and reason are those of the real end, and the record says that nobody ended the run."""
    script, status, message = ENDS[how]
    run(project, script)
    record = only(project)
    assert (record.status, record.ended_by) == (status, "process")
    assert (record.failure is None) == (message is None)
    assert record.failure is None or message is None or message in record.failure.message


def test_the_program_ends_its_run(inside: Path) -> None:
    """With `finish` or a block the record says so, and sys.exit is the system's again afterwards."""
    leave = sys.exit
    record = gittrack.start_run().finish()
    assert record is not None and record.ended_by == "program" and sys.exit is leave


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("try: 1 / 0\nfinally: run.finish()", "failed"),
        ("def end(): gittrack.end_run()\ntry: 1 / 0\nfinally:\n    print('x')\n    end()", "failed"),
        ("try: sys.exit(1)\nfinally: run.finish()", "failed"),
        (
            "import contextlib\nwith contextlib.ExitStack() as s:\n    s.callback(run.finish)\n    1 / 0",
            "failed",
        ),
        ("try: 1 / 0\nexcept ZeroDivisionError:\n    run.finish()\n    raise", "failed"),
        ("try: 1 / 0\nexcept ZeroDivisionError as error: run.finish()", "finished"),
        ("try: 1 / 0\nfinally: run.finish('finished')", "finished"),
        ("try: print('x')\nfinally: run.finish()", "finished"),
    ],
)
def test_finish_while_an_error_is_on_its_way_out(project: Path, script: str, status: str) -> None:
    """In a ``finally`` the run is no success unless the program says so; an error that is handled is none."""
    run(project, BEGIN + script)
    record = only(project)
    assert (record.status, record.ended_by) == (status, "program")


def test_block_that_was_not_left_by_a_failure(inside: Path) -> None:
    """A task that was cancelled was ended from outside; of a generator that was closed nobody knows."""

    async def wait(begun: asyncio.Event) -> None:
        with gittrack.start_run(experiment="task"):
            begun.set()
            await asyncio.sleep(60)

    async def cancel() -> None:
        begun = asyncio.Event()
        task = asyncio.create_task(wait(begun))
        await begun.wait()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    def steps() -> Iterator[int]:
        with gittrack.start_run(experiment="generator"):
            yield 1

    asyncio.run(cancel())
    for _ in steps():
        break
    gc.collect()
    endings = {record.experiment: (record.status, record.failure) for record in records(inside)}
    assert {name: (status, failure and failure.type) for name, (status, failure) in endings.items()} == {
        "task": ("killed", "cancelled"),
        "generator": ("unknown", "GeneratorExit"),
    }


def test_click_leaves_a_block_by_an_exception_of_its_own() -> None:
    """ctx.exit(0) is no failure, ctx.exit(2) one of the program."""
    from click.exceptions import Exit

    assert judge(Exit(0)).status == "finished"
    assert judge(Exit(2)).failure == {"type": "exit", "message": "2"}


class Shell:
    """What gittrack asks of IPython: a session with events."""

    def __init__(self) -> None:
        self.events = self
        self.callbacks: list[Any] = []

    def register(self, event: str, callback: Any) -> None:
        if event == "post_run_cell":
            self.callbacks.append(callback)

    def run_cell(self, error: BaseException | None = None) -> None:
        for callback in self.callbacks:
            callback(types.SimpleNamespace(error_before_exec=None, error_in_exec=error))


@pytest.mark.parametrize(
    ("cells", "status", "message"),
    [
        ([None, None], "finished", None),
        ([None, ValueError("boom")], "failed", "boom"),
        ([KeyboardInterrupt()], "killed", "SIGINT"),
        ([ValueError("boom"), None], "unknown", "raised in an interactive session that went on: boom"),
    ],
)
def test_cells_of_a_notebook(
    inside: Path,
    monkeypatch: pytest.MonkeyPatch,
    cells: list[BaseException | None],
    status: str,
    message: str | None,
) -> None:
    """The last cell says how an open run ended; one that raised before it leaves that unknown."""
    from gittrack.recording import exits

    shell = Shell()
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setattr(Scope, "_process_ending", lambda _: None)  # pytest's own
    active = gittrack.start_run()
    for error in cells:
        shell.run_cell(error)
    ending = exits._watched[active].ending()
    assert (ending.status, (ending.failure or {}).get("message")) == (status, message)


FAILED = {"type": "exit", "message": "exit status 1"}
ERROR = {"type": "ValueError", "message": "boom"}
UNSEEN = {"type": "SystemExit", "message": "a status that could not be seen"}


@pytest.mark.parametrize(
    ("program", "command", "merge"),
    [
        (Ending("finished"), Ending("failed", FAILED, "command"), 1),
        (Ending("failed", ERROR), Ending("finished", None, "command"), 0),
        (Ending("finished", None, "process"), Ending("failed", FAILED, "command"), 1),
        (Ending("unknown", UNSEEN, "process"), Ending("finished", None, "command"), 1),
        (Ending("unknown", UNSEEN, "process"), Ending("failed", FAILED, "command"), 1),
        (Ending("failed", ERROR, "process"), Ending("finished", None, "command"), 0),
        (Ending("unknown", ERROR, "process"), Ending("finished", None, "command"), 0),
        (
            Ending("killed", {"type": "signal", "message": "SIGTERM"}),
            Ending("killed", {"type": "timeout", "message": "it ran longer than 1 s"}, "command"),
            1,
        ),
    ],
)
def test_what_the_program_and_its_exit_status_say(program: Ending, command: Ending, merge: int) -> None:
    """The program knows best why it failed; the exit status is the fact where nobody ended the run."""
    assert merged(program, command) == (program, command)[merge]


def test_the_exit_status_counts_and_the_reason_is_the_programs() -> None:
    """An error that the process was seen to end with explains an exit status of 1."""
    ending = merged(Ending("failed", ERROR, "process"), Ending("failed", FAILED, "command"))
    assert ending == Ending("failed", ERROR, "command")

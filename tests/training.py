"""A training in a process of its own, which goes on when it is told to."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

SCRIPT = """
import gittrack, sys
run = gittrack.start_run(sys.argv[1], params={"lr": 0.1, "model": {"depth": 3}}, seed=7, tags={"who": "ada"})
print(run.id, flush=True)
for line in sys.stdin:
    word, *numbers = line.split()
    if word == "log":
        for step in range(int(numbers[0]), int(numbers[1])):
            run.log_metrics({"loss": 1 / (step + 1), "acc": step / 100}, step=step)
        run._journal.flush()
    elif word == "param":
        run.log_param(*numbers)
    elif word == "finish":
        run.finish()
    print("done", flush=True)
"""

LIMIT_S = 60.0
"""For what comes when it comes: only a test that fails waits as long."""


class Training:
    """A run of its own process. It does what it is told, and has done it when the call returns."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.id = self._answer()

    def tell(self, *words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)) + "\n")
        self._process.stdin.flush()
        assert self._answer() == "done"

    def log(self, first: int, last: int) -> None:
        """Log a loss and an accuracy at the steps from `first` to before `last`."""
        self.tell("log", first, last)

    def finish(self) -> None:
        self.tell("finish")

    def kill(self) -> None:
        """As kill -9 does; it is gone when this returns."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextmanager
def training(project: Path, experiment: str = "digits") -> Iterator[Training]:
    """A run that has begun in `project`; at the end its process is gone, if it was not before."""
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT, experiment],
        cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield Training(process)
        finally:
            process.kill()


def until(met: Callable[[], object]) -> None:
    """Wait for something that another process does."""
    end = time.monotonic() + LIMIT_S
    while not met():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def files_below(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder below, with its size and the time it was last changed."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
    }


def gittrack_command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from gittrack.cli import main; main()", *arguments]


def started(project: Path, *arguments: str) -> subprocess.Popen[str]:
    """gittrack in a process of its own."""
    return subprocess.Popen(
        gittrack_command(*arguments), cwd=project, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip

"""A long job on all cores: processes of this Python, each with a part after the other, answers in order.

Processes are started here rather than by multiprocessing, which would run the user's script again in
each of them, or copy a process that has threads.
"""

from __future__ import annotations

import os
import pickle
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from gittrack.errors import GittrackError, RepositoryError

_AHEAD = 2
"""Parts per process that are under way or wait to be asked for."""


def cores() -> int:
    """How many processes can run at once."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_parts(function: str, setup: Any, parts: Iterable[Any]) -> Iterator[Any]:
    """The answer to each of `parts`, in order, worked out on all cores.

    `function`, such as ``gittrack.reading.index.parse:elsewhere``, is called with `setup` once in each
    process, and what it returns with each part. Setup, parts and answers have to be picklable. A
    GittrackError is raised here as it was there; RepositoryError for a process that ended before it had
    answered.
    """
    with ExitStack() as stack:
        idle: SimpleQueue[_Worker] = SimpleQueue()
        count = cores()
        for _ in range(count):
            idle.put(stack.enter_context(_Worker(function, setup)))
        pool = stack.enter_context(ThreadPoolExecutor(count))
        waiting: deque[Future[Any]] = deque()

        def ask(part: Any) -> Any:
            worker = idle.get()
            try:
                return worker.ask(part)
            finally:
                idle.put(worker)

        try:
            for part in parts:
                waiting.append(pool.submit(ask, part))
                if len(waiting) >= _AHEAD * count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


class _Worker:
    """One process; what goes through its pipes comes from gittrack alone."""

    def __init__(self, function: str, setup: Any) -> None:
        here = str(Path(__file__).parent.parent)
        known = os.environ.get("PYTHONPATH")
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "gittrack.workers", function],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": f"{here}{os.pathsep}{known}" if known else here},
        )
        self._setup = setup

    def __enter__(self) -> _Worker:
        self._send(self._setup)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # what was not sent is of no use now
                if pipe is not None:
                    pipe.close()
        self._process.wait()

    def ask(self, part: Any) -> Any:
        self._send(part)
        try:
            answer = pickle.load(self._process.stdout)  # type: ignore[arg-type]  # noqa: S301
        except (EOFError, pickle.UnpicklingError, ValueError) as error:
            raise RepositoryError("a process of gittrack ended early: is there enough memory?") from error
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _send(self, what: Any) -> None:
        try:
            pickle.dump(what, self._process.stdin, pickle.HIGHEST_PROTOCOL)  # type: ignore[arg-type]
            self._process.stdin.flush()  # type: ignore[union-attr]
        except (BrokenPipeError, ValueError) as error:
            raise RepositoryError("a process of gittrack ended early: is there enough memory?") from error


def main() -> None:
    """In a worker: answer until the pipe is closed. Ctrl-C is the asking process's business."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    questions = sys.stdin.buffer
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that is printed may get between the answers
    module, _, name = sys.argv[1].partition(":")
    make: Callable[[Any], Callable[[Any], Any]] = getattr(import_module(module), name)
    work = make(pickle.load(questions))  # noqa: S301
    while True:
        try:
            part = pickle.load(questions)  # noqa: S301
        except EOFError:
            return
        try:
            answer = work(part)
        except GittrackError as error:
            answer = error
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


if __name__ == "__main__":
    main()

"""The process that reads Aim's own files by Aim's own package: nothing of Aim is loaded here."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Timer
from typing import Any

from gittrack.importers import values

_SCRIPT = Path(__file__).with_name("answers.py")
_SECONDS = 600.0
"""That an answer may take."""
_LONGEST = 64 << 20
Answer = dict[str, Any]


class Bridge:
    """Asks the script `answers.py`, which `python` runs: one question after the other."""

    def __init__(self, python: Path) -> None:
        self._process = subprocess.Popen(
            [str(python), "-I", str(_SCRIPT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            process_group=0,
        )
        self._is_answering = True
        self.beginning = next(self._answers(), {})
        """With ``version``, or ``absent`` and why Aim cannot be loaded."""

    def __enter__(self) -> Bridge:
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()

    def ask(self, **question: Any) -> Iterator[Answer]:
        """The lines of the answer. ValueError where Aim cannot give it, or does not in time."""
        while self._is_answering:  # whoever asked before did not read to the end
            for _ in self._answers():
                pass
        if self._process.stdin is None:
            raise ValueError("the process that reads Aim has no pipe")
        try:
            self._process.stdin.write(json.dumps(question).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise ValueError("the process that reads Aim has ended") from error
        self._is_answering = True
        yield from self._answers()

    def _answers(self) -> Iterator[Answer]:
        while True:
            answer = self._answer()
            if answer.pop("end", False):
                self._is_answering = False
            if "fault" in answer:
                raise ValueError(f"Aim cannot read it: {answer['fault']}")
            if answer:
                yield answer
            if not self._is_answering:
                return

    def _answer(self) -> Answer:
        timer = Timer(_SECONDS, self._process.kill)
        timer.start()
        try:
            line = self._process.stdout.readline(_LONGEST) if self._process.stdout else b""
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self._is_answering = False
            self._process.kill()
            raise ValueError("the process that reads Aim ended, or took too long")
        answer = values.load(line)
        if not isinstance(answer, dict):
            raise ValueError("the process that reads Aim gave no answer")
        return answer

"""Signals under `gittrack run`: the program gets those that it gets without it, and ends as it does then."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.ledgers import records
from tests.recording.signalled import LAST, NAMES, NUMBERS, arrivals_of, end_of

WAYS = {
    "direct": [os.kill],
    "group": [os.killpg],
    "twice": [os.kill, os.kill],
}
DEADLY = [name for name in NAMES if name not in ("CONT", "WINCH")]


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("name", NAMES)
def test_same_arrivals(project: Path, name: str, how: str) -> None:
    """As many deliveries of each signal, the checkpoint written, the same exit status: measured on both."""
    plain = arrivals_of(project, WAYS[how], NUMBERS[name], plain=True)
    wrapped = arrivals_of(project, WAYS[how], NUMBERS[name], plain=False)
    assert wrapped == plain
    assert plain.arrivals == [*[f"SIG{name}"] * len(WAYS[how]), LAST.name]
    assert (plain.output, plain.status) == ("checkpoint written\n", 7)
    (record,) = records(project)
    assert record.failure is not None and record.failure.message == "exit status 7"


@pytest.mark.parametrize("way", [os.kill, os.killpg])
@pytest.mark.parametrize("name", DEADLY)
def test_same_end(project: Path, name: str, way: Callable[[int, int], None]) -> None:
    """A program that does not handle a signal is ended, or stopped, by it, and so are we."""
    number = NUMBERS[name]
    code = end_of(project, way, number, plain=True)
    assert end_of(project, way, number, plain=False) == code
    (record,) = records(project)
    ended_by = signal.SIGTERM if name == "TSTP" else number
    assert record.failure is not None and record.failure.message == ended_by.name

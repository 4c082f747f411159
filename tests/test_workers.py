"""Other processes: answers in order, errors as they are raised, and an end that is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.workers import in_parts


def squares(add: int) -> Callable[[int], tuple[int, int]]:
    def work(part: int) -> tuple[int, int]:
        print("noise on standard output")
        return part * part + add, os.getpid()

    return work


def refusing(setup: None) -> Callable[[int], int]:
    def work(part: int) -> int:
        if part == 3:
            raise NotFoundError("there is no 3")
        return part

    return work


def dying(setup: None) -> Callable[[int], int]:
    def work(part: int) -> int:
        os._exit(9)

    return work


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent))


def test_answers_come_in_order_from_other_processes() -> None:
    """What a part prints stays out of the answers."""
    answers = list(in_parts("tests.test_workers:squares", 1, range(50)))
    assert [value for value, _ in answers] == [n * n + 1 for n in range(50)]
    assert os.getpid() not in {pid for _, pid in answers}


def test_an_expected_error_is_raised_here_as_it_was_there() -> None:
    found = in_parts("tests.test_workers:refusing", None, range(10))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(NotFoundError, match="there is no 3"):
        list(found)


def test_a_process_that_ends_is_told() -> None:
    """Killed for its memory, say: the answer is an error, not a wait for ever."""
    with pytest.raises(RepositoryError, match="ended early"):
        list(in_parts("tests.test_workers:dying", None, range(10)))


def test_parts_are_taken_as_they_are_needed() -> None:
    """Not all at once: there may be many."""
    taken = []

    def parts() -> object:
        for n in range(1000):
            taken.append(n)
            yield n

    answers = in_parts("tests.test_workers:squares", 0, parts())  # type: ignore[arg-type]
    next(answers)
    answers.close()  # type: ignore[attr-defined]
    assert len(taken) < 100


def test_the_current_directory_is_not_imported_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A repository may hold a file named json.py; it is nobody's module."""
    (tmp_path / "pickle.py").write_text("raise SystemExit('taken in')\n")
    monkeypatch.chdir(tmp_path)
    assert sys.executable
    assert [value for value, _ in in_parts("tests.test_workers:squares", 0, [2])] == [4]

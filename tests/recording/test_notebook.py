"""Runs of a notebook: forgotten ones, nested ones, what a kernel of many runs keeps, and the cells."""

from __future__ import annotations

from pathlib import Path

import pytest

import gittrack
from gittrack.errors import UsageError
from tests.recording.processes import records, run
from tests.recording.sessions import session


def test_a_second_run_ends_one_that_was_forgotten(project: Path) -> None:
    """With the duration that it was at work, and says so; later ones, too."""
    cells = [
        "import time\nrun = gittrack.start_run(name='first')\nrun.log_metric('a', 1)",
        "began = time.monotonic()",
        "while time.monotonic() - began < 2.5: time.sleep(0.1)",
        "run = gittrack.start_run(name='second')\nrun = gittrack.start_run(name='third')",
        "run.finish()",
    ]
    status, _, err = session(project, cells)
    assert status == 0 and err.count("was still open, and ends now as finished") == 2, err
    third, second, first = sorted(records(project), key=lambda record: record.started, reverse=True)
    assert [first.name, second.name, third.name] == ["first", "second", "third"]
    assert first.status == "finished" and first.ended_by == "process" and third.ended_by == "program"
    assert first.duration_s is not None and first.duration_s < 2.5
    assert second.ended is not None and third.ended is not None and second.ended <= third.ended


def test_a_forgotten_run_whose_cell_raised(project: Path) -> None:
    """Its status is what was seen of it."""
    cells = ["gittrack.start_run(name='first')\nraise ValueError('boom')", "gittrack.start_run().finish()"]
    _, _, err = session(project, cells)
    first = next(record for record in records(project) if record.name == "first")
    assert first.status != "finished" and first.failure is not None and first.failure.type == "ValueError", (
        err
    )


def test_a_prompt_is_a_session(project: Path) -> None:
    """Python's own, too; in a script both runs go on."""
    script = "a = gittrack.start_run()\nb = gittrack.start_run()\nprint(a.active, b.active)"
    assert run(project, "sys.ps1 = '>>> '\n" + script)[1] == "False True\n"
    assert run(project, script)[1] == "True True\n"


def test_a_block_is_not_forgotten(project: Path) -> None:
    """Its end is to come; nor is one that a nested run is begun in."""
    cells = [
        "with gittrack.start_run() as a:\n    gittrack.start_run().finish()\n    print(a.active)",
        "a = gittrack.start_run()\nwith gittrack.start_run(nested=True): print(a.active)\nprint(a.active)",
    ]
    status, out, err = session(project, cells)
    assert (status, out) == (0, "True\nTrue\nTrue\n"), err
    assert "still open" not in err


def test_nested_runs_have_their_parent(inside: Path) -> None:
    """By `nested`, and by MLflow's words."""
    with gittrack.start_run() as outer:
        with gittrack.start_run(nested=True, run_name="inner") as inner:
            innermost = gittrack.start_run(nested=True)
            innermost.finish()
        with gittrack.start_run(parent_run_id=outer.id) as named, gittrack.start_run() as other:
            pass
    with gittrack.start_run(nested=True) as alone:
        pass
    parents = {found.id: found.record.parent for found in gittrack.search()}
    assert parents[inner.id] == parents[named.id] == outer.id and parents[innermost.id] == inner.id
    assert parents[outer.id] is None is parents[other.id] and parents[alone.id] is None
    assert inner.record is not None and inner.record.name == "inner"


def test_an_argument_of_two_names_is_given_once(inside: Path) -> None:
    """Twice the same is the same."""
    gittrack.start_run(name="a", run_name="a").finish()
    with pytest.raises(UsageError, match="'a' and run_name is 'b', which is the same argument"):
        gittrack.start_run(name="a", run_name="b")


def test_many_runs_of_a_kernel_leave_nothing(project: Path) -> None:
    """Neither threads nor journals nor descriptors, forgotten or not."""
    count = "print(threading.active_count(), len(os.listdir(fds)) if os.path.isdir(fds) else 0)"
    one = "run = gittrack.start_run()\nrun.log_metric('a', 1)\n"
    cells = [
        "import os, threading\nfds = '/proc/self/fd'",
        one + "run.finish()",
        count,
        one * 12 + "run.finish()",
        count,
    ]
    status, out, err = session(project, cells)
    before, after = out.splitlines()
    assert status == 0 and before == after, err
    assert len(records(project)) == 13
    assert not list((project / ".git" / "gittrack" / "journal").iterdir())

"""A run read back with the files beside it."""

from __future__ import annotations

from pathlib import Path

import pytest

import gittrack
from gittrack.errors import NotFoundError
from gittrack.reading.entry import parse_series


def test_code_is_the_commit_that_ran(inside: Path) -> None:
    """GitPython's commit holds the script as it was, uncommitted changes included."""
    (inside / "train.py").write_text("changed = 1\n")
    with gittrack.start_run("e"):
        pass
    (inside / "train.py").write_text("changed = 2\n")
    commit = gittrack.load("latest").code()
    assert (commit.tree / "train.py").data_stream.read() == b"changed = 1\n"
    assert commit.parents[0].hexsha == gittrack.load("latest").record.code.commit


def test_code_that_is_not_here_is_named(inside: Path, tmp_path: Path) -> None:
    """A clone without the commit says what to fetch."""
    from tests.repositories import run_git

    (inside / "train.py").write_text("changed = 1\n")
    with gittrack.start_run("e"):
        pass
    only_ledger = ["--no-local", "--single-branch", "-b", "gittrack/runs"]
    run_git(tmp_path, "clone", "-q", *only_ledger, str(inside), "clone")
    entry = gittrack.load("latest", repository=tmp_path / "clone")
    with pytest.raises(NotFoundError, match="not in this clone; run git fetch"):
        entry.code()


def test_series_keeps_what_was_and_was_not_logged() -> None:
    """Empty cells are None, non-finite words are floats."""
    series = parse_series(b"step,time,loss,acc\n0,0.100,1.5,\n1,0.200,nan,0.5\n", "metrics.csv")
    assert series.steps == (0, 1)
    assert series.values["acc"] == (None, 0.5)
    assert series.values["loss"][0] == 1.5 and series.values["loss"][1] != series.values["loss"][1]

"""gittrack gate, as it is typed."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import gittrack
from gittrack.cli import execute
from tests.cli.gates import fix, train
from tests.cli.terminals import Terminal
from tests.repositories import run_git


@pytest.fixture
def judged(inside: Path) -> Path:
    """Three runs that pass."""
    fix(inside)
    train(0.90, 0.91, 0.92)
    return inside


@pytest.mark.parametrize("words", [[], ["digits"], ["latest"], ["digits/latest~1"], ["-q"]], ids=" ".join)
def test_a_pass_ends_with_zero(judged: Path, capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    """Whatever names the spec."""
    assert execute(["gate", *words]) == 0
    out = capsys.readouterr().out
    assert out == "" if words == ["-q"] else out.startswith("PASSED  digits: ")


def test_a_miss_and_a_refusal_end_with_one(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a declared one as its figures say."""
    train(0.93, first=3)
    assert execute(["gate"]) == 1
    assert capsys.readouterr().out.startswith("REFUSED  ")
    assert execute(["gate", "--declare", "a fourth for the demo"]) == 0
    assert capsys.readouterr().out.startswith("PASSED, AS DECLARED  ")
    train(0.1, first=4)
    assert execute(["gate", "--declare", "a fourth for the demo"]) == 1
    assert capsys.readouterr().out.startswith("NOT PASSED, AS DECLARED  ")
    assert execute(["gate", "--fresh", "-q"]) == 1


def test_what_cannot_be_told_ends_with_four(judged: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the runs is not in a shallow clone."""
    (judged / "train.py").write_text("print(2)\n")
    run_git(judged, "commit", "-qam", "later")
    where = judged.parent / "clone"
    run_git(judged, "clone", "-q", "--depth", "1", f"file://{judged}", str(where))
    run_git(where, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    monkeypatch.chdir(where)
    assert execute(["gate", "-q"]) == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--json", "--md"], "choose one"),
        (["nonsense"], "no run 'nonsense'"),
        (["--declare", " "], "a declaration needs a reason"),
        (["other"], "were made without a gate"),
    ],
)
def test_what_makes_no_sense_ends_with_two(
    judged: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    """One line."""
    with gittrack.start_run("other"):
        pass
    assert execute(["gate", *words]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and says in err


def test_without_runs(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to judge."""
    assert execute(["gate"]) == 2
    assert "no run 'latest'" in capsys.readouterr().err


def test_each_form_prints_itself_alone(judged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """So that it can go to a file."""
    assert execute(["gate", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["outcome"] == "passed"
    assert execute(["gate", "--md"]) == 0
    assert capsys.readouterr().out.startswith("## gittrack gate: passed\n")
    assert execute(["gate", "--junit"]) == 0
    assert ET.fromstring(capsys.readouterr().out).tag == "testsuite"  # noqa: S314


def test_on_a_terminal(repo: object, project: Path, terminal: Terminal) -> None:
    """In colour, and no line wider than it."""
    fix(project)
    train(0.90, 0.91)
    shown = terminal("gate")
    assert shown.startswith("\x1b[31mNOT PASSED\x1b[0m  digits: ")
    assert max(map(len, terminal("gate", NO_COLOR="1").splitlines())) <= 100

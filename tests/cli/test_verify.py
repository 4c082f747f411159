"""gittrack verify, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gittrack
from gittrack.cli import execute
from tests.repositories import run_git

LEDGER = "gittrack/runs"


@pytest.fixture
def recorded(inside: Path) -> Path:
    """A project with two runs."""
    for number in range(2):
        with gittrack.start_run("digits", seed=number) as run:
            run.log_metric("acc", 0.5, step=0)
    return inside


def test_an_honest_ledger_passes_and_says_what_that_does_not_prove(
    recorded: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With no finding at all."""
    assert execute(["verify"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert len(out) == 2
    assert out[0].startswith("PASS  2 runs at ")
    assert "Not proven" in out[1]


def test_a_pass_is_remembered_and_a_rolled_back_ledger_found(recorded: Path) -> None:
    """No option needed: this clone has seen more."""
    assert execute(["verify", "-q"]) == 0
    run_git(recorded, "update-ref", f"refs/heads/{LEDGER}", f"{LEDGER}~1")
    assert execute(["verify", "-q"]) == 1


def test_a_look_at_one_run_remembers_nothing(recorded: Path) -> None:
    """The other runs were not verified."""
    assert execute(["verify", "-q", "latest"]) == 0
    assert not (recorded / ".git" / "gittrack" / "verified.json").exists()


def test_incomplete_ends_with_four_and_strictly_with_one(recorded: Path) -> None:
    """A pin that is not in this clone cannot be judged."""
    pin = ["--anchor", "1" * 40, "-q"]
    assert execute(["verify", *pin]) == 4
    assert execute(["verify", *pin, "--strict"]) == 1


@pytest.mark.parametrize("form", ["--json", "--md", "--junit", "--sarif"])
def test_each_form_prints_itself_alone(recorded: Path, capsys: pytest.CaptureFixture[str], form: str) -> None:
    """So that it can go to a file."""
    assert execute(["verify", form]) == 0
    out = capsys.readouterr().out
    assert out.startswith({"--json": "{", "--md": "## ", "--junit": "<?xml", "--sarif": "{"}[form])
    assert "Not proven" in out or form == "--sarif"


def test_one_call_writes_every_form(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each by the end of its name, the same as on the terminal; also where nothing is printed."""
    forms = {
        "r.json": "--json",
        "r.md": "--md",
        "r.xml": "--junit",
        "r.sarif": "--sarif",
        "b.sarif.json": "--sarif",
    }
    asked = [word for name in forms for word in ("--output-file", name)]
    assert execute(["verify", "-q", *asked]) == 0
    assert capsys.readouterr().out == ""
    for name, form in forms.items():
        assert execute(["verify", form]) == 0
        assert (recorded / name).read_text() == capsys.readouterr().out


def test_runs_and_ranges(recorded: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """How many runs were looked at."""
    for words, runs in ((["latest"], 1), ([f"{LEDGER}~1..{LEDGER}"], 1), (["HEAD"], 2), (["--all"], 2)):
        assert execute(["verify", "--json", *words]) == 0
        assert json.loads(capsys.readouterr().out)["runs"] == runs


@pytest.mark.parametrize(
    "words",
    [
        ["--json", "--md"],
        ["--all", "latest"],
        ["nonsense"],
        ["--read-data-subset", "2/1"],
        ["--read-data-subset", "0/3"],
        ["--output-file", "report.txt"],
        ["--output-file", "no/such/folder/report.md"],
        ["--base", "nowhere"],
        ["--anchor", "nowhere"],
    ],
    ids=" ".join,
)
def test_what_makes_no_sense_ends_with_two(
    recorded: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    """One line."""
    assert execute(["verify", *words]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_bytes_are_read_when_asked(recorded: Path) -> None:
    """Nothing was logged that would have bytes, so nothing is missing."""
    assert execute(["verify", "-q", "--data"]) == 0
    assert execute(["verify", "-q", "--read-data"]) == 0
    assert execute(["verify", "-q", "--read-data-subset", "1/3"]) == 0


def test_a_bare_repository_is_verified(recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a server."""
    bare = recorded.parent / "bare.git"
    run_git(recorded, "clone", "-q", "--mirror", ".", str(bare))
    monkeypatch.chdir(bare)
    assert execute(["verify", "-q"]) == 0

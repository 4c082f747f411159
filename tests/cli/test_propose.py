"""gittrack propose: what it says, what it sends, what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.cli import execute
from tests.repositories import run_git

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def hub(inside: Path, tmp_path: Path) -> Path:
    """The project with a ledger that origin has, and a run that only the project has."""
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    assert execute(["init", "--no-config"]) == 0
    assert execute(["push"]) == 0
    assert execute(["run", "-q", "--", "true"]) == 0
    return tmp_path / "hub.git"


def test_propose_and_send(hub: Path, capsys: Capture) -> None:
    """First here, then on the remote, with the code anchor; it says what comes next."""
    assert execute(["propose", "latest", "--branch", "wider"]) == 0
    said = capsys.readouterr().err
    assert "1 run proposed on gittrack/review/wider" in said
    assert "gittrack propose --branch wider --push" in said
    assert run_git(hub, "for-each-ref", "refs/heads/gittrack/review") == ""
    assert execute(["propose", "--branch", "wider", "--push"]) == 0
    assert "pull request from it into gittrack/runs" in capsys.readouterr().err
    assert run_git(hub, "for-each-ref", "refs/heads/gittrack/review", "refs/gittrack/code").count("\n") == 2


def test_run_propose_says_where_the_run_is(hub: Path, capsys: Capture) -> None:
    """Not on the ledger: gittrack show would not find it."""
    assert execute(["run", "--branch", "wider", "--", "true"]) == 0
    assert "proposed on gittrack/review/wider" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["propose"], "name the runs"),
        (["propose", "--push"], "name the runs"),
        (["propose", "--branch", "none", "--push"], "no proposal gittrack/review/none"),
        (["propose", "latest", "--branch", "-x"], "cannot be called"),
        (["propose", "latest", "--push", "--remote", "--upload-pack=x"], "no remote named"),
    ],
)
def test_refused(hub: Path, capsys: Capture, arguments: list[str], words: str) -> None:
    """One line that says what to do."""
    assert execute(arguments) == 2
    assert words in capsys.readouterr().err

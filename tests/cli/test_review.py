"""gittrack review from end to end: real runs, every form, an honest proposal and a tampered one."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from gittrack import start_run
from gittrack.cli import execute
from gittrack.git.repository import Repository
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files
from tests.repositories import run_git

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def proposal(repo: Repository, monkeypatch: pytest.MonkeyPatch) -> str:
    """A baseline on the ledger and one better run on a proposal; its id."""
    record(0.90)
    monkeypatch.setenv("GITTRACK_REVIEW", "wider")
    run_id = record(0.95)
    monkeypatch.delenv("GITTRACK_REVIEW")
    return run_id


def record(accuracy: float) -> str:
    with start_run("digits", params={"width": int(accuracy * 100)}, seed=1) as run:
        for step in range(40):
            run.log_metric("acc", accuracy * step / 39, step=step)
    return run.id


def test_markdown_without_a_terminal(proposal: str, capsys: Capture) -> None:
    """An honest run passes; its curves are drawn."""
    assert execute(["review", "gittrack/review/wider"]) == 0
    text = capsys.readouterr().out
    assert "**verify: PASS**" in text
    assert proposal in text and "```mermaid\n" in text


def test_json(proposal: str, capsys: Capture) -> None:
    """The same by a range."""
    assert execute(["review", "gittrack/runs..gittrack/review/wider", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["kind"], plain["runs"], plain["verify"]["outcome"]) == ("ledger", 1, "PASS")


def test_on_a_terminal(proposal: str, terminal: Terminal) -> None:
    """A table in place of Markdown."""
    shown = terminal("review", "gittrack/review/wider", "--no-pager")
    assert "verify: \x1b[32mPASS" in shown and "To decide" in shown and "```" not in shown


def test_assets(proposal: str, tmp_path: Path, capsys: Capture) -> None:
    """One picture for each curve."""
    assert execute(["review", "gittrack/review/wider", "--assets", str(tmp_path / "a" / "b")]) == 0
    assert "1 pictures in" in capsys.readouterr().err
    ElementTree.parse(tmp_path / "a" / "b" / "digits-1.svg")  # noqa: S314


def test_assets_that_cannot_be_written(proposal: str, tmp_path: Path, capsys: Capture) -> None:
    """One line, no traceback."""
    (tmp_path / "file").write_text("")
    assert execute(["review", "gittrack/review/wider", "--assets", str(tmp_path / "file")]) == 5
    assert "cannot write" in capsys.readouterr().err


def test_a_tampered_proposal(proposal: str, repo: Repository, capsys: Capture) -> None:
    """It changes a record of the base: verify says FAIL, and so does the list of what else it touches."""
    path = run_git(repo.top, "ls-tree", "-r", "--name-only", "gittrack/runs", "runs/").split("\n")
    record_path = next(p for p in path if p.endswith("run.yaml"))
    data = run_git(repo.top, "show", f"gittrack/runs:{record_path}").replace("value: 0.9\n", "value: 0.99\n")
    commit_files(repo, {record_path: data.encode()}, branch="gittrack/review/wider")
    assert execute(["review", "gittrack/review/wider"]) == 0
    text = capsys.readouterr().out
    assert "**verify: FAIL**" in text
    assert "- changed: <code>runs&#47;digits" in text


def test_a_pull_request_into_code(proposal: str, repo: Repository, capsys: Capture) -> None:
    """The runs on the ledger of its commits; without any, it asks whether one is needed."""
    run_git(repo.top, "checkout", "-q", "-b", "change")
    run_git(repo.top, "commit", "-q", "--allow-empty", "-m", "change")
    assert execute(["review", "--base", "main"]) == 0
    assert "does the change need one" in capsys.readouterr().out
    run_id = record(0.91)
    assert execute(["review", "--base", "main"]) == 0
    text = capsys.readouterr().out
    assert f"<code>{run_id}</code>" in text and "1 run of these commits" in text


def test_nothing_of_the_user_moves(proposal: str, repo: Repository, capsys: Capture) -> None:
    """No ref, no file, no index entry."""

    def state() -> list[str]:
        return [run_git(repo.top, "for-each-ref"), run_git(repo.top, "status", "--porcelain", "--ignored")]

    before = state()
    assert execute(["review", "gittrack/review/wider"]) == 0
    assert state() == before


def test_two_forms(proposal: str, capsys: Capture) -> None:
    """One at a time."""
    assert execute(["review", "--md", "--json"]) == 2
    assert "choose one" in capsys.readouterr().err

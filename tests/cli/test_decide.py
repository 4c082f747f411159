"""gittrack decide as it is typed, and where the outcome is seen afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.codec import validate
from tests.cli.gates import fix, train
from tests.repositories import run_git

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def trained(inside: Path) -> Path:
    fix(inside)
    train(0.90, 0.91)
    return inside


def decide(*words: str) -> int:
    return execute(["decide", "latest", "--outcome", "selected", "-m", "best, by far", *words])


def test_a_decision_is_seen_everywhere(trained: Path, capsys: Captured) -> None:
    """A note now; a column of log, a section of show, a key of both as JSON."""
    assert decide() == 0
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("of digits: selected, among 1 specs, 2 finished runs\n")
    execute(["log"])
    header, newest, oldest = capsys.readouterr().out.splitlines()
    assert "outcome" in header and "selected" in newest and "selected" not in oldest
    execute(["log", "-F", "outcome = 'selected'", "--json"])
    (only,) = json.loads(capsys.readouterr().out)
    assert only["outcome"] == "selected"
    execute(["show"])
    shown = capsys.readouterr().out
    assert "Decisions\n" in shown and "best, by far" in shown and "by Ada Lovelace" in shown
    execute(["show", "--md"])
    assert "## Decisions" in capsys.readouterr().out
    execute(["log", "--csv"])
    first, *_ = capsys.readouterr().out.splitlines()
    assert "outcome" in first.split(",")


def test_json_is_the_file(trained: Path, capsys: Captured) -> None:
    """As its schema has it."""
    assert decide("--json") == 0
    plain = json.loads(capsys.readouterr().out)
    validate(plain, "decision", "decision")
    path = f"decisions/digits/{plain['id'][:4]}-{plain['id'][4:6]}-{plain['id'][6:8]}/{plain['id']}.yaml"
    assert run_git(trained, "cat-file", "-t", f"gittrack/runs:{path}") == "blob\n"


def test_a_hostile_reason_stays_text(trained: Path, capsys: Captured) -> None:
    """No control sequence reaches the terminal, no markup the document."""
    execute(["decide", "latest", "--outcome", "baseline", "-m", "a\x1b[31m | <script>alert(1)</script>"])
    capsys.readouterr()
    execute(["show"])
    assert "\x1b" not in capsys.readouterr().out
    execute(["show", "--md"])
    assert "<script>" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["latest", "-m", "x"], 2, "--outcome"),
        (["latest", "--outcome", "blessed", "-m", "x"], 2, "blessed"),
        (["latest", "--outcome", "selected"], 2, "--because"),
        (["nosuch", "--outcome", "selected", "-m", "x"], 2, "nosuch"),
        (["latest", "--outcome", "selected", "-m", "x", "--json", "-q"], 2, "choose one"),
    ],
)
def test_wrong_input(trained: Path, capsys: Captured, words: list[str], code: int, says: str) -> None:
    """One line, a code, no commit."""
    before = run_git(trained, "rev-parse", "gittrack/runs")
    assert execute(["decide", *words]) == code
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
    assert run_git(trained, "rev-parse", "gittrack/runs") == before

"""gittrack recover: runs whose process is gone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gittrack
from gittrack import cli
from tests.ledgers import records
from tests.repositories import run_git


def test_nothing_to_recover(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That is no error; in JSON it is an empty array."""
    assert cli.execute(["recover"]) == 0
    assert capsys.readouterr().err == "nothing to recover\n"
    assert cli.execute(["recover", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_dead_run_is_committed_once(inside: Path, dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As killed, with its points, and the second time there is nothing left."""
    assert cli.execute(["recover", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [
        {"id": dead, "committed": True, "status": "killed", "why": ""}
    ]
    (record,) = records(inside)
    assert (record.id, record.status, record.params, record.metrics["loss"].value) == (
        dead, "killed", {"lr": 0.1}, 0.5
    )  # fmt: skip
    assert cli.execute(["recover"]) == 0
    assert "nothing to recover" in capsys.readouterr().err
    assert len(records(inside)) == 1
    assert run_git(inside, "for-each-ref", "refs/gittrack/live") == ""


def test_one_run_alone(inside: Path, dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A run named is looked for; an unknown one is an error."""
    assert cli.execute(["recover", "20260101-000000-000000"]) == 2
    assert "no journal of a run" in capsys.readouterr().err
    assert records(inside) == []
    assert cli.execute(["recover", dead]) == 0
    assert capsys.readouterr().out == f"{dead}  committed as killed\n"


def test_living_run_is_left_alone(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even --force takes a run from a process that lives here."""
    with gittrack.start_run() as run:
        assert cli.execute(["recover", "--force"]) == 0
        assert capsys.readouterr().out == f"{run.id}  left: still running\n"
    assert [r.status for r in records(inside)] == ["finished"]


def test_run_of_another_host(inside: Path, dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be asked is left, unless told otherwise."""
    (owner,) = (inside / ".git/gittrack/journal" / dead).glob("owner-*.json")
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "boot": "other", "host": "elsewhere"}))
    assert cli.execute(["recover"]) == 0
    assert "belongs to another host" in capsys.readouterr().out
    assert cli.execute(["recover", "--force"]) == 0
    assert len(records(inside)) == 1


@pytest.mark.parametrize("content", ["{", "[]", "{}"])
def test_damaged_journal_does_not_hold_up_the_others(
    inside: Path, dead: str, content: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is named with code 5 and stays; the others are committed, and new runs start."""
    broken = inside / ".git/gittrack/journal/20200101-000000-abcdef"
    broken.mkdir()
    (broken / "start.json").write_text(content)
    assert cli.execute(["recover"]) == 5
    out = capsys.readouterr().out
    assert "20200101-000000-abcdef  left: " in out
    assert f"{dead}  committed" in out
    assert broken.is_dir()
    assert cli.execute(["run", "-q", "--", "true"]) == 0

"""gittrack doctor: each fault that is planted is found, with the way to mend it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gittrack import cli
from tests.repositories import run_git


def doctor(capsys: pytest.CaptureFixture[str], code: int) -> list[dict[str, Any]]:
    capsys.readouterr()
    assert cli.execute(["doctor", "--json"]) == code
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)
    assert all(d["mend"] for d in found if d["level"] != "ok")
    return found


def says(found: list[dict[str, Any]], topic: str, level: str) -> str:
    return "\n".join(
        f"{d['says']} -> {d['mend']}" for d in found if (d["topic"], d["level"]) == (topic, level)
    )


def test_sound_set_up(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing but notes, code 0, one line for each thing and one for each remedy."""
    assert cli.execute(["init"]) == 0
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "init")
    found = doctor(capsys, 0)
    assert {d["topic"] for d in found if d["level"] == "note"} == {"remote", "dvc"}
    assert cli.execute(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(found) + 2
    assert lines[0].startswith("ok       gittrack.yaml: ")


def test_malformed_configuration(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is named, and the other checks are made all the same."""
    (inside / "gittrack.yaml").write_text("experimnt: x\n")
    found = doctor(capsys, 1)
    assert "experimnt" in says(found, "gittrack.yaml", "problem")
    assert len(found) > 5


def test_no_identity(
    inside: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """git that does not know who commits."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    found = doctor(capsys, 1)
    assert "git config user.name" in says(found, "identity", "problem")


def test_shallow_clone(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Told, but no problem."""
    run_git(inside, "commit", "-q", "--allow-empty", "-m", "second")
    run_git(tmp_path, "clone", "-q", "--depth", "1", f"file://{inside}", "shallow")
    assert cli.execute(["-C", str(tmp_path / "shallow"), "doctor"]) == 0
    out = capsys.readouterr().out
    assert "shallow clone" in out
    assert "mend: git fetch --unshallow" in out
    assert "git fetch origin does not bring the ledger" in out


def test_dead_run(inside: Path, dead: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal whose process is gone, one of another host, and a damaged one."""
    assert f"{dead}: its process is gone -> gittrack recover" in says(
        doctor(capsys, 1), "unfinished run", "problem"
    )
    (owner,) = (inside / ".git/gittrack/journal" / dead).glob("owner-*.json")
    owner.write_text(json.dumps({**json.loads(owner.read_text()), "boot": "other", "host": "elsewhere"}))
    assert "belongs to another host" in says(doctor(capsys, 0), "unfinished run", "note")
    owner.write_text("{")
    assert "journal is damaged" in says(doctor(capsys, 1), "unfinished run", "problem")


def test_ledger_that_is_checked_out(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody can append to it then."""
    assert cli.execute(["init", "--no-config"]) == 0
    run_git(inside, "checkout", "-q", "gittrack/runs")
    assert "is checked out" in says(doctor(capsys, 1), "ledger", "problem")
    run_git(inside, "checkout", "-q", "main")
    run_git(inside, "branch", "-q", "-f", "gittrack/runs", "main")
    assert "is no gittrack ledger" in says(doctor(capsys, 1), "ledger", "problem")


def test_dvc_remotes(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No DVC, no remote, none chosen, and a ledger that knows of others."""
    assert "no DVC here" in says(doctor(capsys, 0), "dvc", "note")
    (inside / ".dvc").mkdir()
    (inside / ".dvc/config").write_text("")
    assert "no DVC remote: " in says(doctor(capsys, 0), "dvc", "note")
    assert cli.execute(["init", "--no-config"]) == 0
    (inside / ".dvc/config").write_text(f"['remote \"store\"']\n    url = {tmp_path}/store\n")
    found = says(doctor(capsys, 0), "dvc", "note")
    assert "no DVC remote is the default" in found
    assert "other DVC remotes than .dvc/config -> gittrack init" in found
    text = (inside / ".dvc/config").read_text()
    (inside / ".dvc/config").write_text(f"[core]\n    remote = store\n{text}")
    assert cli.execute(["init", "--no-config"]) == 0
    assert says(doctor(capsys, 0), "dvc", "note") == ""


def test_huge_untracked_file(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Too large for a snapshot, and how to deal with it; small ones are only mentioned."""
    (inside / "small").write_text("x")
    assert "1 untracked files" in says(doctor(capsys, 0), "work tree", "note")
    with (inside / "huge.bin").open("wb") as out:
        out.truncate(10_000_001)
    assert "huge.bin is untracked and too large" in says(doctor(capsys, 1), "work tree", "problem")


def test_outside_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """There is nothing to examine: code 5."""
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["doctor"]) == 5
    assert "run git init" in capsys.readouterr().err

"""gittrack init: what it sets up, that it can be repeated, and that stock git then brings the ledger."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import cli
from gittrack.git.repository import Repository
from gittrack.ledger import ANCHOR, Ledger
from tests.ledgers import addition
from tests.repositories import run_git


@pytest.fixture
def hub(inside: Path, tmp_path: Path) -> Path:
    """A bare repository as origin of the current project."""
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    return tmp_path / "hub.git"


def record_run(top: Path, name: str = "a") -> None:
    repo = Repository.discover(top)
    Ledger(repo).append([addition(name, (repo.resolve("HEAD") or "",))])


def test_first_init(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Ledger branch and a first configuration, and nothing else of the user's has moved."""
    before = run_git(inside, "rev-parse", "HEAD")
    assert cli.execute(["init"]) == 0
    out = capsys.readouterr()
    assert out.out.splitlines() == ["made  ledger branch gittrack/runs", "made  gittrack.yaml"]
    assert "next: gittrack run" in out.err
    assert run_git(inside, "rev-parse", "HEAD") == before
    assert run_git(inside, "status", "--porcelain") == "?? gittrack.yaml\n"
    assert cli.execute(["run", "--", "true"]) == 0


def test_repeated(inside: Path, hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second time everything is kept, byte for byte."""
    assert cli.execute(["init"]) == 0
    config, tip = (inside / ".git/config").read_bytes(), run_git(inside, "rev-parse", "gittrack/runs")
    (inside / "gittrack.yaml").write_text("experiment: mine\n")
    capsys.readouterr()
    assert cli.execute(["init"]) == 0
    assert {line.split()[0] for line in capsys.readouterr().out.splitlines()} == {"kept"}
    assert (inside / ".git/config").read_bytes() == config
    assert run_git(inside, "rev-parse", "gittrack/runs") == tip
    assert (inside / "gittrack.yaml").read_text() == "experiment: mine\n"


@pytest.mark.parametrize("options", [[], ["--single-branch", "--branch", "main"]])
@pytest.mark.parametrize("ledger_first", [True, False])
def test_ordinary_fetch_brings_the_ledger(
    inside: Path, hub: Path, tmp_path: Path, options: list[str], ledger_first: bool
) -> None:
    """After init `git fetch` brings ledger and anchor, single-branch clones included."""
    if ledger_first:
        record_run(inside)
        assert cli.execute(["push"]) == 0
    run_git(tmp_path, "clone", "-q", "--no-local", *options, str(hub), "other")
    other = tmp_path / "other"
    assert cli.execute(["-C", str(other), "init"]) == 0
    run_git(other, "fetch", "-q")
    if not ledger_first:
        record_run(inside)
        assert cli.execute(["-C", str(inside), "push"]) == 0
        run_git(other, "fetch", "-q")
    for here, there in (("refs/remotes/origin/gittrack/runs", "gittrack/runs"), (None, ANCHOR)):
        local = here or "refs/gittrack/remotes/origin/code"
        assert run_git(other, "rev-parse", local) == run_git(hub, "rev-parse", there)
    run_git(other, "fetch", "-q", "--prune")
    assert cli.execute(["-C", str(other), "pull"]) == 0
    assert run_git(other, "rev-parse", "gittrack/runs") == run_git(hub, "rev-parse", "gittrack/runs")


def test_bare_and_empty_repositories(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a work tree nor a commit is needed."""
    run_git(tmp_path, "init", "-q", "--bare", "bare.git")
    run_git(tmp_path, "init", "-q", "empty")
    assert cli.execute(["-C", str(tmp_path / "bare.git"), "init"]) == 0
    assert capsys.readouterr().out == "made  ledger branch gittrack/runs\n"
    assert cli.execute(["-C", str(tmp_path / "empty"), "init", "--no-config"]) == 0
    assert not (tmp_path / "empty/gittrack.yaml").exists()


@pytest.mark.parametrize("name", ["ünïcode", "-dash", "with space", "a" * 120, "123"])
def test_example_is_valid_whatever_the_folder_is_called(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The written gittrack.yaml is one that gittrack accepts."""
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    run_git(tmp_path / name, "init", "-q")
    assert cli.execute(["init"]) == 0
    assert cli.execute(["run", "--", "true"]) == 0


def test_errors(
    inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Malformed configuration 2, no repository 5, a branch that is no ledger 5."""
    (inside / "gittrack.yaml").write_text("experiment: [\n")
    assert cli.execute(["init"]) == 2
    assert "gittrack.yaml" in capsys.readouterr().err
    (inside / "gittrack.yaml").unlink()
    run_git(inside, "branch", "gittrack/runs")
    assert cli.execute(["init"]) == 5
    assert "is no gittrack ledger" in capsys.readouterr().err
    monkeypatch.chdir(tmp_path)
    assert cli.execute(["init"]) == 5
    assert "not a git repository" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["init", "run", "recover", "push", "pull", "doctor"])
def test_help_has_examples(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each verb's help ends with commands to copy."""
    assert cli.execute([verb, "--help"]) == 0
    assert f"Examples:\n    gittrack {verb}" in capsys.readouterr().out

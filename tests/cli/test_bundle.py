"""gittrack bundle, and verify --bundle, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gittrack
from gittrack.cli import execute
from tests.repositories import run_git

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def recorded(inside: Path) -> Path:
    """A project with two runs, one of which has a model."""
    (inside / ".git/info/exclude").write_text("/model.pkl\n/*.tar\n/*.tgz\n")
    with gittrack.start_run("digits", seed=1) as run:
        run.log_metric("acc", 0.5, step=0)
    with gittrack.start_run("digits", seed=2) as run:
        (inside / "model.pkl").write_text("weights")
        run.log_artifact("model.pkl", role="model")
    return inside


def test_it_says_what_is_in_it_and_what_to_keep(recorded: Path, capsys: Captured) -> None:
    """On standard error: the ledger's tip and the digest of all checksums. -q says nothing."""
    assert execute(["bundle", "digits", "--outputs", "-o", "x.tar"]) == 0
    out, err = capsys.readouterr()
    tip = run_git(recorded, "rev-parse", "gittrack/runs").strip()
    assert out == ""
    first, second = err.splitlines()
    assert first == "gittrack: x.tar: 2 runs, 1 file of data (7 B)"
    assert second.startswith(f"gittrack: keep elsewhere: ledger {tip}, SHA256SUMS ")
    assert execute(["bundle", "-q", "-o", "y.tgz"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run_git(recorded, "status", "--porcelain") == ""


def test_verify_reads_it_anywhere(recorded: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    """In no repository, in each form, with the exit codes of verify."""
    assert execute(["bundle", "-q", "--data", "-o", "x.tar"]) == 0
    monkeypatch.chdir(recorded.parent)
    asked = ["verify", "--bundle", str(recorded / "x.tar")]
    assert execute(asked) == 0
    assert capsys.readouterr().out.startswith("PASS  2 runs at ")
    assert execute([*asked, "latest", "--json", "--read-data"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"] == 1
    for form in ("--md", "--junit", "--sarif"):
        assert execute([*asked, form]) == 0
    whole = (recorded / "x.tar").read_bytes()
    (recorded / "x.tar").write_bytes(whole.replace(b"weights", b"weighty"))
    capsys.readouterr()
    assert execute(asked) == 1
    out = capsys.readouterr().out
    assert out.count("FAIL") == 4 and "bundle-differs  data/files/md5/" in out
    assert execute([*asked, "-q"]) == 1


def test_absent_bytes_are_incomplete_when_asked_for(recorded: Path, capsys: Captured) -> None:
    """A bundle made without bytes claims none; --data asks for them."""
    assert execute(["bundle", "-q", "-o", "x.tar"]) == 0
    asked = ["verify", "--bundle", "x.tar"]
    assert execute(asked) == 0
    assert execute([*asked, "--data"]) == 4
    assert "the bytes are not in the bundle" in capsys.readouterr().out
    assert execute([*asked, "--data", "--strict", "-q"]) == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "-o"),
        (["-o", "x.zip"], 2, "let it end in .tar"),
        (["-o", "model.pkl/x.tar"], 2, "no folder"),
        (["-o", "train.py"], 2, "--force"),
        (["-o", "train.py", "--force"], 2, "is not replaced"),
        (["latest", "-o", "x.tar"], 2, "add --data"),
        (["nobody", "--data", "-o", "x.tar"], 2, "nobody"),
        (["--role", "nothing", "-o", "x.tar"], 2, "there is model"),
        (["--data", "-r", "store", "-o", "x.tar"], 5, "no DVC remote"),
    ],
)
def test_wrong_input(recorded: Path, capsys: Captured, words: list[str], code: int, says: str) -> None:
    """One line, a code, and nothing is written."""
    kept = recorded / ".git/gittrack/dvc/cache"
    for file in kept.rglob("*"):
        if file.is_file():
            file.unlink()
    capsys.readouterr()
    assert execute(["bundle", *words]) == code
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
    assert not list(recorded.glob("*x.*"))
    assert (recorded / "train.py").read_text() == "print('training')\n"


def test_what_is_no_bundle(recorded: Path, capsys: Captured) -> None:
    """A path that is nothing is a wrong option; a file that is none fails."""
    assert execute(["verify", "--bundle", "nothing.tar"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert execute(["verify", "--bundle", "train.py"]) == 1
    assert "bundle-unreadable" in capsys.readouterr().out

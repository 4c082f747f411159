"""gittrack run: the command line around `wrap`, which has tests of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack import cli
from gittrack.cli.job_options import with_role
from tests.ledgers import records
from tests.repositories import run_git


def test_no_command(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is nothing to run."""
    for arguments in (["run"], ["run", "--"], ["run", "-e", "x"]):
        assert cli.execute(arguments) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("data.csv:test", ("data.csv", "test")),
        ("data.csv", ("data.csv", None)),
        ("a:b.csv:test", ("a:b.csv", "test")),
        ("here:b", ("here:b", None)),
        ("c:/data", ("c:/data", None)),
    ],
)
def test_roles(inside: Path, text: str, split: tuple[str, str | None]) -> None:
    """A role may be left out; a path that is there may hold colons."""
    (inside / "here:b").write_text("x")
    assert with_role(text, "--input") == split


@pytest.mark.parametrize("option", ["--input", "--output"])
@pytest.mark.parametrize("text", ["", ":train", "x:"])
def test_empty_paths_and_roles(
    inside: Path, option: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither may be empty."""
    assert cli.execute(["run", option, text, "--", "touch", "started"]) == 2
    assert "PATH:ROLE" in capsys.readouterr().err
    assert not (inside / "started").exists()


def test_quiet(inside: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """With -q nothing is said of a run that went well."""
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    assert capfd.readouterr() == ("", "")
    assert cli.execute(["run", "--", "false"]) == 1
    assert ": failed; gittrack show " in capfd.readouterr().err


def test_declared_outputs_and_inputs(inside: Path) -> None:
    """What gittrack.yaml declares is read and kept without being named again, and makes no tree dirty."""
    (inside / "gittrack.yaml").write_text(
        "experiment: e\ninputs: [{path: train.py, role: train}]\noutputs: [{path: m.pkl, role: model}]\n"
    )
    run_git(inside, "add", ".")
    run_git(inside, "commit", "-q", "-m", "config")
    (inside / "m.pkl").write_text("older")
    assert cli.execute(["run", "-q", "--", "sh", "-c", "echo x > m.pkl"]) == 0
    (record,) = records(inside)
    assert record.experiment == "e"
    assert [(d.path, d.role, d.source) for d in record.data] == [("train.py", "train", "git")]
    assert [(o.path, o.role) for o in record.outputs] == [("m.pkl", "model")]
    assert not record.code.dirty


def test_parent_is_any_name_of_a_run(inside: Path) -> None:
    """--parent takes what `show` takes."""
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    assert cli.execute(["run", "-q", "--parent", "latest", "--", "true"]) == 0
    first, second = records(inside)
    assert second.parent == first.id

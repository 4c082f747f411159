"""gittrack export as it is typed."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from gittrack.cli import execute
from tests.exporters.bench import Bench, bench
from tests.repositories import run_git

Captured = pytest.CaptureFixture[str]
__all__ = ["bench"]


@pytest.fixture
def trained(bench: Bench) -> Bench:
    bench.run(0.9, 1)
    return bench


def test_text_goes_to_the_terminal_or_a_file(trained: Bench, capsys: Captured, tmp_path: Path) -> None:
    """The same bytes; notes are beside the output."""
    assert execute(["export", "latest", "--to", "cyclonedx"]) == 0
    out = capsys.readouterr().out
    assert json.loads(out)["specVersion"] == "1.7"
    target = tmp_path / "x.cdx.json"
    assert execute(["export", "latest", "--to", "cyclonedx", "-o", str(target)]) == 0
    assert target.read_text() == out
    assert capsys.readouterr().err == f"gittrack: {target}\n"
    assert execute(["export", "latest", "--to", "cyclonedx", "-o", str(target)]) == 2
    assert "there already" in capsys.readouterr().err
    assert execute(["export", "latest", "--to", "prov", "-o", str(target), "--force", "-q"]) == 0
    assert "wasGeneratedBy" in target.read_text() and capsys.readouterr().err == ""


def test_a_folder_gets_a_file_of_a_usual_name(trained: Bench, tmp_path: Path) -> None:
    """README.md for a card, the run's id and the ending of the format for the others."""
    (tmp_path / "out").mkdir()
    run = trained.records[0].id
    for to in ("model-card", "in-toto", "cyclonedx", "prov"):
        assert execute(["export", "latest", "--to", to, "-o", str(tmp_path / "out"), "-q"]) == 0
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"README.md", f"{run}.intoto.jsonl", f"{run}.cdx.json", f"{run}.prov.json"}


def test_a_crate(trained: Bench, tmp_path: Path) -> None:
    """A zip that others may read, or a folder."""
    target = tmp_path / "digits.zip"
    assert execute(["export", "digits", "--to", "ro-crate", "-o", str(target), "--data", "-q"]) == 0
    assert any(name.endswith("/outputs/model.bin") for name in zipfile.ZipFile(target).namelist())
    assert execute(["export", "digits", "--to", "ro-crate", "-o", f"{tmp_path}/digits/", "-q"]) == 0
    assert (tmp_path / "digits" / "ro-crate-metadata.json").is_file()


def test_a_plain_clone_suffices(trained: Bench, tmp_path: Path) -> None:
    """Of what was pushed: no DVC cache, no index, no network."""
    run_git(trained.top, "clone", "-q", "--bare", ".", str(tmp_path / "origin.git"))
    run_git(tmp_path, "clone", "-q", str(tmp_path / "origin.git"), "clone")
    for to in ("in-toto", "cyclonedx", "model-card", "prov"):
        target = tmp_path / to
        assert (
            execute(["-C", str(tmp_path / "clone"), "export", "latest", "--to", to, "-o", str(target)]) == 0
        )
    assert trained.records[0].id in (tmp_path / "in-toto").read_text()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["latest"], 2, "--to"),
        (["latest", "--to", "pdf"], 2, "pdf"),
        (["nosuch", "--to", "prov"], 2, "nosuch"),
        (["digits", "--to", "cyclonedx"], 2, "digits/latest"),
        (["latest", "--to", "prov", "--data"], 2, "ro-crate and mlflow"),
        (["latest", "--to", "prov", "--sign"], 2, "only in-toto"),
        (["latest", "--to", "in-toto", "--sign", "--key", "x"], 2, "choose one"),
        (["latest", "--to", "in-toto", "--key", "absent"], 2, "cannot be read"),
        (["latest", "--to", "model-card", "--license", "a: b\n"], 2, "SPDX"),
        (["latest", "--to", "mlflow"], 2, "needs -o"),
        (["latest", "--to", "ro-crate", "--data"], 2, "-o"),
        (["latest", "--to", "prov", "-o", "no/such/folder/x"], 2, "no folder"),
    ],
)
def test_wrong_input(trained: Bench, capsys: Captured, words: list[str], code: int, says: str) -> None:
    """One line, a code, no file."""
    before = run_git(trained.top, "status", "--short", "--ignored")
    assert execute(["export", *words]) == code
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1
    assert run_git(trained.top, "status", "--short", "--ignored") == before

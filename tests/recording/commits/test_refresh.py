"""Commits that were recorded before `dvc pull`: what they lack comes in records that supersede theirs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.formats import codec
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.reading.index import open_index
from gittrack.recording.finish import Frozen
from gittrack.verify import verify
from tests.cli.githooks import pipeline
from tests.repositories import run_git


@pytest.fixture
def poor(dvc_project: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, str]:
    """A commit recorded with an empty DVC cache, and the id of its record."""
    pipeline.train(dvc_project)
    run_git(dvc_project, "commit", "-q", "-m", "train")
    cache = dvc_project / ".dvc" / "cache"
    cache.rename(dvc_project / ".dvc" / "elsewhere")
    assert cli.execute(["record"]) == 0
    said = capsys.readouterr()
    assert "run dvc fetch --all-commits (or dvc pull), then gittrack record --refresh" in said.err
    return dvc_project, said.out.split()[0]


def pull(top: Path) -> None:
    """What `dvc pull` does to the cache."""
    shutil.copytree(top / ".dvc" / "elsewhere", top / ".dvc" / "cache", dirs_exist_ok=True)


def test_what_was_poor_is_mended_once(
    poor: tuple[Path, str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that supersedes the poor one; readers show it alone, and both can be shown by their ids."""
    top, first = poor
    pull(top)
    assert cli.execute(["record", "--refresh"]) == 0
    second = capsys.readouterr().out.split()[0]
    with open_index() as index:
        assert [row.id for row in index.search()] == [second]
        assert index.count() == 1 and index.experiments() == {"default": 1}
        assert index.one("latest").id == second and index.one(first).id == first
        commit = run_git(top, "rev-parse", "HEAD").strip()
        assert index.one(commit).id == second
        old, new = (index.one(name).load() for name in (first, second))
    assert old.series is None and new.series is not None and new.supersedes == first
    assert all(output.sha256 is None for output in old.outputs)
    assert all(output.sha256 for output in new.outputs)
    assert cli.execute(["show", first]) == 0
    assert f"superseded by {second}" in capsys.readouterr().err
    assert cli.execute(["record", "--refresh"]) == 0
    again = capsys.readouterr()
    assert again.out == "" and "0 recorded, 1 were there already" in again.err
    assert verify(Repository.discover()).outcome == "PASS"


def test_what_was_read_is_not_lost_by_a_refresh(
    poor: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    top, _ = poor
    pull(top)
    assert cli.execute(["record", "--refresh"]) == 0
    shutil.rmtree(top / ".dvc" / "cache")
    capsys.readouterr()
    assert cli.execute(["record", "--refresh"]) == 5
    assert "cannot be read now: run dvc fetch first" in capsys.readouterr().err
    assert len(run_git(top, "ls-tree", "-r", "--name-only", "gittrack/runs", "runs").split("run.yaml")) == 3


def test_a_model_without_its_bytes_is_registered_after_a_refresh(
    poor: tuple[Path, str], capsys: pytest.CaptureFixture[str]
) -> None:
    top, first = poor
    assert cli.execute(["register", first, "--model", "detector"]) == 2
    assert "gittrack record --refresh" in capsys.readouterr().err
    pull(top)
    assert cli.execute(["record", "--refresh"]) == 0
    assert cli.execute(["register", "latest", "--model", "detector"]) == 0


@pytest.mark.parametrize("field", ["commit", "started", "unknown"])
def test_a_record_hides_no_other_execution(dvc_project: Path, field: str) -> None:
    """One that claims to supersede a run of another commit or moment hides nothing; verify says so."""
    repo = Repository.discover()
    for number in (1, 2):
        pipeline.train(dvc_project, lr=0.1 * number)
        run_git(dvc_project, "commit", "-q", "-m", f"train {number}")
        assert cli.execute(["record"]) == 0
    with open_index() as index:
        newer, older = (row.load() for row in index.search())
        environment = run_git(dvc_project, "show", f"{index.tip}:{newer.path}/environment.yaml").encode()
    victim = "20200101-000000-abcdef" if field == "unknown" else older.id
    bare = replace(newer, data=(), outputs=(), series=None)
    liar = replace(bare, id=f"{newer.id[:15]}-0123456789", supersedes=victim)
    if field == "started":
        liar = replace(liar, code=older.code, started=f"{older.started[:-2]}1Z")
    files = {"environment.yaml": environment, "run.yaml": codec.dump_record(liar)}
    Ledger(repo, "gittrack/runs").append([Frozen(liar, files).addition()], dvc_config=b"")
    with open_index() as index:
        assert {newer.id, older.id} < {row.id for row in index.search()}
    assert "record-supersedes" in {finding.code for finding in verify(repo).findings}

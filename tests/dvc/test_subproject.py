"""DVC below a folder of the git repository, as after `dvc init --subdir`: its cache and remotes are used."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.dvc.settings import cache_of, ledger_config, project_of
from gittrack.git.repository import Repository
from tests import dvc_repo
from tests.ledgers import records
from tests.recording.commands import gittrack
from tests.repositories import run_git


@pytest.fixture
def sub(project: Path, tmp_path: Path) -> Path:
    """The folder `ml` of the project, with DVC, a remote, and a file that DVC tracks."""
    folder = project / "ml"
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    url = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path}/store\n"
    (folder / ".dvc" / "config").write_text(url)
    (folder / "data.csv").write_text("1,2,3\n")
    dvc_repo.add(folder, "data.csv")
    (folder / ".gitignore").write_text("/data.csv\n/model.bin\n")
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "below")
    return folder


def objects_in(cache: Path) -> set[str]:
    return {path.parent.name + path.name for path in (cache / "files" / "md5").glob("*/*")}


@pytest.mark.parametrize("place", ["in it", "above it"])
def test_a_run_uses_the_project_of_its_files(sub: Path, project: Path, place: str) -> None:
    """What it reads is tracked by DVC, and what it keeps lies in that project's cache, from either folder."""
    where, prefix = (sub, "") if place == "in it" else (project, "ml/")
    options = ["--input", f"{prefix}data.csv:train", "--output", f"{prefix}model.bin:model"]
    done = gittrack(where, "run", *options, "--", "sh", "-c", f"echo weights > {prefix}model.bin")
    assert done.returncode == 0 and "warning" not in done.stderr, done.stderr
    (record,) = records(project)
    (data,), (output,) = record.data, record.outputs
    assert (data.path, data.source, output.path) == ("ml/data.csv", "dvc", "ml/model.bin")
    assert {data.md5, output.md5} <= objects_in(sub / ".dvc" / "cache")
    assert not (project / ".git" / "gittrack" / "dvc").exists()


def test_the_ledger_carries_its_remotes_and_push_and_pull_use_them(
    sub: Path, project: Path, tmp_path: Path
) -> None:
    """What one clone pushes another pulls, and stock dvc finds it in the cache."""
    run_git(tmp_path, "clone", "-q", "--bare", str(project), "hub.git")
    run_git(project, "remote", "add", "origin", str(tmp_path / "hub.git"))
    make = ["run", "--output", "model.bin:model", "--", "sh", "-c", "echo weights > model.bin"]
    assert gittrack(sub, *make).returncode == 0
    assert f"{tmp_path}/store" in run_git(project, "show", "gittrack/runs:.dvc/config")
    pushed = gittrack(sub, "push", "--artifacts")
    assert pushed.returncode == 0, pushed.stderr
    (record,) = records(project)
    assert record.outputs[0].md5 in objects_in(tmp_path / "store")
    run_git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "other")
    other = tmp_path / "other" / "ml"
    pulled = gittrack(other, "pull", "--artifacts", "--all")
    assert pulled.returncode == 0, pulled.stderr
    assert record.outputs[0].md5 in objects_in(other / ".dvc" / "cache")


def test_the_nearest_project_counts(sub: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a path, of the current folder where the path is in none, and that of the top."""
    monkeypatch.chdir(project)
    assert project_of(project) is None and ledger_config(project) == b""
    assert project_of(project, sub / "deep" / "er") == sub
    monkeypatch.chdir(sub)
    assert project_of(project) == project_of(project, project / "elsewhere") == sub
    assert cache_of(Repository.discover(project))[0] == sub / ".dvc" / "cache"
    (project / ".dvc").mkdir()
    assert project_of(project, project / "elsewhere") == project
    assert project_of(project, sub / "data.csv") == sub

"""gittrack push and pull: the ledger by git, artifacts by a real DVC folder remote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from gittrack import cli
from gittrack.formats.record import Record
from tests import dvc_repo
from tests.ledgers import records
from tests.repositories import run_git
from tests.shared import make_run


def stored(folder: Path) -> set[str]:
    """Digests of the objects in a DVC cache or folder remote."""
    return {p.parent.name + p.name for p in (folder / "files/md5").glob("??/*")}


def digests(cache: Path, *found: Record) -> set[str]:
    """What a run points to: its files, its folders, and the files in these."""
    named = {o.md5 for r in found for o in (*r.outputs, *r.data) if o.md5}
    inside = set()
    for md5 in (m for m in named if m.endswith(".dir")):
        text = (cache / "files/md5" / md5[:2] / md5[2:]).read_text()
        inside |= {part.split('"')[0] for part in text.split('"md5": "')[1:]}
    return named | inside


def test_artifacts_move_exactly_what_runs_point_to(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Push sends the objects of new runs; pull fetches those of one run, or of those that are new."""
    cache, store = shared / ".dvc/cache", tmp_path / "store"
    (shared / "other.bin").write_text("no run points to this")
    dvc_repo.add(shared, "other.bin")
    first, second = records(shared)
    capsys.readouterr()

    assert cli.execute(["push", "--artifacts"]) == 0
    assert stored(store) == digests(cache, first, second)
    assert f"{len(stored(store))} artifact objects sent" in capsys.readouterr().err
    assert cli.execute(["push", "-a"]) == 0
    assert "0 artifact objects sent for runs that are new to it; --all" in capsys.readouterr().err
    make_run("model.pkl", "echo third > model.pkl")
    third = records(shared)[-1]
    assert cli.execute(["push", "-a"]) == 0
    assert stored(store) == digests(cache, first, second, third)

    run_git(tmp_path, "clone", "-q", str(tmp_path / "hub.git"), "clone")
    clone = tmp_path / "clone"
    monkeypatch.chdir(clone)
    assert cli.execute(["pull"]) == 0
    assert stored(clone / ".dvc/cache") == set()
    assert cli.execute(["pull", "--run", second.id[-6:]]) == 0
    assert stored(clone / ".dvc/cache") == digests(cache, second)
    capsys.readouterr()
    assert cli.execute(["pull", "--artifacts"]) == 0
    assert "--run or --all names others" in capsys.readouterr().err
    assert cli.execute(["pull", "--all"]) == 0
    assert stored(clone / ".dvc/cache") == stored(store)
    assert run_git(clone, "status", "--porcelain") == ""

    shutil.rmtree(store)
    monkeypatch.chdir(shared)
    assert cli.execute(["push", "--all"]) == 0
    assert stored(store) == digests(cache, first, second, third)


def test_artifacts_go_before_the_ledger(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """When bytes are gone, nobody sees a record that points to them."""
    first = records(shared)[0]
    md5 = first.outputs[0].md5
    (shared / ".dvc/cache/files/md5" / md5[:2] / md5[2:]).unlink()
    assert cli.execute(["push", "--artifacts"]) == 5
    assert "could not be copied" in capsys.readouterr().err
    assert run_git(tmp_path / "hub.git", "for-each-ref", "refs/heads/gittrack") == ""


def test_runs_before_dvc_init(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Outputs kept without DVC are sent once there is a remote."""
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    options = ["--output", "m:model"]
    assert cli.execute(["run", "-q", *options, "--", "sh", "-c", "mkdir m; echo x > m/x"]) == 0
    assert cli.execute(["push", "-a"]) == 5
    assert "dvc remote add" in capsys.readouterr().err
    (inside / ".dvc").mkdir()
    (inside / ".dvc/config").write_text(
        f"[core]\n    remote = store\n['remote \"store\"']\n    url = {tmp_path}/store\n"
    )
    assert cli.execute(["push", "-a"]) == 0
    assert stored(tmp_path / "store") == digests(inside / ".dvc/cache", *records(inside))


def test_without_pointers_dvc_is_not_needed(inside: Path, tmp_path: Path) -> None:
    """Runs that keep no bytes can be pushed with --artifacts where there is no DVC."""
    run_git(tmp_path, "clone", "-q", "--bare", str(inside), "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    assert cli.execute(["push", "-a"]) == 0
    assert cli.execute(["pull", "--all"]) == 0


def test_messages_and_codes(inside: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each thing that can be wrong: one line and its code."""
    for verb in ("push", "pull"):
        assert cli.execute([verb]) == 2
        assert "git remote add origin URL" in capsys.readouterr().err
    run_git(inside, "remote", "add", "origin", str(tmp_path / "nowhere.git"))
    assert cli.execute(["push", "elsewhere"]) == 2
    assert "no remote named 'elsewhere'" in capsys.readouterr().err
    assert cli.execute(["push"]) == 2
    assert "nothing to push" in capsys.readouterr().err
    assert cli.execute(["run", "-q", "--", "true"]) == 0
    for verb in ("push", "pull"):
        assert cli.execute([verb]) == 5
        assert len(capsys.readouterr().err.splitlines()) == 1
    run_git(tmp_path, "init", "-q", "--bare", "nowhere.git")
    assert cli.execute(["pull"]) == 2
    assert "has no ledger" in capsys.readouterr().err
    assert cli.execute(["push"]) == 0
    assert "origin has the ledger" in capsys.readouterr().err
    assert cli.execute(["push"]) == 0
    assert cli.execute(["pull"]) == 0
    assert capsys.readouterr().err == "origin is up to date\nalready up to date\n"
    assert cli.execute(["pull", "--run", "nobody"]) == 2
    assert "nobody" in capsys.readouterr().err


def test_tags_of_the_registry_travel(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pushed after the ledger, brought with it; another tag of that name is named and stays."""
    assert cli.execute(["register", "latest~1", "--model", "churn"]) == 0
    capsys.readouterr()
    assert cli.execute(["push"]) == 0
    assert "1 tag of the registry sent" in capsys.readouterr().err
    assert cli.execute(["push"]) == 0
    assert "registry" not in capsys.readouterr().err
    run_git(tmp_path, "clone", "-q", "--no-tags", str(tmp_path / "hub.git"), "other")
    monkeypatch.chdir(tmp_path / "other")
    assert cli.execute(["pull"]) == 0
    assert "1 tag of the registry brought" in capsys.readouterr().err
    assert cli.execute(["models"]) == 0
    assert "churn" in capsys.readouterr().out
    (tag,) = run_git(tmp_path / "other", "tag", "--list", "churn@*").split()
    run_git(tmp_path / "other", "tag", "-f", "-a", "-m", "mine", tag, f"{tag}^{{}}")
    assert cli.execute(["push"]) == 0
    assert f"origin has another tag {tag}: neither was changed" in capsys.readouterr().err

"""The bytes that a run has kept, read back."""

from __future__ import annotations

from pathlib import Path

import pytest

import gittrack
from gittrack.errors import DvcError, NotFoundError, UsageError
from tests.repositories import run_git


@pytest.fixture
def found(inside: Path) -> gittrack.Found:
    """A run with a file, a folder and a page."""
    (inside / "model.pkl").write_bytes(b"weights")
    (inside / "plots").mkdir()
    (inside / "plots" / "loss.svg").write_text("<svg/>")
    with gittrack.start_run("e") as run:
        run.log_model("model.pkl")
        run.log_artifact("plots")
        run.log_html("<p>1</p>", "page", step=1)
    (inside / "model.pkl").unlink()
    return gittrack.load("latest")


def test_outputs_give_their_bytes(found: gittrack.Found, tmp_path: Path) -> None:
    """By path; a folder by its files, or saved whole."""
    assert list(found.outputs) == ["model.pkl", "plots", "_gittrack/media"] and "x" not in found.outputs
    model = found.outputs["model.pkl"]
    assert (model.role, model.size, model.read_bytes()) == ("model", 7, b"weights")
    with model.open() as stream:
        assert stream.read(3) == b"wei"
    assert model.path.read_bytes() == b"weights" and model.save(tmp_path / "m").read_bytes() == b"weights"
    plots = found.outputs["plots"]
    assert plots.is_folder and list(plots.files) == ["loss.svg"]
    assert found.artifact("plots/loss.svg").read_bytes() == b"<svg/>"
    assert (plots.save(tmp_path / "p") / "loss.svg").read_text() == "<svg/>"
    page = found.artifact("_gittrack/media/html/page/step-1.html")
    assert page == found.media("page")[0] == found.artifact("html/page/step-1.html")
    assert page.medium is not None and page.medium.step == 1


def test_what_is_not_there_is_named(found: gittrack.Found, tmp_path: Path) -> None:
    """With names like it; a folder is no file; nothing is written over."""
    with pytest.raises(NotFoundError, match=r"nothing at 'modle.pkl': did you mean model.pkl\?"):
        found.artifact("modle.pkl")
    with pytest.raises(NotFoundError, match=r"nothing at 'plots/none.svg'"):
        found.artifact("plots/none.svg")
    with pytest.raises(UsageError, match="plots is a folder"):
        found.outputs["plots"].read_bytes()
    (tmp_path / "m").write_text("mine")
    with pytest.raises(UsageError, match="exists and differs"):
        found.outputs["model.pkl"].save(tmp_path / "m")


def test_while_its_run_goes_on(inside: Path, tmp_path: Path) -> None:
    """Nothing is written over either; what was found while it went on is there when it has ended."""
    with gittrack.start_run("e") as run:
        run.log_html("<p>1</p>", "page")
        (page,) = gittrack.load(run.id).media("page")
        (tmp_path / "m").write_text("mine")
        with pytest.raises(UsageError, match="exists"):
            page.save(tmp_path / "m")
        assert page.save(tmp_path / "n").read_bytes() == b"<p>1</p>"
        (later,) = gittrack.load(run.id).media("page")
    assert later.read_bytes() == b"<p>1</p>" == later.save(tmp_path / "o").read_bytes()


def test_other_bytes_are_refused_and_absent_ones_named(found: gittrack.Found) -> None:
    """Every time that a run is loaded."""
    file = found.outputs["model.pkl"].path
    file.chmod(0o644)
    file.write_bytes(b"weighty")
    with pytest.raises(DvcError, match=r"has other bytes than model.pkl had"):
        found.outputs["model.pkl"].read_bytes()
    file.unlink()
    with pytest.raises(DvcError, match=r"is not in the DVC cache, and .* has no DVC remote"):
        found.outputs["model.pkl"].read_bytes()


def test_bytes_come_from_the_remote(inside: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a clone that has none of them, and one file of many by itself."""
    (inside / ".dvc").mkdir()
    (inside / ".dvc" / "config").write_text(
        f"[core]\n    remote = r\n['remote \"r\"']\n    url = {tmp_path}/r\n"
    )
    run_git(inside, "add", ".dvc")
    run_git(inside, "commit", "-q", "-m", "dvc")
    run_git(tmp_path, "init", "-q", "--bare", "hub.git")
    run_git(inside, "remote", "add", "origin", str(tmp_path / "hub.git"))
    with gittrack.start_run("e") as run:
        run.log_html("<p>1</p>", "page", step=1)
        run.log_html("<p>2</p>", "page", step=2)
    from gittrack.cli import execute

    assert execute(["push", "--artifacts"]) == 0
    run_git(inside, "push", "-q", "origin", "HEAD:main")
    run_git(tmp_path, "clone", "-q", "-b", "main", "hub.git", "clone")
    run_git(tmp_path / "clone", "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    monkeypatch.chdir(tmp_path / "clone")
    assert gittrack.load("latest").media("page")[1].read_bytes() == b"<p>2</p>"
    assert len([path for path in Path(".dvc/cache").rglob("*") if path.is_file()]) == 1

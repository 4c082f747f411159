"""Files that git does not track and a snapshot of the code: named, bounded, neither models nor data."""

from __future__ import annotations

from pathlib import Path

import pytest

import gittrack
from gittrack.formats.record import Code
from gittrack.git.repository import Repository
from gittrack.recording.capture.code import capture_code, command_invocation
from gittrack.recording.capture.untracked import LOOKS, MOST_LEFT_OUT, Limits
from tests.ledgers import records
from tests.recording.commands import PYTHON
from tests.recording.commands import gittrack as run_gittrack
from tests.repositories import run_git


def capture(where: Path, limits: Limits | None = None) -> tuple[Code, list[str]]:
    """The code of a run, and what a person is told of its snapshot."""
    repo = Repository.discover(where)
    notes: list[str] = []
    with repo.objects() as objects:
        invocation = command_invocation(["python", "train.py"], where)
        run_id = "20261122-142233-7f3a2c"
        return capture_code(repo, objects, invocation, run_id, limits=limits, notes=notes), notes


def write(top: Path, *names: str, count: int = 10) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x" * count)


def held(top: Path, code: Code) -> set[str]:
    return set(run_git(top, "ls-tree", "-r", "--name-only", code.tree).split())


@pytest.mark.parametrize(
    "name",
    ["model.pt", "w.SafeTensors", "m.pkl", "data/train.csv", "a.npz", "b.parquet", "img/1.jpg", "x.tar.gz"],
)
def test_what_looks_like_a_model_or_data_is_left_out(project: Path, name: str) -> None:
    """By its name, and named; code beside it is held."""
    write(project, name, "helper.py")
    code, notes = capture(project)
    assert [(file.path, file.size, file.reason) for file in code.left_out] == [(name, 10, LOOKS)]
    assert held(project, code) == {"train.py", "helper.py"}
    assert notes == [
        "the code snapshot holds 1 file that git does not track, 10 B: helper.py (10 B)",
        f"left out of the code snapshot: {name} (10 B: looks like a model or data)",
    ]


def test_data_that_is_named_is_held(project: Path) -> None:
    """What git tracks, what the run reads, and a link, which is no more than a path."""
    write(project, "tracked.csv", "given/a.csv", "read.csv")
    run_git(project, "add", "tracked.csv")
    (project / "link.csv").symlink_to("/data/all.csv")
    code, _ = capture(project, Limits(inputs=["given", "read.csv"]))
    assert held(project, code) == {"train.py", "tracked.csv", "given/a.csv", "read.csv", "link.csv"}
    assert code.left_out == ()


def test_untracked_files_are_bounded_in_all(project: Path) -> None:
    """The smallest go in first; changes of tracked files are not counted."""
    write(project, "a.py", "b.py", count=40)
    write(project, "c.py", count=30)
    write(project, "train.py", count=500)
    code, notes = capture(project, Limits(untracked_bytes=75))
    assert held(project, code) == {"train.py", "a.py", "c.py"}
    assert [(file.path, file.reason) for file in code.left_out] == [
        ("b.py", "untracked files are more than 75 bytes in all")
    ]
    assert notes[0].endswith("2 files that git does not track, 70 B: a.py (40 B), c.py (30 B)")


def test_a_folder_of_data_is_named_once(project: Path) -> None:
    """A record has no room for the names of a data set."""
    names = [f"images/{part}/{n}.png" for part in ("a", "b") for n in range(MOST_LEFT_OUT)]
    write(project, *names)
    code, notes = capture(project)
    assert [(file.path, file.size) for file in code.left_out] == [("images/a", 1000), ("images/b", 1000)]
    assert {file.reason for file in code.left_out} == {f"{LOOKS} (100 files)"}
    assert "images/a (1 kB: looks like a model or data)" in notes[0]


def test_a_run_names_them_at_its_end(
    project: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the terminal, and in the log of a run of the API; gittrack.yaml bounds them."""
    (project / "gittrack.yaml").write_text(
        "capture: {max_untracked_mb: 0.0005}\ninputs: [{path: in.csv, role: train}]\n"
    )
    write(project, "in.csv", "out.csv", "helper.py")
    write(project, "long.py", count=1000)
    ended = run_gittrack(project, "run", "--", PYTHON, "-c", "print('trained')")
    (record,) = records(project)
    assert {file.path for file in record.code.left_out} == {"out.csv", "long.py"}
    said = "the code snapshot holds 3 files that git does not track, "
    assert said in ended.stderr
    assert "helper.py (10 B)" in ended.stderr
    assert "out.csv (10 B: looks like a model or data)" in ended.stderr
    assert "left out" in run_gittrack(project, "show", "latest").stdout
    monkeypatch.chdir(project)
    write(project, "read.csv")
    with gittrack.start_run(inputs={"read.csv": "test"}) as run:
        pass
    assert said.replace("3 files", "4 files") in caplog.text
    assert run.record is not None
    assert "read.csv" in held(project, run.record.code)


def test_a_clean_tree_has_nothing_to_name(project: Path) -> None:
    """And costs nothing."""
    assert capture(project)[1] == []


FILTERS = {
    "not configured": [],
    "clean": [("clean", "git-lfs-nowhere clean -- %f")],
    "clean, required": [("clean", "git-lfs-nowhere clean -- %f"), ("required", "true")],
    "verb of git": [("clean", "git lfs-nowhere clean -- %f"), ("required", "true")],
    "process": [("process", "git-lfs-nowhere filter-process")],
    "process, required": [("process", "git-lfs-nowhere filter-process"), ("required", "true")],
    "environment removed": [("clean", "'/nowhere/bin/python' -m nbstripout"), ("required", "true")],
    "module removed": [("clean", "exit 1"), ("required", "true")],
}


@pytest.mark.parametrize("how", FILTERS)
def test_what_a_filter_that_is_not_here_would_change_is_left_out(project: Path, how: str) -> None:
    """Named, whether git requires the filter or not; code beside it is held, and what git has stays."""
    (project / ".gitattributes").write_text("*.weights filter=big -text\n")
    write(project, "sub/old.weights", "untouched.weights")
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "with weights")
    for key, value in FILTERS[how]:
        run_git(project, "config", f"filter.big.{key}", value)
    write(project, "helper.py", "sub/old.weights", "sub/new.weights", count=20)
    code, notes = capture(project, Limits(inputs=["sub"]))
    reason = "its filter big is not installed here"
    assert {(file.path, file.reason) for file in code.left_out} == {
        ("sub/old.weights", reason), ("sub/new.weights", reason)
    }  # fmt: skip
    assert held(project, code) == {
        ".gitattributes", "train.py", "helper.py", "sub/old.weights", "untouched.weights"
    }  # fmt: skip
    committed = run_git(project, "rev-parse", "HEAD:sub/old.weights")
    assert run_git(project, "rev-parse", f"{code.tree}:sub/old.weights") == committed
    assert f"sub/old.weights (20 B: {reason})" in notes[-1]


def test_a_filter_that_is_here_is_asked(project: Path) -> None:
    """The snapshot holds what git would have stored."""
    (project / ".gitattributes").write_text("*.py filter=upper\n")
    run_git(project, "config", "filter.upper.clean", "tr a-z A-Z")
    run_git(project, "config", "filter.upper.required", "true")
    (project / "train.py").write_text("pass\n")
    code, _ = capture(project)
    assert not code.left_out
    assert run_git(project, "show", f"{code.tree}:train.py") == "PASS\n"


def test_a_run_goes_on_without_a_required_filter(project: Path) -> None:
    """From start to record, also when the program changes such a file: nothing is refused."""
    (project / ".gitattributes").write_text("*.txt filter=big\n")
    write(project, "a.txt", "b.txt")
    run_git(project, "add", "-A")
    run_git(project, "commit", "-q", "-m", "with texts")
    run_git(project, "config", "filter.big.clean", "git-lfs-nowhere clean -- %f")
    run_git(project, "config", "filter.big.required", "true")
    write(project, "a.txt", count=20)
    done = run_gittrack(project, "run", "--", "sh", "-c", "echo more >> b.txt; exit 3")
    assert done.returncode == 3, done.stderr
    assert "left out of the code snapshot: a.txt (20 B: its filter big is not installed here)" in done.stderr
    (record,) = records(project)
    assert [file.path for file in record.code.left_out] == ["a.txt"]

"""gittrack log --repo: several repositories in one list."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.plain import to_dict
from gittrack.git.repository import Repository
from gittrack.reading.index import FILE_NAME
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, commit_records, make_record, make_repository
from tests.repositories import run_git

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def both(repo: Repository) -> tuple[str, ...]:
    """The project with three runs and a bare repository with two: what names them on a command line."""
    commit_records(repo, [make_record(n, metrics={"acc": n}, params={"repo": n}) for n in (0, 2, 4)])
    vision = make_repository(repo.top.parent / "vision.git", "--bare")
    commit_records(vision, [make_record(n, experiment="vision", metrics={"acc": -n}) for n in (1, 3)])
    return "--repo", ".", "--repo", "../vision.git"


def log(capsys: Capture, *arguments: str) -> str:
    assert execute(["log", *arguments]) == 0
    return capsys.readouterr().out


def test_a_column_says_where(both: tuple[str, ...], capsys: Capture) -> None:
    """Newest first over all; a parameter of that name keeps its full one."""
    header, *lines = log(capsys, *both).splitlines()
    assert header.split() == ["id", "age", "repo", "experiment", "status", "commit", "acc", "params.repo"]
    where = [re.split(r" {2,}", line)[2] for line in lines]
    assert where == ["project", "vision", "project", "vision", "project"]
    assert log(capsys, *both, "--md").splitlines()[0].startswith("| id | age | repo | experiment |")
    assert "repo" not in log(capsys, *both, "--drop", "repo").splitlines()[0]
    assert "repo" in log(capsys, *both, "--only-changed").splitlines()[0].split()
    only = log(capsys, *both, "-e", "vision", "--only-changed").splitlines()[0]
    assert only.split() == ["id", "age", "acc"]


def test_one_is_as_if_one_were_there(both: tuple[str, ...], capsys: Capture) -> None:
    """--repo once, or twice the same, lists what is listed there, without the column."""
    for form in ([], ["--csv"], ["--json"], ["--md"], ["--sheet"], ["-e", "digits", "-n", "1"]):
        here = log(capsys, *form)
        assert log(capsys, "--repo", ".", *form) == here
        assert log(capsys, "--repo", ".", "--repo", str(Path.cwd()), *form) == here
    assert execute(["-C", "../vision.git", "log", "--csv"]) == 0
    assert capsys.readouterr().out == log(capsys, "--repo", "../vision.git", "--csv")


def test_select_and_sort(both: tuple[str, ...], capsys: Capture) -> None:
    """Every choice is made over the runs of all."""

    def numbers(*arguments: str) -> list[int]:
        rows = csv.DictReader(io.StringIO(log(capsys, *both, "--csv", *arguments)))
        return [int(row["id"][-6:], 16) - 0x100000 for row in rows]

    assert numbers() == [4, 3, 2, 1, 0]
    assert numbers("-n", "2") == [4, 3]
    assert numbers("-e", "vision") == [3, 1]
    assert numbers("--sort-by", "metrics.acc", "-n", "3") == [3, 1, 0]
    assert numbers("--sort-by", "params.repo", "--sort-order", "desc") == [4, 2, 0, 3, 1]
    assert numbers("-F", "metrics.acc < 1", "--hide-failed") == [3, 1, 0]


def test_json_and_csv(both: tuple[str, ...], capsys: Capture) -> None:
    """A record is whole and as it was; where it is stands beside its path, and after the id."""
    (found, *_) = json.loads(log(capsys, *both, "--json", "-e", "vision"))
    assert (found.pop("repo"), found.pop("path")) == (
        "vision",
        f"{make_record(3, experiment='vision').path}/run.yaml",
    )
    assert found == to_dict(make_record(3, experiment="vision", metrics={"acc": -3}))
    assert log(capsys, *both, "--csv").startswith("id,repo,started,")


def test_damaged_records(both: tuple[str, ...], repo: Repository, capsys: Capture) -> None:
    """Are listed with the repository that they are in."""
    bad = make_record(9)
    commit_files(repo, {f"{bad.path}/run.yaml": b"id: ["})
    line = log(capsys, *both).splitlines()[1]
    assert re.fullmatch(rf"{bad.id}  \S.*  project  digits +damaged +{bad.path}/run.yaml.*", line)
    assert json.loads(log(capsys, *both, "--json", "-n", "1"))[0]["repo"] == "project"


def test_on_a_terminal(both: tuple[str, ...], terminal: Terminal) -> None:
    """Ids are short, and the repository stays however narrow it is."""
    seen = terminal("log", *both, columns=44, NO_COLOR="1").splitlines()
    assert seen[0].split()[:4] == ["id", "age", "repo", "experiment"]
    assert [line.split()[0] for line in seen[1:6]] == [f"10000{n}" for n in (4, 3, 2, 1, 0)]


def test_without_a_ledger(both: tuple[str, ...], capsys: Capture) -> None:
    """A note on standard error; where none has one there is nothing to answer."""
    make_repository(Path("../fresh"))
    assert execute(["log", *both, "--repo", "../fresh", "--json"]) == 0
    captured = capsys.readouterr()
    assert len(json.loads(captured.out)) == 5
    assert captured.err == "gittrack: fresh has no ledger, and so no runs\n"
    assert execute(["log", "--repo", "../fresh"]) == 2
    assert "no runs in fresh: name clones that have a ledger" in capsys.readouterr().err


def test_nothing_matches(both: tuple[str, ...], capsys: Capture) -> None:
    """Ends well, with an empty document."""
    assert execute(["log", *both, "-F", "seed = 1", "--json"]) == 0
    assert capsys.readouterr() == ("[]\n", "no run matches; gittrack log lists the newest\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-e", "nope"], "no experiment 'nope': there are digits, vision"),
        (["--sheet"], "a sheet is the log of one repository: give --repo once"),
        (["--xlsx", "x.xlsx"], "a sheet is the log of one repository: give --repo once"),
        (["--repo", "/"], "not a git repository: /"),
        (["--repo", "absent"], "no such directory: absent"),
        (["--repo", "train.py"], "train.py"),
        (["--sort-by", "repo"], "sort order: unexpected 'repo' at column 1"),
    ],
)
def test_wrong_questions(both: tuple[str, ...], capsys: Capture, arguments: list[str], said: str) -> None:
    """One line that says which."""
    assert execute(["log", *both, *arguments]) in (2, 5)
    out, err = capsys.readouterr()
    assert said in err and err.count("\n") == 1 and not out


def test_the_other_repository_is_left_alone(both: tuple[str, ...], repo: Repository, capsys: Capture) -> None:
    """But for the index in its git directory, nothing comes to be there."""
    vision = repo.top.parent / "vision.git"
    before = {path for path in vision.rglob("*") if path.is_file()}
    log(capsys, *both)
    new = {path.relative_to(vision).as_posix() for path in vision.rglob("*") if path.is_file()}
    assert new - {path.relative_to(vision).as_posix() for path in before} <= {
        f"gittrack/{name}" for name in (FILE_NAME, "index.lock")
    }
    assert run_git(repo.top, "status", "--short") == ""


def test_git_variables_name_the_current_repository_alone(
    both: tuple[str, ...], repo: Repository, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GIT_DIR, which git exports to hooks, does not make others of the repositories that were named."""
    monkeypatch.setenv("GIT_DIR", str(repo.git_dir))
    assert len(json.loads(log(capsys, *both, "--json"))) == 5


def test_without_it_nothing_more_is_loaded(repo: Repository) -> None:
    """gittrack log of one repository does not know of others."""
    commit_records(repo, [make_record()])
    script = "import sys; from gittrack.cli import execute; execute(['log']); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "gittrack.reading.across" not in done.stdout.split()
    assert "gittrack.reading.index" in done.stdout.split()

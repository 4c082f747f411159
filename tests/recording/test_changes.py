"""What was read at the start and edited since is recorded as changed, with both values."""

from __future__ import annotations

import hashlib
import html
import importlib
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import gittrack as library
from gittrack.formats.during import Changed
from gittrack.git.objects import make
from tests import dvc_repo
from tests.ledgers import records
from tests.recording.commands import gittrack, script
from tests.repositories import run_git

PYTHON = sys.executable
READ = "import pathlib; pathlib.Path('metrics.json').write_text('{\"acc\": 1}')"


@pytest.fixture
def prepared(project: Path) -> Path:
    """A project with parameters, an input and a module."""
    (project / "params.yaml").write_text("train: {lr: 0.1, n: 2}\nname: a\n")
    (project / "data.csv").write_text("1\n")
    (project / "helper.py").write_text("A = 1\n")
    (project / ".gitignore").write_text("metrics.json\n__pycache__\n")
    run_git(project, "add", ".")
    run_git(project, "commit", "-qm", "prepared")
    return project


def blob(text: str) -> str:
    return make("blob", text.encode(), "sha1").oid


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def changes(project: Path) -> dict[str, tuple[Any, Any]]:
    (record,) = records(project)
    return {item.what: (item.before, item.after) for item in record.changed}


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("true", {}),
        ("touch params.yaml data.csv helper.py", {}),
        ("sed -i s/0.1/0.5/ params.yaml", {"param train.lr": (0.1, 0.5)}),
        (
            "echo 'name: b' > params.yaml",
            {"param train": ({"lr": 0.1, "n": 2}, None), "param name": ("a", "b")},
        ),
        ("echo 2 > data.csv", {"input data.csv": (sha256("1\n"), sha256("2\n"))}),
        ("mv data.csv gone", {"input data.csv": (sha256("1\n"), None)}),
        ("echo 'A = 2' > helper.py", {"code helper.py": (blob("A = 1\n"), blob("A = 2\n"))}),
        ("rm helper.py", {"code helper.py": (blob("A = 1\n"), None)}),
        ("echo 'B = 1' > new.py; echo > new.log", {"code new.py": (None, blob("B = 1\n"))}),
    ],
)
def test_edited_by_the_command(prepared: Path, command: str, expected: dict[str, Any]) -> None:
    """Parameters, inputs and code; what is written as it was, or is no code, is no change."""
    gittrack(
        prepared,
        "run",
        "--input",
        "data.csv:train",
        "--",
        "sh",
        "-c",
        f"{command}; echo '{{}}' > metrics.json",
    )
    assert changes(prepared) == expected
    (record,) = records(prepared)
    if "param train.lr" in expected:
        assert record.params["train"] == {"lr": 0.5, "n": 2}
        shown = gittrack(prepared, "show", "latest").stdout
        assert "param train.lr  0.1 -> 0.5" in shown
        report = gittrack(prepared, "report", record.id, "--format", "md", "-o", "-").stdout
        assert "param train.lr: 0.1 -> 0.5" in html.unescape(report)


@pytest.mark.parametrize(
    ("command", "whats"),
    [
        ("true", []),
        ("cp params.yaml k; echo 'lr: 9' > params.yaml; cp k params.yaml", ["params file params.yaml"]),
        ("cp -p data.csv k; echo 2 > data.csv; cp -p k data.csv", ["input data.csv"]),
        ("cp conf.toml k; echo 'a = 2' > conf.toml; cp k conf.toml", ["code in between"]),
        ("git commit -q --allow-empty -m x; git reset -q --hard HEAD~", []),
        ("cp helper.py k; echo 'A = 2' > helper.py; cp k helper.py", ["code in between"]),
        (
            "git checkout -q HEAD~2; git checkout -q -",
            ["params file params.yaml", "input data.csv", "code in between"],
        ),
    ],
)  # fmt: skip
def test_edited_and_put_back(prepared: Path, command: str, whats: list[str]) -> None:
    """What the program read in between nobody has seen: it is said, and is no change."""
    script(prepared, "a = 1\n", "conf.toml")
    command = f"sleep 0.02; {command}; rm -f k; echo '{{}}' > metrics.json"
    gittrack(prepared, "run", "--input", "data.csv:train", "--", "sh", "-c", command)
    (record,) = records(prepared)
    losses = {loss.what: loss.why for loss in record.not_recorded if "metrics" not in loss.what}
    assert (list(losses), record.changed) == (whats, ())
    assert all("in between" in why for why in losses.values())
    if "code in between" in losses and "conf.toml" not in command:
        assert "helper.py" in losses["code in between"]
        assert ("HEAD was moved" in losses["code in between"]) == ("checkout" in command)


def test_credential_that_was_edited(prepared: Path) -> None:
    """Said by the beginnings of the digests; the record has that of the new value."""
    (prepared / "params.yaml").write_text("head: {token: abc123}\n")
    (prepared / "edit.sh").write_text("sed -i s/abc123/def456/ params.yaml\n")
    for command in (("sh", "edit.sh"), ("true",)):
        gittrack(prepared, "run", "--", *command)
    record, later = sorted(records(prepared), key=lambda r: r.started)
    (change,) = record.changed
    before, after = change.before, change.after
    assert change.what == "param head.token"
    assert before != after and before.startswith("***")
    assert record.masked == later.masked and record.params == later.params == {"head": {"token": "***"}}


def test_edited_code_that_was_not_committed(prepared: Path) -> None:
    """Against the snapshot, which is what the record says ran; undone changes too."""
    (prepared / "helper.py").write_text("A = 5\n")
    gittrack(prepared, "run", "--", "git", "checkout", "-q", "helper.py")
    assert changes(prepared) == {"code helper.py": (blob("A = 5\n"), blob("A = 1\n"))}


def test_commit_that_was_checked_out(prepared: Path) -> None:
    """The command moves to another commit."""
    commit = run_git(prepared, "rev-parse", "HEAD").strip()
    first = run_git(prepared, "rev-parse", "HEAD~").strip()
    gittrack(prepared, "run", "--", "git", "checkout", "-q", first)
    assert changes(prepared)["code commit"] == (commit, first)
    assert changes(prepared)["code helper.py"] == (blob("A = 1\n"), None)


def test_value_that_was_given_stands(prepared: Path) -> None:
    """The file is not what told the program, and so its edit changes nothing of the run's."""
    gittrack(
        prepared, "run", "-S", "train.lr=0.3", "--pass", "env", "--", "sed", "-i", "s/0.1/0.5/", "params.yaml"
    )
    (record,) = records(prepared)
    assert (record.params["train"]["lr"], record.changed) == (0.3, ())


def test_usual_file_that_came_into_being(project: Path) -> None:
    """params.yaml, which the command wrote."""
    gittrack(project, "run", "--", "sh", "-c", "echo 'lr: 0.5' > params.yaml")
    (record,) = records(project)
    assert record.params == {"lr": 0.5}
    assert Changed(what="param lr", after=0.5) in record.changed


def test_file_that_cannot_be_read_any_more(prepared: Path) -> None:
    """The values of the start stay, and it is said."""
    gittrack(prepared, "run", "--", "sh", "-c", "echo '[' > params.yaml")
    (record,) = records(prepared)
    assert record.params["train"]["lr"] == 0.1
    assert "cannot be read any more" in record.not_recorded[0].why


def test_script_that_joins(prepared: Path) -> None:
    """It runs with what stands in the file when it asks; what is edited after that is said alone."""
    program = (
        "import gittrack, pathlib\n"
        "path = pathlib.Path('params.yaml')\n"
        "path.write_text(path.read_text().replace('0.1', '0.5'))\n"
        "with gittrack.start_run(params={'train': {'lr': 0.5, 'n': 2}}) as run:\n"
        "    run.log_input('data.csv')\n"
        "path.write_text(path.read_text().replace('0.5', '0.7'))\n"
    )
    script(prepared, program)
    done = gittrack(prepared, "run", "--input", "data.csv:train", "--", PYTHON, "train.py")
    assert done.returncode == 0, done.stderr
    (record,) = records(prepared)
    assert record.params["train"]["lr"] == 0.5
    assert changes(prepared) == {"param train.lr": (0.1, 0.7)}


def test_input_that_is_logged_again(prepared: Path) -> None:
    """The digest is that of what the script read, and the first is kept beside it."""
    program = (
        "import gittrack, pathlib\npathlib.Path('data.csv').write_text('2\\n')\n"
        "with gittrack.start_run() as run: run.log_input('data.csv')\n"
    )
    script(prepared, program)
    gittrack(prepared, "run", "--input", "data.csv:train", "--", PYTHON, "train.py")
    (record,) = records(prepared)
    assert record.data[0].sha256 == sha256("2\n")
    assert changes(prepared) == {"input data.csv": (sha256("1\n"), sha256("2\n"))}


def test_within_one_process(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script's own inputs, and the modules of the project that it has loaded."""
    monkeypatch.chdir(prepared)
    monkeypatch.syspath_prepend(prepared)
    import helper  # noqa: F401

    try:
        (prepared / "folder").mkdir()
        (prepared / "folder" / "1.png").write_text("1")
        with library.start_run(inputs={"data.csv": "train", "folder": "test"}):
            (prepared / "data.csv").write_text("2\n")
            (prepared / "folder" / "2.png").write_text("2")
            (prepared / "helper.py").write_text("A = 2\n")
        named = changes(prepared)
        assert set(named) == {"input data.csv", "input folder", "code helper.py"}
        assert named["code helper.py"] == (blob("A = 1\n"), blob("A = 2\n"))
    finally:
        del sys.modules["helper"]


def test_module_that_is_put_back(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It was imported while it held something else."""
    monkeypatch.chdir(prepared)
    monkeypatch.syspath_prepend(prepared)
    text = (prepared / "helper.py").read_text()
    with library.start_run():
        time.sleep(0.02)  # the disk writes down times by the tick of the kernel
        (prepared / "helper.py").write_text("A = 2\n")
        importlib.import_module("helper")
        (prepared / "helper.py").write_text(text)
    del sys.modules["helper"]
    (record,) = records(prepared)
    assert record.changed == ()
    assert [loss.what for loss in record.not_recorded] == ["code in between"]


def test_a_module_that_is_loaded_later(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Edited after the start, and then imported; one that nobody has edited is not named."""
    (prepared / "plain.py").write_text("B = 1\n")
    run_git(prepared, "add", ".")
    run_git(prepared, "commit", "-qm", "plain")
    monkeypatch.chdir(prepared)
    monkeypatch.syspath_prepend(prepared)
    with library.start_run():
        (prepared / "helper.py").write_text("A = 2\n")
        for name in ("helper", "plain"):
            importlib.import_module(name)
    del sys.modules["helper"], sys.modules["plain"]
    assert changes(prepared) == {"code helper.py": (blob("A = 1\n"), blob("A = 2\n"))}


def test_dvc_experiment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC sets the parameter in the work tree, after the start of the run."""
    dvc_repo.isolate(monkeypatch, tmp_path / "user")
    top = dvc_repo.repository(tmp_path / "repo")
    (top / "params.yaml").write_text("rate: 0.1\n")
    train = (
        "import json,re; json.dump({'acc': float(open('params.yaml').read()[6:])}, open('metrics.json', 'w'))"
    )
    (top / "train.py").write_text(train)
    (top / "dvc.yaml").write_text(
        f"stages:\n  train:\n    cmd: {PYTHON} train.py\n    params: [rate]\n"
        "    metrics: [{metrics.json: {cache: false}}]\n"
    )
    run_git(top, "add", ".")
    run_git(top, "commit", "-qm", "pipeline")
    command = [PYTHON, "-m", "dvc", "exp", "run", "-S", "rate=0.5"]
    done = gittrack(top, "run", "--", *command)
    assert done.returncode == 0, done.stderr
    (record,) = records(top)
    assert (record.params, record.metrics["acc"].value) == ({"rate": 0.5}, 0.5)
    assert changes(top)["param rate"] == (0.1, 0.5)
    run_git(top, "add", ".")
    run_git(top, "commit", "-qm", "of the work tree")
    done = gittrack(top, "run", "--", *command[:-1], "rate=0.7", "--temp")
    record = records(top)[-1]
    assert (record.params, record.metrics, record.changed) == ({}, {}, ())
    assert "leave out --temp" in record.not_recorded[0].why

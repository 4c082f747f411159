"""A sweep that was ended before its time: nothing is left behind, and it can go on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gittrack import cli
from tests.ledgers import records
from tests.repositories import run_git
from tests.running.sweep.sweeping import PYTHON, Sweep, left_behind

# Two of the three settings are quick, the other one waits for long.
SLOW = """
import json, os, pathlib, time
params = json.loads(os.environ["GITTRACK_PARAMS"])
if params["lr"] == 0.3 and not pathlib.Path(os.environ["GO"]).exists():
    pathlib.Path(os.environ["BEGUN"]).write_text("")
    time.sleep(600)
json.dump({"accuracy": params["lr"]}, open("metrics.json", "w"))
"""
OPTIONS = ["--pass", "env", "-S", "lr=0.1,0.3,0.2", "--jobs", "2"]


@pytest.fixture
def begun(training: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    """A sweep in a dirty tree, of whose three runs two have finished and one goes on and on."""
    monkeypatch.setenv("GO", str(tmp_path / "go"))
    monkeypatch.setenv("BEGUN", str(tmp_path / "begun"))
    (training / "train.py").write_text(SLOW)
    process = subprocess.Popen(
        [PYTHON, "-m", "gittrack", "sweep", *OPTIONS, "--", PYTHON, "train.py"],
        cwd=training, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    wait_for(lambda: len(records(training)) == 2 and (tmp_path / "begun").exists(), process)
    return process


def wait_for(true: object, process: subprocess.Popen[str] | None = None) -> None:
    until = time.monotonic() + 60
    while not true():  # type: ignore[operator]
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it takes too long"
        time.sleep(0.1)


def test_killed(
    begun: subprocess.Popen[str],
    training: Path,
    tmp_path: Path,
    sweep: Sweep,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """After kill -9 nothing is left running or lying about, what ran is kept, and --resume runs the rest."""
    os.kill(begun.pid, signal.SIGKILL)
    begun.communicate(timeout=60)
    wait_for(lambda: not [found for found in left_behind(training) if "refs/gittrack/live" not in found])
    first = records(training)
    assert sorted((run.params["lr"], run.status) for run in first) == [
        (0.1, "finished"), (0.2, "finished"), (0.3, "killed"),
    ]  # fmt: skip
    sweep_id = first[0].tags["sweep"]

    (tmp_path / "go").write_text("")
    found = sweep(*OPTIONS, "--resume", sweep_id[-6:])
    assert found["sweep"] == sweep_id
    assert [(r["params"]["lr"], r["earlier"]) for r in found["results"]] == [
        (0.1, True),
        (0.3, False),
        (0.2, True),
    ]
    finished = [run for run in records(training) if run.status == "finished"]
    assert sorted(run.params["lr"] for run in finished) == [0.1, 0.2, 0.3]
    assert {run.tags["sweep"] for run in records(training)} == {sweep_id} and len(records(training)) == 4
    assert {run.code.tree for run in records(training)} == {first[0].code.tree}
    assert not left_behind(training)

    found = sweep(*OPTIONS, "--resume", sweep_id)
    assert all(r["earlier"] for r in found["results"]) and len(records(training)) == 4
    found = sweep("-S", "lr=0.1,0.4", "--resume", sweep_id)
    assert [r["earlier"] for r in found["results"]] == [True, False], "more settings may be added"

    (training / "train.py").write_text("another program")
    for arguments, says in (
        ([*OPTIONS, "--resume", sweep_id, "--", PYTHON, "train.py"], "its runs had another code"),
        (["-e", "other", "--resume", sweep_id, "--", PYTHON, "train.py"], "its runs had another experiment"),
        (
            ["--resume", "20200101-000000-abcdef", "--", "true"],
            "no run of sweep 20200101-000000-abcdef is on",
        ),
        (["--resume", "abcdef", "--", "true"], "no run of a sweep abcdef is on the ledger"),
        (["--resume", "x'y", "--", "true"], "--resume takes the id of a sweep"),
    ):
        capfd.readouterr()
        assert cli.execute(["sweep", *arguments]) == 2
        assert says in capfd.readouterr().err
    run_git(training, "checkout", "-q", "train.py")
    assert not left_behind(training)


def test_interrupted(begun: subprocess.Popen[str], training: Path) -> None:
    """Ctrl-C: the program is ended, its run is recorded as killed, and it is said how to go on."""
    begun.send_signal(signal.SIGINT)
    out, err = begun.communicate(timeout=60)
    assert begun.returncode == 130 and not out
    sweep_id = records(training)[0].tags["sweep"]
    assert (
        err.splitlines()[-1]
        == f"gittrack: interrupted; to go on, add --resume {sweep_id} to the same command"
    )
    assert [run.status for run in records(training)].count("killed") == 1
    assert not left_behind(training)


def test_other_data_is_another_sweep(training: Path, sweep: Sweep, capfd: pytest.CaptureFixture[str]) -> None:
    """Runs of one sweep compare because all but the setting is the same."""
    (training / "data.csv").write_text("1\n")
    (training / ".gitignore").write_text("data.csv\nmodel.bin\nmetrics.json\n")
    run_git(training, "commit", "-q", "-am", "ignore")
    options = ["--pass", "env", "-S", "lr=0.1", "--input", "data.csv:train"]
    found = sweep(*options)
    (training / "data.csv").write_text("2\n")
    for command, what in ((["train.py"], "data"), (["train.py", "more"], "command")):
        capfd.readouterr()
        assert cli.execute(["sweep", *options, "--resume", found["sweep"], "--", PYTHON, *command]) == 2
        assert f"its runs had another {what}" in capfd.readouterr().err
    (training / "data.csv").write_text("1\n")
    assert sweep(*options, "--resume", found["sweep"])["results"][0]["earlier"]

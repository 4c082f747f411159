"""Runs written by Sacred's own client, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.importers.foreign import Failure, Final
from gittrack.importers.sacred import read
from tests.importers import taking
from tests.repositories import run_git

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("sacred") is None, reason="sacred, of the extra interop, is not installed"
)

SCRIPT = """
import sys, time
from sacred import Experiment
from sacred.observers import FileStorageObserver
import numpy as np
ex = Experiment("probe é")
ex.observers.append(FileStorageObserver("runs"))
@ex.config
def cfg():
    lr = 1e-5
    nested = {"a": [1, 2.5, "x"], "b": {"c": True}, "none": None}
    nan = float("nan")
    arr = np.arange(20.0)
    name = "größe"
    how = "ok"
@ex.main
def main(_run, how):
    for step, value in zip((0, 1, 1, -5, 2.5), (1.5, float("nan"), float("inf"), -float("inf"), 1 / 3)):
        _run.log_scalar("é.loss", value, step)
    _run.log_scalar("np", np.float32(0.5))
    open("m.bin", "wb").write(b"weights")
    ex.add_artifact("m.bin")
    open("in.txt", "w").write("input")
    ex.open_resource("in.txt").read()
    _run.info["x"] = 1
    print("printed é")
    if how == "fail":
        raise ValueError("boom")
    if how == "wait":
        _run._emit_heartbeat()
        print("ready", file=sys.__stderr__, flush=True)
        time.sleep(120)
    return {"acc": np.float64(0.5)}
if __name__ == "__main__":
    ex.run_commandline()
"""


def test_what_the_client_wrote_comes_back(tmp_path: Path) -> None:
    """Value by value: a run that came to its end, one that failed, and one that was killed."""
    run_git(tmp_path, "init", "-q")
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    run_git(tmp_path, "add", "script.py")
    run_git(tmp_path, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", "a")
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    for options, code in (["-c", "a comment", "with", "lr=0.5", "seed=3"], 0), (["with", "how=fail"], 1):
        command = [sys.executable, "script.py", *options]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
        assert done.returncode == code, done.stderr
    with subprocess.Popen(
        [sys.executable, "script.py", "with", "how=wait"],
        cwd=tmp_path,
        env=environment,
        start_new_session=True,
        stderr=subprocess.PIPE,
    ) as process:
        try:
            assert process.stderr is not None and any(line == b"ready\n" for line in process.stderr)
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    (whole, failed, killed), skipped = taking.taken(read, tmp_path)
    assert not skipped
    assert [run.status for run in (whole, failed, killed)] == ["finished", "failed", "running"]
    assert {**whole.params, "nan": repr(whole.params["nan"])} == {
        "lr": 0.5,
        "seed": 3,
        "nested": {"a": [1, 2.5, "x"], "b": {"c": True}, "none": None},
        "nan": "nan",
        "arr": [float(number) for number in range(20)],
        "name": "größe",
        "how": "ok",
    }
    for run in (whole, failed, killed):
        curves = {curve.name: curve for curve in run.curves()}
        assert [*map(repr, curves["é.loss"].values)] == ["1.5", "nan", "inf", "-inf", repr(1 / 3)]
        assert [*(curves["é.loss"].steps or ())] == [0, 1, 1, -5, 2.5]
        assert [*curves["np"].values] == [0.5]
        files = {file.path: file for file in run.files}
        assert {"cout.txt", "info.json", "m.bin", "sources/script.py", "resources/in.txt"} == files.keys()
        assert not any(file.missing for file in files.values())
        assert [dataset.name for dataset in run.datasets] == ["in.txt"]
    assert whole.finals == {"result.acc": Final(rule="given", value=0.5)}
    assert failed.failure == Failure(type="ValueError", message="boom")
    assert whole.note == "a comment" and whole.code is not None
    assert whole.code.commit == run_git(tmp_path, "rev-parse", "HEAD").strip()
    assert abs((whole.started or 0) - (tmp_path / "runs" / "1" / "config.json").stat().st_mtime) < 60

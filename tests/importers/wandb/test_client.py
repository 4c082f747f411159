"""Runs written by W&B's own client, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.importers.foreign import Final, ForeignRun, Options, Skipped
from gittrack.importers.wandb import read

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb, of the extra interop, is not installed"
)

SCRIPT = """
import sys, time
import wandb
run = wandb.init(
    mode="offline", dir=".", project="probe é", name="früh", notes="a\\nb", tags=["ä"], group="g",
    job_type="t",
    config={"lr": 0.1, "n": 3, "whole": 3.0, "flag": True, "none": None, "nested": {"a": [1, 2.5, "x"]}},
)
run.define_metric("epoch")
run.define_metric("val/*", step_metric="epoch", summary="min")
for i in range(3):
    run.log({"loss": [1.5, float("nan"), float("inf")][i], "epoch": i / 2, "val/x": [3, 1, 2][i],
             "s": f"é{i}", "deep": {"a": i}, 'we,ird "x"': i})
run.log({"loss": 1.0}, step=10)
run.log({"loss": 2.0}, step=10)
run.log({"tab": wandb.Table(columns=["a", "b"], data=[[1, "x"]])})
run.log({"h": wandb.Histogram(np_histogram=([1, 2], [0, 1, 2]))})
run.config.update({"late": 7})
open("m.bin", "wb").write(b"weights")
art = wandb.Artifact("net", type="model")
art.add_file("m.bin")
run.log_artifact(art, aliases=["best"])
run.summary["given"] = 42
if sys.argv[1] == "fail":
    raise ValueError("boom")
if sys.argv[1] == "wait":
    print("ready", flush=True)
    time.sleep(120)
run.finish()
"""


def environment(root: Path) -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("WANDB")}
    home = {
        name: str(root / "home") for name in ("HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME")
    }
    return {**kept, **home, "WANDB_SILENT": "true", "WANDB_DISABLE_GIT": "true"}


def write(root: Path, how: str) -> ForeignRun | Skipped:
    (root / "script.py").write_text(SCRIPT, "utf-8")
    done = subprocess.run(
        [sys.executable, "script.py", how], cwd=root, env=environment(root), capture_output=True, check=False
    )
    assert done.returncode == (how == "fail"), done.stderr
    (found,) = read(root, Options())
    return found


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value."""
    found = write(tmp_path, "full")
    assert isinstance(found, ForeignRun)
    assert found.params == {
        "lr": 0.1,
        "n": 3,
        "whole": 3.0,
        "flag": True,
        "none": None,
        "nested": {"a": [1, 2.5, "x"]},
        "late": 7,
    }
    assert (found.experiment, found.name, found.note) == ("probe é", "früh", "a\nb")
    assert (found.labels, found.group, found.job_type, found.status) == (("ä",), "g", "t", "finished")
    curves = {curve.name: curve for curve in found.curves()}
    assert curves.keys() == {"loss", "epoch", "val/x", "deep.a", 'we,ird "x"'}
    loss = curves["loss"]
    assert list(loss.steps or ()) == [0, 1, 2, 10]
    assert (loss.values[0], loss.values[2], loss.values[3]) == (1.5, math.inf, 2.0)
    assert math.isnan(loss.values[1])
    assert (curves["val/x"].axis, list(curves["val/x"].values)) == ("epoch", [3.0, 1.0, 2.0])
    assert found.finals == {"val/x": Final(rule="min"), "given": Final(rule="given", value=42)}
    assert [(text.text, text.step) for text in found.texts()] == [("é0", 0), ("é1", 1), ("é2", 2)]
    files = {file.name or file.path: file for file in found.files}
    assert isinstance(files["tab"].content, Path) and files["tab"].kind == "table"
    assert (files["tab"].step, files["h"].step) == (10, 11)
    model = files["net"]
    assert model.digest == "md5:63f4f1e9b725370f459720575cd5f953" and set(model.aliases) == {"best", "latest"}


def test_a_run_that_failed(tmp_path: Path) -> None:
    found = write(tmp_path, "fail")
    assert isinstance(found, ForeignRun) and found.status == "failed"


def test_a_run_that_is_running_and_then_killed(tmp_path: Path) -> None:
    """The client may have written no record yet: its files are there all the same."""
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    command = [sys.executable, "script.py", "wait"]
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment(tmp_path), stdout=subprocess.PIPE, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None and process.stdout.readline() == b"ready\n"
            (running,) = read(tmp_path, Options())
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert isinstance(running, ForeignRun) and running.status == "running"
    (log,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    os.utime(log, (1_700_000_000, 1_700_000_000))
    (killed,) = read(tmp_path, Options())
    assert isinstance(killed, ForeignRun) and killed.status == "killed"
    assert (killed.params["nested"], killed.params["whole"]) == ({"a": [1, 2.5, "x"]}, 3.0)

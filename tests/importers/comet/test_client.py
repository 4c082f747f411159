"""Archives written by Comet's own client, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.comet import read
from gittrack.importers.foreign import Failure, ForeignRun, Options, Skipped
from tests.importers import taking
from tests.repositories import run_git

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("comet_ml") is None, reason="comet_ml, of the extra interop, is not installed"
)

SCRIPT = r"""
import glob, sys, time
import comet_ml
run = comet_ml.OfflineExperiment(project_name="probe é", offline_directory="off", log_env_host=False)
run.set_name("früh")
run.add_tags(["ä", "b c"])
nested = {"a": [1, 2.5, "x"], "b": {"c": 1}}
run.log_parameters({"lr": 1e-5, "whole": 3.0, "flag": True, "none": None, "nested": nested,
                    "nan": float("nan"), "big": 2**70})
with run.train():
    for step, value in zip((0, 1, 1, -5, 2.5), (1.5, float("nan"), float("inf"), -float("inf"), 1 / 3)):
        run.log_metric("loss", value, step=step, epoch=1)
with run.test():
    run.log_metric("é,\"x\"", 2**53 + 1)
run.log_other("note", "a\nb")
run.log_text("größe", step=3)
open("m.bin", "wb").write(b"weights")
run.log_model("net", "m.bin")
run.register_model("net", version="1.2.0")
run.log_asset("m.bin", file_name="sub/é.bin", step=3)
run.log_image("im.png", name="im", step=1)
run.log_html("<b>x</b>")
print("printed é")
if sys.argv[1] == "wait":
    (log,) = glob.glob("tmp/*/messages.json")
    while "printed" not in open(log).read():
        time.sleep(0.05)
    print("ready", file=sys.__stderr__, flush=True)
    time.sleep(120)
run.end()
run = comet_ml.OfflineExperiment(offline_directory="off", log_env_details=False)
raise ValueError("boom")
"""


def prepare(root: Path) -> dict[str, str]:
    run_git(root, "init", "-q", "-b", "main")
    (root / "tracked").write_text("a\n")
    run_git(root, "add", "tracked")
    run_git(root, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", "a")
    (root / "tracked").write_text("b\n")
    (root / "script.py").write_text(SCRIPT, "utf-8")
    (root / "im.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (root / "tmp").mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("COMET")}
    return {**kept, "HOME": str(root / "home"), "TMPDIR": str(root / "tmp")}


def logged(archive: Path) -> dict[str, list[tuple[Any, Any, str]]]:
    """Step, seconds and value by metric, read in another way."""
    special = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
    found: dict[str, list[tuple[Any, Any, str]]] = {}
    with zipfile.ZipFile(archive) as packed:
        for line in packed.read("messages.json").decode().splitlines():
            payload = json.loads(line)["payload"]
            metric = payload.get("metric")
            if metric and not metric["metricName"].startswith("sys."):
                name = "_".join(filter(None, (payload.get("context"), metric["metricName"])))
                value = metric["metricValue"]
                text = special.get(value, value) if isinstance(value, str) else repr(value)
                point = (metric["step"], payload["local_timestamp"] / 1000, text)
                found.setdefault(name, []).append(point)
    return found


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value; and of an experiment that an exception ended, the exception."""
    command = [sys.executable, "script.py", "full"]
    done = subprocess.run(command, cwd=tmp_path, env=prepare(tmp_path), capture_output=True, check=False)
    assert done.returncode == 1 and b"boom" in done.stderr, done.stderr
    (run, failed), skipped = taking.taken(read, tmp_path)
    assert not skipped
    assert (failed.status, failed.failure) == ("failed", Failure(type="ValueError", message="boom"))
    archive = tmp_path / "off" / f"{run.id}.zip"
    assert {**run.params, "nan": repr(run.params["nan"])} == {
        "lr": 1e-5, "whole": 3.0, "flag": True, "none": None, "nested": {"a": [1, 2.5, "x"], "b": {"c": 1}},
        "nan": "nan", "big": 2**70,
    }  # fmt: skip
    curves = {curve.name: curve for curve in run.curves()}
    found = {
        name: [*zip(c.steps or [None], c.times or (), map(repr, c.values), strict=True)]
        for name, c in curves.items()
        if name != "epoch"
    }
    assert found == logged(archive)
    assert [step for step, _, _ in found["train_loss"]] == [0, 1, 1, -5, 2.5]
    assert found['test_é,"x"'][0][2] == str(2**53 + 1)
    assert [*curves["epoch"].values] == [1] * 5
    assert any(curve.name.startswith("sys.ram") for curve in run.system_curves())
    assert [(text.text, text.step) for text in run.texts()] == [("größe", 3)]
    assert (run.experiment, run.name, run.status, run.labels) == ("probe é", "früh", "finished", ("b c", "ä"))
    assert run.tags == {"note": "a\nb"} and run.code is not None
    head = run_git(tmp_path, "rev-parse", "HEAD").strip()
    assert (run.code.commit, run.code.branch, run.code.dirty) == (head, "main", True)
    assert run.environment is not None and "comet_ml" in (run.environment.packages or {})
    files = {file.path: file for file in run.files}
    assert files["models/net/m.bin"].version == "1.2.0"
    for path in ("models/net/m.bin", "sub/é.bin"):
        content = files[path].content
        assert callable(content) and b"".join(content()) == b"weights"
    assert {"visualization/im.png", "git_diff.patch", "page.html", "console.txt"} <= files.keys()
    assert {loss.what for loss in run.lost} == {"param curr_step", "param curr_epoch", "file text: epoch"}


def test_a_run_that_is_running_and_then_killed(tmp_path: Path) -> None:
    """The client keeps it in the temporary directory; the archive is empty until the end."""
    with subprocess.Popen(
        [sys.executable, "script.py", "wait"], cwd=tmp_path, env=prepare(tmp_path), stderr=subprocess.PIPE,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            assert process.stderr is not None
            assert any(line == b"ready\n" for line in process.stderr)
            running = taking.only(read, tmp_path / "tmp")
            (empty,) = read(tmp_path / "off", Options())
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    assert isinstance(empty, Skipped) and empty.why.startswith("an empty archive")
    (log,) = (tmp_path / "tmp").glob("*/messages.json")
    os.utime(log, (1_700_000_000, 1_700_000_000))
    (killed,) = read(tmp_path / "tmp", Options())
    assert isinstance(killed, ForeignRun)
    assert (running.status, killed.status, killed.id) == ("running", "killed", running.id)
    assert killed.params["nested"] == {"a": [1, 2.5, "x"], "b": {"c": 1}}

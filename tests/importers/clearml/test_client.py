"""Sessions that ClearML's own client wrote offline, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.clearml import read
from gittrack.importers.foreign import ForeignRun, Options
from tests.importers.taking import only

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("clearml") is None, reason="clearml, of the extra interop, is not installed"
)

PARAMS = """{
    "lr": 1e-5, "n": 3, "whole": 3.0, "flag": True, "none": None, "nan": float("nan"), "inf": float("-inf"),
    "text": "1", "empty": "", "list": [1, 2], "mixed": [1.5, "x", None], "no list": [], "no dict": {},
    "nested": {"a": {"b": 1}, "x y": "é"}, "deep": {"l": [{"q": 1}]}, "big": 2**80, "long": "x" * 9000,
}"""
SCRIPT = f"""
import sys, time
from clearml import OutputModel, Task
Task.set_offline(True)
task = Task.init(project_name="probe é/sub", task_name="früh", tags=["ä"], auto_resource_monitoring=False)
task.set_comment("a\\nb")
task.connect({PARAMS})
task.connect({{"t": (1, 2)}}, name="Other")
task.set_user_properties(stage="tuning")
task.connect_configuration({{"layers": [1, 2.5]}}, name="net")
log = task.get_logger()
for i in range(3):
    log.report_scalar("loss", "train", [1.5, float("nan"), float("inf")][i], i)
    log.report_scalar("third", "é", i / 3, i)
for i, step in enumerate([-5, 2, 10, 10]):
    log.report_scalar("loss", "train", 7 + i / 2, step)
log.report_single_value("best", 0.75)
open("t.txt", "w").write("text")
log.report_media("med", "é", iteration=1, local_path="t.txt")
log.report_histogram("hist", "h", [1, 2], iteration=4)
print("printed é")
task.upload_artifact("object", {{"x": 1}})
task.upload_artifact("pickled", {{1, 2}}, auto_pickle=True)
open("m.bin", "wb").write(b"weights")
model = OutputModel(task=task, name="net é", framework="PyTorch")
try:
    model.update_weights("m.bin", iteration=3)
except AttributeError:  # a client that cannot, at first
    model._update_weights_offline("m.bin", iteration=3)
task.flush(wait_for_uploads=True)
if sys.argv[1] == "wait":
    while not (task.get_offline_mode_folder() / "metrics.jsonl").exists():
        time.sleep(0.01)
    print("ready", file=sys.__stdout__, flush=True)
    time.sleep(120)
raise ValueError("boom")
"""
CONFIGURATION = """sdk.development { report_use_subprocess: false, worker.report_period_sec: 1 }"""
"""With a process of its own for reports, the client may wait for five minutes at its end."""


def command(root: Path, how: str) -> dict[str, Any]:
    """What starts the client in `root`."""
    (root / "script.py").write_text(SCRIPT, "utf-8")
    (root / "clearml.conf").write_text(CONFIGURATION, "utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("CLEARML", "TRAINS"))}
    environment = {"HOME": str(root / "home"), "CLEARML_CACHE_DIR": str(root / "cache")}
    environment["CLEARML_CONFIG_FILE"] = str(root / "clearml.conf")
    return {"args": [sys.executable, "script.py", how], "cwd": root, "env": {**kept, **environment}}


def plain(cache: Path) -> dict[str, list[tuple[Any, Any, Any]]]:
    """What the session has of each title and series, read without the importer."""
    (path,) = cache.glob("offline/*/metrics.jsonl")
    found: dict[str, list[tuple[Any, Any, Any]]] = {}
    for line in path.read_text("utf-8").splitlines():
        for event in json.loads(line):
            if event["type"] == "training_stats_scalar" and event["iter"] != -(2**31):
                point = event["iter"], event["timestamp"], event["value"]
                found.setdefault(f"{event['metric']}/{event['variant']}", []).append(point)
    return found


def content(run: ForeignRun, path: str) -> bytes:
    found = next(file.content for file in run.files if file.path == path)
    if isinstance(found, Path):
        return found.read_bytes()
    assert found is not None
    return found if isinstance(found, bytes) else b"".join(found())


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value; NaN and infinity, which it wrote as 0.0, are named; that it failed it does not say."""
    done = subprocess.run(**command(tmp_path, "fail"), capture_output=True, check=False)
    assert done.returncode == 1, done.stderr
    cache = tmp_path / "cache"
    run = only(read, cache)
    logged = eval(PARAMS)  # noqa: S307  (the text above)
    assert repr({**run.params["General"]}) == repr(  # type: ignore[dict-item]
        {name: logged[name] for name in sorted(logged)}
    )
    assert run.params["Other"] == {"t": [1, 2]}
    assert (run.experiment, run.name, run.note, run.labels) == ("probe é/sub", "früh", "a\nb", ("ä",))
    assert (run.tags, run.status, run.job_type) == ({"stage": "tuning"}, "unknown", "training")
    curves = {
        curve.name: [
            (step, round(time * 1000), value)
            for step, time, value in zip(curve.steps or (), curve.times or (), curve.values, strict=True)
        ]
        for curve in run.curves()
    }
    assert curves == plain(cache)
    assert [step for step, _, _ in curves["loss/train"]] == [0, 1, 2, -5, 2, 10, 10]
    assert [value for _, _, value in curves["loss/train"]] == [1.5, 0.0, 0.0, 7.0, 7.5, 8.0, 8.5]
    assert [value for _, _, value in curves["third/é"]] == [0.0, 1 / 3, 2 / 3]
    assert run.finals["best"].value == 0.75
    doubts = {loss.what: loss.count for loss in run.lost if "NaN" in loss.why}
    assert doubts == {"points of loss/train": 2, "points of third/é": 1}
    assert all("log says" in loss.why for loss in run.lost if "NaN" in loss.why)
    assert content(run, "artifacts/object/object.json") == b'{\n    "x": 1\n}'
    assert content(run, "artifacts/pickled/pickled.pkl").startswith(b"\x80")
    assert content(run, "models/m.bin") == b"weights"
    assert content(run, "configuration/net.conf").split() == b"layers = [1, 2.5]".split()
    (media,) = (file for file in run.files if file.name == "med/é")
    assert (media.kind, media.step, content(run, media.path)) == ("media", 1, b"text")
    assert json.loads(content(run, "plots/hist/h_4.json"))["data"][0]["y"] == [1, 2]
    printed = content(run, "console.txt").decode()
    assert "printed é" in printed and "ValueError: boom" in printed
    assert f"{cache}/offline/{run.id}" not in printed
    assert not [file.path for file in run.files if file.missing]
    assert math.isclose(run.started or 0, next(iter(curves.values()))[0][1] / 1000, abs_tol=60)
    (archive,) = cache.glob("offline/*.zip")
    zipped = only(read, archive)
    assert (zipped.id, zipped.params.keys()) == (run.id, run.params.keys())
    assert content(zipped, "models/m.bin") == b"weights"


def test_a_run_that_is_running_and_then_killed(tmp_path: Path) -> None:
    """What was written by then is there, and the same when it is read again."""
    with subprocess.Popen(
        **command(tmp_path, "wait"), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            assert process.stdout is not None
            assert any(line == b"ready\n" for line in process.stdout)
            running = only(read, tmp_path / "cache")
        finally:
            os.killpg(process.pid, signal.SIGKILL)
    (killed,) = read(tmp_path / "cache", Options())
    assert isinstance(killed, ForeignRun)
    assert (running.id, running.status) == (killed.id, "unknown")
    assert repr(running.params) == repr(killed.params)
    assert {curve.name for curve in killed.curves()} == {"loss/train", "third/é"}

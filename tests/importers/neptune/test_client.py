"""Runs that the clients of neptune.ai wrote, where they are installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import ForeignRun
from gittrack.importers.neptune import read
from tests.importers import taking
from tests.repositories import run_git

CLASSIC = """
import base64, datetime, json, threading
from pathlib import Path
import neptune
from neptune.types import File
from neptune.utils import stringify_unsupported

png = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Path("p.png").write_bytes(png)
Path("data.bin").write_bytes(b"12345")
run = neptune.init_run(
    mode="offline", name="nämé", description="why", tags=["a", "b é"], source_files=["classic.py"],
    capture_stdout=True, capture_stderr=False, capture_hardware_metrics=True, capture_traceback=False,
    dependencies="infer",
)
run["parameters"] = {"lr": 1e-5, "n": 3, "flag": True, "opt": {"name": "adam", "b": 0.9}}
run["parameters/none"] = stringify_unsupported([1, None])
run["when"] = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=datetime.timezone.utc)
run["temporary"] = 1
del run["temporary"]
run["again"] = 1
del run["again"]
run["again"] = "text"
for value in (1.5, 0.1 + 0.2, -0.0):
    run["train/loss"].append(value)
run["train/frac"].append(1.0, step=0.5)
run["train/frac"].append(2.0, step=0.75, timestamp=1700000000.25)
run["train/neg"].extend([1, 2.0, 3.0], steps=[-3, -3, 2])
run['é/x,"y'].append(3.0, step=1)
run["words"].append("hello\\nthere", step=1)
run["words"].append("zwei", step=2.5)
run["file/path"].upload("data.bin")
run["file/content"].upload(File.from_content("text content"))
run["file/set"].upload_files(["*.bin"])
run["data"].track_files("s3://bucket/data")
run["pics"].append(File("p.png"), name="pic", description="desc", step=7)
run["sys/tags"].remove("a")
run["sys/group_tags"].add(["g1"])
run["my/set"].add(["x", "y"])
run["sys/failed"] = True
print("to stdout")
run.stop()

from neptune.core.components.operation_storage import OperationStorage
from neptune.core.components.queue.disk_queue import DiskQueue
from neptune.internal.backends.neptune_backend_mock import NeptuneBackendMock
from neptune.internal.container_type import ContainerType
from neptune.internal.operation import LogFloats, LogStrings, Operation

(folder,) = Path(".neptune/offline").iterdir()
queue = DiskQueue(folder, lambda op: op.to_dict(), Operation.from_dict, threading.RLock())
operations = [element.obj for element in queue.get_batch(100000)]
backend = NeptuneBackendMock()
created = backend.create_run(project_id="p")
backend.execute_operations(created.id, ContainerType.RUN, operations, OperationStorage(folder))

def values(tree, above=()):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from values(value, (*above, key))
        elif isinstance(getattr(value, "value", None), (bool, int, float, str)):
            yield "/".join((*above, key)), value.value
        elif type(value).__name__ == "StringSet":
            yield "/".join((*above, key)), sorted(value.values)

structure = backend._get_container(created.id, ContainerType.RUN).get_structure()
series = {}
for op in operations:
    if isinstance(op, (LogFloats, LogStrings)):
        listed = [[repr(p.value), p.step, p.ts] for p in op.values]
        series.setdefault("/".join(op.path), []).extend(listed)
Path("said.json").write_text(json.dumps({"values": dict(values(structure)), "series": series}))
"""

SCALE = """
import datetime, json
from pathlib import Path
from neptune_scale import Run
from neptune_scale.api.run import SourceTrackingConfig
from neptune_scale.sync.operations_repository import OperationsRepository
from neptune_scale.types import File, Histogram

if __name__ == "__main__":
    Path("data.bin").write_bytes(b"12345")
    utc = datetime.timezone.utc
    run = Run(
        project="ws/proj é", run_id="run-é 1", mode="offline", log_directory="logs", experiment_name="exp",
        creation_time=datetime.datetime(2024, 1, 2, 3, 4, 5, 250000, tzinfo=utc),
        source_tracking_config=SourceTrackingConfig(upload_diff_head=True),
    )
    run.log_configs({
        "parameters/lr": 1e-5, "n": -3, "flag": False, "s": "é", "inf": float("-inf"), "set": ["b", "a"],
        "when": datetime.datetime(2024, 1, 2, tzinfo=utc), "n/below": 2,
    })
    for number in range(4):
        values = [1.5, float("nan"), float("inf"), 0.1 + 0.2]
        run.log_metrics({"loss": values[number], "acc é": number / 3}, step=number + 0.123457)
    run.log_metrics({"zero": 0.0}, step=0)
    run.log_metrics({"preview": 1.0}, step=1, preview=True)
    run.log_metrics({"preview": 2.0}, step=1)
    run.log_string_series({"words": "zwei\\nlines"}, step=1.5)
    run.log_histograms({"h": Histogram(bin_edges=[0, 1, 2], counts=[3, 4])}, step=1)
    run.add_tags(["a", "b"])
    run.remove_tags(["a"])
    run.add_tags(["g1"], group_tags=True)
    run.assign_files({"file/a": "data.bin", "file/b": b"bytes here"})
    run.log_files({"pics": File(b"png", mime_type="image/png")}, step=2)
    print("to stdout")
    run.close()
    (path,) = Path("logs").absolute().glob("*/*.sqlite3")
    points = []
    configs = {}
    for operation in OperationsRepository(path).get_operations(up_to_bytes=1 << 30):
        message = operation.operation
        if type(message).__name__ != "UpdateRunSnapshot":
            continue
        for key, value in message.append.items():
            if value.HasField("float64"):
                step = [message.step.whole, message.step.micro]
                time = message.timestamp.seconds + message.timestamp.nanos / 1e9
                points.append([key, step, repr(value.float64), time])
        for key, value in message.assign.items():
            kind = value.WhichOneof("value")
            if kind in ("float64", "int64", "bool", "string"):
                configs[key] = getattr(value, kind)
    Path("said.json").write_text(json.dumps({"points": points, "configs": configs}))
"""


def logged(top: Path, name: str, script: str) -> tuple[ForeignRun, Any]:
    """The run that a script logged in `top`, and what the client itself reads of it."""
    if importlib.util.find_spec(name) is None:
        pytest.skip(f"{name}, of the extra interop, is not installed")
    run_git(top, "init", "-q")
    for key, value in (("user.name", "A"), ("user.email", "a@b.c")):
        run_git(top, "config", key, value)
    run_git(top, "commit", "-q", "--allow-empty", "-m", "first")
    (top / "classic.py").write_text(script, "utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("NEPTUNE")}
    done = subprocess.run(
        [sys.executable, "classic.py"],
        cwd=top,
        env={**kept, "HOME": str(top)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return taking.only(read, top), json.loads((top / "said.json").read_text("utf-8"))


def flat(tree: Any, above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in tree.items():
        found |= flat(value, f"{above}{key}/") if isinstance(value, dict) else {f"{above}{key}": value}
    return found


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value, as the client's own queue and its backend for tests have them."""
    run, said = logged(tmp_path, "neptune", CLASSIC)
    own = {key: value for key, value in said["values"].items() if not key.startswith(("sys/", "monitoring/"))}
    params = flat(run.params)
    assert params.pop("when") == "2024-01-02T03:04:05.678Z"
    assert params.items() <= own.items()
    assert own.keys() - params.keys() <= {"source_code/entrypoint", "data"}
    assert {type(value) for value in params.values()} == {float, int, bool, str, list}
    points = {
        curve.name: [*map(list, zip(map(repr, curve.values), curve.steps or [None] * 9, curve.times or ()))]  # noqa: B905
        for curve in [*run.curves(), *run.system_curves()]
    }
    assert points.keys() >= {"train/loss", "train/frac", "train/neg", 'é/x,"y'}
    assert points.items() <= said["series"].items()
    texts = [[repr(text.text), text.step, text.time] for text in run.texts()]
    assert texts == said["series"]["words"]
    assert (run.name, run.note, run.labels, run.group) == ("nämé", "why", ("b é",), "g1")
    assert run.status == "failed" and run.code is not None and run.code.entry == "classic.py"
    files = {file.path: file for file in run.files}
    assert not [file for file in run.files if file.missing]
    assert {"file/path.bin", "file/content.txt", "file/set/data.bin", "pics/7.png"} <= files.keys()
    assert {"source_code/files/classic.py", "source_code/requirements.txt"} <= files.keys()
    picture, console = files["pics/7.png"].content, files["console.txt"].content
    assert callable(picture) and b"".join(picture()) == (tmp_path / "p.png").read_bytes()
    assert callable(console) and b"to stdout\n" in b"".join(console())
    assert [dataset.source for dataset in run.datasets] == ["s3://bucket/data"]


def test_what_neptune_scale_logged_comes_back(tmp_path: Path) -> None:
    """Value by value, as the client's own repository of operations has them."""
    run, said = logged(tmp_path, "neptune_scale", SCALE)
    points = [
        [curve.name, step, repr(value), time]
        for curve in run.curves()
        for step, value, time in zip(curve.steps or (), curve.values, curve.times or (), strict=True)
    ]
    expected = [
        [name, whole + micro / 1e6 if micro else whole, value, time]
        for name, (whole, micro), value, time in said["points"]
        if (name, value) != ("preview", "1.0")
    ]
    assert sorted(points, key=str) == sorted(expected, key=str)
    params = flat(run.params)
    assert (params.pop("when"), params.pop("set")) == ("2024-01-02T00:00:00.000Z", ["a", "b"])
    assert params.items() == {
        (key, value) for key, value in said["configs"].items() if not key.startswith("source_code/")
    }
    assert params["inf"] == -math.inf and params["n/below"] == 2
    assert (run.id, run.name, run.labels, run.group) == ("ws/proj é/run-é 1", "exp", ("b",), "g1")
    assert run.started == 1_704_164_645.25
    assert run.code is not None and run.code.commit == said["configs"]["source_code/commit/commit_id"]
    files = {file.path: file for file in run.files}
    assert not [file for file in run.files if file.missing]
    assert files.keys() >= {"file/a.bin", "histograms/h.jsonl", "console.txt"}
    assert [file.kind for file in run.files if file.step == 2] == ["media"]

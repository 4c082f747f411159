"""A project that Trackio's own client wrote, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import ForeignRun
from gittrack.importers.trackio import read
from tests.importers.taking import taken

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("trackio") is None, reason="trackio, of the extra interop, is not installed"
)

SCRIPT = """
import json, sys, numpy, trackio
config = {"lr": 1e-5, "net": {"a": [1, 2.5, "x", None]}, "nan": float("nan")}
run = trackio.init(project="projekt é", name="läufer", group="g", config=config)
for step, loss in ((0, 1.5), (1, float("nan")), (1, float("inf")), (-5, 2), (2.5, 1 / 3)):
    trackio.log({"loss": loss, "val/é": step, "word": f"w{step}"}, step=step)
trackio.log({"im": trackio.Image(numpy.zeros((2, 2, 3), dtype="uint8"))}, step=3)
trackio.log({"tab": trackio.Table(columns=["a"], data=[[1]]), "hist": trackio.Histogram([1, 2])}, step=4)
trackio.log_system({"gpu": 50.5})
trackio.alert("odd", text="t", level=trackio.AlertLevel.ERROR)
open("m.bin", "wb").write(b"weights")
artifact = trackio.Artifact("net", type="model")
artifact.add_file("m.bin")
run.log_artifact(artifact, aliases=["best"])
trackio.finish()
trackio.init(project="projekt é", name="läufer", config={"lr": 2})
trackio.log({"loss": 3.0})
trackio.finish()
from trackio.sqlite_storage import SQLiteStorage
print(json.dumps([SQLiteStorage.get_logs("projekt é", None, run_id=run.id)]))
"""


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value, as the client itself reads it."""
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    store = tmp_path / "store"
    environment = {**os.environ, "TRACKIO_DIR": str(store), "HF_HUB_OFFLINE": "1", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "script.py"], cwd=tmp_path, env=environment, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    runs, skipped = taken(read, store)
    assert not skipped and [run.name for run in runs] == ["läufer", "läufer"]
    run = next(run for run in runs if run.group == "g")
    assert repr(run.params) == "{'lr': 1e-05, 'net': {'a': [1, 2.5, 'x', None]}, 'nan': nan}"
    (logs,) = json.loads(done.stdout.splitlines()[-1])
    for name in ("loss", "val/é"):
        assert points(run, name) == [(row["step"], repr(row[name])) for row in logs if name in row]
    assert [text.text for text in run.texts()] == ["w0", "w1", "w1", "w-5", "w2.5", "odd\nt"]
    assert [(curve.name, curve.values) for curve in run.system_curves()] == [("gpu", (50.5,))]
    assert {file.path: (file.kind, file.missing) for file in run.files} == {
        "media/im/3.png": ("media", None), "tables/tab/4.json": ("table", None),
        "histograms/hist.jsonl": ("other", None), "net/m.bin": ("model", None),
    }  # fmt: skip
    assert run.lost == []


def points(run: ForeignRun, wanted: str) -> list[tuple[Any, str]]:
    (curve,) = (curve for curve in run.curves() if curve.name == wanted)
    return [*zip(curve.steps or (), map(repr, curve.values), strict=True)]

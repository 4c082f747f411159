"""A repository that Aim itself wrote, where it is installed: here, or as a program on PATH."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.aim import read
from gittrack.importers.foreign import ForeignRun, Options
from tests.importers.rounds import state_of

AIM = shutil.which("aim")
BESIDE = Path(AIM).with_name("python") if AIM else None
PYTHON = Path(sys.executable) if importlib.util.find_spec("aim") else BESIDE
pytestmark = pytest.mark.skipif(
    PYTHON is None or not PYTHON.exists(), reason="no aim is installed, here or as a program on PATH"
)

SCRIPT = """
import json, os
import numpy
from aim import Audio, Distribution, Image, Run, Text
options = {"repo": ".", "capture_terminal_logs": False, "log_system_params": False}
run = Run(experiment="exp é", system_tracking_interval=None, **options)
run.name, run.description = "läufer", "why"
run["hparams"] = {"lr": 1e-5, "net": {"a": [1, 2.5, "x", None]}, "nan": float("nan"), "flag": True}
run.add_tag("tä")
for step, value in ((0, 1.5), (1, float("nan")), (2.5, float("inf")), (-5, 1 / 3), (10, 2)):
    run.track(value, name="loss", step=step, epoch=1, context={"subset": "val"})
run.track(3, name="count")
run.track([Text("hällo"), Text("b")], name="txt", step=1)
run.track(Image(numpy.zeros((2, 2, 3), dtype="uint8"), caption="c"), name="im", step=0)
run.track(Distribution(numpy.arange(4), bin_count=2), name="dist", step=0)
(metric,) = (m for m in run.metrics() if m.name == "loss")
steps, (values, epochs, times) = metric.data.items_list()
print(json.dumps({"values": values, "times": times, "run": run.hash}), flush=True)
run.close()
other = Run(system_tracking_interval=None, **options)
other.track(1.0, name="loss", step=0)
os._exit(9)
"""


def test_what_the_client_tracked_comes_back(tmp_path: Path) -> None:
    """Value by value, as Aim itself reads it; its files stay as they are."""
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    command = [str(PYTHON), "script.py"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 9, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    before = state_of(tmp_path)
    statuses = set()
    for item in read(tmp_path, Options(python=PYTHON)):
        assert isinstance(item, ForeignRun)
        statuses.add(item.status)
        if item.id == told["run"]:
            check(item, told["values"])
    assert statuses == {"finished", "running"}
    assert state_of(tmp_path) == before


def check(run: ForeignRun, values: list[float]) -> None:
    assert (run.name, run.experiment, run.note, run.labels) == ("läufer", "exp é", "why", ("tä",))
    assert repr(run.params["hparams"]) == (
        "{'flag': True, 'lr': 1e-05, 'nan': nan, 'net': {'a': [1, 2.5, 'x', None]}}"
    )
    curves = points(run)
    loss = [(step, repr(float(value))) for step, value in curves["loss[subset=val]"]]  # Aim keeps the 2 whole
    assert loss == [(step, repr(value)) for step, value in zip((-5, 0, 1, 2.5, 10), values, strict=True)]
    assert [value for _, value in curves["loss[subset=val].epoch"]] == ["1"] * 5
    assert curves["count"] == [(0, "3")]
    assert [(text.text, text.step) for text in run.texts()] == [("hällo", 1), ("b", 1)]
    files = {file.path: file.content for file in run.files}
    assert files.keys() == {"media/im/0.png", "histograms/dist.jsonl"}
    assert run.lost == []


def points(run: ForeignRun) -> dict[str, list[tuple[Any, str]]]:
    return {c.name: [*zip(c.steps or (), map(repr, c.values), strict=True)] for c in run.curves()}

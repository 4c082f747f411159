"""A run that DVCLive's own client wrote, where it is installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.importers.dvclive import read
from gittrack.importers.foreign import Final, ForeignRun, Options
from tests.repositories import run_git

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("dvclive") is None, reason="dvclive, of the extra interop, is not installed"
)

SCRIPT = """
from dvclive import Live
with Live("dvclive", save_dvc_exp=False, dvcyaml="dvc.yaml") as live:
    nested = {"a": [1, 2.5, "x"], "none": None}
    params = {"lr": 1e-5, "n": 3, "nested": nested, "flag": True, "nan": float("nan")}
    live.log_params(params)
    for step in range(3):
        live.log_metric("loss", [1.5, float("nan"), float("inf")][step], timestamp=True)
        live.log_metric("val/acc é", step)
        live.log_metric("third", 1 / 3)
        live.next_step()
    live.summary["best"] = 7.5
    open("m.bin", "wb").write(b"weights")
    live.log_artifact("m.bin", type="model", name="net", desc="d", labels=["l"])
"""


def test_what_the_client_logged_comes_back(tmp_path: Path) -> None:
    """Value by value."""
    run_git(tmp_path, "init", "-q")
    run_git(
        tmp_path, "-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "--allow-empty", "-m", "a"
    )
    (tmp_path / "script.py").write_text(SCRIPT, "utf-8")
    kept = {key: value for key, value in os.environ.items() if not key.startswith("DVC")}
    environment = {**kept, "HOME": str(tmp_path / "home"), "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    (run,) = read(tmp_path, Options())
    assert isinstance(run, ForeignRun)
    assert math.isnan(run.params["nan"])  # type: ignore[arg-type]
    assert {**run.params, "nan": 0} == {
        "lr": 1e-5, "n": 3, "nested": {"a": [1, 2.5, "x"], "none": None}, "flag": True, "nan": 0,
    }  # fmt: skip
    curves = {curve.name: curve for curve in run.curves()}
    assert curves.keys() == {"loss", "val/acc é", "third"}
    assert all(curve.steps == [0, 1, 2] for curve in curves.values())
    assert [repr(value) for value in curves["loss"].values] == ["1.5", "nan", "inf"]
    assert curves["loss"].times is not None and curves["third"].times is None
    assert [*curves["third"].values] == [1 / 3] * 3
    assert run.finals == {"best": Final(rule="given", value=7.5)}
    (model,) = run.files
    assert (model.path, model.kind, model.name, model.content) == (
        "m.bin",
        "model",
        "net",
        tmp_path / "m.bin",
    )
    assert [loss.what for loss in run.lost] == ["artifact net: labels"]

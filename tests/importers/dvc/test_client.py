"""An experiment that DVC itself ran."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gittrack.importers.dvc import read
from tests import dvc_repo
from tests.importers.taking import only

SCRIPT = """
import json, pathlib, yaml
lr = yaml.safe_load(open("params.yaml"))["lr"]
pathlib.Path("model").mkdir(exist_ok=True)
pathlib.Path("model/é.bin").write_text(f"weights {lr}")
json.dump({"acc": lr * 2, "deep": {"loss": float("nan")}}, open("metrics.json", "w"))
open("curve.csv", "w").write("step,loss\\n" + "".join(f"{at},{lr / (at + 1)}\\n" for at in range(3)))
"""
YAML = f"""
stages:
  train:
    cmd: {sys.executable} train.py
    deps: [train.py]
    params: [lr, net]
    outs: [model]
    metrics: [metrics.json: {{cache: false}}]
    plots: [curve.csv: {{cache: false}}]
"""


def test_what_dvc_ran_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Value by value, as DVC itself shows it."""
    dvc_repo.isolate(monkeypatch, tmp_path)
    top = dvc_repo.repository(tmp_path / "proj")
    for name, text in (
        ("train.py", SCRIPT), ("dvc.yaml", YAML), ("params.yaml", "lr: 0.1\nnet: {layers: [1, 2.5, null]}\n"),
    ):  # fmt: skip
        (top / name).write_text(text, "utf-8")
    dvc_repo.run("git", "add", "-A", cwd=top)
    dvc_repo.run("git", "commit", "-q", "-m", "base", cwd=top)
    dvc_repo.dvc("exp", "run", "-q", "-n", "probe-é", "-S", "lr=0.25", "-m", "why", cwd=top)
    run = only(read, top)
    assert (run.name, run.note, run.group) == (
        "probe-é", "why", dvc_repo.run("git", "rev-parse", "main", cwd=top).strip(),
    )  # fmt: skip
    assert run.params == {"lr": 0.25, "net": {"layers": [1, 2.5, None]}}
    assert {name: repr(final.value) for name, final in run.finals.items()} == {
        "acc": "0.5", "deep.loss": "nan",
    }  # fmt: skip
    assert [(curve.name, curve.values, curve.steps) for curve in run.curves()] == [
        ("loss", (0.25, 0.125, 0.25 / 3), (0, 1, 2)),
    ]  # fmt: skip
    (model,) = run.files
    assert model.path == "model/é.bin" and isinstance(model.content, Path)
    assert model.content.read_text() == "weights 0.25"
    assert run.lost == []

"""A project with a DVC pipeline as `dvc repro` leaves it, made by hand as DVC takes seconds to start."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from tests.repositories import run_git

DVC_YAML = """\
stages:
  prepare:
    cmd: python prepare.py
    deps: [prepare.py, data/raw.csv]
    outs: [data/prepared.csv]
  train:
    cmd: python train.py
    deps: [train.py, data/prepared.csv]
    params: [train.lr]
    outs: [model.pkl]
    metrics:
      - metrics.json:
          cache: false
    plots:
      - loss.csv
artifacts:
  detector:
    path: model.pkl
    type: model
"""


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def store(top: Path, data: bytes) -> str:
    """Into the DVC cache; its md5."""
    name = md5(data)
    path = top / ".dvc" / "cache" / "files" / "md5" / name[:2] / name[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_bytes(data)
        path.chmod(0o444)
    return name


def entry(path: str, data: bytes) -> str:
    return f"    - path: {path}\n      hash: md5\n      md5: {md5(data)}\n      size: {len(data)}\n"


def begin(top: Path) -> None:
    """Pipeline, data and code, committed; nothing trained yet."""
    (top / ".dvc").mkdir()
    (top / ".dvc" / "config").write_text("")
    (top / ".dvc" / ".gitignore").write_text("/config.local\n/tmp\n/cache\n")
    (top / "data").mkdir()
    (top / ".gitignore").write_text("/model.pkl\n/loss.csv\n")
    (top / "data" / ".gitignore").write_text("/raw.csv\n/prepared.csv\n")
    raw = b"1,2\n"
    store(top, raw)
    (top / "data" / "raw.csv.dvc").write_text(
        f"outs:\n- md5: {md5(raw)}\n  size: {len(raw)}\n  hash: md5\n  path: raw.csv\n"
    )
    for name, text in {
        "prepare.py": "pass\n",
        "train.py": "pass\n",
        "dvc.yaml": DVC_YAML,
        "params.yaml": "train:\n  lr: 0.1\n  epochs: 3\nseed: 7\n",
        "requirements.txt": "numpy==1.26.4\n",
    }.items():
        (top / name).write_text(text)
    run_git(top, "add", "-A")
    run_git(top, "commit", "-q", "-m", "pipeline")


def train(top: Path, *, lr: float = 0.1, acc: float = 0.9, params: float | None = None) -> None:
    """What `dvc repro` leaves in the work tree, staged. `params`: lr of params.yaml, where it differs."""
    raw, prepared, model = b"1,2\n", b"1,2\n1,2\n", f"model {lr}".encode()
    losses = f"step,loss\n0,0.5\n1,{lr}\n".encode()
    metrics = json.dumps({"acc": acc, "note": "text"}).encode()
    for data in (prepared, model, losses):
        store(top, data)
    (top / "params.yaml").write_text(
        f"train:\n  lr: {lr if params is None else params}\n  epochs: 3\nseed: 7\n"
    )
    (top / "metrics.json").write_bytes(metrics)
    script = b"pass\n"
    (top / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n"
        "  prepare:\n    cmd: python prepare.py\n    deps:\n"
        + entry("data/raw.csv", raw) + entry("prepare.py", script)
        + "    outs:\n" + entry("data/prepared.csv", prepared)
        + "  train:\n    cmd: python train.py\n    deps:\n"
        + entry("data/prepared.csv", prepared) + entry("train.py", script)
        + f"    params:\n      params.yaml:\n        train.lr: {lr}\n"
        + "    outs:\n" + entry("loss.csv", losses) + entry("metrics.json", metrics)
        + entry("model.pkl", model)
    )  # fmt: skip
    run_git(top, "add", "-A")


@pytest.fixture
def dvc_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project with a pipeline, as the current directory."""
    begin(project)
    monkeypatch.chdir(project)
    return project

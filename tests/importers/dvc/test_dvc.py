"""Experiments of DVC as its refs, commits and cache have them."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path

import pytest

from gittrack.importers.dvc import read
from gittrack.importers.foreign import Dataset, Final, Options
from gittrack.importers.systems import choose
from tests.importers.rounds import Rounds
from tests.importers.taking import only, taken
from tests.repositories import run_git

YAML = """
stages:
  train:
    cmd: python train.py
    deps: [data.txt, train.py]
    params: [lr]
    outs: [model]
    metrics: [metrics.json]
    plots: [curve.csv, shape.png]
artifacts: {net: {path: model, type: model, desc: best, labels: [a]}}
"""
BASE = {
    "dvc.yaml": YAML,
    "params.yaml": "lr: 0.1\nnet: {layers: [1, 2.5]}\n",
    "train.py": "",
    ".dvc/config": "",
    ".gitignore": "/.dvc/cache\n",
}


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


class Project:
    """A repository with experiments of DVC, made with git alone."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()
        run_git(top, "init", "-q", "-b", "main")
        for name, value in (("name", "Ada"), ("email", "ada@example.org")):
            run_git(top, "config", f"user.{name}", value)
        self.baseline = self.commit(BASE)

    def commit(self, files: dict[str, str], message: str = "base") -> str:
        for name, text in files.items():
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).write_text(text, "utf-8")
        run_git(self.top, "add", "-A")
        run_git(self.top, "commit", "-q", "--allow-empty", "-m", message)
        return run_git(self.top, "rev-parse", "HEAD").strip()

    def experiment(self, name: str, *states: dict[str, str], message: str = "") -> str:
        """One with a commit for each of `states`; its last commit."""
        for files in states:
            tip = self.commit(files, message or f"dvc: commit experiment {'0' * 64}")
        self.ref(name, tip)
        run_git(self.top, "reset", "-q", "--hard", self.baseline)
        return tip

    def ref(self, name: str, oid: str) -> None:
        run_git(self.top, "update-ref", f"refs/exps/{self.baseline[:2]}/{self.baseline[2:]}/{name}", oid)

    def cache(self, data: bytes, end: str = "") -> str:
        """The md5 by which DVC's cache has `data`."""
        name = md5(data) + end
        place = self.top / ".dvc/cache/files/md5" / name[:2] / name[2:]
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
        return name


def lock(lr: float, *outs: tuple[str, str]) -> str:
    stage = {
        "cmd": "python train.py",
        "deps": [{"path": "data.txt", "hash": "md5", "md5": md5(b"data"), "size": 4}],
        "params": {"params.yaml": {"lr": lr}},
        "outs": [{"path": path, "hash": "md5", "md5": name} for path, name in outs],
    }
    return json.dumps({"schema": "2.0", "stages": {"train": stage}})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "proj")


def listing(project: Project, path: str = "é/w.bin") -> str:
    files = [{"md5": project.cache(b"weights"), "relpath": path}]
    return project.cache(json.dumps(files).encode(), ".dir")


def test_an_experiment(project: Project) -> None:
    """Parameters that it ran with, metrics, a series, what its stage read and left; no ref of DVC's own."""
    files = {
        "params.yaml": "lr: 7\nnet: {layers: [1, 2.5]}\n",
        "metrics.json": '{"acc": 0.5, "deep": {"loss": NaN}}',
        "curve.csv": "step,loss\n0,1.5\n2,inf\n",
        "shape.png": "PNG",
        "dvc.lock": lock(0.25, ("model", listing(project))),
    }
    tip = project.experiment("häßlich", files, message="why")
    for name in ("stash", "exec/EXEC_HEAD", "celery/stash", "apply/ORIG_HEAD"):
        run_git(project.top, "update-ref", f"refs/exps/{name}", tip)
    run = only(read, project.top)
    assert (run.id, run.name, run.group, run.note, run.status) == (
        tip, "häßlich", project.baseline, "why", "finished",
    )  # fmt: skip
    assert run.started == int(run_git(project.top, "log", "-1", "--format=%ct", tip))
    assert run.params == {"lr": 0.25, "net": {"layers": [1, 2.5]}}
    assert run.finals.keys() == {"acc", "deep.loss"} and run.finals["acc"] == Final(rule="given", value=0.5)
    (curve,) = run.curves()
    assert (curve.name, curve.values, curve.steps) == ("loss", (1.5, math.inf), (0, 2))
    assert run.datasets == [Dataset(name="data.txt", digest=f"md5:{md5(b'data')}", details={"size": 4})]
    assert run.tags == {"dvc.cmd.train": "python train.py"} and run.user is None
    assert [(f.path, f.kind, f.name, f.digest) for f in run.files] == [
        ("model/é/w.bin", "model", "net", f"md5:{md5(b'weights')}"), ("shape.png", "media", None, None),
    ]  # fmt: skip
    assert [loss.what for loss in run.lost] == ["artifact net: labels"]
    assert only(read, project.top, Options(people=True)).user == "Ada"
    assert choose("auto", project.top) == "dvc"


def test_checkpoints(project: Project) -> None:
    """One run, whose metrics have a point for each; it stays the same run when it goes on."""
    first = {"metrics.json": '{"acc": 0.1}'}
    project.experiment("long", first)
    run_id = only(read, project.top).id
    run_git(project.top, "reset", "-q", "--hard", run_id)
    project.experiment("long", {"metrics.json": '{"acc": 0.3}'}, {"metrics.json": '{"acc": 0.2}'})
    run = only(read, project.top)
    (curve,) = run.curves()
    assert (run.id, curve.values, curve.steps, run.finals) == (run_id, (0.1, 0.3, 0.2), None, {})
    assert curve.times is not None and curve.times[0] == run.started and run.ended is not None


def test_one_that_failed_in_the_queue(project: Project) -> None:
    """Its parameters, of which git keeps the commit; what lies there of results is of the run before."""
    states = {"params.yaml": "lr: 9\n", "dvc.lock": lock(0.1), "metrics.json": '{"acc": 1}'}
    tip = project.experiment("gone", states)
    run_git(project.top, "update-ref", "-d", f"refs/exps/{project.baseline[:2]}/{project.baseline[2:]}/gone")
    message = f"commit: dvc-exp:{project.baseline}:{project.baseline}:bad"
    run_git(project.top, "update-ref", "--create-reflog", "-m", message, "refs/exps/celery/failed", tip)
    run = only(read, project.top)
    assert (run.id, run.name, run.status, run.started) == (tip, "bad", "failed", None)
    assert (run.params, run.finals, [*run.curves()], run.files) == ({"lr": 9}, {}, [], [])


def test_what_is_not_to_be_had_or_is_hostile(project: Project, tmp_path: Path) -> None:
    """Costs what it is of, by name; no way leads out of the source."""
    (tmp_path / "secret").write_text("s")
    outs = [("model", listing(project, "../../secret")), ("../secret", md5(b"s")), ("far.bin", md5(b"far"))]
    project.experiment("odd", {"dvc.lock": lock(1, *outs), "metrics.json": "{}"})
    blob = run_git(project.top, "rev-parse", f"{project.baseline}:train.py").strip()
    project.ref("blob", blob)
    project.ref("twin", run_git(project.top, "rev-parse", "--glob=refs/exps/*/*/odd").strip())
    runs, skipped = taken(read, project.top)
    (run,) = runs
    assert {file.path: file.digest for file in run.files if file.missing} == {
        "model": f"md5:{outs[0][1]}", "far.bin": f"md5:{outs[2][1]}",
    }  # fmt: skip
    assert [file.path for file in run.files if not file.missing] == []
    assert any("../secret" in loss.what for loss in run.lost)
    assert [(item.what, item.fault) for item in skipped] == [
        ("experiment blob", True), ("experiment twin", False),
    ]  # fmt: skip
    assert [item.fault for item in taken(read, tmp_path)[1]] == [True]


def test_on_the_ledger(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what the cache has; bytes that are not those of dvc.lock are none. Of a bare clone, no others."""
    damaged = project.cache(b"right")
    (project.top / ".dvc/cache/files/md5" / damaged[:2] / damaged[2:]).write_bytes(b"wrong")
    outs = ("model", listing(project)), ("x.bin", damaged)
    project.experiment("a", {"dvc.lock": lock(0.5, *outs), "metrics.json": '{"acc": 1}'})
    rounds = Rounds(tmp_path, monkeypatch)
    (record,) = rounds.bring("dvc", project.top)
    assert [(output.path, output.md5) for output in record.outputs] == [("model/é/w.bin", md5(b"weights"))]
    assert any("x.bin" in loss.what and "other bytes" in loss.why for loss in record.not_recorded)
    assert (record.experiment, record.name, record.metrics["acc"].value) == ("dvc", "a", 1)
    project.experiment("b", {"metrics.json": '{"acc": 2}', "gittrack.yaml": "experiment: digits\n"})
    bare = tmp_path / "bare.git"
    run_git(tmp_path, "clone", "-q", "--mirror", str(project.top), str(bare))
    run_git(
        tmp_path,
        f"--git-dir={bare}",
        "update-ref",
        "-d",
        f"refs/exps/{project.baseline[:2]}/{project.baseline[2:]}/a",
    )
    assert {record.experiment for record in rounds.bring("dvc", bare)} == {"dvc", "digits"}

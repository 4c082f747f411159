"""Folders of DVCLive, as its client writes them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from gittrack.importers.dvclive import read, series
from gittrack.importers.foreign import Final, ForeignRun, Skipped
from tests.importers import taking


def write_files(top: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(text, "utf-8")


def taken(source: Path) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source)


def only(source: Path) -> ForeignRun:
    return taking.only(read, source)


def points(run: ForeignRun) -> dict[str, list[tuple[Any, Any, float]]]:
    """Step, time and value, by metric."""
    found: dict[str, list[tuple[Any, Any, float]]] = {}
    for curve in run.curves():
        times = curve.times or [None] * len(curve.values)
        found.setdefault(curve.name, []).extend(zip(curve.steps or (), times, curve.values, strict=True))
    return found


PROJECT = """
params: [live/params.yaml]
metrics: [live/metrics.json]
artifacts:
  net: {path: m.bin, type: model, desc: best, labels: [a]}
  gone: {path: gone.bin}
  moved: {path: moved.bin}
  out: {path: ../../secret}
  data: {path: data}
"""


def project(top: Path) -> Path:
    """With a run in the folder ``live``."""
    old = "149603e6c03516362a8da23f624db945"
    write_files(
        top,
        {
            "live/params.yaml": "lr: 1e-05\nn: 3\nbad: .nan\nbig: -.inf\nnested:\n  a: [1, 2.5, x]\ns: '1'\n",
            "live/metrics.json": json.dumps(
                {"loss": "nan", "val": {"acc é": 2}, "step": 2, "best": 7.5, "word": "b", "min": {"loss": 1}}
            ),
            "live/plots/metrics/loss.tsv": (
                "timestamp\tstep\tloss\n1700000000500\t0\t1.5\n1700000001000\t2\tnan\n"
            ),
            "live/plots/metrics/val/acc é.tsv": "step\tacc é\n0\t0\n1\t1\n2\t2\n",
            "live/plots/metrics/word.tsv": "step\tword\n0\ta\n1\tb\n",
            "live/plots/metrics/system/cpu/usage (%).tsv": "step\tusage (%)\n0\t50.5\n",
            "live/plots/images/im.png": "PNG",
            "live/plots/sklearn/cm.json": "[]",
            "live/report.md": "# R",
            "dvc.yaml": PROJECT,
            "m.bin": "old",
            "m.bin.dvc": f"outs:\n- md5: {old}\n  size: 3\n  path: m.bin\n",
            "gone.bin.dvc": f"outs:\n- md5: {old}\n  size: 3\n  path: gone.bin\n",
            "moved.bin": "new",
            "moved.bin.dvc": f"outs:\n- md5: {old}\n  size: 3\n  path: moved.bin\n",
            "data/x/y.txt": "y",
            f".dvc/cache/files/md5/{old[:2]}/{old[2:]}": "old",
        },
    )
    return top


def test_a_run(tmp_path: Path) -> None:
    """Types, times, names with folders, texts, what only the last values have, the machine apart."""
    run = only(project(tmp_path / "proj"))
    assert math.isnan(run.params["bad"])  # type: ignore[arg-type]
    assert {**run.params, "bad": 0} == {
        "lr": 1e-05, "n": 3, "bad": 0, "big": -math.inf, "nested": {"a": [1, 2.5, "x"]}, "s": "1",
    }  # fmt: skip
    found = points(run)
    assert found.keys() == {"loss", "val/acc é"}
    assert found["loss"][0] == (0, 1_700_000_000.5, 1.5) and math.isnan(found["loss"][1][2])
    assert found["val/acc é"] == [(n, None, n) for n in range(3)]
    assert [(text.name, text.text, text.step) for text in run.texts()] == [("word", "a", 0), ("word", "b", 1)]
    assert run.finals == {"best": Final(rule="given", value=7.5), "min/loss": Final(rule="given", value=1)}
    assert [curve.name for curve in run.system_curves()] == ["system/cpu/usage (%)"]
    assert (run.experiment, run.name, run.status, run.started) == ("proj", "live", "unknown", 1_700_000_000.5)


def test_files_and_artifacts(tmp_path: Path) -> None:
    """From the work tree while it has the bytes of the pointer, else from the cache; none from outside."""
    top = project(tmp_path / "proj")
    (tmp_path / "secret").write_text("s")
    run = only(top)
    files = {file.path: file for file in run.files}
    assert {path: file.kind for path, file in files.items()} == {
        "plots/images/im.png": "media", "plots/sklearn/cm.json": "table", "report.md": "other",
        "m.bin": "model", "gone.bin": "artifact", "moved.bin": "artifact", "out": "artifact",
        "data/x/y.txt": "artifact",
    }  # fmt: skip
    assert files["m.bin"].content == top / "m.bin" and files["m.bin"].caption == "best"
    cached = files["gone.bin"].content
    assert isinstance(cached, Path) and cached.read_text() == "old"
    assert {path for path, file in files.items() if file.missing} == {"moved.bin", "out"}
    assert [loss.what for loss in run.lost] == ["artifact net: labels"]


def test_a_run_that_goes_on_is_the_same(tmp_path: Path) -> None:
    """Of other parameters it is another; a project may have several."""
    run = only(project(tmp_path))
    with (tmp_path / "live" / "plots" / "metrics" / "val" / "acc é.tsv").open("a") as file:
        file.write("3\t3\n")
    write_files(tmp_path, {"live/plots/metrics/late.tsv": "step\tlate\n3\t1\n"})
    assert only(tmp_path).id == run.id
    write_files(tmp_path, {"live/params.yaml": "lr: 2\n", "b/dvclive/metrics.json": '{"x": 1, "step": 0}'})
    runs, _ = taken(tmp_path)
    assert [item.name for item in runs] == ["b/dvclive", "live"] and run.id not in {item.id for item in runs}


def test_files_that_are_damaged(tmp_path: Path, monkeypatch: Any) -> None:
    """What is there is read, in stretches; the rest is named."""
    monkeypatch.setattr(series, "_STRETCH", 2)
    write_files(
        tmp_path,
        {
            "dvclive/params.yaml": "1: a\nn: 2\n",
            "dvclive/metrics.json": "[" * 5000,
            "dvclive/plots/metrics/x.tsv": "step\tx\n0\t1\n1\nword\t2\n2\t3\n3\t0.12",
            "dvclive/plots/metrics/empty.tsv": "",
            "dvclive/plots/metrics/long.tsv": f"step\tlong\n0\t{'1' * 200_000}\n",
        },
    )
    (tmp_path / "dvclive" / "plots" / "metrics" / "link.tsv").symlink_to("/etc/passwd")
    run = only(tmp_path)
    assert points(run) == {"x": [(0, None, 1), (None, None, 2), (2, None, 3)]}
    assert run.params == {"1": "a", "n": "2"}
    assert sorted(loss.what for loss in run.lost) == [
        "file plots/metrics/link.tsv", "metrics.json", "points of long", "points of x", "points of x",
        "types of params",
    ]  # fmt: skip


def test_a_folder_that_is_a_project(tmp_path: Path) -> None:
    """Of it nothing comes but what the client writes."""
    write_files(
        tmp_path,
        {"metrics.json": '{"x": 1}', "plots/a.json": "[]", ".git/x": "", "data.csv": "", "report.md": ""},
    )
    assert sorted(file.path for file in only(tmp_path).files) == ["plots/a.json", "report.md"]
    assert [item.fault for item in taken(tmp_path / "plots")[1]] == [True]

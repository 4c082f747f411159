"""Folders of Sacred's FileStorageObserver."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import zlib
from pathlib import Path
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.importers.foreign import Failure, Final, ForeignRun, Options, Skipped
from gittrack.importers.sacred import read
from gittrack.importers.systems import choose
from tests.importers import taking
from tests.importers.sources import importer
from tests.ledgers import records

STARTED = 1_700_000_000.0
STATED = {
    "artifacts": ["model.bin"],
    "command": "main",
    "experiment": {
        "base_dir": "/home/ada/p",
        "dependencies": ["numpy==2.0", "odd==<unknown>"],
        "mainfile": "train.py",
        "name": "probe é",
        "sources": [],
        "repositories": [
            {"commit": "a" * 40, "dirty": True, "url": "git@x:y"},
            {"commit": "b", "url": "/z/other"},
        ],
    },
    "heartbeat": "2023-11-14T22:13:25",
    "host": {
        "ENV": {"TOKEN": "x"},
        "cpu": "Xeon",
        "hostname": "h",
        "os": ["Linux", "Linux-6"],
        "python_version": "3.9",
        "gpus": {"driver_version": "1", "gpus": [{"model": "A100"}]},
        "disk": 3,
    },
    "meta": {
        "command": "main",
        "comment": "a\nb",
        "options": {"--force": True, "UPDATE": ["lr=1"], "--name": None},
        "config_updates": {"lr": 1},
        "named_configs": ["small"],
    },
    "resources": [],
    "result": None,
    "start_time": "2023-11-14T22:13:20",
    "status": "COMPLETED",
    "stop_time": "2023-11-14T22:13:30.5",
}


def write(folder: Path, config: Any = None, metrics: Any = None, **stated: Any) -> Path:
    """A run's folder; what is text is written as it is."""
    folder.mkdir(parents=True)
    files = {"run.json": {**STATED, **stated}, "config.json": config or {}, "metrics.json": metrics}
    for name, value in files.items():
        if value is not None:
            text = value if isinstance(value, str) else json.dumps(value, indent=2)
            (folder / name).write_text(text, "utf-8")
    (folder / "cout.txt").write_text("printed é\n", "utf-8")
    (folder / "model.bin").write_bytes(b"weights")
    return folder


def series(*values: Any, steps: Any = None, at: int = 21) -> dict[str, Any]:
    times = [f"2023-11-14T22:13:{at}.25" for _ in values]
    return {
        "values": [*values],
        "steps": [*range(len(values))] if steps is None else steps,
        "timestamps": times,
    }


def only(source: Path, **options: Any) -> ForeignRun:
    return taking.only(read, source, Options(**options))


def points(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    """Step, time since the start and value, by metric."""
    return {
        curve.name: [
            (step, time and time - STARTED, repr(value))
            for value, step, time in zip(
                curve.values,
                curve.steps or [None] * len(curve.values),
                curve.times or [None] * len(curve.values),
                strict=True,
            )
        ]
        for curve in run.curves()
    }


def losses(run: ForeignRun) -> list[str]:
    return sorted(loss.what for loss in run.lost)


def packed(numbers: bytes) -> str:
    return base64.b64encode(zlib.compress(numbers)).decode()


CONFIG = {
    "seed": 7,
    "lr": 1e-5,
    "nan": math.nan,
    "none": None,
    "t": {"py/tuple": [1, {"py/set": [2]}]},
    "arr": {"py/object": "numpy.ndarray", "dtype": "float64", "values": [[1.5, 2.0]]},
    "big": {
        "py/object": "numpy.ndarray",
        "dtype": "uint8",
        "shape": [2, 9],
        "byteorder": "<",
        "order": "F",
        "values": packed(bytes(range(18))),
    },
    "view": {
        "py/object": "numpy.ndarray",
        "dtype": "int16",
        "shape": {"py/tuple": [2]},
        "base": {"dtype": "int16", "shape": [2], "values": packed(b"\x01\x00\x02\x00"), "byteorder": "<"},
    },
    "bomb": {
        "py/object": "numpy.ndarray",
        "dtype": "uint8",
        "shape": [1 << 24],
        "values": packed(bytes(1 << 24)),
    },
    "f": {"py/object": "numpy.float64", "dtype": "float64", "value": 0.5},
    "path": {"py/reduce": [{"py/type": "pathlib.PosixPath"}, {"py/tuple": ["/", "home", "x"]}]},
    "day": {"py/object": "datetime.date", "__reduce__": [{"py/type": "datetime.date"}, ["B+QBAg=="]]},
    "at": {
        "py/object": "datetime.datetime",
        "__reduce__": [{"py/type": "datetime.datetime"}, ["B+QBAgMEBQAABg=="]],
    },
    "obj": {"py/object": "os.system", "x": {"json://1": 2}},
    "same": [{"py/id": 4}],
    "run": {"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["touch /nowhere"]}]},
}


def test_a_run(tmp_path: Path) -> None:
    """Types, pickled values without Python, steps and times, texts, what it returned, host and code."""
    metrics = {
        "loss": series(1.5, math.nan, -math.inf, steps=[0, -5, 2.5]),
        "word": series("é", [1]),
        "np": series(
            {"py/object": "numpy.float32", "value": 0.5, "dtype": "float32"}, {"dtype": "x", "value": 2}
        ),
    }
    result = {"acc": 0.25, "deep": {"n": 3}, "obj": {"py/object": "K"}, "w": "text"}
    run = only(write(tmp_path / "runs" / "3", CONFIG, metrics, result=result))
    assert repr(run.params["nan"]) == "nan" and isinstance(run.params["bomb"], dict)
    assert {**run.params, "nan": 0, "bomb": 0} == {
        "seed": 7,
        "lr": 1e-5,
        "nan": 0,
        "none": None,
        "t": [1, [2]],
        "arr": [[1.5, 2.0]],
        "view": [1, 2],
        "big": [[*range(0, 18, 2)], [*range(1, 18, 2)]],
        "bomb": 0,
        "f": 0.5,
        "path": "/home/x",
        "day": "2020-01-02",
        "at": "2020-01-02T03:04:05.000006",
        "obj": {"py/object": "os.system", "x": {"1": 2}},
        "same": [{"py/id": 4}],
        "run": CONFIG["run"],
    }
    assert points(run) == {
        "loss": [(0, 1.25, "1.5"), (-5, 1.25, "nan"), (2.5, 1.25, "-inf")],
        "np": [(0, 1.25, "0.5"), (1, 1.25, "2")],
    }
    assert [(text.name, text.text, text.step) for text in run.texts()] == [
        ("result.obj", '{"py/object": "K"}', None),
        ("result.w", "text", None),
        ("word", "é", 0),
        ("word", "[1]", 1),
    ]
    assert run.finals == {
        "result.acc": Final(rule="given", value=0.25),
        "result.deep.n": Final(rule="given", value=3),
    }
    assert (run.experiment, run.name, run.status, run.note) == ("probe é", "3", "finished", "a\nb")
    assert (run.started, run.ended) == (STARTED, STARTED + 10.5)
    assert run.tags == {
        "sacred.command": "main",
        "sacred.config_updates": '{"lr": 1}',
        "sacred.named_configs": '["small"]',
    }
    assert run.code is not None and run.environment is not None
    assert (run.code.commit, run.code.dirty, run.code.entry) == ("a" * 40, True, "train.py")
    assert (run.environment.gpus, run.environment.packages) == (("A100",), {"numpy": "2.0"})
    assert (run.environment.os, run.environment.host) == ("Linux-6", None)
    assert [(file.path, file.kind) for file in run.files] == [
        ("cout.txt", "console"),
        ("model.bin", "artifact"),
    ]
    assert losses(run) == [
        "environment variables",
        "host information disk",
        "option --force of the command line",
        "param bomb: the Python object numpy.ndarray",
        "param obj: the Python object os.system",
        "param run: the Python object os.system",
        "param same: the Python object py/id",
        "repository other at commit b",
        "result: the Python object K",
    ]


def test_files(tmp_path: Path) -> None:
    """Artifacts, sources and resources by their digests; none that a link or a path leads out to."""
    digest = hashlib.md5(b"print()", usedforsecurity=False).hexdigest()
    runs = tmp_path / "runs"
    for kind in ("sources", "resources"):
        (runs / f"_{kind}").mkdir(parents=True)
        (runs / f"_{kind}" / f"a_{digest}.py").write_bytes(b"print()")
    (runs / "_sources" / f"b_{digest}.py").write_bytes(b"changed")
    (tmp_path / "secret").write_text("s")
    folder = write(
        runs / "1",
        artifacts=["model.bin", "../../secret", "gone", 3],
        experiment={
            "name": "x",
            "sources": [
                ["pkg/a.py", f"_sources/a_{digest}.py"],
                ["b.py", f"_sources/b_{digest}.py"],
                ["c.py", "../c.py"],
                {"py/tuple": ["report.html", digest]},
                "odd",
            ],
        },
        resources=[["/data/a.py", f"runs/_resources/a_{digest}.py"]],
        info={"old": 1},
    )
    (folder / "link").symlink_to(tmp_path / "secret")
    (folder / "report.html").write_text("<p>")
    run = only(runs)
    found = {file.path: (file.kind, file.missing) for file in run.files}
    assert found == {
        "cout.txt": ("console", None),
        "model.bin": ("artifact", None),
        "report.html": ("other", None),
        "link": ("other", "a link, which is not followed, or no regular file"),
        "info.json": ("other", None),
        "secret": ("artifact", "its path leads out of the run"),
        "gone": ("artifact", "its file is not in the run's folder"),
        "sources/pkg/a.py": ("other", None),
        "sources/b.py": ("other", "the file there is another one by now"),
        "sources/c.py": ("other", "its file is not in the run's folder"),
        "resources/a.py": ("other", None),
    }
    (dataset,) = run.datasets
    assert (dataset.name, dataset.digest, dataset.source) == ("a.py", f"md5:{digest}", "/data/a.py")
    assert losses(run)[-1] == "sources 'odd'"
    alone = {file.path: file.missing for file in only(folder).files}
    assert alone["resources/a.py"] == "it lies beside the run: import the folder that has the runs"


@pytest.mark.parametrize(
    ("word", "status", "tag"),
    [
        ("FAILED", "failed", None),
        ("INTERRUPTED", "killed", None),
        ("RUNNING", "running", None),
        ("TIMEOUT", "killed", None),
        ("OUT_OF_TIME", "killed", "OUT_OF_TIME"),
        ("QUEUED", "unknown", "QUEUED"),
    ],
)
def test_how_a_run_ended(tmp_path: Path, word: str, status: str, tag: str | None) -> None:
    """A word of one's own is that of an interrupt."""
    run = only(write(tmp_path / "1", status=word, fail_trace=["Traceback\n", "a.B: boom\n"]))
    assert (run.status, run.tags.get("sacred.status")) == (status, tag)
    assert run.failure == Failure(type="a.B", message="boom")
    assert "fail_trace.txt" in {file.path for file in only(tmp_path, people=True).files}


def test_runs_of_a_tree(tmp_path: Path) -> None:
    """Numbers are those of a folder; ids stay when it is moved. No other JSON of that name is a run."""
    write(tmp_path / "a" / "2", {"lr": 1}, status="RUNNING", stop_time=None)
    write(tmp_path / "a" / "10", start_time="2023-11-14T22:13:21")
    write(tmp_path / "b" / "2", start_time="2023-11-14T22:13:22")
    write(tmp_path / "b" / "copy")
    (tmp_path / "web").mkdir()
    (tmp_path / "web" / "run.json").write_text('{"scripts": {}}')
    runs, skipped = taking.taken(read, tmp_path)
    assert not skipped and [run.name for run in runs] == ["2", "10", "copy", "2"]
    assert runs[2].id.startswith(f"{runs[0].id}:") and choose("auto", tmp_path) == "sacred"
    moved = tmp_path / "elsewhere" / "7"
    moved.parent.mkdir()
    (tmp_path / "a" / "2").rename(moved)
    assert only(moved.parent).id == runs[0].id


def test_folders_that_are_damaged(tmp_path: Path) -> None:
    """What can be read comes, and the rest is named."""
    short = {**series(1, 2, steps=[0]), "timestamps": ["odd"]}
    bare: dict[str, Any] = {"experiment": {}, "host": {}, "meta": {}}
    write(tmp_path / "1", "{", {"a": short, "b": 3, "c": series(1, at=99)}, **bare)
    odd: dict[str, Any] = {"experiment": "odd", "host": None, "meta": [], "start_time": 5}
    write(tmp_path / "2", {"x": 1}, '{"loss": {"values": [1, ', **odd)
    (write(tmp_path / "3") / "run.json").write_text('{"experiment":')
    (write(tmp_path / "4") / "run.json").unlink()
    runs, skipped = taking.taken(read, tmp_path)
    assert [(item.what, item.why) for item in skipped] == [
        ("3", "run.json: it is no JSON, or nested too deeply"),
        ("4", "the run died before its run.json was written"),
    ]
    first, second = runs
    assert points(first) == {"a": [(0, None, "1"), (None, None, "2")], "c": [(0, None, "1")]}
    assert losses(first) == [
        "config.json", "metric b", "params", "steps and times of a", "times of a", "times of c",
    ]  # fmt: skip
    assert not points(second) and losses(second) == ["metrics.json"]
    assert (second.experiment, second.started, second.params) == ("sacred", None, {"x": 1})
    (none,) = read(tmp_path / "1" / "nothing", Options())
    assert isinstance(none, Skipped)


def test_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verify passes; a second import adds nothing, and one of a run that has gone on what is new."""
    repository = importer(tmp_path, monkeypatch)
    monkeypatch.chdir(repository.top)
    growing = write(repository.source / "1", CONFIG, {"loss": series(1, 2)}, status="RUNNING", stop_time=None)
    for _ in range(2):
        assert execute(["import", str(repository.source)]) == 0
    (record,) = records(repository.top)
    assert record.imported is not None
    assert (record.status, record.imported.status, record.seed) == ("killed", "running", 7)
    (growing / "metrics.json").write_text(json.dumps({"loss": series(1, 2, 3)}))
    (growing / "run.json").write_text(json.dumps(STATED))
    assert execute(["import", str(repository.source)]) == 0
    grown = next(item for item in records(repository.top) if item.supersedes == record.id)
    assert (grown.status, grown.metrics["loss"].value, grown.duration_s) == ("finished", 3, 10.5)
    assert execute(["verify", "-q"]) == 0

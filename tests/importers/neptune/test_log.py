"""Logs of the client ``neptune``, as it writes them."""

from __future__ import annotations

import base64
import math
from pathlib import Path
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.errors import UsageError
from gittrack.importers.foreign import Dataset, ForeignRun, Options, Skipped
from gittrack.importers.neptune import read
from gittrack.importers.systems import choose
from tests.importers import taking
from tests.importers.neptune.writer import RUN, START, assign, log_folder, operation, points, write_log
from tests.importers.sources import importer
from tests.importers.taking import curves, losses
from tests.ledgers import records

PNG = base64.b64encode(b"\x89PNG...").decode()


def taken(source: Path, **options: Any) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source, Options(**options))


def only(source: Path, **options: Any) -> ForeignRun:
    return taking.only(read, source, Options(**options))


def test_a_run(tmp_path: Path) -> None:
    """Types, nested names, steps of every kind, what describes a run, the machine and the console apart."""
    write_log(
        log_folder(tmp_path),
        [
            assign("sys/name", "é"), assign("sys/description", "why\nso"), assign("sys/hostname", "box"),
            operation("AddStrings", "sys/tags", values=["b", "a", "gone"]),
            operation("RemoveStrings", "sys/tags", values=["gone"]),
            operation("AddStrings", "sys/group_tags", values=["g"]),
            assign("sys/failed", False), assign("sys/failed", True), assign("sys/stage", "x"),
            assign("parameters/lr", 1e-5), assign("parameters/net/depth", 3), assign("flag", True),
            assign("nan", math.nan), assign("a", 1), assign("a/b", 2), assign("lr.x", "1"),
            operation("AssignDatetime", "when", value=1_700_000_000_125),
            points("loss", (0.5, 1.5), (-2, math.inf), (-2, math.nan), (7, 2)),
            points("unnumbered", (None, 1.0), (None, 2.0)),
            points("monitoring/ab/cpu", (None, 50.0)),
            assign("monitoring/ab/hostname", "box"), assign("monitoring/ab/pid", "7"),
            points("monitoring/ab/stdout", (None, "to"), (None, "\n"), name="LogStrings"),
            points("monitoring/ab/stderr", (None, "err\n"), name="LogStrings"),
            points("words", (1, "zwei\nlines"), name="LogStrings"),
            assign("source_code/entrypoint", "train.py"),
        ],
    )  # fmt: skip
    run = only(tmp_path)
    assert (run.id, run.name, run.note, run.status) == (RUN, "é", "why\nso", "failed")
    assert (run.labels, run.group, run.started, run.system_version) == (("a", "b"), "g", START, "1.14.0")
    assert run.tags == {"neptune.stage": "x"} and run.code is not None and run.code.entry == "train.py"
    assert math.isnan(run.params["nan"])  # type: ignore[arg-type]
    assert {**run.params, "nan": 0} == {
        "parameters": {"lr": 1e-5, "net": {"depth": 3}}, "flag": True, "nan": 0, "a": 1, "a/b": 2,
        "lr.x": "1", "when": "2023-11-14T22:13:20.125Z",
    }  # fmt: skip
    found = curves(run)
    assert repr(found["loss"]) == "[(0.5, 1.5), (-2, inf), (-2, nan), (7, 2.0)]"
    assert found["unnumbered"] == [(None, 1.0), (None, 2.0)] and len(found) == 2
    assert [curve.name for curve in run.system_curves()] == ["monitoring/ab/cpu"]
    assert [(text.name, text.text, text.step, text.time) for text in run.texts()] == [
        ("words", "zwei\nlines", 1, START)
    ]
    (console,) = run.files
    assert console.kind == "console" and callable(console.content)
    assert b"".join(console.content()) == b"to\nerr\n"
    around = run.environment
    assert around is not None and (around.python, around.os, around.host) == ("3.11.7", "Linux-6.1", None)
    around = only(tmp_path, people=True).environment
    assert around is not None and around.host == "box"


def test_operations_are_applied_in_order(tmp_path: Path) -> None:
    """What was deleted or cleared does not come; an attribute may be deleted and become another."""
    write_log(
        log_folder(tmp_path),
        [
            assign("x", 1), operation("DeleteAttribute", "x"), points("x", (1, 5.0)),
            points("loss", (1, 1.0)), operation("ClearFloatLog", "loss"), points("loss", (1, 2.0)),
            points("gone", (1, 1.0)), operation("DeleteAttribute", "gone"),
            points("empty", (1, 1.0)), operation("ClearFloatLog", "empty"),
            points("t", (1, "old"), name="LogStrings"), operation("ClearStringLog", "t"),
            assign("p", 1), assign("p", 2), assign("typed", 1), assign("typed", "text"),
            operation("AddStrings", "set", values=["a"]), operation("ClearStringSet", "set"),
            operation("AddStrings", "set", values=["c", "b"]),
            operation("DeleteAttribute", "never"),
            operation("CopyAttribute", "copied", source_path=["a"], container_id="b"),
            operation("ConfigFloatSeries", "loss", min=0, max=None, unit="%"),
        ],
    )  # fmt: skip
    run = only(tmp_path)
    assert curves(run) == {"x": [(1, 5.0)], "loss": [(1, 2.0)]}
    assert run.params == {"p": 2, "typed": 1, "set": ["b", "c"]}
    assert not [*run.texts()]
    assert {*losses(run)} == {"deletion of never", "a change of typed", "copied", "min, unit of loss"}


def test_files(tmp_path: Path) -> None:
    """From where the client put them, or from below the source; named where the bytes are elsewhere."""
    folder = log_folder(tmp_path)
    (tmp_path / "src" / "in").mkdir(parents=True)
    for name in ("data.bin", "src/a.py", "src/in/b.py"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.bin").symlink_to(tmp_path / "data.bin")
    upload = {"ext": "bin", "tmp_file_name": None}
    write_log(
        folder,
        [
            operation("UploadFile", "in", **upload, file_path=f"{tmp_path}/data.bin"),
            operation("UploadFile", "out", **upload, file_path="/home/bob/x.bin"),
            operation("UploadFile", "link", **upload, file_path=f"{tmp_path}/link.bin"),
            operation("UploadFile", "up", **upload, file_path=f"{tmp_path}/../{tmp_path.name}/data.bin"),
            operation("UploadFile", "aside", ext="txt", file_path=None, tmp_file_name="aside-1.txt"),
            operation("UploadFile", "evil", ext="", file_path=None, tmp_file_name="../data-1.log"),
            operation("UploadFile", "old", ext="", file_path="/x/old-1", clean_after_upload=True),
            operation("UploadFileContent", "inline", ext="txt", file_content="aGk="),
            operation("UploadFileSet", "set", file_globs=[f"{tmp_path}/src/**/*.py"], reset="False"),
            operation("UploadFileSet", "set", file_globs=[f"{tmp_path}/data.bin"], reset="False"),
            operation("DeleteFiles", "set", file_paths=["in"]),
            operation("UploadFileSet", "folder", file_globs=[f"{tmp_path}/src", "C:\\x\\y.py"], reset="True"),
            operation("TrackFilesToArtifact", "data", entries=[["s3://b/x", None]], project_id="p"),
            operation("AssignArtifact", "hashed", hash="ab" * 32),
            points("pics", (None, {"data": PNG, "description": "d"}), (7, PNG), name="LogImages"),
            operation("UploadFile", "source_code/diff", ext="patch", file_path=None, tmp_file_name="d"),
            operation("UploadFile", "source_code/requirements", ext="txt", tmp_file_name="r"),
        ],
    )  # fmt: skip
    (folder / "upload_path").mkdir()
    for name in ("aside-1.txt", "old-1", "d", "r"):
        (folder / "upload_path" / name).write_text(name)
    run = only(tmp_path)
    files = {file.path: file for file in run.files}
    assert {path for path, file in files.items() if file.missing} == {
        "out.bin", "link.bin", "up.bin", "evil", "folder/y.py",
    }  # fmt: skip
    assert {path: file.kind for path, file in files.items() if not file.missing} == {
        "in.bin": "artifact", "aside.txt": "artifact", "old": "artifact", "inline.txt": "artifact",
        "set/a.py": "artifact", "set/data.bin": "artifact", "folder/a.py": "artifact",
        "folder/in/b.py": "artifact", "pics/0.png": "media", "pics/7.png": "media",
        "source_code/diff.patch": "patch", "source_code/requirements.txt": "requirements",
    }  # fmt: skip
    assert files["in.bin"].content == tmp_path / "data.bin"
    assert files["aside.txt"].content == folder / "upload_path" / "aside-1.txt"
    assert [(files[f"pics/{name}.png"].step, files[f"pics/{name}.png"].caption) for name in (0, 7)] == [
        (None, "d"), (7, None),
    ]  # fmt: skip
    for name, content in {"inline.txt": b"hi", "pics/7.png": b"\x89PNG..."}.items():
        reader = files[name].content
        assert callable(reader) and b"".join(reader()) == content
    assert run.datasets == [Dataset(name="data", source="s3://b/x"), Dataset(name="hashed", digest="ab" * 32)]


def test_several_processes_and_versions_of_the_client(tmp_path: Path) -> None:
    """One run over two folders; folders of 0.9, without metadata; what is of a model is no run."""
    later = {"createdAt": "2023-11-15T00:00:00+00:00"}
    write_log(log_folder(tmp_path, process="2__b"), [points("loss", (2, 2.0)), assign("p", 2)], **later)
    write_log(log_folder(tmp_path, process="1__c"), [points("loss", (1, 1.0)), assign("p", 1)])
    old = tmp_path / ".neptune" / "async" / "aaaa" / "exec-0-2021-03-01_12.13.14.1"
    write_log(old, [points("loss", (1, 3.0))])
    write_log(tmp_path / ".neptune" / "async" / "model__m__1__a", [], containerType="model", containerId="m")
    (old / "metadata.json").unlink()
    (old / "last_put_version").write_text("oops")
    runs, skipped = taken(tmp_path)
    assert [(run.id, curves(run)["loss"], run.params) for run in runs] == [
        (RUN, [(1, 1.0), (2, 2.0)], {"p": 2}),
        ("aaaa", [(1, 3.0)], {}),
    ]
    assert [run.started for run in runs] == [START, START]
    assert [(item.what, item.fault) for item in skipped] == [("log of m", False)]


def test_a_damaged_log_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """And says what is not in it: sent away, in no line, in one that is none, or never written."""
    folder = log_folder(tmp_path)
    file = write_log(
        folder,
        [
            assign("p", 1), {"type": "AssignInt", "path": "p", "value": 2}, assign("s", "é"),
            operation("AssignInt", "bad", value="1"), operation("AssignFloat", "bad", value=True),
            operation("AssignDatetime", "bad", value=1e300), operation("Mystery", "bad"),
            {"type": 7, "path": ["a"]}, operation("LogFloats", "bad", values=[7]),
            operation("LogFloats", "bad", values=None), operation("LogStrings", "bad", values=[{"value": 1}]),
            operation("AddStrings", "bad", values="abc"),
            operation("LogImages", "bad", values=[{"value": {"data": "%%%"}}]),
            points("loss", (0, 1.0), (math.nan, 2.0), ("x", 3.0)),
        ],
        first=5,
    )  # fmt: skip
    text = file.read_bytes()
    lines = b'nonsense\n[1]\n{"obj": 1}\n{"obj": ' + b"[" * 500 + b"\n\xff{}\n\n\0\n"
    file.write_bytes(text + lines + b'{"obj": {"type": "AssignInt", "path": ["cut"], "va')
    (folder / "last_put_version").write_text("99")
    run = only(tmp_path)
    assert run.params == {"p": 1, "s": "é"}
    assert repr(curves(run)["loss"]) == "[(0, 1.0), (nan, 2.0)]"
    found = {(loss.what.partition(" of run__")[0], loss.why): loss.count for loss in run.lost}
    assert found["operations", "they were sent to neptune.ai and are no longer here"] == 4
    assert found["operations", "the last ones are not in its files"] == 99 - 18
    assert found["a line", "it is cut off, or too long"] == 1
    assert found["a line", "it is no JSON, or nested too deeply"] == 3
    assert found["a line", "it is no UTF-8"] == 1
    assert sum(count for (what, _), count in found.items() if what.startswith("operation ")) == 12


def test_sources_that_have_no_run(tmp_path: Path) -> None:
    """Are named as such; which system a folder is of is told by what lies in it."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "x.txt").touch()
    for source in (tmp_path / "empty", tmp_path / "x.txt", tmp_path):
        runs, (skipped,) = taken(source)
        assert not runs and "neptune.ai lies in it" in skipped.why
    write_log(log_folder(tmp_path), [assign("p", 1)])
    folder = log_folder(tmp_path)
    for source in (tmp_path, tmp_path / ".neptune", folder.parent, folder):
        assert choose("auto", source) == "neptune"
        assert only(source).params == {"p": 1}


def test_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run comes once; what has grown comes anew in its place; verify passes on all of it."""
    clone = importer(tmp_path, monkeypatch).top
    monkeypatch.chdir(clone)
    source = tmp_path / "project"
    rows = [
        assign("parameters/lr", 0.1),
        points("loss", (0.5, 1.0), (-1, math.nan)),
        assign("sys/name", "fox"),
    ]
    write_log(log_folder(source), rows)
    for _ in range(2):
        assert execute(["import", str(source)]) == 0
    (record,) = records(clone)
    assert (record.name, record.params, record.started) == (
        "fox",
        {"parameters": {"lr": 0.1}},
        "2023-11-14T22:13:20.000000Z",
    )
    write_log(log_folder(source), [*rows, points("loss", (2, 3.0))])
    assert execute(["import", str(source)]) == 0
    old, new = sorted(records(clone), key=lambda record: record.supersedes or "")
    assert new.supersedes == old.id and new.metrics["loss"].value == 3.0
    long = [assign("parameters/long", "x" * 100_001), assign("parameters/" + "k" * 251, 1), assign("a//b", 2)]
    write_log(log_folder(source), [*rows, *long, assign("/".join("d" * 30), 3)])
    assert execute(["import", str(source)]) == 0
    (newest,) = [record for record in records(clone) if record.supersedes == new.id]
    assert newest.params["parameters"] == {"lr": 0.1} and newest.params["a//b"] == 2
    assert newest.params["/".join("d" * 30)] == 3
    assert [output.role for output in newest.outputs] == ["param"]
    assert [loss.what[:17] for loss in newest.not_recorded] == ["param parameters/"]
    assert execute(["verify", "-q"]) == 0


def test_a_folder_of_another_program(tmp_path: Path) -> None:
    """Has files of such names, and no run."""
    (tmp_path / "data-1.log").write_text("2024 started\n" * 3)
    (tmp_path / "train.parquet").write_text("PAR1")
    runs, (skipped,) = taken(tmp_path)
    assert not runs and "nothing of it can be read" in skipped.why
    with pytest.raises(UsageError):
        choose("auto", tmp_path)

"""Archives of Comet, as its client writes them, packed and unpacked, whole and damaged."""

from __future__ import annotations

import io
import json
import math
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.importers import archives
from gittrack.importers.comet import points, read
from gittrack.importers.foreign import Failure, ForeignFile, ForeignRun, Options, Skipped
from gittrack.importers.systems import choose
from tests.importers import taking
from tests.importers.comet.writer import (
    KEY,
    START,
    members,
    message,
    metric,
    other,
    pack,
    param,
    unpack,
    upload,
)
from tests.importers.sources import importer
from tests.ledgers import records


def only(source: Path, **options: Any) -> ForeignRun:
    return taking.only(read, source, Options(**options))


def taken(source: Path) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source)


def measured(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    """Step, time since the start and value, by metric."""
    found: dict[str, list[tuple[Any, Any, str]]] = {}
    for curve in run.curves():
        steps = curve.steps or [None] * len(curve.values)
        times = curve.times or [None] * len(curve.values)
        rows = zip(steps, times, curve.values, strict=True)
        found.setdefault(curve.name, []).extend((s, t and t - START / 1000, repr(v)) for s, t, v in rows)
    return found


def data(file: ForeignFile) -> bytes:
    content = file.content
    if isinstance(content, Path):
        return content.read_bytes()
    assert content is not None
    return content if isinstance(content, bytes) else b"".join(content())


def losses(run: ForeignRun) -> dict[str, int]:
    return {loss.what: loss.count for loss in run.lost}


LOGGED = [
    message("file_name", file_name="/home/ada/p/train.py"),
    message("installed_packages", installed_packages=["numpy==2.0", "odd", 3]),
    message(
        "system_details", command=["train.py", "--lr", "1"], env={"TOKEN": "x"}, hostname="h", user="ada",
        python_version="3.11.7", os="Linux-6", processor="",
    ),
    message(
        "git_metadata",
        git_metadata={"parent": "a" * 40, "branch": "refs/heads/main", "origin": "git@x:y", "user": None},
    ),
    other("Name", "früh"), other("hasNestedParams", True), other("note", "a\nb"),
    other("offline_experiment", True),
    param("lr", 1e-5), param("whole", 3.0), param("n", 3), param("none", None), param("nan", "NaN"),
    param("list", [1, 2.5, "x", "Infinity"]), param("a|b|c", 1), param("a|d", "-Infinity"),
    param("a|b|c|e", 2),
    param("curr_step", 0, "auto-logged", step=0), param("eta", 0.5, "auto-logged"), param("lr", 2),
    param("lr", 2),
    metric("loss", 1.5, 0, 0, context="train"), metric("loss", "NaN", 1, 0, context="train"),
    metric("loss", "-Infinity", 1, 1, context="train"), metric("loss", 0.25, -2.5, 1, context="test"),
    metric('we,ird "é"', 1, None), metric("words", "good", 1), metric("words", "0.5", 2),
    metric("odd", [1], 1, 2),
    metric("sys.cpu.percent.avg", 0.5, 1), param("tp", True, context="test"),
    message("standard_output", output="größe", stderr=False),
    message("standard_output", output="\n", stderr=True),
    message("html", html="old"), message("htmlOverride", htmlOverride="new"), message("html", html="more"),
    message("graph", graph="g1"), message("graph", graph="g2"),
]  # fmt: skip


def test_what_was_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Types, nested keys, contexts, epochs, numbers that are written as text, words; stretch by stretch."""
    monkeypatch.setattr(points, "HELD", 2)
    run = only(pack(tmp_path / f"{KEY}.zip", members(LOGGED)))
    nan = run.params["nan"]
    assert isinstance(nan, float) and math.isnan(nan)
    assert {**run.params, "nan": 0} == {
        "lr": 2, "whole": 3.0, "n": 3, "none": None, "nan": 0, "list": [1, 2.5, "x", math.inf],
        "a": {"b": {"c": 1}, "d": -math.inf}, "a|b|c|e": 2, "eta": 0.5, "test_tp": True,
    }  # fmt: skip
    assert measured(run) == {
        "train_loss": [(0, 1.5, "1.5"), (1, 1.5, "nan"), (1, 1.5, "-inf")],
        "test_loss": [(-2.5, 1.5, "0.25")],
        "epoch": [(0, 1.5, "0"), (1, 1.5, "0"), (1, 1.5, "1"), (-2.5, 1.5, "1"), (1, 1.5, "2")],
        'we,ird "é"': [(None, 1.5, "1")],
        "words": [(2, 1.5, "0.5")],
    }
    assert [(curve.name, *curve.values) for curve in run.system_curves()] == [("sys.cpu.percent.avg", 0.5)]
    assert [(text.name, text.text, text.step) for text in run.texts()] == [
        ("words", "good", 1),
        ("odd", "[1]", 1),
    ]
    assert (run.id, run.experiment, run.name, run.status) == (KEY, "probe é", "früh", "finished")
    assert (run.started, run.ended) == (START / 1000, START / 1000 + 5)
    assert (run.tags, run.labels, run.user) == ({"note": "a\nb"}, ("b", "ä"), None)
    assert run.code is not None and run.environment is not None
    assert (run.code.branch, run.code.command, run.code.dirty) == ("main", ("train.py", "--lr", "1"), None)
    assert (run.environment.packages, run.environment.host) == ({"numpy": "2.0"}, None)
    assert {file.path: data(file).decode() for file in run.files} == {
        "console.txt": "größe\n", "page.html": "new\nmore\n", "graph.txt": "g2",
    }  # fmt: skip
    assert losses(run) == {
        "environment variables": 1, "param curr_step": 1, "param lr: its earlier values": 1,
    }  # fmt: skip
    told = only(tmp_path, people=True)
    assert told.user == "ada" and told.tags["comet.workspace"] == "team"


def test_files(tmp_path: Path) -> None:
    """By the names that the program gave them; those that lead out of the archive are not opened."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("git_diff.patch", "diff")
    (tmp_path / "secret").write_text("s")
    logged = [
        upload("t1", fileName="sub/é.bin", step=3, epoch=1),
        upload("t1", "source_code", fileName=r"C:\\work\\train.py", extension="py"),
        upload("t1", "model-element", fileName="../m.bin", groupingName="net"),
        upload("t1", "visualization", figName="im", extension="png", step=2),
        upload("t1", "visualization", figName=None, figCounter=7, extension="png"),
        upload("t2", "text-sample", fileName="auto", step=4, context="train"),
        upload("t3", "git-patch"), upload("../secret", fileName="out"), upload("/etc/passwd", fileName="abs"),
        upload("link", fileName="link"), upload("gone", fileName="gone"),
        message(
            "3d-image", name="cloud", items=[{"file_name": "p.jsonl", "file_path": "t1"}, 3],
            upload_type="asset-item", thumbnail_path=None, step=1,
        ),
        message(
            "remote_file", additional_params={"fileName": "r"}, remote_uri="s3://u:p@b/k", upload_type="asset"
        ),
        message("remote_model", model_name="f", remote_assets=[{"remoteUri": "s3://m", "logicalPath": "w"}]),
        message("register_model", model_name="net", version="1.0.0", stages=["prod"], tags=["t"]),
    ]  # fmt: skip
    files = {"t0": b"", "t1": b"bytes", "t2": "wörter".encode(), "t3": inner.getvalue()}
    path = pack(tmp_path / "a.zip", members(logged, files))
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(link, "../secret")
        archive.writestr("../secret", "s")
    run = only(path)
    found = {file.path: file for file in run.files}
    assert {name: file.missing or data(file) for name, file in found.items()} == {
        "sub/é.bin": b"bytes", "source_code/train.py": b"bytes", "models/net/m.bin": b"bytes",
        "visualization/im.png": b"bytes", "visualization/visualization-7.png": b"bytes",
        "git_diff.patch": b"diff", "out": "its path leads out of the archive",
        "abs": "its file is not in the archive", "link": "a link, which is not followed, or no regular file",
        "gone": "its file is not in the archive", "3d-image/cloud/p.jsonl": b"bytes",
        "r": "its bytes are elsewhere: s3://b/k", "models/f/w": "its bytes are elsewhere: s3://m",
    }  # fmt: skip
    model = found["models/net/m.bin"]
    assert (model.kind, model.name, model.version, model.aliases) == ("model", "net", "1.0.0", ("prod",))
    assert run.code is not None and run.code.dirty
    assert [(text.name, text.text, text.step) for text in run.texts()] == [("train_text", "wörter", 4)]
    assert losses(run) == {
        "registered model net: tags": 1, "file sub/é.bin: epoch": 1, "file text: context": 1,
        "files of the archive": 1,
    }  # fmt: skip


def test_an_experiment_that_was_continued(tmp_path: Path) -> None:
    """Its archives are one run, in the order of time; a copy, or an unpacked one, adds nothing."""
    begun = members(
        [metric("loss", 1, 0), param("lr", 1)], customer_error_reported=True, customer_error_message="x"
    )
    later = members(
        [metric("loss", 2, 1), param("lr", 2)], tags=["c"], start_time=START + 9000, stop_time=START + 9500,
        resume_strategy="get", project_name=None,
    )  # fmt: skip
    pack(tmp_path / f"{KEY}-0late.zip", later)
    pack(tmp_path / f"{KEY}.zip", begun)
    unpack(tmp_path / "un" / "packed", begun)
    pack(
        tmp_path / "top.zip",
        {f"{name}/{member}": b for name in ("__MACOSX", KEY) for member, b in later.items()},
    )
    (run,), skipped = taken(tmp_path)
    assert [(item.what, item.fault) for item in skipped] == [(f"top.zip/{KEY}", False), ("un/packed", False)]
    assert measured(run)["loss"] == [(0, 1.5, "1"), (1, 1.5, "2")]
    assert (run.params, run.labels, run.ended) == ({"lr": 2}, ("b", "c", "ä"), START / 1000 + 9.5)
    assert run.experiment == "probe é"
    assert losses(run) == {"param lr: its earlier values": 1, "an error that the client noted: x": 1}
    alone = only(tmp_path / f"{KEY}-0late.zip")
    assert losses(alone) == {"what was logged before": 1}


def test_how_a_run_ended(tmp_path: Path) -> None:
    """Failed where an exception ended it; not known where the client was too old to say."""
    crash = "Unexpected error detected in the user script: ValueError('boom')"
    stated = {"customer_error_reported": True, "customer_error_message": crash}
    failed = only(pack(tmp_path / "a.zip", members([], **stated)))
    assert (failed.status, failed.failure) == ("failed", Failure(type="ValueError", message="boom"))
    assert not failed.lost
    old = json.dumps(
        {"offline_id": None, "project_name": None, "start_time": START, "stop_time": START, "tags": []}
    )
    listed = {**members([metric("x", 1)]), "experiment.json": old.encode()}
    unknown = only(pack(tmp_path / "b.zip", listed))
    assert (unknown.status, unknown.experiment) == ("unknown", "comet") and len(unknown.id) == 32


def test_a_run_that_was_killed(tmp_path: Path) -> None:
    """It has messages, and no end: running while a process writes them. It stays the same as it grows."""
    listed = members([message("file_name", file_name="a.py"), metric("loss", 1, 0), metric("loss", 2, 1)])
    del listed["experiment.json"]
    log = unpack(tmp_path / "tmpx", listed) / "messages.json"
    with log.open("a") as file:
        running = only(tmp_path)
        file.write('{"payload": {"local_timesta')
    os.utime(log, (START / 1000, START / 1000))
    killed = only(tmp_path)
    assert (running.status, killed.status, running.id) == ("running", "killed", killed.id)
    assert (killed.started, killed.ended) == (START / 1000 + 1.5, START / 1000 + 1.5)
    assert losses(killed) == {"messages of tmpx": 1}
    assert choose("auto", tmp_path) == choose("auto", tmp_path / "tmpx") == "comet"


def test_archives_of_old_clients(tmp_path: Path) -> None:
    """One kind of message for nearly all; keys were joined by ``_``, and ``|`` is part of a name."""
    logged = [
        message("ws_msg", local_timestamp=START, metric={"metricName": "loss", "metricValue": 1, "step": 0}),
        message("ws_msg", param={"paramName": "a|b", "paramValue": "1", "step": None}, context=None),
        message("ws_msg", stdout="hi", stderr=False), message("ws_msg", fileName="a.py"),
        message("ws_msg", log_other={"key": "Name", "val": "old"}), message("ws_msg", code="print()"),
        message("ws_msg", log_dependency={"name": "keras", "version": "2.2"}),
        message("ws_msg", git_meta={"parent": "b" * 40}), message("ws_msg", os_packages=["a=1", "b=2"]),
    ]  # fmt: skip
    run = only(pack(tmp_path / "a.zip", members(logged)))
    assert (run.params, run.name, measured(run)["loss"]) == ({"a|b": "1"}, "old", [(0, 0.0, "1")])
    assert {file.path: data(file) for file in run.files} == {
        "console.txt": b"hi", "code.txt": b"print()", "os_packages.txt": b"a=1\nb=2\n",
    }  # fmt: skip
    assert run.code is not None and (run.code.commit, run.code.entry) == ("b" * 40, "a.py")
    assert run.environment is not None and run.environment.packages == {"keras": "2.2"}


def test_messages_that_are_damaged(tmp_path: Path) -> None:
    """Each is named; what can be read is."""
    logged: list[Any] = [
        "{", "[]", '"x"', "[" * 3000, '{"type": "metric_msg", "payload": {"metric": null}}',
        metric("a", 1, "NaN"),
        {"type": "metric_msg", "payload": {"metric": {"metricName": 3, "metricValue": 1}}}, param("", 1),
        {"type": "parameter_msg", "payload": {"param": 3}}, message("new_kind", x=1), metric("é\ud83d", 2, 1),
        metric("epoch", 3, 1), metric("late", 4, 1, 7),
    ]  # fmt: skip
    run = only(pack(tmp_path / "a.zip", members(logged, project_name=False, start_time="odd", tags="odd")))
    assert measured(run) == {
        "a": [(None, 1.5, "1")], "é?": [(1, 1.5, "2")], "epoch": [(1, 1.5, "3")], "late": [(1, 1.5, "4")],
    }  # fmt: skip
    assert (run.experiment, run.started, run.params) == ("comet", START / 1000, {"": 1})
    assert losses(run) == {
        "messages of a.zip": 1, "messages of the kind new_kind": 1, "project_name False": 1,
        "parameters without a name": 1, "epochs of points": 1,
    }  # fmt: skip


def test_what_is_no_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Named and skipped; the others come. A zip of other things is no fault."""
    whole = pack(tmp_path / f"{KEY}.zip", members([metric("loss", 1, 0)]))
    cut = whole.read_bytes()
    (tmp_path / f"{KEY[::-1]}.zip").write_bytes(cut[:-40])
    pack(tmp_path / ("a" * 32 + ".zip"), {})
    pack(tmp_path / ("b" * 32 + ".zip"), {"experiment.json": b"{", "messages.json": b""})
    pack(tmp_path / "data.zip", {"a.csv": b"1"})
    (tmp_path / "no.zip").write_bytes(b"")
    (tmp_path / "link.zip").symlink_to(whole)
    (tmp_path / ("c" * 32 + ".zip")).write_bytes(cut[:60] + b"\xff\xff" + cut[62:])
    runs, skipped = taken(tmp_path)
    assert [run.id for run in runs] == [KEY]
    assert {item.what[0]: (item.why.partition(":")[0], item.fault) for item in skipped} == {
        "a": ("an empty archive", True),
        "b": ("experiment.json", True),
        "c": ("experiment.json is damaged, or has more than 16 MiB", True),
        "d": ("no archive of Comet", False),
        "f": ("it is no zip file, or one that is cut off", True),
        "l": ("a link, which is not followed, or no regular file", True),
        "n": ("it is no zip file, or one that is cut off", True),
    }
    monkeypatch.setattr(archives, "MOST_BYTES", 10)
    (item,) = read(whole, Options())
    assert isinstance(item, Skipped) and item.why.startswith("it unpacks to more than")


def test_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """verify passes; a second import adds nothing, and one of a source that has grown what is new."""
    repository = importer(tmp_path, monkeypatch)
    monkeypatch.chdir(repository.top)
    source = pack(repository.source / f"{KEY}.zip", members([*LOGGED, metric("big", 2**70, 1)])).parent
    for _ in range(2):
        assert execute(["import", str(source)]) == 0
    (record,) = records(repository.top)
    assert (record.metrics["train_loss"].status, record.metrics["big"].value) == ("-inf", 2**70)
    later = members([metric("loss", 7, 9, context="train")], start_time=START + 9000, stop_time=START + 9900)
    pack(source / f"{KEY}-2.zip", later)
    assert execute(["import", str(source)]) == 0
    grown = next(item for item in records(repository.top) if item.supersedes == record.id)
    assert (grown.metrics["train_loss"].value, grown.duration_s) == (7, 9.9)
    assert execute(["verify", "-q"]) == 0

"""Event files: what each kind of value becomes, restarts, folders, and files that are damaged."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import Final, ForeignFile, ForeignRun, Options, Skipped
from gittrack.importers.tensorboard import points, read
from tests.importers import taking
from tests.importers.tensorboard.writer import (
    event,
    field,
    frame,
    metadata,
    session,
    simple,
    start,
    summary,
    tensor,
    value,
    varint,
    version,
    write,
)
from tests.tables import rows

PNG = b"\x89PNG\r\n\x1a\n rest"


def taken(source: Path) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source)


def only(source: Path) -> ForeignRun:
    return taking.only(read, source)


def listed(run: ForeignRun) -> dict[str, list[tuple[Any, float]]]:
    """Step and value, by metric."""
    found: dict[str, list[tuple[Any, float]]] = {}
    for curve in run.curves():
        found.setdefault(curve.name, []).extend(zip(curve.steps or (), curve.values, strict=True))
    return found


def lost(run: ForeignRun) -> dict[str, int]:
    return {loss.what: loss.count for loss in run.lost}


def content(file: ForeignFile) -> bytes:
    assert callable(file.content)
    return b"".join(file.content())


@rows(
    "of, number",
    [
        (tensor(1, field(4, struct.pack("<f", 1 / 3))), 0.3333333432674408),
        (tensor(1, field(5, struct.pack("<f", 1 / 3))), 0.3333333432674408),
        (tensor(2, field(4, struct.pack("<d", 1 / 3))), 1 / 3),
        (tensor(2, field(6, 1 / 3)), 1 / 3),
        (tensor(19, field(4, struct.pack("<e", 1.5))), 1.5),
        (tensor(19, field(13, varint(0x3E00))), 1.5),
        (tensor(14, field(13, 0x3FC0)), 1.5),
        (tensor(3, field(7, -3)), -3),
        (tensor(9, field(4, struct.pack("<q", 2**60 + 1))), 2**60 + 1),
        (tensor(9, field(10, varint(-5)), shape=(1,)), -5),
        (tensor(10, field(11, 1)), 1),
        (tensor(1), 0),
        (tensor(1, field(5, struct.pack("<f", -math.inf))), -math.inf),
    ],
)
def test_a_number_of_any_type(tmp_path: Path, of: bytes, number: float) -> None:
    """Exactly as it is there."""
    write(tmp_path / "r", version(), event(101, 7, summary(value("x", "scalars", of))))
    assert listed(only(tmp_path / "r")) == {"x": [(7, number)]}


def test_scalars_of_old_writers(tmp_path: Path) -> None:
    """Several in an event, with NaN, negative and repeated steps; 32 bits are 32 bits."""
    write(
        tmp_path / "runs" / "é",
        version(),
        event(101.5, -1, summary(simple("a/loss", 1 / 3), simple("b", math.nan))),
        event(102.5, 5, summary(simple("a/loss", 2))),
        event(103.5, 5, summary(simple("a/loss", 3))),
    )
    run = only(tmp_path / "runs")
    assert listed(run)["a/loss"] == [(-1, 0.3333333432674408), (5, 2.0), (5, 3.0)]
    assert math.isnan(listed(run)["b"][0][1])
    assert [curve.times for curve in run.curves()] == [[101.5, 102.5, 103.5], [101.5]]
    assert (run.name, run.experiment, run.status, run.started, run.ended) == (
        "é",
        "runs",
        "unknown",
        100,
        None,
    )


def test_points_come_in_stretches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that memory is bounded; they are read anew each time."""
    monkeypatch.setattr(points, "HELD", 2)
    write(tmp_path, version(), *(event(101, n, summary(simple("x", n))) for n in range(5)))
    run = only(tmp_path)
    assert [len(curve.values) for curve in run.curves()] == [2, 2, 1]
    assert listed(run) == listed(run) == {"x": [(n, float(n)) for n in range(5)]}


def test_texts_media_and_histograms(tmp_path: Path) -> None:
    """Old and new; the metadata may be at the first of a tag alone."""
    wav, two = b"RIFF....WAVE", tensor(7, field(8, "b"), field(8, "c"), shape=(2,))
    pictures = tensor(7, *(field(8, data) for data in ("1", "1", PNG, PNG + b"2")))
    sound = tensor(7, field(8, wav), field(8, "label"), shape=(1, 2))
    numbers = struct.pack("<6d", 0, 1, 4, 1, math.inf, 5)
    old = field(1, 0.5) + field(2, 2.5) + field(3, 3.0) + field(6, struct.pack("<2d", 1, 3))
    write(
        tmp_path / "r",
        version(),
        event(101, 0, summary(value("note/text_summary", "text", tensor(7, field(8, "größe"))))),
        event(102, 1, summary(field(1, "note/text_summary") + two)),
        event(103, 2, summary(field(1, "old") + field(4, field(1, 1) + field(4, PNG)))),
        event(103, 3, summary(value("../new im", "images", pictures))),
        event(103, 4, summary(value("snd", "audio", sound))),
        event(103, 5, summary(field(1, "snd2") + field(6, field(1, 1) + field(4, wav)))),
        event(104, 6, summary(value("h", "histograms", tensor(2, field(4, numbers), shape=(2, 3))))),
        event(105, 7, summary(field(1, "g") + field(5, old + field(7, struct.pack("<2d", 1, 2))))),
        event(105, 7, summary(value("curve", "pr_curves", tensor(1, shape=(6, 3))))),
        event(105, 8, field(4, b"graph")),
    )  # fmt: skip
    run = only(tmp_path / "r")
    assert [(text.name, text.text, text.step, text.time) for text in run.texts()] == [
        ("note", "größe", 0, 101), ("note", '["b", "c"]', 1, 102),
    ]  # fmt: skip
    files = {file.path: file for file in run.files}
    assert {path: content(file) for path, file in files.items() if file.kind == "media"} == {
        "media/images/old/2.png": PNG,
        "media/images/new_im/3.png": PNG,
        "media/images/new_im/3-1.png": PNG + b"2",
        "media/audio/snd/4.wav": wav,
        "media/audio/snd2/5.wav": wav,
    }
    assert (files["media/images/new_im/3.png"].name, files["media/images/new_im/3.png"].step) == (
        "../new im",
        3,
    )
    assert json.loads(content(files["histograms/h.jsonl"])) == {
        "step": 6, "time": 104.0, "left": [0, 1], "right": [1, "inf"], "count": [4, 5],
    }  # fmt: skip
    assert json.loads(content(files["histograms/g.jsonl"]))["count"] == [1, 2]
    assert lost(run) == {"curve of the plugin pr_curves": 1, "graph": 1}
    assert listed(run) == {}


def test_a_restart_takes_what_it_writes_again(tmp_path: Path) -> None:
    """By the session that starts at a step; the files are in the order of their times, not of their names."""
    later = [version(200), start(200, 2), *(event(201, n, summary(simple("x", n + 10))) for n in (2, 3))]
    write(tmp_path, *later, stamp=200, host="a")
    write(
        tmp_path, version(), *(event(101, n, summary(simple("x", n))) for n in range(5)), stamp=99, host="b"
    )
    run = only(tmp_path)
    assert listed(run) == {"x": [(0, 0), (1, 1), (2, 12), (3, 13)]}
    assert lost(run) == {"points of x": 3} and listed(run) and lost(run) == {"points of x": 3}


def test_two_files_without_a_session_lose_nothing(tmp_path: Path) -> None:
    """Steps that go back are points like others there."""
    write(tmp_path, version(), event(101, 5, summary(simple("x", 1))))
    write(tmp_path, version(200), event(201, 2, summary(simple("x", 2))), stamp=200)
    assert listed(only(tmp_path)) == {"x": [(5, 1), (2, 2)]}


def test_files_of_the_first_version(tmp_path: Path) -> None:
    """There a step that goes back is the restart, of its own tags."""
    steps = [(0, "x"), (1, "x"), (2, "x"), (2, "y"), (1, "x"), (2, "x")]
    write(
        tmp_path,
        version(number=1),
        *(event(101, n, summary(simple(tag, i))) for i, (n, tag) in enumerate(steps)),
    )
    assert listed(only(tmp_path)) == {"x": [(0, 0), (1, 4), (2, 5)], "y": [(2, 3)]}


def test_what_add_hparams_writes(tmp_path: Path) -> None:
    """One session in a folder below is of the run above; what it has points of keeps these."""
    params = {"lr": 0.1, "n": 3, "opt": "adam", "flag": True, "list": [1, "a"], "none": None}
    write(
        tmp_path / "r",
        version(),
        event(101, 0, summary(simple("acc", 0.25))),
        event(102, 9, summary(simple("acc", 0.5))),
    )
    scalars = event(103, 0, summary(simple("acc", 0.75), simple("hparam/f1", 0.5)))
    write(tmp_path / "r" / "1700.5", version(103), session(103, dict(params), 1), scalars)
    run = only(tmp_path)
    assert run.params == {**params, "n": 3.0, "list": [1.0, "a"]} and type(run.params["n"]) is float
    assert (run.name, run.status, run.group) == ("r", "finished", "g")
    assert listed(run) == {"acc": [(0, 0.25), (9, 0.5)], "hparam/f1": [(0, 0.5)]}
    assert run.finals == {"acc": Final(rule="given", value=0.75)}


def test_several_sessions_are_runs(tmp_path: Path) -> None:
    """Parts of the run above; that which only describes them is none."""
    write(tmp_path / "r", version(), event(101, 0, summary(simple("x", 1))))
    for number, status in enumerate((1, 2, 3)):
        write(tmp_path / "r" / str(number), version(number), session(103, {"lr": number}, status))
    write(
        tmp_path / "hp",
        version(),
        event(101, 0, summary(field(1, "_hparams_/experiment") + metadata("hparams", field(2, b"")))),
    )
    runs, skipped = taken(tmp_path)
    assert [(run.name, run.status, run.params) for run in runs] == [
        ("r", "unknown", {}), ("r/0", "finished", {"lr": 0}), ("r/1", "failed", {"lr": 1}),
        ("r/2", "running", {"lr": 2}),
    ]  # fmt: skip
    assert {run.parent for run in runs[1:]} == {runs[0].id} and runs[0].parent is None
    assert [(item.what, item.fault) for item in skipped] == [("hp", False)]


def test_a_copy_is_the_same_run(tmp_path: Path) -> None:
    """Elsewhere, and when it has grown; two copies in one source are two."""
    events = [version(), event(101, 0, summary(simple("x", 1)))]
    write(tmp_path / "a" / "r", *events)
    write(tmp_path / "b" / "other", *events, *events)
    write(tmp_path / "c" / "r", version(101))
    assert only(tmp_path / "a").id == only(tmp_path / "b").id != only(tmp_path / "c").id
    runs, _ = taken(tmp_path)
    assert len({run.id for run in runs}) == 3


@rows(
    "folder, host, name",
    [
        ("Nov30_09-39-47_my.box-lr1", "my.box", "Nov30_09-39-47-lr1"),
        ("Nov30_09-39-47_other", "box", "Nov30_09-39-47_other"),
        ("box", "box", "box"),
    ],
)
def test_the_host_in_a_name(tmp_path: Path, folder: str, host: str, name: str) -> None:
    """That writers put there by themselves; with people kept it stays, and no loss has it."""
    top = tmp_path / f"of {folder}"
    write(top / folder, version(), b"cut", host=host)
    run = only(top)
    assert run.name == name and [loss.what for loss in run.lost] == ["event file 1"]
    (kept,) = read(top, Options(people=True))
    assert isinstance(kept, ForeignRun) and kept.name == folder


def test_files_that_are_damaged(tmp_path: Path) -> None:
    """What is there is read; what is no event file is named."""
    one, two = (event(101, n, summary(simple("x", n))) for n in range(2))
    broken = bytearray(one)
    broken[20] ^= 1
    write(tmp_path / "cut", version(), one, two[:-3])
    write(
        tmp_path / "bit",
        version(),
        bytes(broken),
        two,
        frame(b"\xff\xff"),
        frame(b"\x2a\x04\x0a\x7f\x00\x00"),
    )
    write(tmp_path / "long", version(), two, struct.pack("<QI", 2**63, 0), one)
    write(tmp_path / "text", b"no events here, but words")
    write(tmp_path / "empty")
    (tmp_path / "link").mkdir()
    (tmp_path / "link" / "tfevents.1").symlink_to(tmp_path / "cut")
    runs, skipped = taken(tmp_path)
    assert {run.name: listed(run) for run in runs} == {
        "cut": {"x": [(0, 0)]}, "bit": {"x": [(1, 1)]}, "long": {"x": [(1, 1)]},
    }  # fmt: skip
    assert [len(run.lost) for run in runs] == [3, 1, 1]
    assert [item.what.partition("/")[0] for item in skipped] == ["empty", "link", "text"]


def test_values_that_hold_more_than_they_may(tmp_path: Path) -> None:
    """A tensor beyond its bytes, a shape beyond all memory, parameters nested without end."""
    deep = field(3, "x")
    for _ in range(200):
        deep = field(6, field(1, deep))
    nested = field(1, "_hparams_/session_start_info") + metadata(
        "hparams", field(3, field(1, field(1, "p") + field(2, deep)))
    )
    write(
        tmp_path,
        version(),
        event(101, 0, summary(value("a", "scalars", tensor(2, field(4, b"123"))))),
        event(101, 0, summary(value("b", "scalars", tensor(1, shape=(2**40, 2**40))))),
        event(101, 0, summary(nested)),
        event(math.nan, 1, summary(simple("x", 1))),
    )
    run = only(tmp_path)
    assert listed(run) == {"x": [(1, 1)]} and run.params == {}
    assert sum(loss.count for loss in run.lost) == 3


def test_nothing_there(tmp_path: Path) -> None:
    assert [item.fault for item in taken(tmp_path)[1]] == [True]

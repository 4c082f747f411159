"""Runs of W&B, written by hand: what was logged comes back value by value, what is damaged is named."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gittrack.importers.foreign import Final, ForeignFile, ForeignRun, Options, Skipped
from gittrack.importers.systems import choose
from gittrack.importers.wandb import points, read
from tests.importers.wandb.writer import (
    config,
    field,
    folder,
    framed,
    header,
    history,
    item,
    moment,
    run,
    stopped,
    summary,
)

START = [header(), run(run_id="abc", project="probe é", name="früh", notes="a\nb", group="g", job="train")]


def one(source: Path, *, people: bool = False) -> ForeignRun:
    (found,) = read(source, Options(people=people))
    assert isinstance(found, ForeignRun)
    return found


def table(found: ForeignRun) -> dict[str, list[tuple[float | None, float]]]:
    """Step and value of each point by metric."""
    out: dict[str, list[tuple[float | None, float]]] = {}
    for curve in found.curves():
        steps: Sequence[float | None] = curve.steps or [None] * len(curve.values)
        out.setdefault(curve.name, []).extend(zip(steps, curve.values, strict=True))
    return out


def content(file: ForeignFile) -> bytes:
    if isinstance(file.content, Path):
        return file.content.read_bytes()
    assert callable(file.content)
    return b"".join(file.content())


def aged(made: Path) -> Path:
    """The log as of long ago, so that nobody writes to it now."""
    for log in made.glob("*.wandb"):
        os.utime(log, (1_700_000_100, 1_700_000_100))
    return made


def test_what_a_run_says_of_itself(tmp_path: Path) -> None:
    """Typed and nested configuration, with keys added while it ran, and the words around it."""
    nested = {"a": {"b": [1, 2.5, None, "é"]}}
    records = [
        *START,
        config(_wandb={"x": 1}, lr=0.1, n=3, whole=3.0, flag=True, nested=nested, nan=math.nan, gone=1),
        field(5, field(1, item(("nested", "late"), 7)) + field(2, field(1, "gone"))),
        stopped(0),
    ]
    found = one(folder(tmp_path, records).parent.parent)
    assert (found.id, found.experiment, found.name, found.note) == ("abc", "probe é", "früh", "a\nb")
    assert (found.labels, found.group, found.job_type) == (("ä", "b"), "g", "train")
    assert (found.system_version, found.status, found.started) == ("0.31.0", "finished", 1_700_000_000.25)
    params = dict(found.params)
    assert math.isnan(params.pop("nan"))
    assert params == {"lr": 0.1, "n": 3, "whole": 3.0, "flag": True, "nested": {**nested, "late": 7}}
    assert [type(params[name]) for name in ("lr", "n", "whole", "flag")] == [float, int, float, bool]


def test_points_keep_steps_times_and_what_is_no_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in several stretches; records of one step are one, and the later value wins."""
    monkeypatch.setattr(points, "HELD", 2)
    records = [
        *START,
        history(
            0, item("loss", 1.5), item(("deep", "a"), 1), item("_timestamp", 1.7e9 + 0.5), item("s", "é")
        ),
        history(1, item("loss", 0, raw="NaN"), item('we,ird "x"', 2)),
        history(
            5, item("loss", 0, raw="-Infinity"), item("l", [1, "x"]), item("none", None), item("b", True)
        ),
        history(5, item("loss", 0, raw="Infinity")),
        history(-3, item("loss", 4)),
        history(2, item("loss", 10**400), item("bad", 0, raw="{")),
    ]
    found = one(folder(tmp_path, records))
    got = table(found)
    assert got["loss"][0] == (0, 1.5)
    assert got["loss"][1][0] == 1 and math.isnan(got["loss"][1][1])
    assert got["loss"][2:] == [(5, math.inf), (-3, 4.0)]
    assert {name: value for name, value in got.items() if name != "loss"} == {
        "deep.a": [(0, 1.0)],
        'we,ird "x"': [(1, 2.0)],
        "b": [(5, 1.0)],
    }
    assert str(table(found)) == str(got)
    first = next(iter(found.curves()))
    assert list(first.times or ()) == [1.7e9 + 0.5]
    assert [(text.name, text.text, text.step) for text in found.texts()] == [
        ("s", "é", 0),
        ("l", '[1, "x"]', 5),
    ]
    assert {loss.what for loss in found.lost} == {"loss", "none", "b", "bad"}


def test_axes_and_finals_by_define_metric(tmp_path: Path) -> None:
    """A pattern's axis; min as a rule where the summary is the minimum, else the value that was given."""
    records = [
        *START,
        field(12, field(2, "val/*") + field(4, "epoch") + field(7, field(1, 1))),
        field(12, field(1, "acc") + field(7, field(2, 1))),
        field(12, field(1, "off") + field(7, field(6, 1))),
        *(
            history(
                step, item("epoch", step / 2), item("val/x", x), item("acc", x), item("off", 1), item("y", x)
            )
            for step, x in enumerate([3, 1, 2])
        ),
        summary(item(("val/x",), {"min": 1}), item(("acc",), {"max": 9}), item("y", 2), item("extra", 5)),
        summary(item("t", "done"), item("_step", 2)),
        stopped(3),
    ]
    found = one(folder(tmp_path, records))
    assert {curve.name: curve.axis for curve in found.curves()} == {
        "epoch": None,
        "val/x": "epoch",
        "acc": None,
        "off": None,
        "y": None,
    }
    assert found.finals == {
        "val/x": Final(rule="min"),
        "acc": Final(rule="given", value=9),
        "extra": Final(rule="given", value=5),
    }
    assert [(text.name, text.text) for text in found.texts()] == [("t", "done")]
    assert (found.status, found.tags) == ("failed", {"wandb.exit_code": "3"})
    assert [loss.what for loss in found.lost] == ["off"]


def test_files_come_with_digest_step_and_bytes(tmp_path: Path) -> None:
    """Media, a histogram in the log, an artifact in the folder and one that is elsewhere, console, patch."""
    digest = hashlib.sha256(b"png").hexdigest()
    image = {"_type": "image-file", "path": "media/images/i.png", "sha256": digest, "caption": "cäp"}
    bars = {"_type": "histogram", "values": [1], "bins": [0, 1]}
    md5 = base64.b64encode(hashlib.md5(b"saved", usedforsecurity=False).digest()).decode()
    entries = [
        field(1, "m.bin") + field(2, md5) + field(4, 5),
        field(1, "away.bin") + field(2, md5) + field(4, 6),
        field(1, "../up") + field(2, md5) + field(4, 5),
    ]
    manifest = b"".join(field(4, entry) for entry in entries)
    records = [
        *START,
        history(4, item("img", image), item("h", bars)),
        field(8, field(4, "model") + field(5, "net") + field(11, "best") + field(12, manifest)),
        field(13, field(1, 1) + field(2, moment(1_700_000_007)) + field(3, "hello é\n")),
        field(7, field(2, moment(1_700_000_009)) + field(3, item("cpu", 12.5))),
        field(25, field(2, "dataset") + field(3, "faces:v1")),
        stopped(0),
    ]
    made = folder(tmp_path, records)
    (made / "files/media/images").mkdir(parents=True)
    (made / "files/media/images/i.png").write_bytes(b"png")
    (made / "files/m.bin").write_bytes(b"saved")
    (made / "files/diff.patch").write_bytes(b"--- a\n")
    (made / "files/requirements.txt").write_text("numpy==1.0\n")
    found = one(made)
    by_path = {(file.path, file.name): file for file in found.files}
    picture = by_path["media/images/i.png", "img"]
    assert (picture.digest, picture.step, picture.caption) == (f"sha256:{digest}", 4, "cäp")
    assert content(picture) == b"png"
    (histogram,) = (file for file in found.files if file.name == "h")
    assert json.loads(content(histogram)) == bars
    model = by_path["m.bin", "net"]
    assert (model.kind, model.aliases, content(model)) == ("model", ("best",), b"saved")
    assert by_path["away.bin", "net"].missing == "its bytes are outside the run's folder"
    assert by_path["file", "net"].missing == "its path leads out of the run"
    assert content(by_path["output.log", None]) == "hello é\n".encode()
    assert by_path["diff.patch", None].kind == "patch"
    assert found.code is not None and found.code.dirty
    assert found.environment is not None and found.environment.packages == {"numpy": "1.0"}
    assert [(curve.name, curve.values, curve.times) for curve in found.system_curves()] == [
        ("cpu", [12.5], [1_700_000_009.0])
    ]
    assert found.datasets[0].name == "faces:v1"
    assert found.ended == 1_700_000_009


def test_people_only_on_request(tmp_path: Path) -> None:
    """Host, e-mail, account and folders of the machine."""
    machine = (
        field(6, "/home/ann/t.py") + field(5, "--data=/home/ann/d") + field(10, "a@b.c") + field(12, "box")
    )
    made = folder(tmp_path, [*START, run(entity="ann"), field(26, machine), stopped(0)])
    shown, whole = one(made), one(made, people=True)
    assert shown.user is None and shown.environment is None and shown.tags == {}
    assert shown.code is not None and shown.code.command == ("t.py", "--data=d")
    assert whole.user == "a@b.c" and whole.environment is not None and whole.environment.host == "box"
    assert whole.code is not None and whole.code.command == ("/home/ann/t.py", "--data=/home/ann/d")
    assert whole.tags == {"wandb.entity": "ann"}


@pytest.mark.parametrize("host, status", [("elsewhere", "unknown"), (socket.gethostname(), "killed")])
def test_a_run_without_its_end(tmp_path: Path, host: str, status: str) -> None:
    """Running while a process has the log open; killed where that is sure; else not known."""
    made = folder(tmp_path, [header(), run(run_id="abc", host=host), history(0, item("x", 1))])
    log = made / "run-abc.wandb"
    with log.open("ab"):
        assert one(made).status == "running"
    assert one(made).status == status
    assert one(aged(made)).status == "killed"


def cut(data: bytes) -> Iterator[tuple[str, bytes, set[str]]]:
    yield "cut", data[:-5], {"cut off"}
    yield "crc", data[:40000] + b"\xff\xff\xff" + data[40003:], {"checksum", "missing"}
    yield "header", b"x" + data[1:], {"does not begin"}


def test_a_damaged_log_gives_what_can_be_read(tmp_path: Path) -> None:
    """A cut file, a wrong checksum in the middle, another header: never a traceback, always named."""
    values = range(900)
    records = [*START, *(history(i, item("x", i), item("pad", "p" * 90)) for i in values), stopped(0)]
    data = framed(records)
    for name, damaged, words in cut(data):
        made = folder(tmp_path / name, [])
        (made / "run-abc.wandb").write_bytes(damaged)
        (found,) = read(aged(made), Options())
        if isinstance(found, Skipped):
            assert name == "header" and "does not begin" in found.why
            continue
        got = table(found)["x"]
        assert all(step == value for step, value in got) and len(got) >= 500
        assert len(got) == 900 or name == "crc"
        told = " ".join(loss.why for loss in found.lost)
        assert all(word in told for word in words), told
        assert found.status == ("killed" if name == "cut" else "finished")


def test_an_empty_log_says_nothing_but_what_lies_beside_it(tmp_path: Path) -> None:
    """Seven bytes: skipped by name; with files of an older client beside it, those are read."""
    made = folder(tmp_path, [])
    (skipped,) = read(made, Options())
    assert isinstance(skipped, Skipped) and skipped.what == made.name
    (made / "files/config.yaml").write_text(
        "wandb_version: 1\nlr:\n  desc: null\n  value: 0.5\n_wandb:\n  value: {}\n"
    )
    (made / "files/wandb-summary.json").write_text('{"loss": NaN, "acc": 0.5, "_step": 3}')
    (made / "files/wandb-history.jsonl").write_text('{"acc": 0.25, "_step": 3, "_timestamp": 9.5}\n{\n')
    (made / "files/wandb-metadata.json").write_text(
        '{"os": "Linux", "host": "box", "startedAt": "2020-01-01T00:00:00",'
        ' "heartbeatAt": "2020-01-01T00:01:00Z", "git": {"commit": "c0"}}'
    )
    found = one(made)
    assert (found.params, found.status, found.started) == ({"lr": 0.5}, "unknown", 1577836800.0)
    assert found.ended == 1577836860.0
    assert found.finals["acc"] == Final(rule="given", value=0.5)
    assert table(found) == {"acc": [(3, 0.25)]}
    assert found.code is not None and found.code.commit == "c0"
    assert any("line 2" in loss.why for loss in found.lost)


def test_hostile_sources_are_named(tmp_path: Path) -> None:
    """Paths and links that lead out, numbers without an end, depth, lengths that lie."""
    secret = tmp_path / "secret"
    secret.write_text("no")
    image = {"_type": "image-file", "path": "../../../secret"}
    link = {"_type": "image-file", "path": "media/link.png"}
    records = [
        *START,
        history(0, item("img", image), item("link", link), item("deep", 0, raw="[" * 100_000)),
        history(1, item("nest", 0, raw='{"a":' * 200 + "1" + "}" * 200), item("digits", 0, raw="9" * 5000)),
        history(2, field(1, "no value"), b"\xff" * 30, field(2, "x" * 9)[:3]),
        b"\xff" * 64,
        field(2, b"\x0a\xff\xff\xff\xff\x0f"),
        field(12, field(1, "m") + field(7, b"\x0b")),
        b"\x00\x00",
        history(3, item("half", 0, raw='["\\ud800"]')),
    ]
    made = folder(tmp_path, records)
    (made / "files/media").mkdir()
    (made / "files/media/link.png").symlink_to(secret)
    (made / "files/loop").symlink_to(made)
    Path(os.fsdecode(bytes(made) + b"/files/odd\xff")).write_bytes(b"")
    found = one(aged(made))
    list(found.curves()), list(found.system_curves())
    assert [text.text for text in found.texts()] == ['["?"]']
    assert "odd?" in {file.path for file in found.files}
    assert all(file.content is None for file in found.files if file.missing)
    missing = {file.missing for file in found.files}
    assert "its path leads out of the run" in missing and "a link, which is not followed" in missing
    assert {"deep", "nest", "digits"} <= {loss.what for loss in found.lost}
    assert not any(".." in file.path for file in found.files)


def test_folders_of_one_run_are_one(tmp_path: Path) -> None:
    """A resumed run goes on in a second folder; a sweep's configuration comes along; links count once."""
    folder(tmp_path, [*START, history(0, item("x", 1))], at="20240101_000000")
    again = folder(
        tmp_path, [*START, run(sweep="sw"), history(1, item("x", 2)), stopped(0)], at="20240102_000000"
    )
    (tmp_path / "wandb/latest-run").symlink_to(again)
    (tmp_path / "wandb/sweep-sw").mkdir()
    (tmp_path / "wandb/sweep-sw/config-abc.yaml").write_text("lr: {value: 1}\n")
    found = one(tmp_path)
    assert table(found) == {"x": [(0, 1.0), (1, 2.0)]}
    assert found.tags == {"wandb.sweep": "sw", "wandb.resumed": "true"}
    assert [file.path for file in found.files] == ["sweep/config.yaml"]
    assert not one(again).files


def test_nothing_there_is_said(tmp_path: Path) -> None:
    (skipped,) = read(tmp_path, Options())
    assert isinstance(skipped, Skipped)


def test_a_killed_run_keeps_what_its_client_logged_of_its_beginning(tmp_path: Path) -> None:
    """The records were not written yet; the client's own log has version and configuration."""
    made = folder(tmp_path, [])
    (made / "logs").mkdir()
    (made / "files/output.log").write_text("epoch 1\n")
    lines = '{"time":"2023-11-14T22:13:20.5Z","msg":"a"}\n{\n{"time":"2023-11-14T23:13:21.123456789+01:00"}\n'
    (made / "logs/debug-internal.log").write_text(lines)
    text = "INFO Current SDK version is 0.31.0\nINFO init called with sweep_config: {}\nconfig: %s\nINFO x\n"
    for began, params in (
        ("{'lr': -0.5, 'nan': inf, 'n': [1, (True, None)], 'd': {'é': 'x'}, '_wandb': {}}",
         {"lr": -0.5, "nan": math.inf, "n": [1, [True, None]], "d": {"é": "x"}}),
        ("{'f': <function f at 0x1>}", {}),
        ("{'f': __import__('os').system('false')}", {}),
        ("{'f': " + "[" * 5000 + "}", {}),
    ):  # fmt: skip
        (made / "logs/debug.log").write_text(text % began)
        found = one(aged(made))
        assert (found.system_version, found.status, found.params) == ("0.31.0", "killed", params)
        assert (found.started, found.ended) == (1_700_000_000.5, 1_700_000_001.123456)
        assert any(loss.what.startswith("configuration") and "log" not in loss.why for loss in found.lost)


def test_many_values_that_are_no_files_become_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as the histograms of a watched model, a line each."""
    monkeypatch.setattr("gittrack.importers.wandb.state.MOST_EMBEDDED", 2)
    monkeypatch.setattr("gittrack.importers.wandb.files.MOST_EMBEDDED", 2)
    bars = {"_type": "histogram", "values": [1], "bins": [0, 1]}
    rows = [history(step, item(("g", "h"), bars), item("_timestamp", step)) for step in range(3)]
    (file,) = one(folder(tmp_path, [*START, *rows])).files
    assert [json.loads(line) for line in content(file).splitlines()] == [
        {"name": "g.h", "step": step, "time": step, "value": bars} for step in range(3)
    ]


def test_what_a_record_has_no_place_for_is_named(tmp_path: Path) -> None:
    """Alerts, TensorBoard's folder, words on an artifact."""
    net = field(4, "model") + field(5, "net") + field(7, "what it is") + field(8, '{"k": 1}')
    alert = field(10, field(1, "low") + field(2, "text"))
    found = one(folder(tmp_path, [*START, alert, field(9, field(1, "logs")), field(8, net), stopped(0)]))
    assert [loss.what for loss in found.lost] == [
        "alert low", "TensorBoard's events", "artifact net", "artifact net",
    ]  # fmt: skip


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fields without number, long values: named, and what follows is read."""
    monkeypatch.setattr("gittrack.importers.protobuf.MOST_FIELDS", 50)
    monkeypatch.setattr("gittrack.importers.values.LONGEST", 50)
    records = [
        *START,
        field(2, b"\x10\x01" * 60),
        history(0, item("long", "x" * 60)),
        history(1, item("y", 1)),
    ]
    found = one(folder(tmp_path, records))
    assert table(found) == {"y": [(1, 1.0)]}
    assert {loss.what for loss in found.lost} == {"run-abc.wandb", "long"}


def test_a_folder_that_people_renamed_is_a_run(tmp_path: Path) -> None:
    files = tmp_path / "wandb" / "run-dot-10-trpfbega" / "files"
    files.mkdir(parents=True)
    (files / "wandb-summary.json").write_text('{"loss": 0.5}')
    (tmp_path / "wandb" / "run-notes").mkdir()
    assert choose("auto", tmp_path) == "wandb"
    (found,) = read(tmp_path, Options())
    assert isinstance(found, ForeignRun) and (found.id, found.finals["loss"].value) == (
        "dot-10-trpfbega",
        0.5,
    )

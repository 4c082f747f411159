"""Event files: what TensorBoard's own reader has of them, and what an import takes back."""

from __future__ import annotations

import json
import math
import struct
import zlib
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.formats.record import Record
from gittrack.importers.foreign import ForeignRun, Options
from gittrack.importers.tensorboard import read
from tests.exporters.bench import HOSTILE, Bench
from tests.exporters.points import points_of, recorded_points
from tests.importers.taking import only


def picture() -> bytes:
    """Two pixels by one."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 1, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0ab"))
        + chunk(b"IEND", b"")
    )


@pytest.fixture
def rich(bench: Bench) -> Record:
    """A run with all that both sides can hold, and more."""
    params = {"lr": 0.1, "width": 3, "net": {"act": "relu", "norm": True}, "dims": [1, 2]}
    with gittrack.start_run(
        "digits",
        name="früh & spät",
        hypothesis="wider\nhelps",
        tags={"team": "a", HOSTILE: "x"},
        params=params,
    ) as run:
        for step, value in enumerate((1 / 3, math.nan, math.inf, -math.inf, 1e-300)):
            run.log_metrics({"loss": value, "a b/ç": step * 0.1}, step=step)
        run.log_metric("back", 2.0, step=5), run.log_metric("back", 1.0, step=-3)
        run.summary["best"] = 0.75
        run.log_metric("word", "hello", step=2)
        Path("img").mkdir()
        Path("img/7.png").write_bytes(picture())
        run.log_artifact("img/7.png", role="media")
        run.log_image("img/7.png", "val/sample", step=3)
    return bench.keep(run)


def test_back_again(bench: Bench, rich: Record, tmp_path: Path) -> None:
    """An import of the export has points, name, note, tags, status and parameters as the run had them."""
    exported = bench.export(rich.id, "tensorboard", target=str(tmp_path / "logs"), data=True)
    run = only(read, tmp_path / "logs")
    assert points_of(run) == recorded_points(bench.top, rich)
    assert (run.name, run.note, run.status) == (rich.name, rich.hypothesis, "finished")
    assert run.experiment == "digits"
    assert {n: v for n, v in run.tags.items() if not n.startswith("gittrack.")} == rich.tags
    assert run.tags["gittrack.run_id"] == rich.id
    assert run.started == pytest.approx(rich.began.timestamp() if rich.began else None, abs=1e-6)
    assert run.params == {"lr": 0.1, "width": 3.0, "net.act": "relu", "net.norm": True, "dims": "[1, 2]"}
    (text,) = run.texts()
    assert (text.name, text.text, text.step) == ("word", "hello", 2)
    assert run.finals["best"].value == 0.75
    assert [(file.path, file.step) for file in run.files] == [
        ("media/images/img/7.png", 7),
        ("media/images/val/sample/3.png", 3),
    ]
    assert run.lost == []
    notes = " ".join(exported.notes)
    assert "whole numbers are floats: width" in notes and "JSON text: dims" in notes
    again = bench.export("digits", "tensorboard", target=str(tmp_path / "logs"))
    assert again.said.endswith("0 runs written to " + str(tmp_path / "logs") + "; 1 there already")


def test_what_tensorboard_reads(bench: Bench, rich: Record, tmp_path: Path) -> None:
    """Its own reader has each value to the last bit, texts, pictures and hyperparameters."""
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
    from tensorboard.util.tensor_util import make_ndarray

    bench.export(rich.id, "tensorboard", target=str(tmp_path / "logs"), data=True)
    (folder,) = (tmp_path / "logs").iterdir()
    events = accumulator.EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    values = [make_ndarray(event.tensor_proto).item() for event in events.Tensors("loss")]
    assert list(map(repr, values)) == list(map(repr, (1 / 3, math.nan, math.inf, -math.inf, 1e-300)))
    assert [event.step for event in events.Tensors("back")] == [5, -3]
    plugins = {tag: events.SummaryMetadata(tag).plugin_data for tag in events.Tags()["tensors"]}
    assert plugins["loss"].plugin_name == "scalars" and plugins["img"].plugin_name == "images"
    assert make_ndarray(events.Tensors("word/text_summary")[0].tensor_proto)[0] == b"hello"
    assert [*make_ndarray(events.Tensors("img")[0].tensor_proto)] == [b"2", b"1", picture()]
    session = HParamsPluginData.FromString(plugins["_hparams_/session_start_info"].content)
    assert session.session_start_info.hparams["lr"].number_value == 0.1
    assert json.loads(make_ndarray(events.Tensors("gittrack/tags")[0].tensor_proto)[0])["team"] == "a"


def test_an_experiment_and_where_it_cannot_go(bench: Bench, tmp_path: Path) -> None:
    """A folder for each run, also where names are alike or hostile; what is there stays."""
    for _ in range(2):
        bench.bare(name="../same")
    bench.fail()
    bench.export("digits", "tensorboard", target=str(tmp_path / "logs"))
    runs = [run for run in read(tmp_path / "logs", Options()) if isinstance(run, ForeignRun)]
    assert sorted((run.name or "", run.status) for run in runs) == [
        ("", "failed"), ("../same", "finished"), ("../same", "finished"),
    ]  # fmt: skip
    assert {path.parent for path in (tmp_path / "logs").iterdir()} == {tmp_path / "logs"}
    with pytest.raises(UsageError, match="-o FOLDER"):
        bench.export("latest", "tensorboard")
    with pytest.raises(UsageError, match="there is no folder"):
        bench.export("latest", "tensorboard", target=str(tmp_path / "none" / "logs"))
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file"):
        bench.export("latest", "tensorboard", target=str(tmp_path / "file"))

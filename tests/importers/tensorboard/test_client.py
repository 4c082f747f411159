"""Event files of TensorBoard's own writers, where they are installed (the extra ``interop``)."""

from __future__ import annotations

import importlib.util
import math
import struct
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import ForeignRun, Options
from gittrack.importers.tensorboard import read

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in ("tensorboard", "tensorboardX")),
    reason="tensorboard and tensorboardX, of the extra interop, are not installed",
)


def points(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    return {
        curve.name: [
            (step, time, repr(value))
            for step, time, value in zip(curve.steps or (), curve.times or (), curve.values, strict=True)
        ]
        for curve in run.curves()
    }


def own(folder: Path) -> dict[str, list[tuple[Any, Any, str]]]:
    """What TensorBoard's reader has, of old scalars and of new."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    reader = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    found = {
        tag: [(point.step, point.wall_time, repr(point.value)) for point in reader.Scalars(tag)]
        for tag in reader.Tags()["scalars"]
    }
    for tag in reader.Tags()["tensors"]:
        if reader.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            events = reader.Tensors(tag)
            found[tag] = [(e.step, e.wall_time, repr(make_ndarray(e.tensor_proto).item())) for e in events]
    return found


def test_what_tensorboardx_writes(tmp_path: Path) -> None:
    """Also by a program that went on from a checkpoint."""
    from tensorboardX import SummaryWriter

    log = tmp_path / "runs" / "é"
    with SummaryWriter(str(log)) as writer:
        for step, value in zip((-1, 0, 0, 5, 6), (1 / 3, math.nan, math.inf, -math.inf, 1), strict=True):
            writer.add_scalar("a/loss", value, step)
        writer.add_text("note", "größe", 1)
        writer.add_histogram("h", [1.0, 2.0, 2.0], 2, bins="auto")
        writer.add_hparams({"lr": 0.1, "n": 3, "opt": "adam", "b": True}, {"hp/acc": 0.5})
    with SummaryWriter(str(log), purge_step=5, filename_suffix=".2") as writer:
        writer.add_scalar("a/loss", 7, 5)
    (run,) = read(tmp_path / "runs", Options())
    assert isinstance(run, ForeignRun)
    expected = own(log)
    assert len(expected["a/loss"]) == 4 and expected["a/loss"][-1][::2] == (5, "7.0")
    assert {name: cells for name, cells in points(run).items() if name != "hp/acc"} == expected
    assert points(run)["hp/acc"][0][2] == "0.5"
    assert (run.params, run.status) == ({"lr": 0.1, "n": 3.0, "opt": "adam", "b": True}, "finished")
    assert [(text.name, text.text, text.step) for text in run.texts()] == [("note", "größe", 1)]
    assert [file.path for file in run.files] == ["histograms/h.jsonl"]
    assert [loss.what for loss in run.lost] == ["points of a/loss"]


def test_what_tensorboard_writes(tmp_path: Path) -> None:
    """The summaries of TensorFlow 2."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.histogram.summary_v2 import histogram_pb
    from tensorboard.plugins.hparams import api_pb2, metadata, plugin_data_pb2
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.scalar.summary_v2 import scalar_pb
    from tensorboard.plugins.text.summary_v2 import text_pb
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    numbers = (1 / 3, math.nan, 2.0)
    summaries = [scalar_pb("new", number) for number in numbers]
    writer = EventFileWriter(str(tmp_path / "r"))
    for step, summary in enumerate([*summaries, text_pb("t", "é"), histogram_pb("h", [1.0, 2.0], 2)]):
        writer.add_event(Event(wall_time=100.5 + step, step=step, summary=summary))
    end = api_pb2.Status.Value("STATUS_FAILURE")
    ended = plugin_data_pb2.SessionEndInfo(status=end, end_time_secs=110)
    content = metadata.create_summary_metadata(plugin_data_pb2.HParamsPluginData(session_end_info=ended))
    end_summary = Summary(value=[Summary.Value(tag=metadata.SESSION_END_INFO_TAG, metadata=content)])
    for summary in (hparams_pb({"lr": 0.1, "s": "x"}, start_time_secs=99), end_summary):
        writer.add_event(Event(wall_time=100, summary=summary))
    writer.close()
    (run,) = read(tmp_path / "r", Options())
    assert isinstance(run, ForeignRun)
    assert points(run) == own(tmp_path / "r") and len(points(run)) == 1
    third = struct.unpack("<f", struct.pack("<f", 1 / 3))[0]
    assert next(iter(points(run).values()))[0] == (0, 100.5, repr(third))
    assert (run.params, run.status, run.started, run.ended) == ({"lr": 0.1, "s": "x"}, "failed", 99, 110)
    assert [(text.text, text.step) for text in run.texts()] == [("é", 3)]

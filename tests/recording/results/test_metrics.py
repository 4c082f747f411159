"""Files of metrics: final values, series, what costs a cell and what costs the file."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.recording.result_files import Losses, check_metrics_file, read_metrics
from tests.recording.results.reading import metrics_of, write
from tests.tables import rows

TEXT = "text, not a number"
NO_STEP = "no whole number of 64 bits, so that the row has no step"
NO_AXIS = "a list without its steps: name them in a list called epoch or step"


TOO_LARGE = "bits, which neither 64 bits nor a float can hold"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"acc": 0.9, "val": {"f1": 1}, "note": "good", "bad": NaN, "best": null, "all": [1, 2]}'),
        ("m.yaml", "acc: 0.9\nval:\n  f1: 1\nnote: good\nbad: .nan\nbest:\nall: [1, 2]\n"),
        ("m.toml", 'acc = 0.9\nnote = "good"\nbad = nan\nall = [1, 2]\n[val]\nf1 = 1\n'),
    ],
)
def test_final_metrics(tmp_path: Path, name: str, text: str) -> None:
    """Nested names are joined by dots, NaN is a word; what is no number is left out, and said."""
    final, series, losses = metrics_of(tmp_path, name, text)
    assert (final, series) == ({"acc": 0.9, "val.f1": 1, "bad": "nan"}, [])
    assert losses == {
        f"{name}: all": NO_AXIS,
        f"{name}: note": TEXT,
    }


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('{"acc": 0.5, "v": {"k": 1, "k": 2}}', "k"),
        ('{"step": 0, "k": 1, "k": 2}\n{"step": 1, "k": 3}\n', "line 1 k"),
    ],
)
def test_a_name_twice_in_json_is_said(tmp_path: Path, text: str, place: str) -> None:
    """The last one holds, as for every reader of JSON; the other one did not silently vanish."""
    losses = metrics_of(tmp_path, "m.json", text)[2]
    assert losses == {f"m.json: 1 earlier value ({place})": "the name is there again: the last is taken"}


@rows(
    ("name", "text", "final", "losses"),
    [
        ("m.json", '{"acc": 1e-3, "x": Infinity, "y": -Infinity, "z": "NaN"}',
         {"acc": 0.001, "x": "inf", "y": "-inf", "z": "nan"}, {}),
        ("m.json", b'\xef\xbb\xbf{"acc": 1}', {"acc": 1}, {}),
        ("m.json", '{"acc": 1}'.encode("utf-16"), {"acc": 1}, {}),
        ("m.json", '{"a": {"b": 1}, "a.b": 2}', {}, {"m.json: a.b": "two values have this name"}),
        ("m.json", '{"time": 12.5, "acc": 1}', {"acc": 1},
         {"m.json: time": "a metric cannot be called 'time': that is a column of every series"}),
        ("m.json", '{"n": {"x": "a", "y": "b"}, "acc": true}', {"acc": 1},
         {"m.json: 2 values (n.x, n.y)": TEXT}),
        ("m.json", f'{{"n": {"9" * 5000}, "acc": 1}}', {"acc": 1},
         {"m.json: n": "an integer of 5000 digits"}),
        ("m.json", f'{{"n": {2**65 + 1}, "big": {2**65}, "over": {2**1024 - 1}, "acc": 1}}',
         {"acc": 1, "big": 2.0**65},
         {"m.json: n": f"a whole number of 66 {TOO_LARGE}",
          "m.json: over": f"a whole number of 1024 {TOO_LARGE}"}),
        ("m.yaml", "n: 1_000\nlr: 1e-3\nm: 0o7\nacc: !x 1\n", {"n": 1000, "lr": 0.001},
         {"m.yaml: m": TEXT,
          "m.yaml: acc": "the tag '!x' is not followed: a safe reader makes nothing of it"}),
        ("m.yaml", "base: &a {acc: 1}\nval: {<<: *a}\n", {"base.acc": 1, "val.acc": 1}, {}),
        ("m.yaml", "# nothing yet\n", {}, {}), ("m.yaml", "", {}, {}), ("m.json", "{}", {}, {}),
        ("m.json", '{"confusion": [[1, 2], [3, 4]], "acc": 1}', {"acc": 1},
         {"m.json: confusion": "a list of 2, not a number"}),
        ("m.json", '{"f1": [0.9, 0.8, 0.7], "acc": 1}', {"acc": 1},
         {"m.json: f1": NO_AXIS}),
    ],
)  # fmt: skip
def test_a_value_costs_itself(
    tmp_path: Path, name: str, text: str | bytes, final: dict[str, Any], losses: dict[str, str]
) -> None:
    """What is no number is named."""
    taken, series, said = metrics_of(tmp_path, name, text)
    said.pop("m.yaml: m", None) if "0o7" not in str(text) else None
    assert (taken, series) == (final, [])
    assert {what: said.get(what) and why for what, why in losses.items()} == losses
    assert len(said) >= len(losses)


STEPS = [(0, {"loss": 1.5}), (10, {"loss": 0.5})]


@rows(
    ("name", "text", "series"),
    [
        ("m.csv", "step,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "Step,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "Global Step,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "global_step,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "iteration,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "ITER,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "batch,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "timestep,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "epoch,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.csv", "step;loss\n0;1.5\n10;0.5\n", STEPS),
        ("m.csv", "step;loss\n0;1,5\n10;0,5\n", STEPS),
        ("m.csv", "sep=;\nstep;loss\n0;1,5\n10;0,5\n", STEPS),
        ("m.csv", "step\tloss\n0\t1.5\n10\t0.5\n", STEPS),
        ("m.csv", "step|loss\n0|1.5\n10|0.5\n", STEPS),
        ("m.tsv", "step\tloss\n0\t1.5\n10\t0.5\n", STEPS),
        ("m.tsv", "step,loss\n0,1.5\n10,0.5\n", STEPS),
        ("m.CSV", " step , loss \n 0 , 1.5 \n 10 , 0.5 \n", STEPS),
        ("m.csv", '\ufeff"step","loss"\r\n"0","1.5"\r\n"10","0.5"\r\n', STEPS),
        ("m.csv", "step,loss\n0,1.5\n10,0.5\n".encode("utf-16"), STEPS),
        ("m.csv", "# step,loss\n0,1.5\n1e1,5e-1\n", STEPS),
        ("m.csv", "step,loss\r0,1.5\r10,0.5\r", STEPS),
        ("m.csv", ",step,loss\n0,0,1.5\n1,10,0.5\n", STEPS),
        ("m.csv", "step,loss,note\n0,1.5,\n10,0.5,\n", STEPS),
        ("m.jsonl", '{"step": 0, "loss": 1.5}\n\n{"step": 10, "loss": 0.5}\n', STEPS),
        ("m.ndjson", '\ufeff{"step": 0, "loss": 1.5}\n{"step": 10, "loss": 0.5}', STEPS),
        ("m.json", '{"step": 0, "loss": 1.5}\n{"step": 10, "loss": 0.5}\n', STEPS),
        ("m.json", '[{"step": 0, "loss": 1.5}, {"step": 10, "loss": 0.5}]', STEPS),
        ("m.yaml", "- {step: 0, loss: 1.5}\n- {step: 10, loss: 0.5}\n", STEPS),
        ("m.json", '{"loss": [1.5, 0.5], "step": [0, 10]}', STEPS),
        ("m.json", '{"loss": [1.5, 0.5], "epochs": [0, 10]}', STEPS),
        ("m.json", '{"history": {"loss": [1.5, 0.5]}, "epoch": [0, 10], "params": {"verbose": 1}}', STEPS),
        ("m.csv", "loss,acc\n1,\n,0.5\n", [(0, {"loss": 1}), (1, {"acc": 0.5})]),
        ("m.csv", "epoch,step,loss\n0,49,0.7\n", [(49, {"epoch": 0, "loss": 0.7})]),
        ("m.csv", "epoch,step,train,val\n0,49,0.7,\n0,49,,0.8\n",
         [(49, {"epoch": 0, "train": 0.7}), (49, {"epoch": 0, "val": 0.8})]),
        ("m.csv", "epoch,loss\n0.5,1.5\n1.0,0.5\n",
         [(0, {"epoch": 0.5, "loss": 1.5}), (1, {"epoch": 1.0, "loss": 0.5})]),
        ("m.csv", "epoch,iter,loss\n1,1,4\n1,2,3\n2,1,2\n",
         [(1, {"iter": 1, "loss": 4}), (1, {"iter": 2, "loss": 3}), (2, {"iter": 1, "loss": 2})]),
        ("m.csv", "step,loss\n5,1\n3,2\n", [(5, {"loss": 1}), (3, {"loss": 2})]),
        ("m.csv", "step,loss\n0,nan\n1,-inf\n2,NaN\n3,Infinity\n",
         [(0, {"loss": "nan"}), (1, {"loss": "-inf"}), (2, {"loss": "nan"}), (3, {"loss": "inf"})]),
        ("m.csv", "", []), ("m.csv", "\n\n", []), ("m.csv", "step,loss\n", []), ("m.jsonl", "", []),
        ("m.json", '{"loss": [2.0, null], "val_loss": [1.0, NaN], "lr": [0.1, 0.01]}',
         [(0, {"loss": 2.0, "val_loss": 1.0, "lr": 0.1}), (1, {"val_loss": "nan", "lr": 0.01})]),
        ("m.json", '{"loss": {"0": 2.0, "1": 1.0}}', [(0, {"loss": 2.0}), (1, {"loss": 1.0})]),
        ("m.json", '{"train": {"loss": [2, 1]}, "val": {"acc": [0.5, 0.6]}}',
         [(0, {"train.loss": 2, "val.acc": 0.5}), (1, {"train.loss": 1, "val.acc": 0.6})]),
        ("m.jsonl", '{"epoch": 1, "val": {"acc": 0.5}}', [(1, {"val.acc": 0.5})]),
    ],
)  # fmt: skip
def test_series(tmp_path: Path, name: str, text: str | bytes, series: list[Any]) -> None:
    """Rows of a table, by step, whatever it is written in; nothing is lost and nothing said."""
    assert metrics_of(tmp_path, name, text) == ({}, series, {})


@rows(
    ("name", "text", "series", "losses"),
    [
        ("m.csv", "step,loss\n0,1\n1,oops\n2,3\n", [(0, {"loss": 1}), (1, {}), (2, {"loss": 3})],
         {"m.csv: 1 cell (line 3 loss)": TEXT}),
        ("m.csv", "step,loss\n" + "".join(f"{n},x\n" for n in range(9)) + "9,1\n", None,
         {"m.csv: 9 cells (line 2 loss, line 3 loss, line 4 loss, line 5 loss, line 6 loss and 4 more)":
          TEXT}),
        ("m.csv", "step,loss,phase\n0,1,train\n1,2,val\n", [(0, {"loss": 1}), (1, {"loss": 2})],
         {"m.csv: 1 column (phase)": "holds no number"}),
        ("m.csv", "step,loss\nx,1\n1.5,2\n3,3\n,4\n",
         [(None, {"loss": 1}), (None, {"loss": 2}), (3, {"loss": 3}), (None, {"loss": 4})],
         {"m.csv: 2 cells (line 2 step, line 3 step)": NO_STEP}),
        ("m.csv", "step,loss\n9223372036854775808,1\n", [(None, {"loss": 1})],
         {"m.csv: 1 cell (line 2 step)": NO_STEP}),
        ("m.csv", "step,loss\n1,2,3,4\n\n2\n", [(1, {"loss": 2}), (2, {})],
         {"m.csv: 2 cells (line 2, line 2)": "it has more cells than the first line has names"}),
        ("m.csv", "step,loss,loss,acc\n0,1,2,3\n", [(0, {"acc": 3})],
         {"m.csv: 2 columns (loss (column 2), loss (column 3))": "another column has that name"}),
        ("m.csv", "time,timestamp,loss\n1,2,3\n", [(0, {"loss": 3})],
         {"m.csv: 2 columns (time, timestamp)": "the time of a row is no metric"}),
        ("m.csv", "step;loss;acc\n0;1.234,5;0.5\n", [(0, {"acc": 0.5})],
         {"m.csv: 1 column (loss)": "holds no number"}),
        ("m.csv", "step;loss\n0;1,234\n1;0.5\n", [(0, {}), (1, {"loss": 0.5})],
         {"m.csv: 1 cell (line 2 loss)": TEXT}),
        ("m.csv", b"step,lo\xffss,acc\n0,1,2\n", [(0, {"acc": 2})],
         {"m.csv: 1 column (lo\ufffdss)": "its name is not UTF-8"}),
        ("m.csv", "step,loss\n0,1_000\n1,5\n", [(0, {}), (1, {"loss": 5})],
         {"m.csv: 1 cell (line 2 loss)": TEXT}),
        ("m.jsonl", '{"step": 0, "loss": 1}\n{"step": 1, "lo\n[1]\n{"step": 2, "loss": [3]}\n',
         [(0, {"loss": 1}), (2, {})],
         {"m.jsonl: 1 line (line 2)": "not valid JSON",
          "m.jsonl: 1 line (line 3)": "holds no names and values",
          "m.jsonl: 1 cell (line 4 loss)": "a list of 1, not a number"}),
        ("m.json", '{"loss": [1, "x", 3]}', [(0, {"loss": 1}), (1, {}), (2, {"loss": 3})],
         {"m.json: 1 cell (item 1 loss)": TEXT}),
        ("m.json", '{"loss": [1, 2, 3], "val_loss": [1]}', [],
         {"m.json: 2 values (loss, val_loss)": NO_AXIS}),
    ],
)  # fmt: skip
def test_an_odd_cell_costs_that_cell(
    tmp_path: Path, name: str, text: str | bytes, series: list[Any] | None, losses: dict[str, str]
) -> None:
    """How many were left out is said, and where."""
    final, taken, said = metrics_of(tmp_path, name, text)
    assert (final, said) == ({}, losses)
    assert series is None or taken == series


def test_trainer_state_of_hugging_face(tmp_path: Path) -> None:
    """Its log by step, with the fractional epoch as a metric; its settings are no metrics."""
    state = {
        "best_metric": 0.75, "epoch": 2.0, "global_step": 20, "max_steps": 20, "is_world_process_zero": True,
        "log_history": [
            {"epoch": 0.5, "loss": 1.5, "learning_rate": 5e-05, "step": 10},
            {"epoch": 0.5, "eval_loss": 1.25, "step": 10},
            {"epoch": 1.0, "train_runtime": 3.5, "step": 20},
        ],
    }  # fmt: skip
    assert metrics_of(tmp_path, "trainer_state.json", json.dumps(state)) == (
        {"best_metric": 0.75},
        [
            (10, {"epoch": 0.5, "loss": 1.5, "learning_rate": 5e-05}),
            (10, {"epoch": 0.5, "eval_loss": 1.25}),
            (20, {"epoch": 1.0, "train_runtime": 3.5}),
        ],
        {},
    )


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("m.json", "{", "not valid JSON"),
        ("m.json", "", "not valid JSON"),
        ("m.json", "[1, 2]", "must hold names and values, not a list"),
        ("m.json", "0.5", "must hold names and values, not float"),
        ("m.json", "[" * 100_000, "not valid JSON"),
        ("m.yaml", "a: [", "malformed YAML"),
        ("m.toml", "a", "not valid TOML"),
        ("m.csv", "0,1.5\n1,0.5\n", "its first line is a row of numbers"),
        ("m.txt", "loss 1", "cannot read .txt as metrics"),
        ("m", "loss 1", "cannot read a file without suffix"),
    ],
)
def test_files_that_are_no_metrics(tmp_path: Path, name: str, text: str, said: str) -> None:
    """One line that names the file and the fault."""
    with pytest.raises(UsageError) as caught:
        read_metrics(write(tmp_path, name, text), name=name)
    assert said in str(caught.value)
    assert str(caught.value).startswith(name)


def test_losses_that_nobody_gathers_are_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With the path, for it has no other name."""
    path = write(tmp_path, "m.json", '{"time": 12.5, "acc": 0.9, "a\\nb": 1}')
    with caplog.at_level(logging.WARNING):
        assert read_metrics(path)[0] == {"acc": 0.9}
    assert f"{path}: time: not recorded: a metric cannot be called 'time'" in caplog.text


def test_too_large_file(tmp_path: Path) -> None:
    """A file of gigabytes is not read."""
    with (tmp_path / "m.json").open("wb") as out:
        out.truncate((64 << 20) + 1)
    with pytest.raises(UsageError, match="larger than"):
        read_metrics(tmp_path / "m.json")


@rows(
    ("name", "files", "said"),
    [
        ("m.json", {}, ""), ("m.CSV", {}, ""), ("live", {}, ""), ("live", {"live/.gitkeep": ""}, ""),
        ("live", {"live/metrics.json": "{}"}, ""), ("live", {"live/plots/metrics/a.tsv": "step\ta\n"}, ""),
        ("m.txt", {}, "cannot read .txt"), ("m.pkl", {}, "cannot read .pkl"),
        ("m", {"m": "1"}, "cannot read a file without suffix"),
        ("out", {"out/model.pkl": ""}, "no DVCLive folder"),
        ("out", {"out/data.tsv": "a\tb\n"}, "no DVCLive folder"),
    ],
)  # fmt: skip
def test_a_wrong_kind_is_known_beforehand(
    tmp_path: Path, name: str, files: dict[str, str], said: str
) -> None:
    """What could not be read after a training is refused before it."""
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    folder.mkdir()
    for path, text in files.items():
        write(folder, path, text)
    if said:
        with pytest.raises(UsageError, match=said):
            check_metrics_file(folder / name, name)
    else:
        check_metrics_file(folder / name, name)


# --- DVCLive -------------------------------------------------------------------------------

LOSS = "timestamp\tstep\ttrain/loss\n1700000000000\t0\t1.5\n1700000000001\t1\t0.5\n"


@rows(
    "files",
    [
        {"plots/metrics/train/loss.tsv": "step\ttrain/loss\n0\t1.5\n1\t0.5\n"},
        {"plots/metrics/train/loss.tsv": LOSS}, {"plots/scalars/train/loss.tsv": LOSS},
        {"scalars/train/loss.tsv": LOSS}, {"data/scalars/train/loss.tsv": LOSS}, {"train/loss.tsv": LOSS},
    ],
)  # fmt: skip
def test_dvclive_folders_of_each_version(tmp_path: Path, files: dict[str, str]) -> None:
    """A metric has one name in series and summary, that of the series."""
    folder = tmp_path / f"{len(list(tmp_path.iterdir()))}"
    write(folder, "metrics.json", '{"train": {"loss": 0.5}, "best": 3, "note": "x", "step": 1}')
    for path, text in files.items():
        write(folder, path, text)
    losses = Losses()
    assert read_metrics(folder, losses, name="live") == (
        {"best": 3},
        [(0, {"train/loss": 1.5}), (1, {"train/loss": 0.5})],
    )
    assert dict(losses.stated()) == {"live/metrics.json: note": TEXT}


def test_a_table_of_dvclive_costs_that_table(tmp_path: Path) -> None:
    """A dot in a name is none of a suffix."""
    write(tmp_path, "plots/metrics/top5.acc.tsv", "timestamp\tstep\ttop5.acc\n1700000000000\t1\t0.75\n")
    write(tmp_path, "plots/metrics/a.tsv", "step\ta\n0\tx\n1\t2\n")
    write(tmp_path, "metrics.json", "{")
    losses = Losses()
    assert read_metrics(tmp_path, losses, name="live") == ({}, [(0, {}), (1, {"a": 2, "top5.acc": 0.75})][1:])
    assert list(losses.stated())[1:] == [("live/plots/metrics/a.tsv: 1 cell (line 2 a)", TEXT)]
    assert "not valid JSON" in next(iter(losses.stated()))[1]
    (tmp_path / "empty").mkdir()
    assert read_metrics(tmp_path / "empty") == ({}, [])

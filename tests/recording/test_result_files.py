"""Parameters and metrics in files of other programs."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.recording.result_files import parse_scalar, read_metrics, read_params, set_param
from tests.tables import rows

PARAMS = {"lr": 0.001, "model": {"width": 64, "act": "relu"}, "layers": [1, 2], "on": True}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("p.yaml", "lr: 1e-3\nmodel: {width: 64, act: relu}\nlayers: [1, 2]\non: true\n"),
        ("p.yml", "lr: 0.001\nmodel:\n  width: 64\n  act: relu\nlayers:\n- 1\n- 2\non: true\n"),
        ("p.json", '{"lr": 0.001, "model": {"width": 64, "act": "relu"}, "layers": [1, 2], "on": true}'),
        ("p.toml", 'lr = 0.001\nlayers = [1, 2]\non = true\n[model]\nwidth = 64\nact = "relu"\n'),
    ],
)
def test_params_of_each_format(tmp_path: Path, name: str, text: str) -> None:
    """Nested and typed, whatever the format."""
    (tmp_path / name).write_text(text)
    params = read_params(tmp_path / name)
    assert params == PARAMS
    assert type(params["model"]["width"]) is int


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("p.yaml", "a: [1\n", "p.yaml"),
        ("p.yaml", "a: 1\na: 2\n", "p.yaml"),
        ("p.yaml", "- 1\n", "must hold names and values"),
        ("p.json", "{", "not valid JSON"),
        ("p.json", "[" * 100_000, "not valid JSON"),
        ("p.toml", "a = ", "not valid TOML"),
        ("p.toml", "a = '\udcff'", "not valid TOML"),
        ("p.ini", "a = 1", "cannot read .ini"),
        ("p", "a = 1", "cannot read a file without suffix"),
    ],
)
def test_malformed_params(tmp_path: Path, name: str, text: str, said: str) -> None:
    """One line that names the file and the fault."""
    (tmp_path / name).write_text(text, errors="surrogateescape")
    with pytest.raises(UsageError, match=said) as caught:
        read_params(tmp_path / name)
    assert name in str(caught.value)


def test_params_file_that_is_missing(tmp_path: Path) -> None:
    """The system's own word for it."""
    with pytest.raises(UsageError, match="no such file"):
        read_params(tmp_path / "p.yaml")


def test_odd_values(tmp_path: Path) -> None:
    """Dates and non-finite numbers become text; an empty file is no parameters."""
    (tmp_path / "p.toml").write_text("day = 2026-11-22\n")
    (tmp_path / "p.json").write_text('{"x": NaN}')
    (tmp_path / "p.yaml").write_text("")
    assert read_params(tmp_path / "p.toml") == {"day": "2026-11-22"}
    assert read_params(tmp_path / "p.json") == {"x": "nan"}
    assert read_params(tmp_path / "p.yaml") == {}


# --- -S ------------------------------------------------------------------------------------


@rows(
    ("text", "value"),
    [
        ("0.1", 0.1), ("1e-3", 1e-3), ("3", 3), ("true", True), ("no", "no"), ("null", None),
        ("[1, 2]", [1, 2]),
        ("{a: 1}", {"a": 1}), ("text", "text"), ("", ""), ("a=b", "a=b"), ("'1'", "1"), ("[1", "[1"),
        ("*.csv", "*.csv"), ("&x", "&x"), ("#fff", "#fff"), ("1 # one", 1), ("a: b: c", "a: b: c"),
        ("2026-11-22", "2026-11-22"), ("@x", "@x"), ("---", "---"),
    ],
)  # fmt: skip
def test_scalars(text: str, value: Any) -> None:
    """Values are YAML 1.2; what is not YAML, or nothing in YAML, is the text itself."""
    parsed = parse_scalar(text)
    assert parsed == value
    assert type(parsed) is type(value)


def test_dotted_keys_nest() -> None:
    """Dotted keys go down into what is there."""
    params: dict[str, Any] = {"model": {"width": 64, "act": "relu"}}
    for text in ("model.width=128", "opt.adam.lr=1e-3", "url=http://x?a=b"):
        set_param(params, text)
    assert params == {
        "model": {"width": 128, "act": "relu"},
        "opt": {"adam": {"lr": 0.001}},
        "url": "http://x?a=b",
    }


@rows("text", ["novalue", "=1", " =1", "a..b=1", ".a=1", "a.=1"])
def test_malformed_settings(text: str) -> None:
    """What is no key=value is refused."""
    with pytest.raises(UsageError, match="-S"):
        set_param({}, text)


def test_setting_below_a_value() -> None:
    """A value cannot also be a section."""
    with pytest.raises(UsageError, match="'a' already has a value"):
        set_param({"a": 1}, "a.b=2")


# --- metrics -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", '{"acc": 0.9, "val": {"f1": 1}, "note": "good", "bad": NaN, "all": [1, 2]}'),
        ("m.yaml", "acc: 0.9\nval:\n  f1: 1\nnote: good\nbad: nan\nall: [1, 2]\n"),
        ("m.toml", 'acc = 0.9\nnote = "good"\nbad = nan\nall = [1, 2]\n[val]\nf1 = 1\n'),
    ],
)
def test_final_metrics(tmp_path: Path, name: str, text: str) -> None:
    """Nested names are joined by dots, what is no number is left out, NaN is a word."""
    (tmp_path / name).write_text(text)
    assert read_metrics(tmp_path / name) == ({"acc": 0.9, "val.f1": 1, "bad": "nan"}, [])


def test_one_bad_name_costs_no_other_metric(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """`time` is a column of every series: it is left out with a word, the rest is kept."""
    (tmp_path / "m.json").write_text('{"time": 12.5, "acc": 0.9, "a\\nb": 1}')
    with caplog.at_level(logging.WARNING):
        assert read_metrics(tmp_path / "m.json")[0] == {"acc": 0.9}
    assert "m.json: a metric cannot be called 'time'" in caplog.text


@pytest.mark.parametrize(
    ("name", "text", "rows"),
    [
        ("m.csv", "step,loss\n0,1.5\n10,0.5\n", [(0, {"loss": 1.5}), (10, {"loss": 0.5})]),
        ("m.tsv", "epoch\tloss\n1\t2\n", [(1, {"loss": 2})]),
        ("m.csv", "loss,acc\n1,\n,0.5\n", [(0, {"loss": 1}), (1, {"acc": 0.5})]),
        # as PyTorch Lightning's CSVLogger
        ("m.csv", "epoch,step,loss\n0,49,0.7\n", [(49, {"epoch": 0, "loss": 0.7})]),
        ("m.csv", "step,loss\n0,nan\n1,-inf\n", [(0, {"loss": "nan"}), (1, {"loss": "-inf"})]),
        ("m.csv", '\ufeff"loss","note"\r\n1,"two\nlines"\r\n', [(0, {"loss": 1})]),
        ("m.csv", "time,timestamp,loss\n1,2,3\n", [(0, {"loss": 3})]),
        ("m.csv", "step,loss\n,1\n", [(0, {"loss": 1})]),
        ("m.csv", "step,loss\n1,2,3,4\n\n2\n", [(1, {"loss": 2}), (2, {})]),
        ("m.csv", "", []),
    ],
)
def test_series(tmp_path: Path, name: str, text: str, rows: list[Any]) -> None:
    """Rows of a table, by step."""
    (tmp_path / name).write_bytes(text.encode())
    assert read_metrics(tmp_path / name) == ({}, rows)


@pytest.mark.parametrize("text", ["step,loss\n1.5,1\n", "step,loss\nnan,1\n", "step,loss\nx,1\n"])
def test_steps_are_whole_numbers(tmp_path: Path, text: str) -> None:
    """A step that is none is said, with the file."""
    (tmp_path / "m.csv").write_text(text)
    with pytest.raises(UsageError, match=r"m\.csv: not valid CSV"):
        read_metrics(tmp_path / "m.csv")


def test_dvclive_folder(tmp_path: Path) -> None:
    """DVCLive's own layout: a metric has one name in series and summary, that of the series."""
    series = tmp_path / "plots" / "metrics"
    (series / "train").mkdir(parents=True)
    (series / "train" / "loss.tsv").write_text("step\ttrain/loss\n0\t1.5\n1\t0.5\n")
    (series / "top5.acc.tsv").write_text("timestamp\tstep\ttop5.acc\n1700000000000\t1\t0.75\n")
    (tmp_path / "metrics.json").write_text('{"train": {"loss": 0.5}, "top5.acc": 0.75, "best": 3, "step": 1}')
    assert read_metrics(tmp_path) == (
        {"best": 3},
        [(0, {"train/loss": 1.5}), (1, {"top5.acc": 0.75, "train/loss": 0.5})],
    )


def test_too_large_file(tmp_path: Path) -> None:
    """A file of gigabytes is not read."""
    with (tmp_path / "m.json").open("wb") as out:
        out.truncate((64 << 20) + 1)
    with pytest.raises(UsageError, match="larger than"):
        read_metrics(tmp_path / "m.json")

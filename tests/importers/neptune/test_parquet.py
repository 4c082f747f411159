"""Parquet of neptune-exporter, in its schema and its folders."""

from __future__ import annotations

import json
import math
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.importers.foreign import ForeignRun, Skipped
from gittrack.importers.neptune import parquet, read
from gittrack.importers.systems import choose
from tests.importers import taking
from tests.importers.sources import importer
from tests.importers.taking import curves, losses
from tests.ledgers import file_of, outputs_of, records

pyarrow = pytest.importorskip("pyarrow")
from pyarrow.parquet import write_table  # noqa: E402

TIME = datetime(2024, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
MOMENT = pyarrow.timestamp("ms", tz="UTC")
SCHEMA = pyarrow.schema(
    {
        "project_id": pyarrow.string(),
        "run_id": pyarrow.string(),
        "attribute_path": pyarrow.string(),
        "attribute_type": pyarrow.string(),
        "step": pyarrow.decimal128(18, 6),
        "timestamp": MOMENT,
        "int_value": pyarrow.int64(),
        "float_value": pyarrow.float64(),
        "string_value": pyarrow.string(),
        "bool_value": pyarrow.bool_(),
        "datetime_value": MOMENT,
        "string_set_value": pyarrow.list_(pyarrow.string()),
        "file_value": pyarrow.struct({"path": pyarrow.string()}),
        "histogram_value": pyarrow.struct(
            {
                "type": pyarrow.string(),
                "edges": pyarrow.list_(pyarrow.float64()),
                "values": pyarrow.list_(pyarrow.float64()),
            }
        ),
    }
)
PROJECT = "ws_p-0123456789abcdef"
"""The exporter's name of the folders of a project."""


def row(path: str, kind: str, value: Any = None, run: str = "r 1", **changes: Any) -> dict[str, Any]:
    columns = {"artifact": "file_value", "file_set": "file_value"}
    column = columns.get(kind, f"{kind.removesuffix('_series')}_value")
    return {
        "project_id": "ws/p",
        "run_id": run,
        "attribute_path": path,
        "attribute_type": kind,
        column: value,
        **changes,
    }


def point(path: str, kind: str, step: str, value: Any, second: int = 0, **changes: Any) -> dict[str, Any]:
    at = {"step": Decimal(step).quantize(Decimal("1.000000")), "timestamp": TIME + timedelta(seconds=second)}
    return row(path, f"{kind}_series", value, **at, **changes)


def write(file: Path, *groups: list[dict[str, Any]], schema: Any = SCHEMA) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pylist([row for group in groups for row in group], schema=schema)
    write_table(table, file, row_group_size=max(map(len, groups)))
    return file


def taken(source: Path) -> tuple[list[ForeignRun], list[Skipped]]:
    return taking.taken(read, source)


def only(source: Path) -> ForeignRun:
    return taking.only(read, source)


def export(top: Path) -> Path:
    """A run in two parts, with its files."""
    data = top / "data" / PROJECT
    steps = ["-1.5", "0.1", "0.3", "4.35", "1000000"]
    values = [1.5, math.inf, 1 / 3, -0.0, 2.0]
    points = [
        point("loss", "float", step, value, n)
        for n, (step, value) in enumerate(zip(steps, values, strict=True))
    ]
    write(
        data / "r_1-00aa_part_0.parquet",
        [
            row("sys/name", "string", "exp"), row("sys/custom_run_id", "string", "r 1"),
            row("sys/creation_time", "datetime", TIME), row("sys/failed", "bool", True),
            row("sys/tags", "string_set", ["b", "a"]), row("sys/owner", "string", "bob"),
            row("sys/archived", "bool", True), row("sys/running_time", "float", 12.5),
            row("net/lr", "float", 1e-5), row("net/n", "int", 3), row("net/absent", "float"),
            row("when", "datetime", TIME), row("set", "string_set", ["y", "x"]),
        ],
        points[:3],
    )  # fmt: skip
    histogram = {"type": "COUNTING", "edges": [0.0, 1.0, 2.0], "values": [3.0, 4.0]}
    write(
        data / "r_1-00aa_part_1.parquet",
        [
            *points[3:], point("loss", "float", "7", None),
            point("words", "string", "0.5", "zwei\nlines"),
            point("runtime/stdout", "string", "0.000001", "line"),
            point("monitoring/ab/stdout", "string", "0", "raw"),
            point("monitoring/ab/cpu", "float", "0", 50.0),
            point("h", "histogram", "1", histogram),
            point("h", "histogram", "2", {**histogram, "edges": [0.0]}),
            point("pics", "file", "1.5", {"path": "r/pics/1.5.png"}),
            row("a", "file", {"path": "r/a.txt"}), row("code/", "file_set", {"path": "r/code"}),
            row("gone", "file", {"path": "r/gone"}), row("evil", "file", {"path": "../../secret"}),
            row("abs", "file", {"path": "/etc/passwd"}), row("art", "artifact", {"path": "r/art/list.json"}),
            row("odd", "mystery"),
        ],
    )  # fmt: skip
    for name in ("a.txt", "pics/1.5.png", "code/x/y.py", "art/list.json"):
        path = top / "files" / PROJECT / "r" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (top / "secret").write_text("s")
    return top


def test_a_run(tmp_path: Path) -> None:
    """Types, decimal steps as the nearest floats, series of all kinds, parts in their order."""
    run = only(export(tmp_path))
    assert (run.id, run.name, run.experiment) == ("ws/p/r 1", "exp", "ws/p")
    assert (run.status, run.deleted, run.started) == ("failed", True, TIME.timestamp())
    assert run.labels == ("a", "b") and run.user is None
    assert run.tags == {"neptune.custom_run_id": "r 1", "neptune.running_time": "12.5"}
    assert run.params == {
        "net": {"lr": 1e-5, "n": 3}, "when": "2024-01-02T03:04:05.678Z", "set": ["x", "y"],
    }  # fmt: skip
    (loss,) = run.curves()
    assert repr([*zip(loss.steps or (), loss.values, strict=True)]) == (
        "[(-1.5, 1.5), (0.1, inf), (0.3, 0.3333333333333333), (4.35, -0.0), (1000000, 2.0)]"
    )
    assert loss.times is not None and [*loss.times] == [TIME.timestamp() + second for second in range(5)]
    assert [curve.name for curve in run.system_curves()] == ["monitoring/ab/cpu"]
    assert [(text.text, text.step, text.time) for text in run.texts()] == [
        ("zwei\nlines", 0.5, TIME.timestamp())
    ]
    assert losses(run) == {
        "a point of loss": "it has no value: the exporter writes NaN so",
        "a value of h": "it is no histogram_series",
        "rows of the type mystery": "a type of attribute that is not known",
    }


def test_files(tmp_path: Path) -> None:
    """From the exporter's folder of files, when that is below the source; none from outside of it."""
    files = {file.path: file for file in only(export(tmp_path)).files}
    root = tmp_path / "files" / PROJECT / "r"
    printed = [file for file in only(tmp_path).files if file.kind == "console"]
    assert [b"".join(file.content()) for file in printed if callable(file.content)] == [b"raw", b"line\n"]
    table = files.pop("histograms/h.jsonl").content
    assert callable(table)
    assert json.loads(b"".join(table()))["count"] == [3, 4]
    assert {path: file.content for path, file in files.items() if isinstance(file.content, Path)} == {
        "a.txt": root / "a.txt", "pics/1.5.png": root / "pics" / "1.5.png",
        "code/x/y.py": root / "code" / "x" / "y.py", "art.json": root / "art" / "list.json",
    }  # fmt: skip
    assert {path for path, file in files.items() if file.missing} == {"gone", "evil", "abs"}
    alone = {file.path: file.missing for file in only(tmp_path / "data").files}
    assert "both the data and the files" in str(alone["a"])


def test_files_of_several_runs(tmp_path: Path) -> None:
    """In one table, in any order; what is of a model is no run; the part that is not there is named."""
    rows = [
        row("p", "int", number, run=run) if number else point("loss", "float", "1", float(len(run)), run=run)
        for number in range(3)
        for run in ("a", "bb", "a")
    ]
    write(tmp_path / "all.parquet", rows[:5], rows[5:])
    write(tmp_path / PROJECT / "models" / "MOD-1_part_0.parquet", [row("p", "int", 1)])
    write(tmp_path / PROJECT / "c-1_part_1.parquet", [row("p", "int", 1, run="c")])
    runs, (skipped,) = taken(tmp_path)
    assert [(run.id, run.params, curves(run)) for run in runs] == [
        ("ws/p/a", {"p": 2}, {"loss": [(1, 1.0), (1, 1.0)]}),
        ("ws/p/bb", {"p": 2}, {"loss": [(1, 2.0)]}),
        ("ws/p/c", {"p": 1}, {}),
    ]
    assert "is not there" in losses(runs[2])["parts of the run"] and not skipped.fault
    assert choose("auto", tmp_path) == choose("auto", tmp_path / "all.parquet") == "neptune"


def test_odd_and_damaged_files(tmp_path: Path) -> None:
    """Other columns, none of the optional ones, damaged or unfinished; files of others are passed by."""
    columns = ["project_id", "run_id", "attribute_path", "attribute_type"]
    plain = pyarrow.schema(
        [
            *(SCHEMA.field(name) for name in columns),
            ("step", pyarrow.float64()),
            ("float_value", pyarrow.int64()),
        ]
    )
    write(
        tmp_path / "plain.parquet",
        [row("n", "float_series", 3, step=0.5), row("n", "float_series", 4, step=2.0)],
        schema=plain,
    )
    coded = pyarrow.Table.from_pylist([row("p", "string", "x", run="coded")], schema=SCHEMA)
    for name in columns:
        at = coded.schema.get_field_index(name)
        coded = coded.set_column(at, name, coded.column(name).dictionary_encode())
    write_table(coded, tmp_path / "coded.parquet")
    write(tmp_path / "who.parquet", [{**row("p", "int", 1), "run_id": None}])
    write_table(pyarrow.table({"x": [1]}), tmp_path / "other.parquet")
    (tmp_path / "t_part_0.parquet").write_text("PAR1 no")
    (tmp_path / "t_part_1.parquet.tmp").write_text("PAR1 no")
    good = write(tmp_path / "cut.parquet", [row("p", "string", "x" * n, run="cut") for n in range(400)])
    data = bytearray(good.read_bytes())
    data[len(data) // 4 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 4)
    good.write_bytes(data)
    runs, skipped = taken(tmp_path)
    found = {run.id: run for run in runs}
    assert curves(found["ws/p/r 1"]) == {"n": [(0.5, 3.0), (2, 4.0)]}
    assert found["ws/p/coded"].params == {"p": "x"}
    names = {item.what for item in skipped}
    assert names >= {"who.parquet", "t_part_0.parquet", "t_part_1.parquet.tmp"}
    assert "other.parquet" not in names
    assert any("cut" in name for name in names) or found["ws/p/cut"].lost
    assert choose("table", tmp_path / "other.parquet") == "table"


def test_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is said what to install; what needs no Parquet comes."""
    write(tmp_path / "a.parquet", [row("p", "int", 1)])
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    runs, (skipped,) = taken(tmp_path)
    assert not runs and skipped.what == "1 Parquet file" and "gittrack[parquet]" in skipped.why


def test_few_rows_are_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read in many batches is the same."""
    whole = only(export(tmp_path))
    monkeypatch.setattr(parquet, "_ROWS", 2)
    parts = only(tmp_path)
    assert repr(curves(parts)) == repr(curves(whole)) and parts.params == whole.params
    assert {loss.what: loss.count for loss in parts.lost} == {loss.what: loss.count for loss in whole.lost}


def test_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its files, once; verify passes."""
    clone = importer(tmp_path, monkeypatch).top
    monkeypatch.chdir(clone)
    export(tmp_path / "exports")
    for _ in range(2):
        assert execute(["import", str(tmp_path / "exports")]) == 0
    (record,) = records(clone)
    assert record.imported is not None and record.imported.deleted
    assert outputs_of(clone, record) >= {"a.txt", "pics/1.5.png", "histograms/h.jsonl"}
    assert file_of(clone, record, "system.csv").startswith("step,time,monitoring/ab/cpu\n")
    assert execute(["verify", "-q"]) == 0

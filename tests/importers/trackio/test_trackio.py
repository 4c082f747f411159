"""Databases of Trackio of several versions, and what it exports of them."""

from __future__ import annotations

import hashlib
import json
import math
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import Dataset, ForeignRun, Options
from gittrack.importers.systems import choose
from gittrack.importers.trackio import read
from tests.importers.rounds import Rounds, state_of
from tests.importers.taking import only, taken
from tests.ledgers import outputs_of

START = "2026-11-30T10:00:0{}+00:00"
IDS = "run_id TEXT NOT NULL, "
TABLES = """
CREATE TABLE metrics ({ids}timestamp TEXT, run_name TEXT, step INTEGER, metrics TEXT);
CREATE TABLE configs ({ids}run_name TEXT, config TEXT, created_at TEXT);
"""
LATER = """
CREATE TABLE system_metrics ({ids}timestamp TEXT, run_name TEXT, metrics TEXT);
CREATE TABLE alerts ({ids}timestamp TEXT, run_name TEXT, title TEXT, text TEXT, level TEXT, step INTEGER);
CREATE TABLE traces (id TEXT, run_id TEXT);
CREATE TABLE artifacts (id INTEGER PRIMARY KEY, name TEXT, type TEXT, description TEXT);
CREATE TABLE artifact_versions (id INTEGER PRIMARY KEY, artifact_id INTEGER, version INTEGER,
  manifest_digest TEXT, manifest TEXT, metadata TEXT);
CREATE TABLE artifact_aliases (artifact_id INTEGER, alias TEXT, artifact_version_id INTEGER);
CREATE TABLE run_artifact_links (run_id TEXT, run_name TEXT, artifact_version_id INTEGER, direction TEXT);
"""


def put(base: sqlite3.Connection, table: str, *row: Any) -> None:
    values = [json.dumps(v).encode() if isinstance(v, dict | list) else v for v in row]
    base.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", values)  # noqa: S608


def project(folder: Path) -> Path:
    """The database of a project of today, with media and artifacts beside it."""
    weights = hashlib.sha256(b"weights").hexdigest()
    blob = folder / "artifacts/digits/blobs/sha256" / weights[:2] / weights
    image = folder / "media/digits/first/0/a.png"
    right = hashlib.sha256(b"right").hexdigest()
    wrong = folder / "artifacts/digits/blobs/sha256" / right[:2] / right
    shared = folder / "media/digits/files/m.bin"
    for path, data in ((blob, b"weights"), (wrong, b"wrong"), (image, b"PNG"), (shared, b"x")):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    path = folder / "digits.db"
    with closing(sqlite3.connect(path)) as base:
        base.executescript((TABLES + LATER).format(ids=IDS))
        config = {
            "lr": 1e-5,
            "net": {"deep": [1, "x", None]},
            "nan": "NaN",
            "_Username": "ada",
            "_Group": "g",
        }
        put(base, "configs", "r1", "läufer", {**config, "_Created": START.format(0)}, START.format(9))
        rows: list[tuple[float, dict[str, Any]]] = [
            (0, {"loss": 1.5, "val": {"acc é": 1}, "word": "a", "no": None, "flag": True}),
            (2.5, {"loss": "NaN"}),
            (-3, {"loss": "-Infinity", "md": {"_type": "trackio.markdown", "_value": "# T"}}),
            (0, {"im": {"_type": "trackio.image", "file_path": "digits/first/0/a.png", "caption": "c"}}),
            (1, {"out": {"_type": "trackio.image", "file_path": "../../../secret.png"}}),
            (1, {"tab": {"_type": "trackio.table", "_value": [{"a": 1}]}}),
            (1, {"hist": {"_type": "trackio.histogram", "bins": [0, 1], "values": [3]}}),
            (2, {"hist": {"_type": "trackio.histogram", "bins": [0, 1], "values": [4]}}),
        ]
        for at, (step, logged) in enumerate(rows):
            put(base, "metrics", "r1", START.format(at), "läufer", step, logged)
        put(base, "metrics", "r1", START.format(9), "läufer", 3, b"{damaged")
        put(base, "metrics", "r2", START.format(1), "läufer", 0, {"loss": 3})
        put(base, "system_metrics", "r1", START.format(1), "läufer", {"gpu": {"0": 50.5}})
        put(base, "alerts", "r1", START.format(2), "läufer", "diverged", "nan", "error", 2)
        put(base, "traces", "t", "r1")
        put(base, "artifacts", 1, "net", "model", "d")
        files = [
            {"path": "m.bin", "digest": weights}, {"path": "gone", "digest": "0" * 64},
            {"path": "far", "digest": "../../secret"}, {"path": "wrong.bin", "digest": right},
        ]  # fmt: skip
        put(base, "artifact_versions", 1, 1, 3, "cd", files, "{}")
        put(base, "artifact_aliases", 1, "best", 1)
        put(base, "run_artifact_links", "r1", "läufer", 1, "output")
        put(base, "run_artifact_links", "r2", "läufer", 1, "input")
        base.commit()
    return path


def points(run: ForeignRun) -> dict[str, list[tuple[Any, str]]]:
    """Step and value, by metric."""
    return {c.name: [*zip(c.steps or (), map(repr, c.values), strict=True)] for c in run.curves()}


def test_a_project(tmp_path: Path) -> None:
    """Every kind of what a run logs; runs of one name are several; nothing from outside of the folder."""
    (tmp_path / "secret.png").write_text("s")
    folder = tmp_path / "trackio"
    project(folder)
    (run, other), skipped = taken(read, folder)
    assert (run.id, run.name, run.experiment, run.status, run.group) == (
        "r1",
        "läufer",
        "digits",
        "unknown",
        "g",
    )
    assert run.started == 1_796_032_800 and run.user is None
    assert math.isnan(run.params["nan"])  # type: ignore[arg-type]
    assert {**run.params, "nan": 0} == {"lr": 1e-5, "net": {"deep": [1, "x", None]}, "nan": 0}
    assert points(run) == {
        "loss": [(0, "1.5"), (2.5, "nan"), (-3, "-inf")], "val.acc é": [(0, "1")], "flag": [(0, "1")],
    }  # fmt: skip
    (curve,) = run.system_curves()
    assert (curve.name, curve.values, curve.steps, curve.times) == ("gpu.0", (50.5,), None, (1_796_032_801,))
    assert [(text.name, text.text, text.step) for text in run.texts()] == [
        ("word", "a", 0), ("md", "# T", -3), ("alert.error", "diverged\nnan", 2),
    ]  # fmt: skip
    files = {file.path: file for file in run.files}
    assert {path: file.missing for path, file in files.items()} == {
        "media/im/0.png": None, "media/out/1.png": "its path leads out of the run", "tables/tab/1.json": None,
        "histograms/hist.jsonl": None, "net/m.bin": None, "net/gone": "its file is not in the run's folder",
        "net/far": "its path leads out of the run", "net/wrong.bin": None,
    }  # fmt: skip
    lines = files["histograms/hist.jsonl"].content
    assert callable(lines) and len([*lines()]) == 2
    model = files["net/m.bin"]
    assert (model.kind, model.name, model.version, model.aliases) == ("model", "net", "v3", ("best",))
    assert {loss.what for loss in run.lost} == {
        "artifact net:v3: description", "traces", "values of no", "rows of metrics",
    }  # fmt: skip
    assert other.name == "läufer" and other.datasets == [
        Dataset(name="net:v3", digest="sha256:cd", context="input")
    ]
    assert [item.fault for item in skipped] == [False]
    assert taken(read, folder / "digits.db", Options(people=True))[0][0].user == "ada"
    assert choose("auto", folder) == "trackio"


def test_a_database_of_an_old_version(tmp_path: Path) -> None:
    """Without ids a run is its name; a log that is not merged yet is read, and nothing is written."""
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as base:
        base.execute("PRAGMA journal_mode=WAL")
        base.executescript(TABLES.format(ids=""))
        put(base, "metrics", START.format(0), "a", 0, {"loss": 1})
        put(base, "metrics", START.format(1), "b", 0, {"loss": 2})
        put(base, "configs", "a", {"lr": 1}, START.format(0))
        base.commit()
        before = state_of(tmp_path)
        runs, skipped = taken(read, path)
        assert state_of(tmp_path) == before
    assert [(run.id, run.params, points(run)) for run in runs] == [
        ("old/a", {"lr": 1}, {"loss": [(0, "1")]}), ("old/b", {}, {"loss": [(0, "2")]}),
    ]  # fmt: skip
    assert not skipped


@pytest.mark.parametrize("static", [False, True])
def test_parquet(tmp_path: Path, static: bool) -> None:
    """As Trackio keeps it in a data set, or for a static page."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = tmp_path / "digits"
    (folder / "aux").mkdir(parents=True)
    names = (
        ("metrics", "aux/configs", "aux/system_metrics")
        if static
        else ("digits", "digits_configs", "digits_system")
    )
    common = {"run_id": "r1", "run_name": "a", "timestamp": START.format(0)}
    rows = [
        [{**common, "id": 1, "step": 0.0, "loss": math.nan}, {**common, "id": 2, "step": 2.5, "acc": 1}],
        [{**common, "lr": 0.5, "net": {"n": 1}, "_Group": "g"}],
        [{**common, "gpu": 50.5}],
    ]
    for name, table in zip(names, rows, strict=True):
        columns = dict.fromkeys(key for row in table for key in row)
        plain = [{key: row.get(key) for key in columns} for row in table]
        parquet.write_table(pyarrow.Table.from_pylist(plain), folder / f"{name}.parquet")
    run = only(read, folder)
    assert (run.id, run.experiment, run.params, run.group) == (
        "r1",
        "digits",
        {"lr": 0.5, "net": {"n": 1}},
        "g",
    )
    assert points(run) == {"loss": [(0, "nan")], "acc": [(2.5, "1")]}
    assert [curve.name for curve in run.system_curves()] == ["gpu"]
    assert choose("auto", folder) == "trackio"
    (folder / f"{names[1]}.parquet").write_bytes(b"PAR1 damaged")
    assert [item.fault for item in taken(read, folder)[1]] == [True]


def test_on_the_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the database says, and once; a run that went on takes the place of what it was."""
    folder = tmp_path / "trackio"
    path = project(folder)
    rounds = Rounds(tmp_path, monkeypatch)
    record = next(r for r in rounds.bring("trackio", folder) if r.imported and r.imported.id == "r1")
    assert outputs_of(rounds.top, record) == {
        "media/im/0.png", "tables/tab/1.json", "histograms/hist.jsonl", "net/m.bin",
    }  # fmt: skip
    assert record.system_series is not None
    assert any("wrong.bin" in loss.what and "other bytes" in loss.why for loss in record.not_recorded)
    assert (record.metrics["loss"].status, record.metrics["val.acc é"].value) == ("-inf", 1)
    with closing(sqlite3.connect(path)) as base:
        put(base, "metrics", "r2", START.format(9), "läufer", 1, {"loss": 4})
        base.commit()
    newer = [r for r in rounds.bring("trackio", folder) if r.supersedes]
    assert [r.metrics["loss"].value for r in newer] == [4]


def test_what_is_none(tmp_path: Path) -> None:
    """Is said, and named."""
    (tmp_path / "a.db").write_bytes(b"SQLite format 3\0" + b"x" * 100)
    (tmp_path / "registry-x.db").write_bytes(b"")
    assert [(s.what, s.fault) for s in taken(read, tmp_path)[1]] == [("a.db", True), ("registry-x.db", False)]
    assert [s.fault for s in taken(read, tmp_path / "registry-x.db")[1]] == [False]

"""MLflow's stores: every value as its own client reads it back; old, odd and hostile ones by hand."""

from __future__ import annotations

import io
import math
import os
import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gittrack.importers.foreign import Final, ForeignFile, ForeignRun, Options, Skipped
from gittrack.importers.mlflow import points as points_of
from gittrack.importers.mlflow import read
from gittrack.importers.mlflow.points import Point, in_order, parse
from tests.importers.mlflow_stores import EXPERIMENT, NOTE, fill, log_model
from tests.importers.taking import taken

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.xdist_group("mlflow")]
INFINITE = 1.7976931348623157e308
STATUSES = {"FINISHED": "finished", "FAILED": "failed", "KILLED": "killed"}


@dataclass(frozen=True)
class Store:
    uri: str
    source: Path
    ids: dict[str, str]
    model: str


@pytest.fixture(scope="module", params=["files", "database"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """A store that today's client wrote."""
    pytest.importorskip("mlflow")
    top = tmp_path_factory.mktemp(request.param)
    is_database = request.param == "database"
    source = top / ("mlflow.db" if is_database else "mlruns")
    uri = f"sqlite:///{source}" if is_database else source.as_uri()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        patch.chdir(tmp_path_factory.mktemp("aside"))  # the registry of files makes a database where it is
        ids = fill(uri, top / "mlruns" if is_database else None)
        yield Store(uri, source, ids, log_model(uri, ids["whole"]))


def both(source: Path, *, people: bool = False) -> tuple[dict[str, ForeignRun], list[Skipped]]:
    """Runs by their id, and what was skipped."""
    runs, skipped = taken(read, source, Options(people=people))
    assert len({run.id for run in runs}) == len(runs)
    return {run.id: run for run in runs}, skipped


def series(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    """Step, seconds and value as text (so that NaN equals itself) of every point, by metric."""
    found: dict[str, list[tuple[Any, Any, str]]] = {}
    for curve in (*run.curves(), *run.system_curves()):
        rows = zip(curve.steps or (), curve.times or (), map(repr, curve.values), strict=True)
        found.setdefault(curve.name, []).extend(rows)
    return found


def content(run: ForeignRun, path: str) -> bytes:
    (file,) = [file for file in run.files if file.path == path]
    assert isinstance(file.content, Path)
    return file.content.read_bytes()


def shown(value: float) -> str:
    """As an import has it: the database has the greatest number for an infinity."""
    return repr(math.copysign(math.inf, value) if abs(value) == INFINITE else value)


def test_every_value_as_the_client_reads_it(store: Store) -> None:
    """Status, times, names, parameters, tags, points and final values of all runs."""
    from mlflow import MlflowClient
    from mlflow.entities import ViewType

    client = MlflowClient(tracking_uri=store.uri)
    runs, skipped = both(store.source, people=True)
    experiments = client.search_experiments(view_type=ViewType.ALL)
    assert not any(item.fault for item in skipped)
    known = client.search_runs([e.experiment_id for e in experiments], run_view_type=ViewType.ALL)
    assert {*runs} == {run.info.run_id for run in known} == {*store.ids.values()}
    for theirs in known:
        ours = runs[theirs.info.run_id]
        assert ours.status == STATUSES.get(theirs.info.status, "running")
        assert (ours.started, ours.ended) == tuple(
            moment and moment / 1000 for moment in (theirs.info.start_time, theirs.info.end_time)
        )
        assert ours.name == theirs.info.run_name and ours.params == theirs.data.params
        assert ours.params_as_text and ours.deleted == (theirs.info.lifecycle_stage == "deleted")
        own = {name: text for name, text in theirs.data.tags.items() if not name.startswith("mlflow.")}
        assert ours.tags == own
        history = {name: client.get_metric_history(ours.id, name) for name in theirs.data.metrics}
        points = series(ours)
        assert {name: sorted(rows, key=str) for name, rows in points.items()} == {
            name: sorted({(p.step, p.timestamp / 1000, shown(p.value)) for p in rows}, key=str)
            for name, rows in history.items()
        }
        assert {name: rows[-1][2] for name, rows in points.items()} == {
            name: shown(value) for name, value in theirs.data.metrics.items()
        }
        assert ours.finals == dict.fromkeys(history, Final(rule="greatest-step"))


def test_what_a_run_was(store: Store) -> None:
    """Note, code, user, parent, dataset and the experiment are fields; who and where only when asked for."""
    ids = store.ids
    runs, skipped = both(store.source)
    run = runs[ids["whole"]]
    assert (run.experiment, run.note, run.user, run.parent) == (EXPERIMENT, NOTE, None, None)
    assert runs[ids["child"]].parent == ids["whole"]
    assert {name for name, id in ids.items() if runs[id].deleted} == {"deleted", "buried"}
    assert runs[ids["buried"]].experiment == "trash"
    assert run.code is not None and run.code.commit == "c0ffee" * 6 + "c0ff"
    assert (run.code.branch, run.code.remote) == ("main", "https://example.com/p.git")
    (data,) = run.datasets
    assert (data.name, data.digest, data.context) == ("iris", "d1ge57", "training")
    assert data.details == {"schema": {"n": 4}, "source_type": "local"}
    assert (run.code.entry, data.source) == ("train.py", "iris.csv")
    assert "ada" not in repr([run.code, run.datasets, run.tags, run.lost, skipped])
    run = both(store.source, people=True)[0][ids["whole"]]
    assert run.code is not None and run.user == "ada"
    assert (run.code.entry, run.datasets[0].source) == ("/home/ada/proj/train.py", "/home/ada/iris.csv")
    assert [item.what for item in skipped] == [f"tags of the experiment {EXPERIMENT}: team"]
    assert runs[ids["running"]].changed is not None and run.changed is None


def test_files_of_a_run(store: Store, tmp_path: Path) -> None:
    """Artifacts, its model and a logged model with what the registry calls them; also after a move."""
    shutil.copytree(store.source.parent, tmp_path / "moved", symlinks=True)
    for source in (store.source, tmp_path / "moved" / store.source.name, tmp_path / "moved"):
        run = both(source)[0][store.ids["whole"]]
        assert content(run, "notes/readme.txt") == b"hello" and b'"a": 1' in content(run, "é.json")
        kinds = {file.path: (file.kind, file.name, file.version, file.aliases) for file in run.files}
        registered = ("model", "classifier", "1", ("champion", "Production"))
        assert kinds == {
            "notes/readme.txt": ("artifact", None, None, ()),
            "é.json": ("artifact", None, None, ()),
            "answers.json": ("table", None, None, ()),
            "model/MLmodel": registered,
            "model/weights.bin": registered,
            f"models/{store.model}/MLmodel": ("model", "woods", "1", ()),
        }
        assert [file.step for file in run.files if store.model in file.path] == [4]
        assert [loss.what for loss in run.lost] == [f"parameters of the logged model {store.model}: depth"]
        assert run.system_version == "3.17.2"
        inside = tmp_path / "moved" if source.is_relative_to(tmp_path) else store.source.parent
        assert all(isinstance(f.content, Path) and f.content.is_relative_to(inside) for f in run.files)


def test_the_source_is_not_written(store: Store) -> None:
    """No file comes, goes or changes."""
    top = store.source.parent

    def state() -> dict[str, tuple[int, int]]:
        return {str(p): (p.lstat().st_mtime_ns, p.lstat().st_size) for p in top.rglob("*")}

    before = state()
    for run in both(store.source)[0].values():
        series(run)
    assert state() == before


def test_the_log_of_a_database_is_read(tmp_path: Path) -> None:
    """What a program that still runs has committed to it; beside the source nothing is made."""
    path = tmp_path / "mlflow.db"
    writer = sqlite3.connect(path)
    writer.execute("PRAGMA journal_mode=WAL")
    writer.executescript(OLD)
    writer.execute("INSERT INTO runs VALUES ('r1', 'in the log', 1, 'RUNNING', 5000, NULL, 'active')")
    writer.commit()
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert before["mlflow.db-wal"] and b"in the log" not in before["mlflow.db"]
    runs, skipped = both(path)
    assert (runs["r1"].name, runs["r1"].status, skipped) == ("in the log", "running", [])
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    writer.close()


OLD = """
CREATE TABLE experiments (experiment_id INTEGER PRIMARY KEY, name VARCHAR(256), lifecycle_stage VARCHAR(32));
CREATE TABLE runs (run_uuid VARCHAR(32) PRIMARY KEY, name VARCHAR(250), experiment_id INTEGER,
  status VARCHAR(20), start_time BIGINT, end_time BIGINT, lifecycle_stage VARCHAR(20));
CREATE TABLE metrics (key VARCHAR(250), value FLOAT, timestamp BIGINT, run_uuid VARCHAR(32));
CREATE TABLE params (key VARCHAR(250), value VARCHAR(250), run_uuid VARCHAR(32));
CREATE TABLE tags (key VARCHAR(250), value VARCHAR(250), run_uuid VARCHAR(32));
INSERT INTO experiments VALUES (1, 'first', 'active'), (2, 'gone', 'deleted');
"""


def test_an_old_database(tmp_path: Path) -> None:
    """One without steps, NaN, latest values, indexes and registry; rows of odd types are named."""
    path = tmp_path / "tracking.sqlite"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD)
        connection.executemany(
            "INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, 'active')",
            [
                ("r1", "one", 1, "FINISHED", 1000, 2500),
                ("r2", None, 2, "FAILED", None, "soon"),
                ("r3", b"\xff", 7, "ELSEWHERE", 1.5, None),
                ("../r4", "escapes", 1, "FINISHED", 1, 2),
            ],
        )
        points = [
            ("m", 0.5, 20),
            ("m", 0.5, 20),
            ("m", 1.5, 10),
            ("m", "x", 30),
            ("m", 1, "y"),
            (b"\xfe", 1, 1),
        ]
        connection.executemany("INSERT INTO metrics VALUES (?, ?, ?, 'r1')", points)
        connection.executemany(
            "INSERT INTO params VALUES (?, ?, 'r1')", [("a", "1e5"), ("b", b"\xff"), ("c", 7)]
        )
        connection.execute("INSERT INTO tags VALUES ('mlflow.source.git.dirty', 'True', 'r1')")
    runs, skipped = both(path)
    assert [*runs] == ["r1", "r2", "r3"]
    assert [(item.what, item.fault) for item in skipped] == [("run ../r4", True)]
    run = runs["r1"]
    assert run.params == {"a": "1e5", "c": "7"} and (run.started, run.ended) == (1.0, 2.5)
    assert series(run) == {"m": [(0, 0.01, "1.5"), (0, 0.02, "0.5")]}
    assert run.code is not None and run.code.dirty is True
    losses = {loss.what: loss.count for loss in run.lost}
    assert losses == {"parameter b": 1, "metric \ufffd": 1, "rows of metric m": 2}
    assert (runs["r2"].experiment, runs["r2"].deleted, runs["r2"].ended) == ("gone", True, None)
    assert (runs["r3"].experiment, runs["r3"].status, runs["r3"].started) == ("7", "unknown", None)


def test_what_a_database_has_beside_its_runs(tmp_path: Path) -> None:
    """Traces are counted; a transaction that was cut off is undone in a copy; a write meanwhile is told."""
    path = tmp_path / "mlflow.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(OLD + TRACES)
        rows = [(f"r{n}", "x" * 90, 1, "FINISHED", 1, 2, "active") for n in range(2000)]
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    runs, skipped = both(path)
    assert [(loss.what, loss.count) for loss in runs["r1"].lost] == [("traces", 2)]
    assert [(item.what, item.fault) for item in skipped] == [("3 traces of first outside of runs", False)]
    writer = sqlite3.connect(path, isolation_level=None)
    writer.execute("PRAGMA cache_size=1")
    writer.execute("BEGIN EXCLUSIVE")
    writer.execute("UPDATE runs SET name='not committed'")
    assert (tmp_path / "mlflow.db-journal").stat().st_size
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    assert b"not committed" in before["mlflow.db"]
    assert {run.name for run in both(path)[0].values()} == {"x" * 90}
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before
    writer.execute("ROLLBACK")
    writer.close()
    items = read(path, Options())
    next(items)
    with path.open("ab") as stream:
        stream.write(bytes(4096))
    assert [item.why for item in items if isinstance(item, Skipped) and item.fault] == [
        "it was written to while it was read: import it again"
    ]


TRACES = """
CREATE TABLE trace_info (request_id VARCHAR(50) PRIMARY KEY, experiment_id INTEGER);
CREATE TABLE trace_request_metadata (key VARCHAR(250), value VARCHAR(8000), request_id VARCHAR(50));
INSERT INTO trace_info VALUES ('t1', 1), ('t2', 1), ('t3', 1), ('t4', 1), ('t5', 1);
INSERT INTO trace_request_metadata VALUES
  ('mlflow.sourceRun', 'r1', 't1'), ('mlflow.sourceRun', 'r1', 't2'), ('mlflow.user', 'ada', 't3');
"""


def test_a_damaged_database(tmp_path: Path) -> None:
    """Cut off, of something else, or none at all: named, with what was read before."""
    whole = tmp_path / "whole.db"
    with sqlite3.connect(whole) as connection:
        connection.executescript(OLD)
        rows = [(f"r{n}", "x" * 90, 1, "FINISHED", 1, 2, "active") for n in range(2000)]
        connection.executemany("INSERT INTO runs VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
    (tmp_path / "cut.db").write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    with sqlite3.connect(tmp_path / "other.db") as connection:
        connection.execute("CREATE TABLE runs (id)")
    (tmp_path / "text.db").write_text("no database")
    (tmp_path / "empty.db").touch()
    (tmp_path / "folder").mkdir()
    for name, why in {
        "cut.db": "malformed",
        "other.db": "none of MLflow",
        "text.db": "no SQLite database",
        "empty.db": "no SQLite database",
        "folder": "no store of MLflow",
        "nothing": "no store of MLflow",
    }.items():
        _, (skipped,) = both(tmp_path / name)
        assert (skipped.what, skipped.fault) == (name, True) and why in skipped.why


META = "run_id: {id}\nstatus: {status}\nlifecycle_stage: active\nstart_time: 1000\nend_time: null\n"


def run_by_hand(top: Path, id: str, files: dict[str, bytes | str], status: object = 3) -> Path:
    """A run of a file store with `files`; its folder."""
    folder = top / id
    for name, data in {"meta.yaml": META.format(id=id, status=status), **files}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)
    return folder


def experiment_by_hand(top: Path, name: str, meta: str = "") -> Path:
    (top / name).mkdir(parents=True)
    meta = meta or f"artifact_location: file:///x/{name}\nexperiment_id: {name}\nname: 1e5\n"
    (top / name / "meta.yaml").write_text(meta)
    return top / name


def test_an_old_file_store(tmp_path: Path) -> None:
    """Numbers as status, points without a step and with a dataset; names and values stay text."""
    folder = experiment_by_hand(tmp_path / "mlruns", "0")
    lines = "30 2.0 2 iris d1\n10 1.0\n20 nan 1\n20 nan 1\nbroken\n40 x 3\n"
    image, newer = "images/a#b%step%3%timestamp%17%c.png", "images/a~b+step+3+timestamp+17+c-d.png"
    run_by_hand(
        folder,
        "r1",
        {
            "metrics/m": lines, "metrics/system/cpu": "1 0.5 0\n", "params/a/b": "0o17",
            f"artifacts/{image}": "png", f"artifacts/{newer}": "png",
            "tags/mlflow.gitBranchName": "dev", "tags/mlflow.source.git.diff": "+ é",
            "tags/mlflow.log-model.history": '[{"artifact_path": "net", "mlflow_version": "1.9.1"}, 3]',
        },
    )  # fmt: skip
    run_by_hand(folder, "r2", {}, status=5)
    for source in (tmp_path, tmp_path / "mlruns", folder):
        runs, skipped = both(source)
        run = runs["r1"]
        assert not skipped and (run.status, runs["r2"].status) == ("finished", "killed")
        assert (run.experiment, run.params, run.system_version) == ("1e5", {"a/b": "0o17"}, "1.9.1")
        assert [curve.name for curve in run.curves()] == ["m"]
        assert [curve.name for curve in run.system_curves()] == ["system/cpu"]
        assert series(run)["m"] == [(0, 0.01, "1.0"), (1, 0.02, "nan"), (2, 0.03, "2.0")]
        assert [(loss.what, loss.count) for loss in run.lost] == [("lines of metric m", 2)]
        assert run.code is not None and run.code.branch == "dev"
        files = {file.path: file for file in run.files}
        for name in (image, newer):
            assert (files[name].kind, files[name].name, files[name].step) == ("media", "a/b", 3)
        assert files["source.patch"].content == "+ é".encode()
        missing = "its files are not in the source"
        assert files["net"] == ForeignFile(path="net", kind="model", name="net", missing=missing)


def test_artifacts_that_go_elsewhere(tmp_path: Path) -> None:
    """The run's own folder for them is there and empty: those elsewhere come, or are named."""
    folder = experiment_by_hand(tmp_path / "mlruns", "0")
    places = {
        "beside": f"{tmp_path}/kept/beside/artifacts", "none": f"{tmp_path}/kept/none/artifacts",
        "away": "/mnt/disk/away/artifacts", "bucket": "s3://bucket/bucket/artifacts",
        "own": "file:///old/mlruns/0/own/artifacts",
    }  # fmt: skip
    for name, uri in places.items():
        meta = META.format(id=name, status=3) + f"artifact_uri: {uri}\n"
        (run_by_hand(folder, name, {"meta.yaml": meta}) / "artifacts").mkdir()
    (tmp_path / "kept" / "beside" / "artifacts").mkdir(parents=True)
    (tmp_path / "kept" / "beside" / "artifacts" / "a.txt").write_text("a")
    runs, _ = both(tmp_path / "mlruns")
    assert [file.path for file in runs["beside"].files] == ["a.txt"]
    assert {name: [loss.what for loss in run.lost] for name, run in runs.items()} == {
        "beside": [], "none": [], "own": [], "away": ["artifacts, if there are any"],
        "bucket": ["artifacts at s3://bucket/bucket/artifacts"],
    }  # fmt: skip


def test_a_hostile_file_store(tmp_path: Path) -> None:
    """Links, pipes, damaged and foreign files are named; what is beside them is read; nothing leads out."""
    (secret := tmp_path / "secret").mkdir()
    (secret / "key").write_text("s3cret")
    top = tmp_path / "mlruns"
    folder = experiment_by_hand(top, "0")
    run = run_by_hand(folder, "good", {"metrics/m": "1 2 3\n", "params/bad": b"\xff", "artifacts/a.txt": "a"})
    (run / "metrics" / "link").symlink_to(secret / "key")
    (run / "artifacts" / "link").symlink_to(secret)
    (run / "params" / "up").symlink_to(secret)
    os.mkfifo(run / "metrics" / "pipe")
    os.mkfifo(run / "artifacts" / "pipe")
    (run / "metrics" / os.fsdecode(b"\xff")).write_text("1 2 3\n")
    uri = f"artifact_uri: file://{secret.parent}/mlruns/0/elsewhere/artifacts\n"
    away = run_by_hand(folder, "elsewhere", {"meta.yaml": META.format(id="elsewhere", status=3) + uri})
    (away / "artifacts").symlink_to(secret)
    remote = META.format(id="remote", status=3) + "artifact_uri: s3://bucket/0/remote/artifacts\n"
    run_by_hand(folder, "remote", {"meta.yaml": remote, "traces/x": ""})
    (folder / "linked").symlink_to(run)
    run_by_hand(folder, "other", {"meta.yaml": META.format(id="good", status=3)})
    run_by_hand(folder, "yaml", {"meta.yaml": "run_id: yaml\nstatus: [\n"})
    run_by_hand(folder, "latin", {"meta.yaml": b"run_id: latin\nname: \xe9\n"})
    run_by_hand(folder, "bomb", {"meta.yaml": "run_id: bomb\na: &a [x]\nb: *a\n"})
    run_by_hand(folder, "list", {"meta.yaml": "- run_id: list\n"})
    (run_by_hand(folder, "bare", {"params/a": "1"}) / "meta.yaml").unlink()
    experiment_by_hand(top, "1", meta="name: [\n")
    run_by_hand(top / "1", "kept", {})
    (top / "2").symlink_to(secret)
    (traced := folder / "traces" / "t1" / "request_metadata").mkdir(parents=True)
    (traced / "mlflow.sourceRun").write_text("good")
    (folder / "traces" / "t2").mkdir()
    (version := top / "models" / "net" / "version-1").mkdir(parents=True)
    (version / "meta.yaml").write_text("version: [")
    runs, skipped = both(top)
    assert {*runs} == {"good", "elsewhere", "remote", "kept"} and runs["kept"].experiment == "1"
    assert series(runs["good"]) == {"m": [(3, 0.001, "2.0")]}
    losses = {loss.what for loss in runs["good"].lost}
    assert losses == {
        "parameter bad", "parameter up", "metric link", "metric pipe", "metric \ufffd", "traces",
        "artifact link", "artifact pipe",
    }  # fmt: skip
    assert [file.path for file in runs["good"].files] == ["a.txt"] and not runs["elsewhere"].files
    assert [loss.what for loss in runs["elsewhere"].lost] == ["artifacts"]
    assert [loss.what for loss in runs["remote"].lost] == ["artifacts at s3://bucket/0/remote/artifacts"]
    assert {item.what for item in skipped if item.fault} == {
        "1e5/linked", "run other of 1e5", "run yaml of 1e5", "run latin of 1e5", "run bomb of 1e5",
        "run list of 1e5", "run bare of 1e5", "1/meta.yaml", "version-1 of the registered model net",
    }  # fmt: skip
    assert {item.what for item in skipped if not item.fault} == {"1 traces of 1e5 outside of runs"}
    said = repr([runs["good"].lost, skipped])
    assert "s3cret" not in said and str(tmp_path) not in said


@pytest.mark.parametrize("seed", range(20))
def test_the_last_point_is_the_one_of_the_client(seed: int) -> None:
    """Of points in any order, with ties and NaN: the greatest for Python's max over the order of the file."""
    chosen = random.Random(seed)
    values = (0.0, 1.0, 2.0, math.nan, math.inf, -math.inf)
    rows = [(chosen.randint(-1, 1), chosen.randint(0, 1), chosen.choice(values)) for _ in range(9)]
    text = "".join(f"{time} {value} {step}\n" for step, time, value in rows)
    points, damaged = parse(text.encode())
    ordered = in_order(points)
    assert damaged == 0 and repr(ordered[-1]) == repr(max(points, key=lambda point: point))
    assert sorted(map(repr, ordered)) == sorted({*map(repr, rows)})
    assert [point[0] for point in ordered] == sorted(point[0] for point in ordered)


@pytest.mark.parametrize("seed", range(20))
def test_a_file_larger_than_memory_is_read_as_a_small_one(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """By stretches, in order or sorted on disk; broken lines are counted, also where a stretch ends."""
    monkeypatch.setattr(points_of, "_STRETCH", 16)
    monkeypatch.setattr(points_of, "_ROWS", 2)
    chosen = random.Random(seed)
    values = (0.0, 2.0, math.nan, math.inf, -math.inf)
    lines = [f"{chosen.randint(0, 1)} {chosen.choice(values)} {chosen.randint(-1, 1)}" for _ in range(9)]
    if seed % 2:
        lines = [f"7 {n / 3} {n}" for n in range(-3, 9)]
    lines.insert(4, f"{10**20} 1 1")
    data = "\n".join(lines).encode()
    points, _ = parse(data)
    assert sum(bad for _, bad in points_of.stretches(io.BytesIO(data))) == 1
    series = [point for part in points_of.large(io.BytesIO(data)) for point in part]
    assert [*map(repr, series)] == [*map(repr, in_order(points))]


@pytest.mark.parametrize("write", [lambda points: points, lambda points: points[::-1]])
def test_order_is_of_step_time_and_value(write: Callable[[list[Point]], list[Point]]) -> None:
    points = [(-1, 9, 5.0), (0, 1, 2.0), (0, 2, 1.0), (0, 2, 1.5), (7, 0, 0.0)]
    assert in_order(write(points)) == points

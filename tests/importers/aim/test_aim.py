"""Repositories of Aim, with a made-up Python that answers as the real one does."""

from __future__ import annotations

import base64
import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.importers.aim import read
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.systems import choose
from tests.importers.rounds import state_of
from tests.importers.sources import importer
from tests.importers.taking import taken
from tests.ledgers import outputs_of, records

TABLES = """
CREATE TABLE experiment (id INTEGER, name TEXT);
CREATE TABLE tag (id INTEGER, name TEXT);
CREATE TABLE run_tag (run_id INTEGER, tag_id INTEGER);
CREATE TABLE note (content TEXT, run_id INTEGER, created_at TEXT);
CREATE TABLE run (id INTEGER, hash TEXT, name TEXT, description TEXT, is_archived INTEGER, created_at TEXT,
  experiment_id INTEGER);
INSERT INTO experiment VALUES (1, 'exp é');
INSERT INTO tag VALUES (1, 'tä');
INSERT INTO run_tag VALUES (1, 1);
INSERT INTO note VALUES ('seen', 1, '2026-11-30 10:00:05');
INSERT INTO run VALUES (1, 'aa', 'läufer', 'why', 1, '2026-11-30 10:00:00.5', 1);
INSERT INTO run VALUES (2, 'bb', 'Run: bb', NULL, 0, NULL, NULL), (3, 'gone', NULL, NULL, 0, NULL, NULL);
"""
NAN, INF = float("nan"), float("inf")
TRACKED = {
    "c1/loss": (
        "float",
        {"steps": [0, 2.5, -1], "values": [1.5, NAN, INF], "epochs": [0, None, 1], "times": [5, 6, 7]},
    ),
    "c0/loss": ("int", {"steps": [0], "values": [1], "epochs": [None], "times": [None]}),
    "c0/__system__cpu": ("float", {"steps": [0], "values": [50.5], "epochs": [None], "times": [5]}),
    "c0/txt": ("list(aim.text)", [{"step": 1, "time": 5, "text": "a"}, {"step": 1, "time": 5, "text": "b"}]),
    "c0/__log_records": ("aim.log_record", [{"message": "m", "log_level": "INFO", "time": 5}]),
    "c0/logs": ("aim.log_line", [{"step": 0, "text": "line é"}, {"step": 1, "text": "two"}]),
    "c1/im": ("list(aim.image)", [{"step": 0, "index": 1, "format": "PNG", "caption": "c"}]),
    "c0/dist": ("aim.distribution", [{"step": 0, "range": [0, 1], "weights": [3]}]),
    "c0/odd": ("custom", []),
}  # fmt: skip
STATED = {
    "attrs": {
        "hparams": {"lr": 1e-5, "nan": NAN, "odd": {"_type": "aim.figure"}},
        "__system_params": {
            "arguments": ["/home/ada/train.py", "-x"], "packages": {"numpy": "1.2"},
            "env_variables": {"KEY": "s"},
            "git_info": {"branch": "main", "commit": {"hash": "a" * 40}, "remote_origin_url": "https://h/x.git"},
        },
    },
    "end_time": 1_796_032_860.5,
    "contexts": {"c0": {}, "c1": {"subset": "val", "fold": 1}},
    "artifacts": [{"name": "net", "path": "m.bin", "uri": "file:///etc/hostname"}],
    "sequences": [
        {"context": key.partition("/")[0], "name": key.partition("/")[2], "dtype": kind}
        for key, (kind, _) in TRACKED.items()
    ],
}  # fmt: skip


def python(folder: Path, answers: dict[str, list[Any]], *, silent: bool = False) -> Path:
    """A program that gives for each question, as JSON with sorted keys, its answers, else says it cannot."""
    path = folder / "python"
    script = f"""#!{sys.executable} -I
import json, sys
def say(**stated):
    print(json.dumps(stated), flush=True)
answers = json.loads({json.dumps(json.dumps(answers))})
say(version="3.29", end=True)
for line in sys.stdin:
    question = json.loads(line)
    if {silent}:
        sys.exit(1)
    question.pop("open", None)
    found = answers.get(json.dumps(question, sort_keys=True))
    if found is None:
        say(fault="KeyError: no such", end=True)
        continue
    for answer in found:
        say(**answer)
    say(end=True)
"""
    path.write_text(script, "utf-8")
    path.chmod(0o755)
    return path


def answers() -> dict[str, list[Any]]:
    told: dict[str, list[Any]] = {json.dumps({"run": "aa"}): [STATED]}
    for name, (_, stated) in TRACKED.items():
        verb = "points" if isinstance(stated, dict) else "items"
        told[json.dumps({verb: name.split("/")})] = [stated] if isinstance(stated, dict) else stated
    told[json.dumps({"bytes": ["c1", "im", 0, 1]})] = [{"bytes": base64.b64encode(b"PNG").decode()}]
    return told


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Path]:
    top = tmp_path / "proj"
    for run in ("aa", "bb"):
        (top / ".aim/meta/chunks" / run).mkdir(parents=True)
        (top / ".aim/meta/chunks" / run / "000001.log").write_bytes(b"x")
    (top / ".aim/seqs/chunks/aa").mkdir(parents=True)
    with closing(sqlite3.connect(top / ".aim" / "run_metadata.sqlite")) as base:
        base.executescript(TABLES)
    return top


def points(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    return {
        c.name: [*zip(c.steps or (), c.times or [None] * len(c.values), map(repr, c.values), strict=True)]
        for c in run.curves()
    }


def test_a_run(repository: Path, tmp_path: Path) -> None:
    """By names with their contexts; what of the machine, of people and of other places stays out."""
    options = Options(python=python(tmp_path, answers()))
    items = read(repository, options)
    run = next(item for item in items if isinstance(item, ForeignRun))  # the process lives as long as they
    assert (run.id, run.name, run.experiment, run.status, run.note) == (
        "aa",
        "läufer",
        "exp é",
        "finished",
        "why",
    )
    assert (run.started, run.ended, run.labels, run.tags) == (
        1_796_032_800.5, 1_796_032_860.5, ("tä",), {"aim.archived": "true"},
    )  # fmt: skip
    assert repr(run.params) == "{'hparams': {'lr': 1e-05, 'nan': nan}}"
    assert points(run) == {
        "loss[fold=1,subset=val]": [(0, 5, "1.5"), (2.5, 6, "nan"), (-1, 7, "inf")],
        "loss[fold=1,subset=val].epoch": [(0, 5, "0"), (-1, 7, "1")],
        "loss": [(0, None, "1")],
    }
    assert [(curve.name, curve.values) for curve in run.system_curves()] == [("cpu", (50.5,))]
    assert [(text.name, text.text, text.step) for text in run.texts()] == [
        ("note", "seen", None), ("txt", "a", 1), ("txt", "b", 1), ("log.info", "m", None),
    ]  # fmt: skip
    assert run.code is not None and run.code.commit == "a" * 40
    assert run.environment is not None and run.environment.packages == {"numpy": "1.2"}
    files = {file.path: file for file in run.files}
    assert {path: file.missing for path, file in files.items()} == {
        "console.txt": None, "media/im[fold=1,subset=val]/0-1.png": None, "histograms/dist.jsonl": None,
        "artifacts/net": "its bytes are outside of the source",
    }  # fmt: skip
    assert {loss.what for loss in run.lost} == {
        "param hparams.odd", "environment variables", "sequence odd",
    }  # fmt: skip
    assert [item.what for item in items if isinstance(item, Skipped)] == ["run bb"]
    assert choose("auto", repository) == "aim"


def test_on_the_ledger(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once, and verify passes; nothing in the repository of Aim is touched."""
    top = importer(tmp_path, monkeypatch).top
    monkeypatch.chdir(top)
    before = state_of(repository)
    command = ["import", "aim", str(repository), "--python", str(python(tmp_path, answers()))]
    assert execute(command) == execute(command) == 1  # of two runs nothing can be read
    assert execute(["verify", "-q"]) == 0
    (record,) = records(top)
    assert outputs_of(top, record) == {"media/im[fold=1,subset=val]/0-1.png", "histograms/dist.jsonl"}
    assert record.system_series is not None
    assert (record.console is not None, record.metrics["loss[fold=1,subset=val]"].status) == (True, "inf")
    assert state_of(repository) == before


def test_a_process_that_does_not_answer(repository: Path, tmp_path: Path) -> None:
    """Costs the runs, by name; so do links in the place of files."""
    link = repository / ".aim/meta/chunks/bb/link"
    link.symlink_to("/etc/hostname")
    runs, skipped = taken(read, repository, Options(python=python(tmp_path, {}, silent=True)))
    assert not runs
    why = {item.what: item.why for item in skipped}
    assert "ended" in why["run aa"] and "a link" in why["run bb"]


@pytest.mark.skipif(find_spec("aim") is not None, reason="Aim is installed here")
def test_without_aim(repository: Path) -> None:
    """It is said what to install."""
    (absent,) = (item for item in taken(read, repository)[1] if item.what == "proj")
    assert "pip install aim" in absent.why and "--python" in absent.why

"""Databases of the client ``neptune-scale``, as it writes them."""

from __future__ import annotations

import json
import math
import sqlite3
from pathlib import Path

from gittrack.importers.foreign import ForeignCode, ForeignRun
from gittrack.importers.neptune import read
from gittrack.importers.systems import choose
from tests.importers import taking
from tests.importers.neptune.writer import (
    START,
    appended,
    assigned,
    created,
    entry,
    field,
    file_of,
    moment,
    step,
    tagged,
    value,
    write_database,
)  # fmt: skip
from tests.importers.taking import curves, losses


def only(source: Path) -> ForeignRun:
    return taking.only(read, source)


def histogram(*edges: float, counts: bytes = b"", densities: bytes = b"") -> bytes:
    ends = b"".join(field(1, edge) for edge in edges)
    return field(
        14, ends + (field(4, counts) if counts else b"") + (field(5, densities) if densities else b"")
    )


def test_a_run(tmp_path: Path) -> None:
    """Types, steps of millionths, series of texts and histograms, sets, code, what is a preview."""
    commit = "95c6cff436dc69a80ce3fed51373286fd82cd900"
    code = {
        "source_code/commit/commit_id": commit, "source_code/commit/author_email": "a@b.c",
        "source_code/branch": "main", "source_code/dirty": False, "source_code/remote/up": "https://b/y",
        "source_code/remote/origin": "https://a/x", "source_code/run_command": "python t.py --lr 1",
    }  # fmt: skip
    when = field(8, moment(START + 0.125))
    packed = field(1, b"\x03\x04")
    write_database(
        tmp_path / "ws_r" / "run_operations.sqlite3",
        [
            (1, created("exp é", fork=("r 0", 7))),
            (0, assigned(**code)),
            (0, assigned(lr=1e-5, n=-3, flag=False, s="", nan=math.nan, when=when, set=["b", "a"])),
            (0, assigned(set=["c"], a=1, big=2**40, **{"a/b": 2})),
            (0, appended(step(0), START, loss=1.5, acc=0.0)),
            (0, appended(step(1, 250_000), START + 1, loss=math.inf, acc=0.5)),
            (0, appended(step(1, 250_000), START + 1, loss=math.nan)),
            (0, appended(step(1), START, preview=True, p=1.0)),
            (0, appended(step(1), START, preview=True, p=2.0)),
            (0, appended(step(2), START, preview=True, p=3.0)),
            (0, appended(step(1), START, p=4.0)),
            (0, appended(step(1), START + 2, words="zwei\nlines")),
            (0, appended(step(0, 1), START, **{"runtime/stdout": "line"})),
            (0, appended(step(1), START, h=histogram(0.0, 1.0, 2.0, counts=packed))),
            (0, appended(step(2), START, h=histogram(0.0, 1.0, densities=field(1, 0.5)))),
            (0, tagged("sys/tags", a=1, b=1)), (0, tagged("sys/tags", a=2)),
            (0, tagged("sys/group_tags", x=1, y=1)),
        ],
    )  # fmt: skip
    assert choose("auto", tmp_path) == "neptune"
    run = only(tmp_path)
    assert (run.id, run.name, run.experiment, run.status) == ("ws/é/r 1", "exp é", "ws/é", "unknown")
    assert (run.started, run.labels, run.group) == (START, ("b",), None)
    assert run.tags == {
        "neptune.group_tags": '["x", "y"]', "neptune.forking.parent": "r 0", "neptune.forking.step": "7.0",
    }  # fmt: skip
    command = ("python", "t.py", "--lr", "1")
    assert run.code == ForeignCode(
        commit=commit, branch="main", remote="https://a/x", dirty=False, command=command
    )
    assert math.isnan(run.params["nan"])  # type: ignore[arg-type]
    assert {**run.params, "nan": 0} == {
        "lr": 1e-5, "n": -3, "flag": False, "s": "", "nan": 0, "when": "2023-11-14T22:13:20.125Z",
        "set": ["c"], "big": 2**40, "a": 1, "a/b": 2,
    }  # fmt: skip
    assert repr(curves(run)["loss"]) == "[(0, 1.5), (1.25, inf), (1.25, nan)]"
    assert curves(run)["acc"] == [(0, 0.0), (1.25, 0.5)] and curves(run)["p"] == [(2, 3.0), (1, 4.0)]
    assert [(text.name, text.text, text.step, text.time) for text in run.texts()] == [
        ("words", "zwei\nlines", 1, START + 2)
    ]
    table, console = run.files
    assert callable(table.content) and callable(console.content)
    lines = b"".join(table.content()).splitlines()
    assert [json.loads(line) for line in lines] == [
        {"step": 1, "time": START, "left": [0, 1], "right": [1, 2], "count": [3, 4]},
        {"step": 2, "time": START, "left": [0], "right": [1], "density": [0.5]},
    ]
    assert (table.path, b"".join(console.content())) == ("histograms/h.jsonl", b"line\n")
    assert {*losses(run)} == {"commit: author_email", "remote up", "which points of p are previews"}


def test_files(tmp_path: Path) -> None:
    """The client's own lie beside the database, wherever it was moved to; others below the source, or not."""
    folder = tmp_path / "logs" / "run"
    (tmp_path / "data.bin").write_text("d")
    write_database(
        folder / "run_operations.sqlite3",
        [
            (0, assigned(made=file_of("r/made/none/u-1.json"), user=file_of("r/user/data.bin"))),
            (0, assigned(far=file_of("r/far/x.bin"), sent=file_of("r/sent/x.bin"), evil=file_of("r/evil"))),
            (0, appended(step(1, 500_000), START, pics=file_of("r/pics/1/p.png", "image/png"))),
        ],
        uploads=[
            ("/old/place/u-1.json", "r/made/none/u-1.json", True),
            (f"{tmp_path}/data.bin", "r/user/data.bin", False),
            ("/home/bob/x.bin", "r/far/x.bin", False),
            ("/old/p.png", "r/pics/1/p.png", True),
            ("/etc/passwd", "r/evil", False),
        ],
    )
    for name in ("u-1.json", "p.png"):
        (folder / name).write_text(name)
    files = {file.path: file for file in only(tmp_path).files}
    assert {path: file.content for path, file in files.items() if not file.missing} == {
        "made.json": folder / "u-1.json", "user.bin": tmp_path / "data.bin", "pics/1.5.png": folder / "p.png",
    }  # fmt: skip
    assert (files["pics/1.5.png"].kind, files["pics/1.5.png"].step) == ("media", 1.5)
    why = {path: file.missing for path, file in files.items() if file.missing}
    assert why.keys() == {"far.bin", "sent.bin", "evil"} and "sent to neptune.ai" in str(why["sent.bin"])
    assert not any("bob" in str(text) for text in why.values())


def test_a_run_of_several_databases(tmp_path: Path) -> None:
    """In the order of their first operations; one that still waits in the log of SQLite; another project."""
    later = tmp_path / "a" / "run_operations.sqlite3"
    write_database(later, [(0, appended(step(2), START, loss=2.0))], first=9)
    write_database(tmp_path / "b" / "old.sqlite3", [(0, appended(step(1), START, loss=1.0))])
    write_database(tmp_path / "c" / "run_operations.sqlite3", [(0, assigned(p=1))], project="ws/other")
    base = sqlite3.connect(later)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA wal_autocheckpoint=0")
    base.execute("INSERT INTO run_operations VALUES (10, 1, 0, ?, 1)", (appended(step(3), START, loss=3.0),))
    base.commit()
    runs, skipped = taking.taken(read, tmp_path)
    base.close()
    assert not skipped
    assert [(run.id, curves(run).get("loss")) for run in runs] == [
        ("ws/other/r 1", None),
        ("ws/é/r 1", [(1, 1.0), (2, 2.0), (3, 3.0)]),
    ]
    assert [loss.count for loss in runs[1].lost] == [8]


def test_damaged_databases(tmp_path: Path) -> None:
    """Operations that are none are counted; damaged files are named, and those of others passed by."""
    huge = b"\x22\xff\xff\xff\xff\x7f"
    odd = histogram(0.0, 1.0, counts=field(1, b"\x01\x02"))
    write_database(
        tmp_path / "good.sqlite3",
        [
            (0, huge), (0, b"\xff" * 30), (7, b""), (0, field(4, entry("k", field(99, 1)))),
            (0, assigned(p=1)), (0, appended(step(1), START, h=odd)), (0, b""),
            (0, field(4, entry("f", field(1, 3)))), (0, appended(b"", START, unnumbered=value(1.0))),
        ],
    )  # fmt: skip
    (tmp_path / "none.sqlite3").write_bytes(b"SQLite format 3\0" + bytes(5000))
    (tmp_path / "text.sqlite3").write_text("text")
    with sqlite3.connect(tmp_path / "other.sqlite3") as base:
        base.execute("CREATE TABLE t (x)")
    base.close()
    whole = write_database(tmp_path / "cut.sqlite3", [(0, assigned(q="x" * 3000))] * 20, run="cut")
    whole.write_bytes(whole.read_bytes()[:12_000])
    runs, skipped = taking.taken(read, tmp_path)
    (run,) = [run for run in runs if run.id == "ws/é/r 1"]
    assert run.params == {"p": 1} and curves(run) == {"unnumbered": [(None, 1.0)]}
    assert sum(loss.count for loss in run.lost) == 6
    names = {item.what for item in skipped}
    assert names >= {"none.sqlite3", "text.sqlite3"} and "other.sqlite3" not in names
    assert "cut.sqlite3" in {item.what for item in skipped} or any(
        run.lost for run in runs if "cut" in run.id
    )

"""CSV and JSON lines: what is what by the names of columns, and by a mapping."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any

import pytest

from gittrack.errors import UsageError
from gittrack.importers import table
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from tests.tables import rows


def read(source: Path, **mapping: Any) -> tuple[list[ForeignRun], list[Skipped]]:
    items = [*table.read(source, Options(mapping=mapping))]
    return [i for i in items if isinstance(i, ForeignRun)], [i for i in items if isinstance(i, Skipped)]


def points(run: ForeignRun) -> dict[str, list[tuple[Any, Any, str]]]:
    """Step, time and value as text, by metric."""
    listed: dict[str, list[tuple[Any, Any, str]]] = {}
    for curve in run.curves():
        steps = curve.steps or [None] * len(curve.values)
        times = curve.times or [None] * len(curve.values)
        cells = zip(steps, times, map(repr, curve.values), strict=True)
        listed.setdefault(curve.name, []).extend(cells)
    return listed


def test_a_file_is_a_run(tmp_path: Path) -> None:
    """Numbers are metrics, words are texts; NaN, fractions and quoted line ends are as they are."""
    (tmp_path / "a.csv").write_text(
        'step,timestamp,loss,"acc, %",word\n0.5,1700000000,1.5,,"two\nlines"\n'
        "-1,2023-11-14T22:13:21Z,NaN,3,\n"
    )
    (tmp_path / "b.jsonl").write_text('{"step": 1, "val": {"loss": 2}, "none": null}\nnot JSON\n')
    (run, other), skipped = read(tmp_path)
    assert not skipped
    start = 1_700_000_000.0
    assert points(run) == {
        "loss": [(0.5, start, "1.5"), (-1, start + 1, "nan")],
        "acc, %": [(-1, start + 1, "3")],
    }
    assert [(text.name, text.text, text.step) for text in run.texts()] == [("word", "two\nlines", 0.5)]
    assert (run.name, run.experiment, run.status) == ("a", tmp_path.name, "unknown")
    assert points(other) == {"val.loss": [(1, None, "2")]}
    assert [loss.count for loss in other.lost] == [1]


def test_files_of_one_name_are_runs_of_their_own(tmp_path: Path) -> None:
    """As many trainings write them; a file that grows is the same run."""
    ids = set()
    for place in ("a/version_0", "a/version_1", "b/version_0"):
        (folder := tmp_path / place).mkdir(parents=True)
        (folder / "metrics.csv").write_text(f"step,loss\n0,{len(ids)}\n")
        ids.add(read(folder)[0][0].id)
    with (folder / "metrics.csv").open("a") as file:
        file.write("1,2\n")
    assert len(ids) == 3 and read(folder / "metrics.csv")[0][0].id in ids


def test_what_nothing_says_is_named(tmp_path: Path) -> None:
    """A column without a name (pandas' index) is no step; rows and characters that are none."""
    (tmp_path / "a.csv").write_bytes(b",loss,na\xefve\n7,1,2\n8,2,12345678901234567891\n")
    (tmp_path / "b.ndjson").write_text('[{"loss": 1}]\n{"loss": 2}\n')
    (tmp_path / "c.csv").write_text("step,loss\n")
    (run, other), (skipped,) = read(tmp_path)
    assert points(run) == {
        "loss": [(None, None, "1"), (None, None, "2")],
        "na\ufffdve": [(None, None, "2"), (None, None, "12345678901234567891")],
    }
    assert [loss.what for loss in run.lost] == ["a column of a.csv", "characters of a.csv"]
    assert [(loss.what, loss.count) for loss in other.lost] == [("b.ndjson", 1)]
    assert (skipped.what, skipped.fault) == ("c.csv", False)


def test_rows_say_which_run_they_are_of(tmp_path: Path) -> None:
    """Wherever they lie in the file."""
    file = tmp_path / "all.csv"
    file.write_text(
        "trial,lr,team,epoch,loss,state,begin\n"
        "x,0.1,red,0,1,Finished,1700000000\ny,big,,0,2,,\nx,0.1,red,1,3,Finished,1700000000\n"
    )
    mapping = {"run": "trial", "params": ["lr"], "tags": ["team"], "status": "state", "started": "begin"}
    (x, y), _ = read(file, **mapping)
    assert (x.id, x.params, x.tags, x.status, x.started) == (
        f"{tmp_path.name}/all.csv#x", {"lr": 0.1}, {"team": "red"}, "finished", 1_700_000_000.0,
    )  # fmt: skip
    assert (y.params, y.tags, y.status, y.started) == ({"lr": "big"}, {}, "unknown", None)
    assert y.id == f"{tmp_path.name}/all.csv#y"
    assert points(x) == {"loss": [(0, None, "1"), (1, None, "3")]}
    assert points(y) == {"loss": [(0, None, "2")]}


def test_a_row_may_be_a_point(tmp_path: Path) -> None:
    """Of the metric that a column names."""
    file = tmp_path / "long.tsv"
    file.write_text("key\treading\tstep\nloss\t1.5\t0\nacc\tinf\t0\nloss\t2\t1\n")
    (run,), _ = read(file, metric="key", value="reading")
    assert points(run) == {"loss": [(0, None, "1.5"), (1, None, "2")], "acc": [(0, None, repr(math.inf))]}


def test_a_mapped_column_that_is_not_there_is_named(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("at,lr,loss\n0,0.1,2\n")
    (run,), _ = read(file, step="epochs", params=["lr"])
    assert [loss.what for loss in run.lost] == ["column epochs of a.csv"]


@rows("mapping", [{"stpe": "x"}, {"step": ["x"]}, {"params": "x"}, {"metric": "x"}, {"metrics": [1]}])
def test_a_mapping_that_is_none(tmp_path: Path, mapping: dict[str, Any]) -> None:
    """Nothing is guessed."""
    with pytest.raises(UsageError, match="--map"):
        read(tmp_path, **mapping)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.csv")
    assert [item.why for item in read(tmp_path / "a.csv")[1]] == ["it is no regular file"]


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    """The other files come; a link leads nowhere."""
    (tmp_path / "bad.csv").write_text("a,a\n1,2\n")
    (tmp_path / "deep.jsonl").write_text("[" * 100_000 + "\n")
    (tmp_path / "good.csv").write_text("a\n1\n")
    (tmp_path / "link.csv").symlink_to("/etc/passwd")
    runs, skipped = read(tmp_path)
    assert [run.name for run in runs] == ["good"]
    assert [item.what for item in skipped] == ["bad.csv", "deep.jsonl"]

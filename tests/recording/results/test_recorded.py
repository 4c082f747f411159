"""Files of parameters and metrics in runs of `gittrack run`: none stops a run, nothing is lost in silence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.ledgers import file_of, records
from tests.recording.commands import gittrack
from tests.repositories import run_git

PYTHON = sys.executable

PARAMS = """\
base: &base {lr: 1e-3, n: 1_000}
run: {<<: *base, mode: 0755}
model: !Model {depth: 3}
1: one
top: .inf
"""


def test_params_are_recorded_and_what_is_not_is_said(project: Path) -> None:
    """Before the program starts, and in the record."""
    (project / "params.yaml").write_bytes(b"\xef\xbb\xbf" + PARAMS.encode())
    ended = gittrack(project, "run", "-q", "--", PYTHON, "-c", "pass")
    assert ended.returncode == 0
    (record,) = records(project)
    base = {"lr": 0.001, "n": 1000}
    assert record.params == {"base": base, "run": {**base, "mode": 493}, "1": "one", "top": "inf"}
    losses = {loss.what: loss.why for loss in record.not_recorded}
    other = "params.yaml: 1 other reading (run.mode)"
    assert set(losses) == {other, "params.yaml: model"}
    assert losses[other].startswith("0755 is 755 to DVC")
    assert ended.stderr.count("params.yaml: model: not recorded") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [("params.yaml", "- 1\n"), ("params.yaml", "a: [1\n"), ("params.yaml", "a: 1\n---\nb: 1\n")],
)
def test_a_params_file_of_no_use_is_refused_beforehand(project: Path, name: str, text: str) -> None:
    """Before the program starts, in one line that names the file."""
    (project / name).write_text(text)
    ended = gittrack(project, "run", "--", "touch", "started")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert name in ended.stderr
    assert not (project / "started").exists()
    assert records(project) == []


@pytest.mark.parametrize("metrics", ["loss.txt", "model.pkl", "out", "notes"])
def test_a_wrong_kind_of_metrics_is_refused_beforehand(project: Path, metrics: str) -> None:
    """A suffix that nobody reads, a folder that is none of DVCLive's."""
    (project / "out").mkdir()
    for name in ("out/model.pkl", "notes"):
        (project / name).write_text("x")
    ended = gittrack(project, "run", "--metrics", metrics, "--", "touch", "started")
    assert (ended.returncode, len(ended.stderr.splitlines())) == (2, 1)
    assert metrics in ended.stderr
    assert not (project / "started").exists()


def test_an_odd_cell_costs_that_cell_in_the_record(project: Path) -> None:
    """The other cells are there, and record and terminal say how many are not, and where."""
    lines = "".join(f"{step};{'oops' if step == 3 else step / 2}\\n" for step in range(6))
    program = f"open('m.csv', 'w').write('Step;loss\\n{lines}')"
    ended = gittrack(project, "run", "--metrics", "m.csv", "--", PYTHON, "-c", program)
    assert ended.returncode == 0
    (record,) = records(project)
    assert (record.metrics["loss"].value, record.metrics["loss"].step) == (2.5, 5)
    assert record.series is not None
    assert record.series.rows == 5
    assert [(loss.what, loss.why) for loss in record.not_recorded] == [
        ("m.csv: 1 cell (line 5 loss)", "text, not a number")
    ]
    assert "m.csv: 1 cell (line 5 loss): text, not a number" in ended.stderr
    assert "line 5 loss" in gittrack(project, "show", "latest").stdout


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("metrics.json", "{}", "no metric could be read"),
        ("metrics.json", "{", "not valid JSON"),
        ("metrics.json", "[1, 2]", "not a list"),
        ("metrics.json", '{"note": "good"}', "no metric could be read"),
        ("scores.csv", "0,1\\n1,2\\n", "its first line is a row of numbers"),
        ("scores.csv", "step,note\\n1,good\\n", "no metric could be read"),
        ("scores.jsonl", "none", "no metric could be read"),
        ("scores.yaml", "a: \\t[", "malformed"),
        ("metrics.json", None, "was not written by this run"),
    ],
)
def test_metrics_of_which_nothing_was_taken_are_said(
    project: Path, name: str, text: str | None, why: str
) -> None:
    """Whatever the file is called; the run ends well, and its record says so too."""
    program = "pass" if text is None else f"open({name!r}, 'w').write('{text}')"
    ended = gittrack(project, "run", "--metrics", name, "--", PYTHON, "-c", program)
    assert ended.returncode == 0
    (record,) = records(project)
    assert record.status == "finished"
    assert record.metrics == {}
    assert why in ended.stderr
    assert any(name in loss.what and why in loss.why for loss in record.not_recorded)


def test_more_names_than_a_record_holds(project: Path) -> None:
    """As many as there is room for; the others are counted."""
    program = (
        "import json; json.dump({f'm{n}': n for n in range(6000)}, open('metrics.json', 'w'))\n"
        "open('log.csv', 'w').write(','.join(f'c{n}' for n in range(6000)) + '\\n' + ','.join('1' * 6000))\n"
    )
    ended = gittrack(
        project, "run", "--metrics", "metrics.json", "--metrics", "log.csv", "--", PYTHON, "-c", program
    )
    assert ended.returncode == 0
    (record,) = records(project)
    assert 4_000 < len(record.metrics) < 12_000
    assert any(
        "metrics.json: " in loss.what and "the run's record is full" in loss.why
        for loss in record.not_recorded
    )


def test_a_broken_file_of_dvclive_costs_that_file(project: Path) -> None:
    """Its metrics are there though its params.yaml is none."""
    program = (
        "import os; os.makedirs('dvclive/plots/metrics')\n"
        "open('dvclive/params.yaml', 'w').write('- 1')\n"
        "open('dvclive/metrics.json', 'w').write('{\"f1\": 0.5, \"step\": 1}')\n"
        "open('dvclive/plots/metrics/acc.tsv', 'w').write('step\\tacc\\n0\\t0.25\\n')\n"
    )
    ended = gittrack(project, "run", "--", PYTHON, "-c", program)
    (record,) = records(project)
    assert {name: metric.value for name, metric in record.metrics.items()} == {"f1": 0.5, "acc": 0.25}
    assert [loss.what for loss in record.not_recorded] == ["dvclive/params.yaml: 1 file (all of it)"]
    assert "must hold names and values" in ended.stderr
    assert "acc" in file_of(project, record, "metrics.csv")
    assert run_git(project, "status", "--porcelain").strip() == "?? dvclive/"

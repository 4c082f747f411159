"""gittrack compare: groups by any name, one table a metric, a verdict, and a warning of the winner."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from gittrack.cli import execute
from gittrack.formats.record import Metric
from gittrack.git.repository import Repository
from gittrack.stats.maths import paired
from tests.cli.terminals import Terminal
from tests.ledgers import commit_files, commit_records, make_record

Capture = pytest.CaptureFixture[str]
A = [0.90, 0.91, 0.92, 0.905, 0.915]
B = [0.93, 0.96, 0.94, 0.951, 0.922]
SPECS = {"a": "a" * 64, "b": "b" * 64}


def compare(capsys: Capture, *arguments: str) -> str:
    assert execute(["compare", *arguments]) == 0
    return capsys.readouterr().out


def runs(values: list[float], start: int, spec: str, **changes: Any) -> list[Any]:
    return [
        make_record(
            start + n,
            seed=n,
            spec=spec * 64,
            params={"lr": start},
            metrics={"acc": Metric(value=v, direction="maximize"), "s": n},
            **changes,
        )
        for n, v in enumerate(values)
    ]


@pytest.fixture
def two(repo: Repository) -> Repository:
    """Two specs of five seeds each, the second with a run that failed."""
    failed = make_record(90, seed=9, spec="b" * 64, params={"lr": 100}, status="failed")
    commit_records(repo, [*runs(A, 0, "a"), *runs(B, 100, "b"), failed])
    return repo


def test_two_groups(two: Repository, terminal: Terminal) -> None:
    """At 100 columns: groups, means, difference, verdict, and the advice to rerun the winner."""
    shown = terminal("compare", "aaaa", "bbbb", "--no-pager", NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "2 groups, each beside A"
    assert "A digits aaaaaaaaaaaa 5 0 seed: 0..4 lr=0" in lines
    assert "B digits bbbbbbbbbbbb 5 1 seed: 0..4 lr=100" in lines
    assert "B: 1 of 6 runs did not finish: in no figure" in lines
    (row,) = [line for line in lines if line.startswith("B - A")]
    found = paired(A, B)
    assert found.p is not None
    assert row == f"B - A +0.031 +0.008..+0.053 {found.p:.2g} {found.p:.2g} 1.00 better"
    assert "paired t: the same seeds on both sides" in lines
    whole = " ".join(lines)
    assert "B has the best mean of 2, 0.9406. It was chosen by these very results" in whole
    assert "gittrack reproduce 20261122-000144-100068 --seeds new --repeats 5" in whole
    assert "not compared: s (of no known direction, or not in every group)" in whole


@pytest.mark.parametrize("names", [["aaaa", "bbbb"], ["100000", "100068"], ["digits"], ["aaaa", "latest"]])
def test_groups_by_any_name(two: Repository, capsys: Capture, names: list[str]) -> None:
    """Runs and specs; an experiment named alone stands for all its specs."""
    plain = json.loads(compare(capsys, *names, "--json"))
    assert [group["spec"][:1] for group in plain["groups"]] == ["a", "b"]
    (metric,) = plain["metrics"]
    (found,) = metric["contrasts"]
    assert found["difference"]["p"] == paired(A, B).p
    assert found["verdict"] == "better"
    assert (metric["winner"], plain["comparisons"], plain["damaged"]) == ("B", 1, [])
    assert metric["selection"]["corrected"] < metric["selection"]["mean"]


def test_a_margin(two: Repository, capsys: Capture) -> None:
    """TOST beside the difference."""
    shown = " ".join(compare(capsys, "aaaa", "bbbb", "--margin", "0.1").split())
    assert "±0.1, p" in shown
    assert "better, but small" in shown
    assert "only if the margin was fixed before" in shown
    plain = json.loads(compare(capsys, "aaaa", "bbbb", "--margin", "0.01", "--json"))
    assert plain["metrics"][0]["contrasts"][0]["equivalence"]["equivalent"] is False


def test_markdown(two: Repository, capsys: Capture) -> None:
    """Tables of GitHub's."""
    shown = compare(capsys, "aaaa", "bbbb", "--md", "--metric", "s", "--metric", "acc")
    assert "## acc ↑\n" in shown
    assert "## s, no direction known\n" in shown
    assert "| B \\- A | +0.031 |" in shown


def test_kinds_that_are_not_to_be_mixed(repo: Repository, capsys: Capture) -> None:
    """Said in place of a test."""
    commit_records(
        repo,
        [
            *runs(A, 0, "a"),
            *(make_record(50 + n, seed=1, spec="b" * 64, metrics={"acc": v}) for n, v in enumerate(B)),
        ],
    )
    shown = " ".join(compare(capsys, "aaaa", "bbbb").split())
    assert "B: A varies seed, B nothing: spreads of different kinds" in shown
    assert "cannot tell" in shown
    assert "same seed each time" in shown


def test_groups_of_one_run(repo: Repository, capsys: Capture) -> None:
    """A difference, and that nobody can tell."""
    commit_records(repo, [*runs(A[:1], 0, "a"), *runs(B[:1], 100, "b")])
    shown = " ".join(compare(capsys, "digits").split())
    assert "A 1 0.9 one run has no spread" in shown
    assert "B: n too small" in shown
    assert "by how much is not known: every candidate has a single run" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["aaaa"], "needs two groups"),
        (["aaaa", "100001"], "named twice"),
        (
            ["aaaa", "digits"],
            "stands for 2 groups, which are not to be pooled: name a run, or one of the specs aaaaaaaaaaaa",
        ),
        (["aaaa", "cccc"], "no run, experiment or spec 'cccc'"),
        (["digits", "--metric", "f1"], "no metric 'f1': there are acc, s"),
        (["digits", "--confidence", "1"], "between 0 and 1"),
        (["digits", "--margin", "-1"], "above 0"),
        (["digits", "--json", "--md"], "choose one"),
        ([], "Missing argument"),
    ],
)
def test_what_cannot_be_asked(two: Repository, capsys: Capture, arguments: list[str], said: str) -> None:
    """One line, exit code 2."""
    assert execute(["compare", *arguments]) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert (found.out, found.err.count("\n")) == ("", 1)


def test_a_spec_of_two_experiments_is_ambiguous(two: Repository, capsys: Capture) -> None:
    """They are not pooled."""
    commit_records(two, [make_record(1, spec="a" * 64, experiment="other", metrics={"acc": 1})])
    assert execute(["compare", "aaaa", "bbbb"]) == 2
    assert "not to be pooled (in experiments digits, other)" in capsys.readouterr().err


def test_damaged_records_are_said(two: Repository, capsys: Capture) -> None:
    """They may have been of either group."""
    folder = "runs/digits/2026-11-22/20261122-010101-dddddd"
    commit_files(two, {f"{folder}/run.yaml": b"schema: gittrack/run/1\n"})
    assert "1 damaged record is in no figure: 20261122-010101-dddddd" in compare(capsys, "aaaa", "bbbb")


def test_it_is_quick(two: Repository) -> None:
    """A compare of two groups is to answer in a second: scipy.stats alone would take it."""
    script = (
        "import sys; from gittrack.cli import execute; code = execute(sys.argv[1:]);"
        "print(code, *sorted(sys.modules), file=sys.stderr)"
    )
    command = [sys.executable, "-c", script, "compare", "aaaa", "bbbb"]
    for _ in range(2):  # the first brings the index up to date
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    code, *modules = done.stderr.split()
    assert code == "0"
    slow = {
        "scipy.stats",
        "scipy.optimize",
        "pandas",
        "sklearn",
        "optuna",
        "dvc",
        "git",
        "jsonschema",
        "yaml",
    }
    assert slow.isdisjoint(modules)

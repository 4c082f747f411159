"""gittrack importance: a ranking with its limits, or a refusal with its reason."""

from __future__ import annotations

import json
import random

import pytest

from gittrack.cli import execute
from gittrack.formats.record import Metric
from gittrack.git.repository import Repository
from tests.cli.terminals import Terminal
from tests.ledgers import commit_records, make_record

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def swept(repo: Repository) -> Repository:
    """Twenty runs of as many settings, and one that failed."""
    source = random.Random(2)
    made = []
    for n in range(20):
        params = {
            "lr": source.random(),
            "opt": source.choice(["sgd", "adam"]),
            "batch": 32,
            "out<b>": f"r{n}",
        }
        acc = Metric(
            value=params["lr"] + (params["opt"] == "adam") + source.gauss(0, 0.05), direction="maximize"
        )
        made.append(make_record(n, seed=n, spec=f"{n:064x}", params=params, metrics={"acc": acc}))
    commit_records(repo, [*made, make_record(99, spec="f" * 64, status="failed")])
    return repo


def test_a_ranking(swept: Repository, terminal: Terminal) -> None:
    """At 100 columns, with what it cannot say."""
    shown = terminal("importance", "digits", "--metric", "acc", "--no-pager", NO_COLOR="1")
    assert max(map(len, shown.splitlines())) <= 100
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert lines[0] == "digits: association of parameters with acc ↑"
    assert lines[1].startswith("20 runs of 20 settings; the forest's R² on unseen settings is 0.")
    assert [line.split()[0] for line in lines[3:7]] == ["opt", "lr", "batch", "out<b>"]
    assert "batch 1 the same in every run" in lines
    whole = " ".join(lines)
    assert "Association, not cause" in whole
    assert "PED-ANOVA and fANOVA are refused below 50 runs: there are 20" in whole
    assert "in no figure: 1 run failed or killed" in whole


def test_json_and_markdown(swept: Repository, capsys: Capture) -> None:
    """In full; safe."""
    assert execute(["importance", "digits", "-m", "acc", "--json"]) == 0
    plain = json.loads(capsys.readouterr().out)
    assert (plain["runs"], plain["left_out"]) == (20, {"failed or killed": 1})
    assert [each["name"] for each in plain["parameters"]][:2] == ["opt", "lr"]
    assert execute(["importance", "digits", "-m", "acc", "--md"]) == 0
    shown = capsys.readouterr().out
    assert "<b>" not in shown
    assert "| opt | 2 |" in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["digits", "-m", "acc", "-F", "seed < 9"],
            "importance over 9 independent runs is refused: below 10",
        ),
        (["digits", "-m", "acc", "-F", "seed > 99"], "no run of digits satisfies the filter"),
        (["digits", "-m", "f1"], "no metric 'f1': there are acc"),
        (["other", "-m", "acc"], "no experiment 'other': there are digits"),
        (["digits"], "Missing option"),
        (["digits", "-m", "acc", "--json", "--md"], "choose one"),
    ],
)
def test_what_cannot_be_asked(swept: Repository, capsys: Capture, arguments: list[str], said: str) -> None:
    """One line, exit code 2."""
    assert execute(["importance", *arguments]) == 2
    found = capsys.readouterr()
    assert said in found.err
    assert (found.out, found.err.count("\n")) == ("", 1)

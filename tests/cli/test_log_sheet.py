"""gittrack log --sheet and --xlsx as they are typed."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import openpyxl
import pytest

from gittrack.cli import execute
from gittrack.git.repository import Repository
from tests.ledgers import commit_records, make_record

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def ledger(repo: Repository) -> Repository:
    """30 runs of digits and one of letters."""
    records = [make_record(n, params={"lr": n}, metrics={"acc": n / 10}) for n in range(30)]
    commit_records(repo, [*records, make_record(40, experiment="letters")])
    return repo


def rows(capsys: Captured, *words: str) -> list[dict[str, str]]:
    capsys.readouterr()
    assert execute(["log", "--sheet", *words]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out, newline="")))


def test_all_runs_unless_fewer_are_asked_for(ledger: Repository, capsys: Captured) -> None:
    """A sheet leaves nothing out by itself; filters, order and limit are those of log."""
    assert len(rows(capsys)) == 31
    assert len(rows(capsys, "--csv", "-e", "digits", "-n", "5")) == 5
    found = rows(capsys, "-F", "metrics.acc > 2", "--sort-by", "metrics.acc", "--sort-order", "asc")
    assert [line["metrics.acc"] for line in found][:2] == ["2.1", "2.2"]
    execute(["log"])
    assert len(capsys.readouterr().out.splitlines()) == 21


def test_declared_metrics_have_a_column(ledger: Repository, capsys: Captured) -> None:
    """Also where no run has logged them."""
    (ledger.top / "gittrack.yaml").write_text(
        "experiments: {letters: {metrics: {f1: {direction: maximize}}}}\n"
    )
    (only,) = rows(capsys, "-e", "letters")
    assert only["metrics.f1"] == ""


def test_a_workbook(ledger: Repository, capsys: Captured) -> None:
    """Said beside the output; written over what was there; no file of ours left beside it."""
    before = set(ledger.top.iterdir())
    for _ in range(2):
        assert execute(["log", "--xlsx", "log.xlsx"]) == 0
    out, err = capsys.readouterr()
    assert out == "" and err.splitlines()[0] == "gittrack: log.xlsx: 31 runs, 2 worksheets"
    assert openpyxl.load_workbook("log.xlsx").sheetnames == ["letters", "digits"]
    assert {p.name for p in set(ledger.top.iterdir()) - before} == {"log.xlsx"}


def test_no_runs(repo: Repository, capsys: Captured) -> None:
    """No file, and it is said."""
    assert execute(["log", "--xlsx", "log.xlsx"]) == 0
    assert "no runs yet" in capsys.readouterr().err and not Path("log.xlsx").exists()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--sheet", "--json"], 2, "--sheet"),
        (["--sheet", "--md"], 2, "--sheet"),
        (["--sheet", "--only-changed"], 2, "--sheet"),
        (["--sheet", "--csv", "--xlsx", "a.xlsx"], 2, "--sheet"),
        (["--xlsx", "a.txt"], 2, ".xlsx"),
        (["--xlsx", "nowhere/a.xlsx"], 5, "nowhere/a.xlsx"),
    ],
)
def test_wrong_input(ledger: Repository, capsys: Captured, words: list[str], code: int, says: str) -> None:
    """One line."""
    assert execute(["log", *words]) == code
    err = capsys.readouterr().err
    assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1

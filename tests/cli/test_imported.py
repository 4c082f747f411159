"""Runs of other trackers, by every command that reads: what is not known is said to be that."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.cli import execute
from gittrack.formats.codec import dump_imported, dump_record, validate
from gittrack.formats.record import Author, Code, Dataset, Imported, Record, Series
from gittrack.formats.series import Point, write_table
from gittrack.formats.spec import spec_of
from gittrack.formats.texts import FILE, Texts
from gittrack.git.repository import Repository
from gittrack.ledger import Addition, Ledger
from gittrack.ledger.sync import pull, push
from gittrack.recording.finish import final_metrics
from tests.ledgers import make_import
from tests.repositories import run_git
from tests.verify.contexts import sha256

TEXT = b'{"name":"sample","text":"cat"}\n'
ODD = 'power, "W"\n\x1b[31m'
Say = Callable[..., str]


def bare(number: int, top: Path) -> tuple[Record, dict[str, bytes]]:
    """One of three replicates of which nobody says when, where, by whom, and of which code."""
    value = 0.5 + number / 10
    points: list[Point] = [(None, 0.5, {ODD: value, "loss": 1.0}), (2.5, -1, {ODD: value})]
    table = write_table(lambda: points, top / "metrics.csv")
    record = make_import(
        f"{number}" * 32,
        params={"lr": "0.1", "seed": str(number)},
        seed=number,
        metrics=final_metrics(table, {}, {}),
        series=Series(rows=table.rows, columns=table.columns, sha256=table.sha256, names=table.names),
        texts=Texts(rows=1, sha256=sha256(TEXT), size=len(TEXT)),
        datasets=(Dataset(name="mnist", digest="1", context="training"),),
    )
    return record, {"metrics.csv": table.path.read_bytes(), FILE: TEXT}


def told() -> Record:
    """One of which the source says what it can."""
    return make_import(
        "ab" * 16,
        imported=Imported(
            system="mlflow", version="2.1", id="ab" * 16, digest="6" * 64, status="running", note="a note"
        ),
        experiment_name="probe é/sub",
        started="2025-01-01T00:00:00.000000Z",
        status="failed",
        author=Author(name="Bob", email=""),
        code=Code(commit="a" * 40, dirty=None, cwd=None, entry="train.py", command=("python", "train.py")),
    )


@pytest.fixture
def runs(repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """Three replicates, and one that failed."""
    records = [*(bare(number, tmp_path) for number in range(3)), (told(), {})]
    ledger = Ledger(repo)
    ledger.append(
        [Addition(r.path, {"run.yaml": dump_record(r), **files}, f"import {r.id}") for r, files in records]
    )
    monkeypatch.chdir(repo.top)
    return [record for record, _ in records]


@pytest.fixture
def say(runs: list[Record], capfd: pytest.CaptureFixture[str]) -> Say:
    def run(*arguments: str, code: int = 0) -> str:
        status = execute([*arguments])
        out, err = capfd.readouterr()
        assert status == code, err
        return out if code == 0 else err

    return run


def test_every_command_reads_them(runs: list[Record], say: Say, tmp_path: Path) -> None:
    """None fails, and none says what the source does not."""
    first, failed = runs[0].id, runs[3].id
    assert "  ?  " in say("log") and json.loads(say("log", "--json"))[0]["id"] == failed
    assert say("log", "--sheet")
    shown = say("show", first)
    for fact in ("start not known", "claimed by it, not observed here", "mnist"):
        assert fact in shown
    shown = say("show", "ab" * 16, "--md")
    for fact in ("mlflow 2.1", "running", "a note", "probe é", "by Bob"):
        assert fact in shown
    assert json.loads(say("show", first, "--json"))["imported"]["id"] == "0" * 32
    assert "not available" in say("diff", first, failed)
    assert "3 runs: 3 finished" in say("stats", "digits")
    assert say("compare", first, failed)
    assert "PASS" in say("verify", first) and "PASS" in say("verify")
    assert say("report", failed, "--format", "md", "-o", "-").count("not observed here") >= 2
    assert say("report", "digits", "--format", "html", "-o", "-")
    validate(json.loads(say("report", failed, "--format", "json", "-o", "-")), "report", "report")
    for to in ("in-toto", "prov", "cyclonedx", "model-card"):
        for run in (first, failed) if to != "model-card" else (first,):
            assert say("export", run, "--to", to)
    say("export", "digits", "--to", "ro-crate", "-o", str(tmp_path / "crate"))
    say("bundle", "-o", str(tmp_path / "bundle"))
    assert "PASS" in say("verify", "--bundle", str(tmp_path / "bundle"))
    say("decide", first, "--outcome", "selected", "--because", "the best")
    assert "PASS" in say("verify")


def test_odd_names_steer_no_terminal(say: Say) -> None:
    """They are shown, escaped."""
    for arguments in (["log"], ["show", "0" * 32], ["stats", "digits"], ["diff", "0" * 32, "1" * 32]):
        out = say(*arguments)
        assert "\x1b" not in out and 'power, "W"' in out


def test_what_needs_an_observed_run_refuses_them(say: Say) -> None:
    """They say why."""
    assert "was imported" in say("reproduce", "0" * 32, code=2)
    assert "was imported" in say("gate", "0" * 32, code=2)


def test_two_clones_that_import_the_same_merge(runs: list[Record], repo: Repository, tmp_path: Path) -> None:
    """Also where one has a later state of a run: that takes the place of the earlier one."""
    hub, other = tmp_path / "hub.git", tmp_path / "other"
    run_git(tmp_path, "init", "-q", "--bare", str(hub))
    run_git(tmp_path, "init", "-q", "-b", "main", str(other))
    clones = [Ledger(repo), Ledger(Repository.discover(other))]
    grown, data = dump_imported(replace(told(), status="unknown", supersedes=runs[3].id))
    assert grown.spec == spec_of(grown)
    here = [Addition(runs[3].path, {"run.yaml": dump_record(runs[3])}, "import again")]
    clones[1].append([*here, Addition(grown.path, {"run.yaml": data}, "import more")])
    for ledger in clones:
        run_git(ledger.repository.top, "remote", "add", "origin", str(hub))
        push(ledger, "origin")
    pull(clones[0], "origin")
    listed = run_git(repo.top, "ls-tree", "-r", "--name-only", "gittrack/runs").split()
    assert sum(line.endswith("run.yaml") for line in listed) == 5

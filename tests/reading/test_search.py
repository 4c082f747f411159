"""Reading runs back in Python."""

from __future__ import annotations

import importlib.util
import math
import sys
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import NotFoundError, UsageError
from tests.repositories import run_git


@pytest.fixture
def runs(inside: Path) -> list[str]:
    """Ids of three runs, oldest first."""
    made = []
    for at in range(3):
        with gittrack.start_run(
            "digits", params={"lr": at / 10, "model": {"width": at}}, tags={"n": at}
        ) as run:
            run.log_metric("acc", at / 2, step=at)
            run.log_metric("acc", float("nan") if at == 0 else at, step=at + 1)
        made.append(run.id)
    return made


def test_load_by_name(runs: list[str], inside: Path) -> None:
    """A whole id, a prefix or suffix that is unique, latest and those before it."""
    assert gittrack.load(runs[0]).record.id == runs[0]
    assert gittrack.load(runs[1][-6:]).record.id == runs[1]
    assert gittrack.load().record.id == gittrack.load("latest").record.id == runs[2]
    assert gittrack.load("latest~2", repository=inside).record.id == runs[0]


def test_load_refuses_what_names_no_run(runs: list[str]) -> None:
    """Nothing of that name, several of that name, and no ledger at all."""
    for name in ("20991231", runs[0][:8], "latest~3", ""):
        with pytest.raises(NotFoundError):
            gittrack.load(name)


def test_load_without_a_ledger(inside: Path) -> None:
    """Before the first run there is nothing to load, and nothing to find."""
    with pytest.raises(NotFoundError):
        gittrack.load()
    assert len(gittrack.search()) == 0


def test_load_by_code_commit(runs: list[str], inside: Path) -> None:
    """A code commit names the run of it, if there is one."""
    with pytest.raises(NotFoundError, match="3 runs"):
        gittrack.load(run_git(inside, "rev-parse", "HEAD").strip())


def test_what_is_beside_the_record(runs: list[str]) -> None:
    """Files, the series with its steps, the environment."""
    found = gittrack.load(runs[0])
    series = found.series()
    assert series is not None and series.steps == (0, 1)
    assert series.values["acc"][0] == 0.0 and math.isnan(series.values["acc"][1] or 0)
    assert found.file("absent") is None and (found.file("metrics.csv") or b"").startswith(b"step,time,acc")
    assert found.environment()["python"]["version"].startswith("3.")


def test_search_filters_and_sorts(runs: list[str]) -> None:
    """Newest first, or as told; filter, experiment and limit narrow it."""
    assert [f.record.id for f in gittrack.search()] == runs[::-1]
    assert [f.record.id for f in gittrack.search("params.lr > 0.05", "params.lr ASC")] == runs[1:]
    assert [f.record.id for f in gittrack.search(order_by=["metrics.acc DESC"], limit=1)] == [runs[2]]
    assert len(gittrack.search(experiment="other")) == 0
    with pytest.raises(UsageError):
        gittrack.search("params.lr >")


def test_runs_are_a_sequence(runs: list[str]) -> None:
    """Items, slices, length and iteration."""
    found = gittrack.search()
    assert found[0].record.id == runs[2] and found[-1].record.id == runs[0]
    assert [f.record.id for f in found[1:]] == runs[1::-1]
    assert isinstance(found[1:], gittrack.Runs) and len(found[1:]) == 2


def test_the_active_run_can_be_read_once_it_has_ended(inside: Path) -> None:
    """The index follows the ledger between two questions of one process."""
    for at in range(2):
        record = gittrack.start_run().finish()
        assert record is not None and gittrack.load().record == record
        assert len(gittrack.search()) == at + 1


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_to_pandas(runs: list[str]) -> None:
    """One row a run with dotted columns and typed values; one row a step for a single run."""
    table = gittrack.search(order_by="params.lr").to_pandas()
    assert list(table["id"]) == runs and list(table["params.model.width"]) == [0, 1, 2]
    assert list(table["tags.n"]) == ["0", "1", "2"]
    assert math.isnan(table["metrics.acc"][0]) and table["metrics.acc"][2] == 2.0
    assert str(table["started"].dtype).startswith("datetime64")
    series = gittrack.load(runs[2]).to_pandas()
    assert list(series["step"]) == [2, 3] and list(series["acc"]) == [1.0, 2.0]


@pytest.mark.skipif(importlib.util.find_spec("pandas") is None, reason="pandas is not installed")
def test_to_pandas_of_nothing(inside: Path) -> None:
    """No runs, and a run without metrics, give empty tables."""
    assert len(gittrack.search().to_pandas()) == 0
    gittrack.start_run().finish()
    assert len(gittrack.load().to_pandas()) == 0


def test_without_pandas_the_message_says_what_to_install(
    runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """pandas is an extra."""
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UsageError, match="pip install"):
        gittrack.search().to_pandas()

"""A run that continues another is read as one curve with it, and what is missing ends the chain."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

import gittrack
from gittrack.cli.pages.log import Choice, as_markdown
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.publishing.review.charts import curves
from gittrack.reading.chain import joined
from gittrack.reading.entry import open_index
from gittrack.reading.series import Rows, Series
from gittrack.verify import verify
from gittrack.verify.context import Context


def table(steps: list[int | None], **metrics: list[float | None]) -> Rows:
    """Rows a second apart."""
    times = tuple(float(at) for at in range(len(steps)))
    return Rows(tuple(steps), times, {name: tuple(cells) for name, cells in metrics.items()})


def test_the_later_run_wins_from_its_first_step_on() -> None:
    """Also where it went back to a checkpoint; points without a step stay; its times come after the pause."""
    before = Series((table([0, 1, 2, 3, None], loss=[4.0, 3.0, 2.0, 1.0, 9.0]),))
    after = Series((table([2, 3, 4], loss=[2.5, 1.5, 0.5]),))
    series = joined(before, after, 60.0)
    assert series is not None and len(series.tables) == 1
    assert series.curves["loss"].steps == (0, 1, None, 2, 3, 4)
    assert series.curves["loss"].values == (4.0, 3.0, 9.0, 2.5, 1.5, 0.5)
    assert series.curves["loss"].times == (0.0, 1.0, 4.0, 60.0, 61.0, 62.0)


def test_runs_that_logged_in_other_company_are_joined_metric_by_metric() -> None:
    """A metric that only one of them has keeps its points; without a later point all of the earlier stay."""
    before = Series((table([0, 1], loss=[2.0, 1.0], old=[5.0, None]),))
    after = Series((table([2], loss=[0.5]), table([2, 3], new=[7.0, 8.0])))
    series = joined(before, after, 10.0)
    assert series is not None
    assert series.curves["loss"].values == (2.0, 1.0, 0.5)
    assert series.curves["old"].steps == (0,) and series.curves["new"].values == (7.0, 8.0)
    alone = joined(before, None, 10.0)
    assert alone is not None and alone.curves == before.curves
    assert joined(None, None, 1.0) is None


def runs_of_a_chain() -> list[str]:
    ids: list[str] = []
    for first in (0, 2, 3):
        run = gittrack.start_run("exp", resume=ids[-1] if ids else None)
        for step in range(first, first + 3):
            run.log_metric("loss", first + step / 10, step=step)
        run.finish("killed")
        ids.append(run.id)
    return ids


@pytest.fixture
def chain(inside: Path) -> list[str]:
    """The ids of three runs, each of which continues the one before."""
    return runs_of_a_chain()


def test_a_chain_is_one_curve_wherever_it_is_read(chain: list[str], inside: Path) -> None:
    """`load`, a review and a report; the list says which run continues which, `verify` passes."""
    run = gittrack.load(chain[2])
    series = run.series()
    assert series is not None
    assert series.curves["loss"].steps == (0, 1, 2, 3, 4, 5)
    assert series.curves["loss"].values == (0.0, 0.1, 2.2, 3.3, 3.4, 3.5)
    own = run.own_series()
    assert own is not None and own.steps == (3, 4, 5)
    assert [step for step, _ in curves(run)["loss"].points] == [0, 1, 2, 3, 4, 5]
    with open_index() as index:
        assert index.continuations(chain[0]) == [chain[1]]
        assert index.continuations(chain[2]) == []
        listed = as_markdown(index.search(), Choice())
    assert "continues" in listed and listed.count(chain[1]) == 2
    assert verify(Repository.discover(inside)).findings == []


def test_a_run_that_is_not_here_ends_the_chain(chain: list[str], inside: Path) -> None:
    """What there is is drawn; verify says that the run is missing, and not that something is wrong."""
    repository = Repository.discover(inside)
    folder = f"runs/exp/{chain[0][:4]}-{chain[0][4:6]}-{chain[0][6:8]}/{chain[0]}"
    lone = without(repository, folder)
    repository.git("update-ref", "refs/heads/gittrack/runs", lone, doing="move")
    series = gittrack.load(chain[2]).series()
    assert series is not None and series.steps == (2, 3, 4, 5)
    findings = [f for f in verify(repository, selection=[chain[1]]).findings if f.code == "record-continues"]
    assert [finding.severity for finding in findings] == ["incomplete"]


def test_a_run_that_began_no_earlier_than_its_successor_is_a_failure(
    chain: list[str], inside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that was set back, or a forged chain: what is continued has begun before."""
    look = Context.record_at

    def late(self: Context, folder: str) -> Record | None:
        record = look(self, folder)
        is_first = record is not None and record.id == chain[0]
        return replace(record, started="2999-01-01T00:00:00.000Z") if record and is_first else record

    monkeypatch.setattr(Context, "record_at", late)
    findings = [f for f in verify(Repository.discover(inside)).findings if f.code == "record-continues"]
    assert [(f.severity, f.found) for f in findings] == [("fail", "2999-01-01T00:00:00.000Z")]


def without(repository: Repository, folder: str) -> str:
    """A ledger commit, without parents, that lacks one run."""
    index = repository.state_dir / "lone-index"
    env = {"GIT_INDEX_FILE": str(index)}

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments],
            cwd=repository.top,
            env={**os.environ, **env},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout.strip()

    git("read-tree", "gittrack/runs")
    git("rm", "-r", "-q", "--cached", folder)
    return git("commit-tree", git("write-tree"), "-m", "lone")

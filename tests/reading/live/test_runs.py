"""Runs that still go on are found beside those on the ledger, and looking at them writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import gittrack
from gittrack.errors import NotFoundError, UsageError
from gittrack.git.repository import Repository
from gittrack.reading.live.runs import open_runs
from tests.training import files_below, training


def statuses(where: Path, filter: str | None = None) -> dict[str, str]:
    return {run.id: run.row.status for run in gittrack.search(filter, repository=where)}


def test_a_running_run_is_found(project: Path) -> None:
    """By filters and names, with what it has said so far; its record is the ledger's once there is one."""
    with gittrack.start_run("digits", params={"lr": 0.2}, repository=project) as before:
        before.log_metric("loss", 5.0)
    with training(project) as run:
        run.log(0, 3)
        run.tell("param", "late", "yes")
        assert statuses(project) == {run.id: "running", before.id: "finished"}
        assert statuses(project, "status = 'running'") == {run.id: "running"}
        assert [*statuses(project, "metrics.acc = 0.02 and params.model.depth = 3")] == [run.id]
        assert statuses(project, "params.lr < 0.15 and tags.who = 'ada' and seed = 7") == {run.id: "running"}
        ordered = gittrack.search(order_by="metrics.loss DESC", repository=project)
        assert [found.id for found in ordered] == [before.id, run.id]
        for name in (run.id, run.id[-6:]):
            record = gittrack.load(name, repository=project).record
            assert record.params == {"lr": 0.1, "model": {"depth": 3}, "late": "yes", "arguments": ["digits"]}
            assert (record.metrics["acc"].value, record.metrics["acc"].step) == (0.02, 2)
            assert record.duration_s is None
        assert gittrack.load(repository=project).id == before.id
        run.finish()
        assert statuses(project) == {run.id: "finished", before.id: "finished"}


def test_its_series_and_environment_can_be_read(project: Path) -> None:
    """As far as they are; a run.yaml there is none."""
    with training(project) as run:
        run.log(0, 4)
        found = gittrack.load(run.id, repository=project)
        series = found.series()
        assert series is not None
        assert series.curves["loss"].steps == (0, 1, 2, 3)
        assert series.curves["loss"].values == (1.0, 0.5, 1 / 3, 0.25)
        assert found.environment()["python"]
        assert found.console() is None
        with pytest.raises(NotFoundError, match="has no record yet: it is running"):
            found.yaml()


def test_looking_writes_nothing(project: Path) -> None:
    """No index, no lock, no recovery: not even of a run whose process is gone."""
    with training(project) as run:
        run.log(0, 3)
        run.kill()
    before = files_below(project / ".git/gittrack")
    assert statuses(project) == {run.id: "unrecorded"}
    assert gittrack.load(run.id, repository=project).series() is not None
    assert files_below(project / ".git/gittrack") == before


def test_a_run_of_another_host_is_not_said_to_run(project: Path) -> None:
    """Nor to be lost: from here it cannot be told."""
    with training(project) as run:
        for owner in (project / ".git/gittrack/journal" / run.id).glob("owner-*.json"):
            facts = json.loads(owner.read_text())
            owner.write_text(json.dumps({**facts, "host": "elsewhere", "boot": "another"}))
        assert statuses(project) == {run.id: "elsewhere"}


def test_a_damaged_journal_hides_no_other(project: Path) -> None:
    """What it says can only be read by who mends it."""
    with training(project) as run:
        journals = project / ".git/gittrack/journal"
        (journals / "20200101-000000-aaaaaa").mkdir()
        (journals / "20200101-000000-bbbbbb").mkdir()
        (journals / "20200101-000000-bbbbbb/start.json").write_text('{"record": 7}')
        torn = journals / "20200101-000000-cccccc"
        torn.mkdir()
        (torn / "start.json").write_bytes((journals / run.id / "start.json").read_bytes()[:100])
        (journals / ".new-1-20200101-000000-dddddd").mkdir()
        (journals / "README").write_text("not a journal")
        assert [*statuses(project)] == [run.id]


def test_a_run_that_was_committed_meanwhile_is_there_once(project: Path) -> None:
    """Its journal was read before the ledger, on which it then is."""
    repository = Repository.discover(project)
    with training(project) as run:
        run.log(0, 3)
        with open_runs(repository) as runs:
            assert [row.status for row in runs.search()] == ["running"]
        from gittrack.reading.index import open_index
        from gittrack.reading.live.runs import beside, unrecorded

        records = unrecorded(repository)
        run.finish()
        with open_index(repository) as index:
            assert [(row.id, row.status) for row in beside(index, records).search()] == [(run.id, "finished")]


def test_names_of_a_running_run_are_known(project: Path) -> None:
    """A metric that only it has is no unknown name; one that nobody has is."""
    with gittrack.start_run("digits", repository=project):
        pass
    with training(project) as run:
        run.log(0, 1)
        assert [*statuses(project, "metrics.acc >= 0")] == [run.id]
        with pytest.raises(UsageError, match=r"no run has metrics\.lose"):
            statuses(project, "metrics.lose > 0")


def test_several_clones_are_searched_with_what_runs_in_them(project: Path, tmp_path: Path) -> None:
    """Each run once, with the name of its repository."""
    from tests.repositories import run_git

    with gittrack.start_run("digits", repository=project) as before:
        pass
    other = tmp_path / "other"
    run_git(tmp_path, "clone", "-q", str(project), str(other))
    run_git(other, "config", "user.name", "Ada")
    run_git(other, "config", "user.email", "ada@example.org")
    run_git(other, "fetch", "-q", "origin", "gittrack/runs:gittrack/runs")
    with training(other) as run:
        found = {r.id: (r.repo, r.row.status) for r in gittrack.search(repository=[project, other])}
    assert found == {before.id: ("project", "finished"), run.id: ("other", "running")}

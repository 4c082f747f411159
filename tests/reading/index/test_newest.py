"""The newest runs of a ledger that was not indexed yet."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from gittrack.errors import NotFoundError, RepositoryError
from gittrack.formats.config import load
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.governance.decide import decide
from gittrack.reading.index import Index
from gittrack.reading.index import follow as follow_module
from gittrack.reading.index import newest as newest_module
from gittrack.reading.index.newest import newest_runs
from tests.governance.gate.lab import Lab
from tests.ledgers import BRANCH, commit_files, files_of, make_record
from tests.repositories import run_git


@pytest.fixture(autouse=True)
def few_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_module, "MANY", 10)


def many() -> list[Record]:
    """Over three days and two experiments; three runs begin in the same second."""
    made = []
    for number in range(40):
        record = make_record(number % 13 if number not in (7, 8, 9) else 7, seed=number)
        day = f"2026112{number % 3}"
        run_id = f"{day}{record.id[8:-6]}{number:06x}"
        started = f"{day[:4]}-{day[4:6]}-{day[6:]}{record.started[10:-7]}{999_000 - number:06d}Z"
        made.append(
            replace(record, id=run_id, started=started, experiment="digits" if number % 5 else "letters")
        )
    return made


def write(repository: Repository, records: list[Record]) -> str:
    return commit_files(repository, {k: v for r in records for k, v in files_of(r).items()})


@pytest.mark.parametrize("limit", [1, 3, 8, 9])
@pytest.mark.parametrize("experiment", [None, "digits"])
def test_they_are_those_of_the_whole_index(
    repo: Repository,
    limit: int,
    experiment: str | None,
) -> None:
    """In the same order, runs of one second and the last of a day included."""
    write(repo, many())
    with Index.open_newest(repo, BRANCH, limit, experiment) as index:
        assert index.partial
        found = index.search(experiment=experiment, limit=limit)
        assert index.shortened([found[0].id]) == {found[0].id: found[0].id}
    assert not repo.state_dir.exists()
    with Index.open(repo, BRANCH) as whole:
        assert found == whole.search(experiment=experiment, limit=limit)


def test_few_runs_or_a_long_list_are_read_as_ever(repo: Repository) -> None:
    tip = write(repo, many()[:9])
    assert newest_runs(repo, tip, 3, None) is None
    tip = write(repo, many())
    assert newest_runs(repo, tip, 10, None) is None
    assert newest_runs(repo, tip, 3, "letters") is None
    with Index.open_newest(repo, BRANCH, 10) as index:
        assert not index.partial
        assert index.count() == 40


def test_an_index_that_is_there_is_used(repo: Repository) -> None:
    """Also when runs came since; one whose making was cut off is not."""
    write(repo, many()[:20])
    Index.open(repo, BRANCH).close()
    write(repo, many())
    with Index.open_newest(repo, BRANCH, 3) as index:
        assert (index.partial, index.count()) == (False, 40)


def test_a_build_that_was_cut_off_is_none(
    repo: Repository,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(repo, many())
    monkeypatch.setattr(follow_module, "BATCH", 15)

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Index.open(repo, BRANCH, stop)
    with Index.open_newest(repo, BRANCH, 3) as index:
        assert index.partial
    with Index.open(repo, BRANCH) as index:
        assert index.count() == 40


def test_an_experiment_that_is_not_there(repo: Repository) -> None:
    write(repo, many())
    with pytest.raises(NotFoundError, match="no experiment 'digit': there are digits, letters"):
        Index.open_newest(repo, BRANCH, 3, "digit")


def test_a_damaged_record_is_listed_as_such(repo: Repository) -> None:
    files = {k: v for r in many() for k, v in files_of(r).items()}
    damaged = "runs/digits/2026-11-29/20261129-000000-abcdef/run.yaml"
    commit_files(repo, {**files, damaged: b"nothing"})
    with Index.open_newest(repo, BRANCH, 3) as index:
        assert [row.status for row in index.search(limit=2)] == ["damaged", "finished"]


def test_the_outcome_of_a_run_is_known(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(newest_module, "MANY", 2)
    lab = Lab(inside)
    lab.fix()
    lab.runs(0.9, 0.8)
    decide(lab.repository, load(lab.top), lab.records[1].id, "selected", "why not")
    shutil.rmtree(lab.repository.state_dir)
    with Index.open_newest(lab.repository, BRANCH, 1) as index:
        assert index.partial
        assert [row.outcome for row in index.search(limit=1)] == ["selected"]


def test_reading_on_all_cores_gives_the_same(
    repo: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write(repo, many())
    with Index.open(repo, BRANCH) as index:
        alone = index.search()
    (repo.state_dir / index._path.name).unlink()  # type: ignore[union-attr]
    monkeypatch.setattr(follow_module, "BATCH", 7)
    monkeypatch.setattr(follow_module, "MANY", 1)
    seen: list[int] = []
    with Index.open(repo, BRANCH, lambda done, total: seen.append(done)) as index:
        assert index.search() == alone
    assert seen == [7, 14, 21, 28, 35, 40]


@pytest.mark.parametrize("runs", [40, 9])
def test_a_partial_clone_brings_the_records_at_once(
    repo: Repository,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    runs: int,
) -> None:
    """One fetch for what is asked for, not one for each record; of the newest runs, for those alone."""
    records = many()[:runs]
    write(repo, records)
    for key in ("uploadpack.allowFilter", "uploadpack.allowAnySHA1InWant"):
        run_git(repo.top, "config", key, "true")
    where = tmp_path / "partial"
    run_git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", repo.top.as_uri(), str(where))
    trace = tmp_path / "trace"
    monkeypatch.setenv("GIT_TRACE2_EVENT", str(trace))
    there = Repository.discover(where)
    with Index.open_newest(there, BRANCH, 3) as index:
        assert len(index.search(limit=3)) == 3
    with Index.open(there, BRANCH) as index:
        assert index.count() == runs
    monkeypatch.delenv("GIT_TRACE2_EVENT")
    fetches = [line for line in trace.read_text().splitlines() if '"cmd_name"' in line and '"fetch"' in line]
    assert len(fetches) == (2 if runs == 40 else 1)


def test_a_partial_clone_whose_remote_is_gone(repo: Repository, tmp_path: Path) -> None:
    """It is said in one line, and no record is taken for damaged."""
    write(repo, many()[:9])
    run_git(repo.top, "config", "uploadpack.allowFilter", "true")
    where = tmp_path / "partial"
    run_git(tmp_path, "clone", "-q", "--filter=blob:none", "--no-checkout", repo.top.as_uri(), str(where))
    run_git(where, "remote", "set-url", "origin", (tmp_path / "gone").as_uri())
    there = Repository.discover(where)
    with pytest.raises(RepositoryError, match="could not fetch 9 objects from origin"):
        Index.open(there, BRANCH)
    run_git(where, "remote", "set-url", "origin", repo.top.as_uri())
    with Index.open(there, BRANCH) as index:
        assert {row.status for row in index.search()} == {"finished"}

"""What names a run: ends of ids, latest, commits."""

from __future__ import annotations

from pathlib import Path

import pytest

from gittrack.errors import NotFoundError
from gittrack.formats.record import Code
from gittrack.git.repository import Repository
from gittrack.reading.index import Index
from tests.ledgers import BRANCH, commit_records, make_import, make_record, make_repository


@pytest.fixture
def repo(tmp_path: Path) -> Repository:
    return make_repository(tmp_path / "repo")


class TestNames:
    @pytest.fixture
    def index(self, repo: Repository) -> Index:
        commits = {0: "a" * 40, 1: "a" * 40, 2: "ab" + "c" * 38}
        records = [
            make_record(n, experiment="digits" if n < 2 else "faces", code=Code(commit=c, tree="2" * 40))
            for n, c in commits.items()
        ]
        commit_records(repo, records)
        return Index.open(repo, BRANCH)

    @pytest.mark.parametrize(
        ("name", "numbers"),
        [
            ("20261122-000001-100001", [1]),
            ("20261122-000001", [1]),
            ("100002", [2]),
            ("02", [2]),
            ("latest", [2]),
            ("latest~2", [0]),
            ("digits/latest", [1]),
            ("digits/latest~1", [0]),
            ("faces/2026", [2]),
            ("aaaa", [1, 0]),
            ("A" * 40, [1, 0]),
            ("abcc", [2]),
        ],
    )
    def test_that_mean_runs(self, index: Index, name: str, numbers: list[int]) -> None:
        """Beginnings and ends of ids, latest, and code commits."""
        assert [row.id for row in index.resolve(name)] == [make_record(n).id for n in numbers]

    @pytest.mark.parametrize(
        "name", ["", "latest~3", "nope", "abc", "%", "faces/aaaa", "digits/", "-1", "ff" * 50]
    )
    def test_that_mean_nothing(self, index: Index, name: str) -> None:
        """A name of no run is said to be one, with what to do."""
        with pytest.raises(NotFoundError, match="gittrack log"):
            index.resolve(name)

    def test_ambiguous(self, index: Index) -> None:
        """An ambiguous name lists the candidates."""
        with pytest.raises(NotFoundError, match=r"ambiguous: .*100002.*100001.*100000"):
            index.resolve("2026")
        with pytest.raises(NotFoundError, match=r"a commit with 2 runs: .*100001.*100000"):
            index.one("aaaa")

    def test_unknown_experiment(self, index: Index) -> None:
        """An experiment that is not there is answered with those that are."""
        with pytest.raises(NotFoundError, match="no experiment 'x': there are digits, faces"):
            index.resolve("x/latest")

    def test_shortened_names_resolve(self, repo: Repository) -> None:
        """A shortened name is six digits when these mean one run only, and always finds its run."""
        twin = make_record(5, id="20261122-000005-00abcdef")
        other = make_record(6, id="20261122-000006-abcdef")
        date = make_record(7, id="20261122-000007-202611")
        commit_records(repo, [make_record(0), twin, other, date])
        with Index.open(repo, BRANCH) as index:
            short = index.shortened([make_record(0).id, twin.id, other.id, date.id])
            assert short == {make_record(0).id: "100000", **{r.id: r.id for r in (twin, other, date)}}
            assert all(index.one(name).id == full for full, name in short.items())


class TestNamesOfImports:
    def test_the_id_of_the_tracker_is_a_name(self, repo: Repository) -> None:
        """Whole; an id of ours goes before it, and it before a commit; of several records the last one."""
        old = make_import("logs/a", status="unknown")
        new = make_import("logs/a", supersedes=old.id)
        hexed = make_import("ab" + "0" * 30, code=Code(commit="ab" * 20, dirty=None, cwd=None))
        observed = make_record(1, code=Code(commit="cd" * 20, tree="2" * 40))
        same = make_import("100001")
        commit_records(repo, [old, new, hexed, observed, same])
        index = Index.open(repo, BRANCH)
        assert index.one("logs/a").id == new.id
        assert index.one("digits/" + "ab" + "0" * 30).id == index.one("ab" + "0" * 30).id == hexed.id
        assert index.one("100001").id == observed.id
        with pytest.raises(NotFoundError, match="experiment"):
            index.one("logs/b")
        assert {row.id for row in index.search()} == {new.id, hexed.id, observed.id, same.id}
        assert index.imports("mlflow")["logs/a"] == (new.id, "5" * 64, new.experiment)
        assert index.imports("wandb") == {}
        assert [row.id for row in index.search("imported is null")] == [observed.id]
        assert [row.id for row in index.search("started is not null")] == [observed.id]

"""Runs of several repositories in one list: as if one ledger had them all."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gittrack
from gittrack.errors import NotFoundError, RepositoryError, UsageError
from gittrack.formats.record import Author, Code, Metric, Record
from gittrack.git.repository import Repository
from gittrack.reading.across import Across, open_across, short_names
from gittrack.reading.index import Index, open_index
from tests.ledgers import commit_files, commit_records, decision_on, files_of, make_record, make_repository
from tests.repositories import run_git
from tests.strategies import examples
from tests.tables import rows

VALUES = [
    None, True, False, 0, 1, 1.0, -0.0, 0.1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64, -(2**70), 10**400,
    "", "0", "1", "a", "A", "é", "😀", "\uffff", "true", "[1]", [1], [], {}, {"deep": 2}, 1e300,
]  # fmt: skip
"""Parameters of every kind, many of which sort alike or nearly so."""
METRICS = [
    *(Metric(value=v) for v in (0, 0.5, 1, 1.0, 2**60, 2**60 + 1, 2**70, 10**400)),
    *(Metric(status=s) for s in ("nan", "inf", "-inf")),
]
EXPERIMENTS = ("digits", "speech", "vision")


def some_record(number: int, chance: random.Random) -> Record:
    """The `number`-th record of a ledger in which a lot is equal, missing or strange."""
    code = Code(
        commit=chance.choice(["1" * 40, "2" * 40]),
        tree="2" * 40,
        branch=chance.choice([None, "main", "é"]),
        dirty=chance.random() < 0.5,
        snapshot="5" * 40,
    )
    return make_record(
        number,
        experiment=chance.choice(EXPERIMENTS),
        name=chance.choice([None, "a", "b"]),
        started=f"2026-11-22T00:00:{chance.randrange(4):02d}.{chance.choice([0, 1, 250000]):06d}Z",
        duration_s=chance.choice([0.0, 1.0, 12.5, 1e9]),
        status=chance.choice(["finished", "finished", "failed", "killed"]),
        author=Author(name=chance.choice(["Ada", "Émilie", "ada"]), email="ada@example.org"),
        hypothesis=chance.choice([None, "x", "y"]),
        seed=chance.choice([None, 0, 1, 2**63, 2**64, -(2**100)]),
        tags=chance.choice([{}, {"who": "a"}, {"who": "B"}, {"who": "é"}]),
        params=chance.choice([{}, {"x": chance.choice(VALUES)}, {"x": {"deep": chance.choice(VALUES)}}]),
        metrics=chance.choice([{}, {"acc": chance.choice(METRICS)}]),
        code=code,
        spec=chance.choice(["4", "5"]) * 64,
    )


def some_files(count: int) -> list[dict[str, bytes]]:
    """What the ledger has of each of `count` runs; some are decided on, some damaged."""
    chance = random.Random(7)
    found = []
    for number in range(count):
        record = some_record(number, chance)
        files = files_of(record)
        if chance.random() < 0.3:
            files |= decision_on(record, chance.choice(["selected", "rejected", "baseline"]))
        if number % 17 == 3:
            files[f"{record.path}/run.yaml"] = b"id: ["
        found.append(files)
    return found


@pytest.fixture(scope="module")
def ledgers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Index, Across]]:
    """150 runs in one ledger, and the same dealt out to three, of which one shares runs with another."""
    top = tmp_path_factory.mktemp("ledgers")
    chance = random.Random(11)
    every: dict[str, bytes] = {}
    dealt: list[dict[str, bytes]] = [{}, {}, {}]
    for files in some_files(150):
        every |= files
        for at in chance.choice([(0,), (0,), (1,), (2,), (0, 1)]):
            dealt[at] |= files
    commit_files(make_repository(top / "all"), every)
    for name, files in zip("abc", dealt, strict=True):
        commit_files(make_repository(top / name), files)
    with open_index(top / "all") as index, open_across([top / name for name in "abc"]) as across:
        yield index, across


FIELDS = (
    "id", "experiment", "name", "status", "started", "ended", "duration", "author", "email", "commit",
    "branch", "dirty", "seed", "spec", "hypothesis", "outcome", "imported", "peak_memory", "gpu_hours",
    "energy_kwh", "metrics.acc", "metrics.none",
    "params.x", "params.x.deep", "tags.who",
)  # fmt: skip
orders = st.lists(st.tuples(st.sampled_from(FIELDS), st.sampled_from(["ASC", "DESC", ""])), max_size=3)
filters = st.sampled_from(
    [
        None,
        "",
        "metrics.acc > 0.5",
        "params.x.deep is not null or seed = 1",
        "status != 'finished'",
        "outcome = 'selected'",
        "tags.who ilike 'b' or params.x = 1",
        "started > '2026-11-22 00:00:01'",
        "seed = 12345",
    ]
)


class TestOrder:
    @examples(100)
    @given(
        order=orders,
        filter=filters,
        experiment=st.sampled_from([None, *EXPERIMENTS]),
        limit=st.none() | st.integers(0, 160),
    )
    def test_the_answer_is_that_of_one_ledger(
        self,
        ledgers: tuple[Index, Across],
        order: list[tuple[str, str]],
        filter: str | None,
        experiment: str | None,
        limit: int | None,
    ) -> None:
        """Whatever is asked, ties, missing values, damaged and shared runs included."""
        one, across = ledgers
        order_by = [f"{field} {way}" for field, way in order]
        wanted = one.search(filter, experiment=experiment, order_by=order_by, limit=limit)
        found = across.search(filter, experiment=experiment, order_by=order_by, limit=limit)
        assert [(each.row.path, each.row.outcome) for each in found] == [(r.path, r.outcome) for r in wanted]

    @pytest.mark.parametrize("field", FIELDS)
    @pytest.mark.parametrize("way", ["ASC", "DESC"])
    def test_by_each_field(self, ledgers: tuple[Index, Across], field: str, way: str) -> None:
        """All runs, by everything that they can be sorted by."""
        one, across = ledgers
        wanted = [row.path for row in one.search(order_by=[f"{field} {way}"])]
        assert [each.row.path for each in across.search(order_by=[f"{field} {way}"])] == wanted

    def test_every_name_of_a_filter_is_held_to_it(self) -> None:
        """A new attribute gets its line in FIELDS."""
        from gittrack.reading.index.filters import ATTRIBUTES

        assert set(ATTRIBUTES.values()) == {name for name in FIELDS if "." not in name}

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_pages_have_every_run_once(self, ledgers: tuple[Index, Across], size: int) -> None:
        """In lists of at most that size."""
        one, across = ledgers
        for experiment in (None, "digits"):
            pages = list(across.pages(experiment=experiment, size=size))
            assert all(len(page) <= size for page in pages)
            paths = [each.row.path for page in pages for each in page]
            assert sorted(paths) == sorted(row.path for row in one.search(experiment=experiment))

    def test_pages_of_a_ledger_that_grows(self, tmp_path: Path) -> None:
        """What was there comes once, although new runs push it on."""
        repo = make_repository(tmp_path / "a")
        old = [make_record(n) for n in range(6)]
        commit_records(repo, old)
        seen: list[str] = []
        with open_across([repo.top]) as across:
            for at, page in enumerate(across.pages(size=2)):
                seen += [each.row.id for each in page]
                if at == 0:
                    commit_records(repo, [make_record(n) for n in (7, 8, 9)])
                    across.places[0].index.refresh()
        assert len(seen) == len(set(seen))
        assert set(seen) >= {record.id for record in old}


class TestOneSecond:
    """Runs that began in one second: each ledger's own order holds, whichever clone is named first."""

    @pytest.mark.parametrize("limit", [None, 1, 3])
    @pytest.mark.parametrize("turned", [False, True])
    def test_clones_that_share_runs(self, tmp_path: Path, turned: bool, limit: int | None) -> None:
        """What one clone alone knows to be newer is newer in the list of both."""
        first = make_repository(tmp_path / "a")
        shared = ["20261122-000000-c00000", "20261122-000000-d00000"]
        own = ["20261122-000000-a00000", "20261122-000000-b00000"]
        for run_id in shared:
            commit_records(first, [make_record(id=run_id)])
        run_git(tmp_path, "clone", "-q", "--bare", str(first.top), "b")
        second = Repository.discover(tmp_path / "b")
        for run_id in own:
            commit_records(second, [make_record(id=run_id)])
        folders = [first.top, tmp_path / "b"]
        with open_across(folders[::-1] if turned else folders) as across:
            listed = [entry.row.id for entry in across.search(limit=limit)]
        assert listed == [*shared, *own][::-1][:limit]


class TestPlaces:
    def test_a_repository_is_read_once(self, tmp_path: Path) -> None:
        """However often it is named: by a folder inside, a linked work tree, its git directory, a symlink."""
        repo = make_repository(tmp_path / "a")
        run_git(repo.top, "commit", "-q", "--allow-empty", "-m", "first")
        run_git(repo.top, "worktree", "add", "-q", "../linked")
        (repo.top / "deep").mkdir()
        (tmp_path / "link").symlink_to(repo.top)
        commit_records(repo, [make_record()])
        ways = ["a", "a/deep", "linked", "a/.git", "link"]
        with open_across([tmp_path / way for way in ways]) as across:
            assert [place.name for place in across.places] == ["a"]
            assert len(across.search()) == 1
        for way, name in zip(ways, ["a", "a", "linked", "a", "a"], strict=True):
            with open_across([tmp_path / way]) as across:
                assert [place.name for place in across.places] == [name]

    def test_bare_clones(self, tmp_path: Path) -> None:
        """``x.git`` is x; the runs of a clone and its origin are listed once."""
        repo = make_repository(tmp_path / "a")
        commit_records(repo, [make_record(0), make_record(1)])
        run_git(tmp_path, "clone", "-q", "--bare", "a", "x.git")
        commit_records(repo, [make_record(2)])
        with open_across([tmp_path / "x.git", repo.top]) as across:
            found = [(each.row.id[-1], each.place.name) for each in across.search()]
        assert found == [("2", "a"), ("1", "x"), ("0", "x")]

    def test_clones_that_disagree_are_both_heard(self, tmp_path: Path) -> None:
        """A run that one of them has decided on, and a record that one of them has altered."""
        repo = make_repository(tmp_path / "a")
        commit_records(repo, [make_record(0), make_record(1)])
        run_git(tmp_path, "clone", "-q", "--bare", "a", "b.git")
        commit_files(repo, decision_on(make_record(0), "selected"))
        commit_files(repo, {f"{make_record(1).path}/run.yaml": b"id: ["})
        with open_across([repo.top, tmp_path / "b.git"]) as across:
            found = [(each.row.id[-1], each.row.status, each.row.outcome) for each in across.search()]
        assert sorted(found, key=str) == [
            ("0", "finished", "selected"),
            ("0", "finished", None),
            ("1", "damaged", None),
            ("1", "finished", None),
        ]

    def test_without_a_ledger(self, tmp_path: Path) -> None:
        """One is named; if none has one there is nothing to list."""
        a, b = make_repository(tmp_path / "a"), make_repository(tmp_path / "b")
        with pytest.raises(NotFoundError, match="no runs in a, b: name clones that have a ledger"):
            open_across([a.top, b.top])
        commit_records(b, [make_record()])
        with open_across([a.top, b.top]) as across:
            assert across.without_ledger == ["a"]
            assert len(across.search()) == across.count() == 1

    def test_an_experiment_that_one_has(self, tmp_path: Path) -> None:
        """Is enough; one that none has is not."""
        a, b = make_repository(tmp_path / "a"), make_repository(tmp_path / "b")
        commit_records(a, [make_record(0)])
        commit_records(b, [make_record(1, experiment="vision")])
        with open_across([a.top, b.top]) as across:
            across.require_experiment("vision")
            assert [each.place.name for each in across.search(experiment="vision")] == ["b"]
            with pytest.raises(NotFoundError, match="no experiment 'x': there are digits, vision"):
                across.require_experiment("x")

    def test_no_repository(self, tmp_path: Path) -> None:
        """A folder that is none, and one that is not there: one line each, nothing left open."""
        commit_records(make_repository(tmp_path / "a"), [make_record()])
        (tmp_path / "plain").mkdir()
        with pytest.raises(RepositoryError, match="not a git repository"):
            open_across([tmp_path / "a", tmp_path / "plain"])
        with pytest.raises(UsageError, match="no such directory"):
            open_across([tmp_path / "a", tmp_path / "absent"])

    def test_ids_are_as_short_as_their_repositories_take(self, tmp_path: Path) -> None:
        """Six digits, unless one of the two has another run that ends so."""
        a, b = make_repository(tmp_path / "a"), make_repository(tmp_path / "b")
        twin = make_record(0, id=f"20261122-111111-{make_record(0).id[-6:]}")
        commit_records(a, [make_record(0), twin, make_record(2)])
        commit_records(b, [make_record(0, hypothesis="another"), make_record(1)])
        with open_across([a.top, b.top]) as across:
            names = across.shortened(across.search())
        assert {name for run_id, name in names.items() if run_id == name} == {make_record(0).id, twin.id}
        assert sorted(names.values(), key=len)[:2] == [r.id[-6:] for r in (make_record(2), make_record(1))]


@rows(
    ("folders", "names"),
    [
        (["/p/a", "/p/b.git"], ["a", "b"]),
        (["/p/x", "/q/x", "/q/y"], ["p/x", "q/x", "y"]),
        (["/p/x.git", "/q/x"], ["p/x", "q/x"]),
        (["/p/x.git", "/p/x"], ["x.git", "x"]),
        (["/1/p/x", "/2/p/x", "/3/q/x"], ["1/p/x", "2/p/x", "q/x"]),
        (["/x", "/a/x"], ["/x", "a/x"]),
        (["/", "/a"], ["/", "a"]),
        (["/p/.git", "/p/b\udcff"], [".git", "b\\udcff"]),
    ],
)
def test_short_names(folders: list[str], names: list[str]) -> None:
    """The folder's name, with leading folders where two are alike; text that UTF-8 can hold."""
    assert short_names([Path(folder) for folder in folders]) == names


class TestSearch:
    def test_of_several(self, tmp_path: Path) -> None:
        """gittrack.search takes a list; each run knows where it is, and reads from there."""
        for at, name in enumerate("ab"):
            record = make_record(at, metrics={"acc": 1 - at})
            commit_files(make_repository(tmp_path / name), files_of(record, notes_txt=name.encode()))
        runs = gittrack.search(order_by="metrics.acc", repository=[tmp_path / "a", str(tmp_path / "b")])
        assert [(run.repo, run.file("notes.txt")) for run in runs] == [("b", b"b"), ("a", b"a")]
        pytest.importorskip("pandas")
        assert list(runs.to_pandas()["repo"]) == ["b", "a"]
        (only,) = gittrack.search(repository=[tmp_path / "a"])
        assert only.repo is None and "repo" not in gittrack.search(repository=tmp_path / "a").to_pandas()

    def test_of_none(self) -> None:
        """An empty list is a mistake, not the current repository."""
        with pytest.raises(UsageError, match="at least one"):
            gittrack.search(repository=[])

"""The index follows the ledger, survives what happens to its file, and finds runs by name."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from gittrack.errors import RecordError
from gittrack.formats.plain import to_dict
from gittrack.git.repository import Repository
from gittrack.reading.index import DAMAGED, FILE_NAME, Index, ledger_tip, open_index, store
from gittrack.reading.index import follow as follow_module
from gittrack.reading.index import parse as parse_module
from tests.ledgers import BRANCH, commit_files, commit_records, files_of, make_record, make_repository
from tests.repositories import run_git


def ids(repository: Repository, filter: str | None = None) -> list[str]:
    with Index.open(repository, BRANCH) as index:
        return [row.id for row in index.search(filter)]


def count_parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths of records parsed from now on."""
    parsed: list[str] = []
    parse = parse_module.parse
    monkeypatch.setattr(parse_module, "parse", lambda path, *rest: parsed.append(path) or parse(path, *rest))
    return parsed


class TestFollowing:
    def test_no_ledger_is_no_runs_and_no_file(self, repo: Repository) -> None:
        """Reading where nothing was ever recorded finds nothing and leaves nothing behind."""
        with Index.open(repo, BRANCH) as index:
            assert (index.tip, index.search(), index.experiments(), index.count()) == (None, [], {}, 0)
        assert not repo.state_dir.exists()

    def test_newest_first_with_facts_and_record(self, repo: Repository) -> None:
        """Rows carry the facts, and the record as run.yaml has it."""
        records = [make_record(n, params={"lr": 0.1, "model": {"depth": n}}, seed=n) for n in range(3)]
        commit_records(repo, records)
        with Index.open(repo, BRANCH) as index:
            rows = index.search()
        assert [row.id for row in rows] == [r.id for r in reversed(records)]
        assert rows[0].record == to_dict(records[2])
        assert rows[0].load() == records[2]
        assert (rows[0].seed, rows[0].author, rows[0].commit) == (2, "Ada", "1" * 40)

    def test_only_new_records_are_parsed(self, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """After the first time, the cost is that of what is new."""
        commit_records(repo, [make_record(n) for n in range(5)])
        assert len(ids(repo)) == 5
        parsed = count_parsed(monkeypatch)
        assert len(ids(repo)) == 5
        assert parsed == []
        new = make_record(9)
        commit_records(repo, [new])
        assert ids(repo)[0] == new.id
        assert parsed == [f"{new.path}/run.yaml"]

    def test_warm_costs_one_git_process(self, repo: Repository) -> None:
        """An index that is up to date asks git for the refs, and for nothing else."""
        commit_records(repo, [make_record()])
        ids(repo)
        before = repo.process_count
        ids(repo)
        assert repo.process_count == before + 1

    def test_rewritten_ledger(self, repo: Repository) -> None:
        """Runs that a rewritten ledger no longer has are gone, with their metrics."""
        commit_records(repo, [make_record(n, metrics={"acc": n}) for n in range(3)])
        ids(repo)
        commit_records(repo, [make_record(7, metrics={"acc": 7})], keep=False)
        assert ids(repo) == [make_record(7).id]
        assert ids(repo, "metrics.acc >= 0") == [make_record(7).id]

    def test_changed_record(self, repo: Repository) -> None:
        """A record that was changed on the ledger is read again, though nobody should change one."""
        commit_records(repo, [make_record(metrics={"acc": 1})])
        ids(repo)
        commit_records(repo, [make_record(metrics={"acc": 2})])
        assert ids(repo, "metrics.acc = 2") == [make_record().id]
        assert ids(repo, "metrics.acc = 1") == []

    def test_old_tip_is_gone(self, repo: Repository) -> None:
        """When git has dropped the commit that the cache stood at, the cache is built anew."""
        commit_records(repo, [make_record(n) for n in range(3)])
        ids(repo)
        commit_records(repo, [make_record(5)], keep=False)
        run_git(repo.top, "update-ref", f"refs/heads/{BRANCH}", commit_records(repo, [], keep=True))
        run_git(repo.top, "checkout", "-q", "--orphan", "new", BRANCH)
        run_git(repo.top, "commit", "-q", "-m", "squashed")
        run_git(repo.top, "update-ref", f"refs/heads/{BRANCH}", "HEAD")
        run_git(repo.top, "reflog", "expire", "--expire=now", "--all")
        run_git(repo.top, "gc", "-q", "--prune=now")
        assert ids(repo) == [make_record(5).id]

    def test_remote_ledger_without_a_local_one(self, repo: Repository) -> None:
        """A clone reads what it fetched, origin's before another remote's."""
        other = commit_records(repo, [make_record(1)])
        run_git(repo.top, "update-ref", f"refs/remotes/a/{BRANCH}", other)
        origin = commit_records(repo, [make_record(2)], keep=False)
        run_git(repo.top, "update-ref", f"refs/remotes/origin/{BRANCH}", origin)
        run_git(repo.top, "update-ref", "-d", f"refs/heads/{BRANCH}")
        assert ledger_tip(repo, BRANCH) == origin
        assert ids(repo) == [make_record(2).id]

    def test_sha256_repository(self, tmp_path: Path) -> None:
        """A repository of the newer object format is followed like any other."""
        repo = make_repository(tmp_path / "long", "--object-format=sha256")
        commit_records(repo, [make_record()])
        assert ids(repo) == [make_record().id]

    def test_cut_off_build_goes_on(self, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A first build that was interrupted keeps what it had done."""
        monkeypatch.setattr(follow_module, "BATCH", 2)
        commit_records(repo, [make_record(n) for n in range(6)])

        def interrupt(done: int, total: int) -> None:
            assert total == 6
            if done == 4:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Index.open(repo, BRANCH, interrupt)
        parsed = count_parsed(monkeypatch)
        assert len(ids(repo)) == 6
        assert len(parsed) == 2

    def test_cut_off_build_toward_another_ledger(
        self, repo: Repository, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Rows of a build that never finished do not stay when the ledger turns out otherwise."""
        monkeypatch.setattr(follow_module, "BATCH", 2)
        commit_records(repo, [make_record(n) for n in range(6)])

        def interrupt(done: int, total: int) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Index.open(repo, BRANCH, interrupt)
        commit_records(repo, [make_record(8)], keep=False)
        assert ids(repo) == [make_record(8).id]

    def test_branch_of_the_configuration(self, repo: Repository) -> None:
        """gittrack.yaml names the branch, whether or not its content is remembered."""
        commit_records(repo, [make_record(1)], branch="notes/runs")
        commit_records(repo, [make_record(2)])
        (repo.top / "gittrack.yaml").write_text("ledger:\n  branch: notes/runs\n")
        for _ in range(2):
            with open_index(repo) as index:
                assert [row.id for row in index.search()] == [make_record(1).id]
        (repo.top / "gittrack.yaml").unlink()
        with open_index(repo) as index:
            assert [row.id for row in index.search()] == [make_record(2).id]


class TestDamagedRecords:
    @pytest.mark.parametrize(
        ("data", "said"),
        [
            (b"a: [", "run.yaml"),
            (b"\xff\xfe\x00", "run.yaml"),
            (b"", "run.yaml"),
            (b"schema: gittrack/run/99\n", "too new"),
            (b"schema: gittrack/run/1\nid: 3\n", "run.yaml"),
            (b"a: &a [*a]\n", "run.yaml"),
            (b"[" * 3000, "run.yaml"),
        ],
    )
    def test_become_rows_with_a_fault(self, repo: Repository, data: bytes, said: str) -> None:
        """Whatever a run.yaml holds, its row says which file and what is wrong, and the others stand."""
        bad = make_record(1)
        commit_files(repo, {**files_of(make_record(0)), f"{bad.path}/run.yaml": data})
        with Index.open(repo, BRANCH) as index:
            rows = index.search()
        assert [row.id for row in rows] == [bad.id, make_record(0).id]
        row = rows[0]
        assert row.status == DAMAGED
        assert row.fault is not None
        assert said in row.fault
        assert f"{bad.path}/run.yaml" in row.fault
        assert "\n" not in row.fault
        with pytest.raises(RecordError):
            row.load()

    def test_record_in_the_wrong_place(self, repo: Repository) -> None:
        """A sound record under another id or experiment is damaged: paths are part of the promise."""
        record = make_record(0)
        data = files_of(record)[f"{record.path}/run.yaml"]
        commit_files(repo, {
            f"{make_record(1).path}/run.yaml": data,
            f"runs/other/2026-11-22/{record.id}/run.yaml": data,
            "runs/run.yaml": data,
        })  # fmt: skip
        with Index.open(repo, BRANCH) as index:
            assert [row.fault is not None for row in index.search()] == [True, True, True]
            assert index.count("status = 'damaged'") == 3

    def test_path_that_is_no_utf8(self, repo: Repository) -> None:
        """A folder with undecodable bytes in its name is one damaged row."""
        commit_files(repo, files_of(make_record()))
        listing = run_git(repo.top, "rev-parse", f"{BRANCH}:runs/digits/2026-11-22").strip()
        tree = listing
        for name in (b"2026\xff-11", b"digits", b"runs"):
            line = b"040000 tree " + tree.encode() + b"\t" + name + b"\0"
            tree = repo.git("mktree", "-z", doing="write", data=line).decode().strip()
        commit = repo.git("commit-tree", "-m", "x", tree, doing="write").decode().strip()
        run_git(repo.top, "update-ref", f"refs/heads/{BRANCH}", commit)
        with Index.open(repo, BRANCH) as index:
            (row,) = index.search()
        assert row.fault is not None


class TestFile:
    def break_it(self, path: Path, how: str) -> None:
        match how:
            case "text":
                path.write_text("this is no database\n" * 100)
            case "empty":
                path.write_bytes(b"")
            case "middle":
                data = bytearray(path.read_bytes())
                data[4096:12288] = os.urandom(8192)
                path.write_bytes(data)
            case "cut":
                path.write_bytes(path.read_bytes()[:5000])
            case "version":
                with sqlite3.connect(path) as connection:
                    connection.execute("PRAGMA user_version = 77")
                connection.close()
            case "foreign":
                path.unlink()
                with sqlite3.connect(path) as connection:
                    connection.execute("CREATE TABLE other (x)")
                connection.close()
            case "table":
                with sqlite3.connect(path) as connection:
                    connection.execute("DROP TABLE params")
                connection.close()
            case "gone":
                path.unlink()

    @pytest.mark.parametrize("how", ["text", "empty", "middle", "cut", "version", "foreign", "table", "gone"])
    def test_of_no_use_is_made_anew(self, repo: Repository, how: str) -> None:
        """A cache that is damaged, foreign, of another version or gone is rebuilt without a word."""
        records = [make_record(n, params={"n": n}) for n in range(40)]
        commit_records(repo, records)
        ids(repo)
        path = repo.state_dir / FILE_NAME
        self.break_it(path, how)
        wanted = [r.id for r in reversed(records)]
        assert ids(repo, "params.n >= 0") == wanted
        with Index.open(repo, BRANCH) as index:
            assert [row.id for row in index.search("params.n >= 0")] == wanted
            assert index._path == path

    def test_damaged_while_open(self, repo: Repository) -> None:
        """Damage that shows only in the middle of a session is mended in the middle of it."""
        commit_records(repo, [make_record(n) for n in range(40)])
        with Index.open(repo, BRANCH) as index:
            assert len(index.search()) == 40
            self.break_it(repo.state_dir / FILE_NAME, "text")
            assert len(index.search()) == 40

    def test_that_cannot_be_made_is_in_memory(self, repo: Repository) -> None:
        """Where the state folder cannot exist, reading works all the same."""
        commit_records(repo, [make_record()])
        repo.state_dir.write_text("in the way")
        assert ids(repo) == [make_record().id]
        assert repo.state_dir.read_text() == "in the way"

    @pytest.mark.parametrize("known", [True, False])
    def test_that_cannot_be_written_is_copied_to_memory(
        self, repo: Repository, monkeypatch: pytest.MonkeyPatch, known: bool
    ) -> None:
        """A read-only repository is read from what its index knows, and what is new beside it."""
        commit_records(repo, [make_record(0)])
        if known:
            ids(repo)
        commit_records(repo, [make_record(1)])
        parsed = count_parsed(monkeypatch)

        def read_only(path: Path, **_: object) -> sqlite3.Connection:
            where = f"{path.absolute().as_uri()}?mode=ro"
            connection = sqlite3.connect(where, uri=True, isolation_level=None)
            return store._prepare(connection)

        monkeypatch.setattr(store, "_open", read_only)
        assert ids(repo) == [make_record(1).id, make_record(0).id]
        assert len(set(parsed)) == (1 if known else 2)

    def test_that_stays_locked_is_in_memory(self, repo: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
        """A process that holds the lock and never lets go does not stop anybody from reading."""
        monkeypatch.setattr(store, "PATIENCE_S", 0.1)
        commit_records(repo, [make_record(0)])
        ids(repo)
        commit_records(repo, [make_record(1)])
        holder = sqlite3.connect(repo.state_dir / FILE_NAME, isolation_level=None)
        holder.execute("BEGIN EXCLUSIVE")
        try:
            assert ids(repo) == [make_record(1).id, make_record(0).id]
        finally:
            holder.close()


def test_processes_at_once(repo: Repository) -> None:
    """Readers and updaters of one index at the same time all get right answers, from a file that is sound."""
    commit_records(repo, [make_record(n) for n in range(300)])
    script = (
        "import sys, time\n"
        "from gittrack.reading.index import Index\nfrom gittrack.git.repository import Repository\n"
        "from gittrack.reading.index import follow\n"
        "follow.BATCH = 20\n"
        "repo = Repository.discover(sys.argv[1])\n"
        "seen = 0\n"
        "while seen < 310:\n"
        "    with Index.open(repo, 'gittrack/runs') as index:\n"
        "        now = len(index.search())\n"
        "    assert now >= max(seen, 300), (now, seen)\n"
        "    seen = now\n"
        "print(seen)\n"
    )
    workers = [
        subprocess.Popen([sys.executable, "-c", script, str(repo.top)], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    try:
        for n in range(300, 310):
            commit_records(repo, [make_record(n)])
        assert [worker.communicate(timeout=60)[0] for worker in workers] == ["310\n"] * 3
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    connection = sqlite3.connect(repo.state_dir / FILE_NAME)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    for table in ("params", "metrics", "records"):
        orphans = f"SELECT count(*) FROM {table} WHERE run NOT IN (SELECT run FROM runs)"  # noqa: S608
        assert connection.execute(orphans).fetchone() == (0,)
    connection.close()


def test_two_branches_in_turn(repo: Repository) -> None:
    """Two indexes that follow different ledgers through one file each answer for their own."""
    commit_records(repo, [make_record(1)])
    commit_records(repo, [make_record(2)], branch="other")
    with Index.open(repo, BRANCH) as one, Index.open(repo, "other") as two:
        for _ in range(2):
            assert [row.id for row in one.search()] == [make_record(1).id]
            assert [row.id for row in two.search()] == [make_record(2).id]


def test_search_pages_and_orders(repo: Repository) -> None:
    """order_by, limit, offset, ids and experiment together; runs without the value come last either way."""
    records = [
        make_record(
            n, experiment=f"e{n % 2}", metrics={} if n == 3 else {"acc": [5, 9, 7, 0, 9][n]}, params={"p": n}
        )
        for n in range(5)
    ]
    commit_records(repo, records)
    with Index.open(repo, BRANCH) as index:

        def numbers(**how: object) -> list[int]:
            return [int(row.id[-1]) for row in index.search(**how)]  # type: ignore[arg-type]

        assert numbers(order_by=["metrics.acc DESC"]) == [4, 1, 2, 0, 3]
        assert numbers(order_by=["metrics.acc"]) == [0, 2, 4, 1, 3]
        assert numbers(order_by=["metrics.acc desc", "params.p asc"]) == [1, 4, 2, 0, 3]
        assert numbers(order_by=["started"], limit=2, offset=1) == [1, 2]
        assert numbers(experiment="e0") == [4, 2, 0]
        assert numbers(ids=[records[1].id, records[3].id, "no"]) == [3, 1]
        assert index.experiments() == {"e0": 3, "e1": 2}


def test_numbers_beyond_the_database(repo: Repository) -> None:
    """Integers beyond 64 bits and non-finite metrics are found by comparison and read back exactly."""
    from gittrack.formats.record import Metric

    huge = {"n": 10**30, "seed": 2**70, "vast": 2**4000, "text": "a\0b", "none": None, "list": [1, "a"]}
    record = make_record(
        params=huge, metrics={"bad": Metric(status="nan"), "over": Metric(status="inf")}, seed=2**100
    )
    commit_records(repo, [record])
    for filter in (
        "params.n > 1e29",
        "params.vast > 1e300",
        "metrics.over > 1e308",
        "metrics.bad is null",
        "seed > 1",
    ):
        assert ids(repo, filter) == [record.id], filter
    assert ids(repo, "metrics.bad != 1") == []
    with Index.open(repo, BRANCH) as index:
        assert json.loads(index.search()[0].text)["params"] == huge

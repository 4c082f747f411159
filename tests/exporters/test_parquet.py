"""gittrack export --to parquet: what the files say is what the ledger says, whatever reads them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gittrack.cli import execute
from gittrack.errors import RepositoryError, UsageError
from gittrack.exporters import ExportOptions, export_tables, parquet
from gittrack.exporters.tables import TABLES, Kind
from gittrack.formats.flat import flatten
from gittrack.formats.plain import to_dict
from gittrack.formats.record import DataInput, Failure, Metric, Output, Record, parse_time
from gittrack.git.repository import Repository
from gittrack.reading.across import open_across
from tests.ledgers import commit_files, commit_records, decision_on, files_of, make_record, make_repository
from tests.repositories import run_git
from tests.strategies import examples, records

duckdb = pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

Capture = pytest.CaptureFixture[str]
Ask = Callable[..., list[tuple[Any, ...]]]
EPOCH = parse_time("1970-01-01T00:00:00Z")
DOCS = Path(__file__).parent.parent.parent / "docs" / "export.md"
SQL_TYPES: dict[Kind, str] = {
    "text": "VARCHAR",
    "number": "DOUBLE",
    "whole": "BIGINT",
    "truth": "BOOLEAN",
    "time": "TIMESTAMP WITH TIME ZONE",
}


@contextmanager
def opened(folder: Path) -> Iterator[Ask]:
    """SQL over the files of an export, each a view of its name."""
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for table in TABLES:
            file = folder / f"{table}.parquet"
            connection.execute(f"CREATE VIEW {table} AS FROM read_parquet({str(file)!r})")
        yield lambda sql, *values: connection.execute(sql, values).fetchall()


def written(top: Path, target: Path, **options: Any) -> list[str]:
    """Export the ledger at `top`; the notes."""
    with open_across([top]) as across:
        return export_tables(across, None, ExportOptions(target=str(target), **options)).notes


@pytest.fixture
def repo(project: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.chdir(project)
    return Repository.discover(project)


class TestRoundTrip:
    @examples(8, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
    @given(made=st.lists(records(), min_size=1, max_size=4, unique_by=lambda record: record.id))
    def test_every_value_comes_back(self, made: list[Record]) -> None:
        """Nested parameters, numbers of any size, text of any kind: as the record has them."""
        with TemporaryDirectory() as scratch:
            repository = make_repository(Path(scratch) / "a")
            commit_records(repository, made)
            written(repository.top, Path(scratch) / "out")
            with opened(Path(scratch) / "out") as ask:
                for record in made:
                    self.check(record, ask)
                assert ask("SELECT count(*), count(fault) FROM runs") == [(len(made), 0)]

    def check(self, record: Record, ask: Ask) -> None:
        plain = to_dict(record)
        ((found, started, duration, seed, commit, dirty),) = ask(
            "SELECT record, epoch_us(started), duration_s, seed, commit, dirty FROM runs WHERE run_id = ?",
            record.id,
        )
        assert json.loads(found) == plain
        began = record.began
        assert started == (None if began is None else (began - EPOCH) // timedelta(microseconds=1))
        assert (duration, commit, dirty) == (record.duration_s, record.code.commit, record.code.dirty)
        assert seed == (record.seed if record.seed is None or abs(record.seed) < 2**63 else None)
        params = dict(self.params(record, ask))
        wanted = flatten(record.params)
        assert params == wanted and all(type(params[key]) is type(wanted[key]) for key in wanted)
        self.check_metrics(record, ask)
        assert dict(ask("SELECT key, value FROM tags WHERE run_id = ?", record.id)) == record.tags
        names = "path, role, source, md5, sha256, blob, size, nfiles"
        inputs = ask(f"SELECT {names} FROM inputs WHERE run_id = ?", record.id)  # noqa: S608
        assert inputs == [
            (d.path, d.role, d.source, d.md5, d.sha256, d.blob, d.size, d.nfiles) for d in record.data
        ]
        outputs = ask("SELECT path, role, md5, sha256, size, nfiles FROM outputs WHERE run_id = ?", record.id)
        assert outputs == [(o.path, o.role, o.md5, o.sha256, o.size, o.nfiles) for o in record.outputs]

    def params(self, record: Record, ask: Ask) -> Iterator[tuple[str, Any]]:
        rows = ask("SELECT key, type, number, text FROM params WHERE run_id = ?", record.id)
        for key, kind, number, text in rows:
            value = text if kind in ("text", "null") else json.loads(text)
            names = {"text": str, "null": type(None), "bool": bool, "int": int, "float": float, "list": list}
            assert type(value) is names.get(kind, dict)
            if kind in ("int", "float") and abs(value) < 1e308:
                assert number == float(value)
            else:
                assert (number is None) == (kind not in ("int", "float"))
            yield key, value

    def check_metrics(self, record: Record, ask: Ask) -> None:
        rows = ask("SELECT key, value, status, step, fractional_step, split, direction, unit FROM metrics "
                   "WHERE run_id = ?", record.id)  # fmt: skip
        assert {row[0] for row in rows} == set(record.metrics) and len(rows) == len(record.metrics)
        for key, value, *rest in rows:
            metric = record.metrics[key]
            steps = (None, metric.step) if isinstance(metric.step, float) else (metric.step, None)
            assert rest == [metric.status, *steps, metric.split, metric.direction, metric.unit]
            if metric.value is None or abs(metric.value) < 1e308:
                assert value == (None if metric.value is None else float(metric.value))

    def test_huge_text(self, repo: Repository, tmp_path: Path) -> None:
        """As much as a record holds."""
        params = {f"p{n}": "é" * 19_000 + str(n) for n in range(25)}
        commit_records(repo, [make_record(0, params=params)])
        written(repo.top, tmp_path / "out")
        with opened(tmp_path / "out") as ask:
            assert dict(ask("SELECT key, text FROM params")) == params

    def test_row_groups(self, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """However the rows are parted, by number or by length of text, they are the same."""
        from pyarrow.parquet import ParquetFile

        commit_records(repo, [make_record(n, params={"x": n, "y": "z" * 100}) for n in range(30)])
        answers = []
        for rows, text in ((10**6, 10**9), (7, 10**9), (10**6, 1_000)):
            monkeypatch.setattr(parquet, "GROUP_ROWS", rows)
            monkeypatch.setattr(parquet, "GROUP_TEXT", text)
            target = tmp_path / f"{rows}-{text}"
            written(repo.top, target)
            parts = ParquetFile(target / "params.parquet").num_row_groups
            assert parts == 1 if (rows, text) == (10**6, 10**9) else parts > 1
            with opened(target) as ask:
                answers.append([ask(f"FROM {table}") for table in TABLES])
        assert answers[0] == answers[1] == answers[2] and len(answers[0][1]) == 60


class TestColumns:
    def test_kinds(self, repo: Repository, tmp_path: Path) -> None:
        """Every table is there with the columns that it says, also where no run has a row in it."""
        commit_records(repo, [make_record(0)])
        written(repo.top, tmp_path / "out")
        assert {path.name for path in (tmp_path / "out").iterdir()} == {f"{name}.parquet" for name in TABLES}
        with opened(tmp_path / "out") as ask:
            for table, columns in TABLES.items():
                described = [(name, kind) for name, kind, *_ in ask(f"DESCRIBE {table}")]
                assert described == [(name, SQL_TYPES[kind]) for name, kind in columns.items()]
            assert ask("SELECT count(*) FROM tags") == [(0,)]

    def test_the_page_names_them(self) -> None:
        """docs/export.md has every column with its type, in order."""
        section = DOCS.read_text().partition("## Parquet")[2].partition("\n## ")[0]
        parts = re.split(r"(?m)^### `(\w+)`.*$", section)
        said = dict(zip(parts[1::2], parts[2::2], strict=True))
        rows = {name: re.findall(r"(?m)^\| `(\w+)` \| ([A-Z]+) \|", text) for name, text in said.items()}
        assert rows == {
            table: [(name, SQL_TYPES[kind].split()[0]) for name, kind in columns.items()]
            for table, columns in TABLES.items()
        }

    def test_where_from(self, repo: Repository, tmp_path: Path) -> None:
        """The files themselves say which ledger, at which commit, was written by which gittrack."""
        from pyarrow.parquet import read_metadata

        tip = commit_records(repo, [make_record(0)])
        written(repo.top, tmp_path / "out")
        about = json.loads(read_metadata(tmp_path / "out" / "runs.parquet").metadata[b"gittrack"])
        assert about["schema"] == "gittrack/tables/1" and about["ledgers"] == {"project": tip}

    def test_a_run(self, repo: Repository, tmp_path: Path) -> None:
        """What has no place in most runs: a failure, relations, a decision, a metric that is no number."""
        record = make_record(
            0,
            status="failed",
            failure=Failure(type="ValueError", message="no\ndata"),
            parent=make_record(1).id,
            metrics={"a": Metric(status="inf"), "b": Metric(status="nan", step=3), "c": 2**60 + 1},
        )
        commit_files(repo, files_of(record) | decision_on(record, "rejected"))
        written(repo.top, tmp_path / "out")
        with opened(tmp_path / "out") as ask:
            assert ask("SELECT status, failure_type, failure_message, parent, outcome FROM runs") == [
                ("failed", "ValueError", "no\ndata", record.parent, "rejected")
            ]
            assert ask("SELECT key, value, status, step FROM metrics") == [
                ("a", None, "inf", None),
                ("b", None, "nan", 3),
                ("c", float(2**60), None, None),
            ]
            assert ask("SELECT run_id, outcome, because, author, epoch(made) FROM decisions") == [
                (record.id, "rejected", "it was", "Ada", 1795392000)
            ]

    def test_damaged_records(self, repo: Repository, tmp_path: Path) -> None:
        """Are rows of runs that say so, at the time that their path tells, and nothing anywhere else."""
        bad = make_record(5)
        odd = "runs/digits/x/y/run.yaml"
        commit_files(repo, files_of(make_record(0)) | {f"{bad.path}/run.yaml": b"id: [", odd: b""})
        notes = written(repo.top, tmp_path / "out")
        assert notes == ["2 records are damaged: runs has the fault, gittrack verify says more"]
        with opened(tmp_path / "out") as ask:
            columns = "run_id, experiment, epoch(started), dirty, record, starts_with(fault, path)"
            assert ask(f"SELECT {columns} FROM runs WHERE status = 'damaged' ORDER BY 1") == [  # noqa: S608
                (bad.id, "digits", parse_time(bad.started).timestamp(), None, None, True),
                ("y", "digits", None, None, None, True),
            ]
            assert ask("SELECT count(*) FROM runs SEMI JOIN params USING (repo, run_id)") == [(0,)]


def test_sql_says_what_log_says(repo: Repository, tmp_path: Path, capsys: Capture) -> None:
    """Runs, order, parameters and metrics: the same as gittrack log --json."""
    made = [
        make_record(
            n,
            experiment="digits" if n % 3 else "vision",
            params={"lr": n / 10, "net": {"width": n}},
            metrics={"acc": (n * 7) % 11 / 10},
            tags={"n": str(n)},
        )
        for n in range(40)
    ]
    commit_records(repo, made)
    assert execute(["export", "--to", "parquet", "-o", f"{tmp_path}/out/"]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"gittrack: 40 runs written to {tmp_path}/out/\n")
    order = ["--sort-by", "metrics.acc", "--sort-order", "desc"]
    assert execute(["log", "--json", "--all", "-F", "params.net.width > 3 and tags.n != '9'", *order]) == 0
    listed = json.loads(capsys.readouterr().out)
    with opened(tmp_path / "out") as ask:
        rows = ask("""
            SELECT runs.record, runs.path, metrics.value FROM runs
            JOIN metrics ON metrics.run_id = runs.run_id AND metrics.key = 'acc'
            JOIN params ON params.run_id = runs.run_id AND params.key = 'net.width'
            JOIN tags ON tags.run_id = runs.run_id AND tags.key = 'n'
            WHERE params.number > 3 AND tags.value <> '9' ORDER BY metrics.value DESC, started DESC
        """)
    assert [json.loads(record) | {"path": path} for record, path, _ in rows] == listed
    assert [value for *_, value in rows] == [run["metrics"]["acc"]["value"] for run in listed]
    assert len(rows) > 30


class TestWhat:
    def test_one_experiment(self, repo: Repository, tmp_path: Path, capsys: Capture) -> None:
        """Its runs alone; one that is not there is named."""
        commit_records(repo, [make_record(0), make_record(1, experiment="vision")])
        assert execute(["export", "vision", "--to", "parquet", "-o", f"{tmp_path}/out"]) == 0
        assert "1 run written" in capsys.readouterr().err
        with opened(tmp_path / "out") as ask:
            assert ask("SELECT repo, experiment FROM runs") == [("project", "vision")]
        assert execute(["export", "nope", "--to", "parquet", "-o", f"{tmp_path}/other"]) == 2
        assert "no experiment 'nope': there are digits, vision" in capsys.readouterr().err
        assert not (tmp_path / "other").exists()

    def test_several_repositories(self, repo: Repository, tmp_path: Path, capsys: Capture) -> None:
        """Every row says which it is of; runs that two clones share are there once."""
        commit_records(repo, [make_record(0, params={"x": 1})])
        run_git(tmp_path, "clone", "-q", "--bare", str(repo.top), "clone.git")
        clone = Repository.discover(tmp_path / "clone.git")
        commit_records(clone, [make_record(1, experiment="vision", params={"x": 2})])
        make_repository(tmp_path / "fresh")
        words = [f"--repo={repo.top}", f"--repo={tmp_path}/clone.git", f"--repo={tmp_path}/fresh"]
        assert execute(["export", "--to", "parquet", *words, "-o", f"{tmp_path}/out"]) == 0
        assert "fresh has no ledger" in capsys.readouterr().err
        with opened(tmp_path / "out") as ask:
            rows = ask("SELECT repo, number FROM runs JOIN params USING (repo, run_id) ORDER BY 2")
        assert rows == [("project", 1), ("clone", 2)]

    def test_no_runs(self, repo: Repository, tmp_path: Path, capsys: Capture) -> None:
        """Where nothing was recorded nothing is written."""
        assert execute(["export", "--to", "parquet", "-o", f"{tmp_path}/out"]) == 2
        assert "no runs in project" in capsys.readouterr().err
        assert not (tmp_path / "out").exists()


class TestWhere:
    @pytest.fixture(autouse=True)
    def runs(self, repo: Repository) -> None:
        commit_records(repo, [make_record(0, params={"x": 1})])

    def test_a_folder_that_is_there(self, repo: Repository, tmp_path: Path) -> None:
        """An empty one is filled; tables are replaced with --force; anything else never."""
        target = tmp_path / "out"
        target.mkdir()
        written(repo.top, target)
        before = {path.name: path.read_bytes() for path in target.iterdir()}
        with pytest.raises(UsageError, match="--force replaces it"):
            written(repo.top, target)
        commit_records(repo, [make_record(1)])
        written(repo.top, target, force=True)
        with opened(target) as ask:
            assert ask("SELECT count(*) FROM runs") == [(2,)]
        assert {path.name for path in target.iterdir()} == set(before)
        (target / "mine.txt").write_text("precious")
        for force in (False, True):
            with pytest.raises(UsageError, match="other files, and is never replaced"):
                written(repo.top, target, force=force)
        assert (target / "mine.txt").read_text() == "precious"
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []

    def test_a_link_to_a_folder(self, repo: Repository, tmp_path: Path) -> None:
        """What it leads to is filled and replaced, and keeps its rights."""
        (tmp_path / "real").mkdir()
        (tmp_path / "link").symlink_to("real")
        written(repo.top, tmp_path / "link")
        (tmp_path / "real").chmod(0o750)
        written(repo.top, tmp_path / "link", force=True)
        assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "runs.parquet").is_file()
        assert (tmp_path / "real").stat().st_mode & 0o777 == 0o750
        assert {path.name for path in tmp_path.iterdir()} == {"project", "real", "link"}

    def test_what_was_there_comes_back(
        self, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """When the new folder cannot be put in its place."""
        target = tmp_path / "out"
        written(repo.top, target)
        before = {path.name: path.read_bytes() for path in target.iterdir()}
        rename = Path.rename

        def refused(path: Path, to: Path) -> Path:
            if path.suffix == ".part" and to == target:
                raise OSError(5, "Input/output error")
            return rename(path, to)

        monkeypatch.setattr(Path, "rename", refused)
        with pytest.raises(RepositoryError, match="cannot be written: Input/output error"):
            written(repo.top, target, force=True)
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before
        assert {path.name for path in tmp_path.iterdir()} == {"project", "out"}

    def test_whole_or_not_at_all(
        self, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Interrupted, it leaves what was there, and nothing else."""
        target = tmp_path / "out"
        written(repo.top, target)
        before = {path.name: path.read_bytes() for path in target.iterdir()}

        def interrupted(found: Any) -> Any:
            raise KeyboardInterrupt

        monkeypatch.setattr(parquet, "rows_of", interrupted)
        with pytest.raises(KeyboardInterrupt):
            written(repo.top, target, force=True)
        with pytest.raises(KeyboardInterrupt):
            written(repo.top, tmp_path / "other")
        assert {path.name: path.read_bytes() for path in target.iterdir()} == before
        assert {path.name for path in tmp_path.iterdir()} == {"project", "out"}

    def test_without_pyarrow(self, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
        """One line that says what to install."""
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        assert execute(["export", "--to", "parquet", "-o", f"{tmp_path}/out"]) == 2
        err = capsys.readouterr().err
        assert err == "gittrack: error: --to parquet needs pyarrow: pip install 'gittrack[parquet]'\n"
        assert not (tmp_path / "out").exists()

    @pytest.mark.parametrize(
        ("words", "says"),
        [
            (["--to", "parquet"], "say where with -o FOLDER/"),
            (["--to", "parquet", "-o", "runs.parquet"], "say where with -o FOLDER/"),
            (["--to", "parquet", "-o", "train.py"], "train.py is a file: name a folder"),
            (["--to", "parquet", "-o", "no/such/folder"], "no folder"),
            (["--to", "parquet", "-o", "out", "--data"], "--data: not with --to parquet"),
            (["--to", "parquet", "-o", "out", "--sign"], "--sign and --key: not with --to parquet"),
            (["--to", "parquet", "-o", "out", "--license", "MIT"], "--license: not with --to parquet"),
            (["--to", "parquet", "-o", "out", "--repo", "absent"], "no such directory: absent"),
            (["--to", "prov"], "--to prov: name a run or an experiment, such as latest"),
            (["--to", "in-toto"], "--to in-toto: name a run, such as latest"),
            (["latest", "--to", "prov", "--repo", "."], "--repo: only with --to parquet"),
        ],
    )
    def test_wrong_input(self, repo: Repository, capsys: Capture, words: list[str], says: str) -> None:
        """One line, no file."""
        assert execute(["export", *words]) == 2
        out, err = capsys.readouterr()
        assert err.startswith("gittrack: error: ") and says in err and err.count("\n") == 1 and not out
        assert run_git(repo.top, "status", "--short", "--ignored") == ""

    def test_other_formats_do_not_load_it(self, tmp_path: Path) -> None:
        """pyarrow is for those who ask for it."""
        script = (
            "import sys; from gittrack.cli import execute;"
            "import gittrack.exporters, gittrack.exporters.tables;"
            "execute(['export', 'latest', '--to', 'in-toto']); print(*sorted(sys.modules), file=sys.stderr)"
        )
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        assert "gittrack.exporters" in done.stderr.split() and "pyarrow" not in done.stderr.split()


# --- the page ------------------------------------------------------------------------------------


def ledger_of_the_page() -> list[Record]:
    """Two learning rates with three seeds each, on data that was changed once."""
    found = []
    for at, (lr, seed, accuracy) in enumerate(
        [(0.1, 0, 0.91), (0.1, 1, 0.93), (0.1, 2, 0.92), (0.01, 0, 0.88), (0.01, 1, 0.87), (0.01, 2, 0.89)]
    ):
        data = DataInput(
            path="data/train.csv",
            role="train",
            source="dvc",
            pointer="inputs/data/train.csv.dvc",
            md5=("8fe41a0c" if at < 4 else "c01db26e") * 4,
            size=1000,
        )
        model = Output(
            path="model.pt",
            role="model",
            pointer="outputs/model.pt.dvc",
            md5=f"{at:032x}",
            sha256=f"{at:064x}",
            size=99,
        )
        record = make_record(
            at,
            params={"lr": lr},
            seed=seed,
            metrics={"accuracy": accuracy},
            data=(data,),
            outputs=(model,),
            spec=("a1" if lr == 0.1 else "b2") * 32,
        )
        found.append(record)
    return found


def cells(box: str) -> list[list[str]]:
    """The cells of a table as DuckDB draws it, without the line of types."""
    lines = [line for line in box.splitlines() if line.startswith("│")]
    table = [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]
    return [table[0], *table[2:]]


def test_the_examples_of_the_page_say_what_it_says(
    repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SQL of docs/export.md, in DuckDB, over a small ledger."""
    records = ledger_of_the_page()
    files = {path: data for record in records for path, data in files_of(record).items()}
    commit_files(repo, files | decision_on(records[1], "selected"))
    written(repo.top, tmp_path / "warehouse")
    monkeypatch.chdir(tmp_path)
    section = DOCS.read_text().partition("## Parquet")[2].partition("\n## ")[0]
    blocks = re.findall(r"(?ms)^```(sql|text)\n(.*?)^```$", section)
    connection = duckdb.connect()
    shown = None
    checked = 0
    for kind, text in blocks:
        if kind == "sql":
            shown = connection.sql(text)
        else:
            assert shown is not None
            assert cells(str(shown)) == cells(text)
            checked += 1
    connection.close()
    assert checked == 3

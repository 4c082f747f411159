"""From a journal to a record: series, digests, final values, and flat memory."""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import tracemalloc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gittrack
from gittrack.dvc.files import parse_pointer
from gittrack.formats.record import Record
from gittrack.formats.series import Point, sample_table, write_table
from gittrack.formats.tables import FULL_SERIES
from gittrack.git.repository import Repository
from gittrack.reading.series import parse_series
from gittrack.recording.finish import SERIES_IN_GIT
from tests.repositories import run_git
from tests.strategies import examples


def finished(run: gittrack.Run) -> Record:
    record = run.finish()
    assert record is not None
    return record


def rows_of(points: list[Point], path: Path) -> list[dict[str, str]]:
    table = write_table(lambda: iter(points), path)
    data = path.read_bytes()
    assert table.sha256 == hashlib.sha256(data).hexdigest() and table.size == len(data)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert table.rows == len(rows)
    return rows


def test_points_of_one_step_share_a_row(tmp_path: Path) -> None:
    """Until a metric comes again or the step changes; without a step, each call is a row."""
    points: list[Point] = [
        (0.0, 1, {"a": 1}),
        (0.1, 1, {"b": 2.5}),
        (0.2, 1, {"a": 3}),
        (0.3, 2, {"b": "nan"}),
        (0.4, None, {"a": 4}),
        (0.5, None, {"b": 5}),
    ]
    rows = rows_of(points, tmp_path / "metrics.csv")
    assert [(r["step"], r["time"], r["a"], r["b"]) for r in rows] == [
        ("1", "0.000", "1", "2.5"),
        ("1", "0.200", "3", ""),
        ("2", "0.300", "", "nan"),
        ("", "0.400", "4", ""),
        ("", "0.500", "", "5"),
    ]


values = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False, allow_infinity=False))
all_points = st.lists(
    st.tuples(
        st.floats(0, 1e6),
        st.none() | st.integers(-3, 3),
        st.dictionaries(st.sampled_from("abc"), values | st.just("inf"), min_size=1),
    )
)


@examples(25)
@given(points=all_points)
def test_no_point_is_lost_or_changed(points: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every value that was logged is in the table, in order, with its step, bit for bit."""
    rows = rows_of(points, tmp_path_factory.mktemp("t") / "metrics.csv")
    for name in "abc":
        logged = [(step, values[name]) for _, step, values in points if name in values]
        kept = [(r["step"], r[name]) for r in rows if r.get(name)]
        assert len(kept) == len(logged)
        for (step, value), (shown_step, shown) in zip(logged, kept, strict=True):
            assert shown_step == ("" if step is None else str(step))
            assert shown == value if isinstance(value, str) else type(value)(shown) == value


@pytest.mark.parametrize("count", [2, 3, 999, 1000, 1001, 12345])
def test_a_sample_spans_the_series(tmp_path: Path, count: int) -> None:
    """At most that many rows, first and last among them, half of them spread evenly, in order."""

    def points() -> Iterator[Point]:
        return ((0.0, at, {"a": at}) for at in range(count))

    table = write_table(points, tmp_path / "metrics.csv")
    steps = [int(line.split(b",")[0]) for line in sample_table(table, 1000).splitlines()[1:]]
    assert min(count, 500) <= len(steps) <= 1000
    assert steps[0] == 0 and steps[-1] == count - 1
    assert 0 < max(b - a for a, b in itertools.pairwise(steps)) <= count // 500 + 1


def test_a_large_series_goes_to_the_cache_with_a_sample_in_git(inside: Path) -> None:
    """Digests of the whole and of the sample are right, and the pointer names what the cache holds."""
    run = gittrack.start_run()
    for step in range(60_000):
        run.log_metrics({"loss": 1 / (step + 1), "acc": step / 7}, step=step)
    record = finished(run)
    series = record.series
    assert series is not None and series.rows == 60_000 and series.columns == ("step", "time", "loss", "acc")
    assert series.pointer == FULL_SERIES and series.sampled_rows is not None
    assert 500 <= series.sampled_rows <= 1000
    shown = run_git(inside, "show", f"gittrack/runs:{record.path}/metrics.csv").encode()
    assert hashlib.sha256(shown).hexdigest() == series.sampled_sha256
    assert len(shown.splitlines()) == series.sampled_rows + 1
    assert series.md5 is not None
    cache = Repository.discover(inside).state_dir / "dvc" / "cache" / "files" / "md5"
    whole = (cache / series.md5[:2] / series.md5[2:]).read_bytes()
    assert len(whole) == series.size and len(whole) > SERIES_IN_GIT
    assert hashlib.sha256(whole).hexdigest() == series.sha256
    assert hashlib.md5(whole, usedforsecurity=False).hexdigest() == series.md5
    text = run_git(inside, "show", f"gittrack/runs:{record.path}/{FULL_SERIES}")
    (pointer,) = parse_pointer(text.encode(), FULL_SERIES)
    assert (pointer.md5, pointer.path) == (series.md5, "metrics.csv")
    assert record.metrics["acc"].value == 59_999 / 7 and record.metrics["acc"].step == 59_999


def test_a_wide_series_has_a_sample_that_git_can_bear(inside: Path) -> None:
    """Each of its metrics has a table, its share of what git takes, and its spike."""
    run = gittrack.start_run()
    for step in range(300):
        spiked = 1e6 if step == 137 else step
        run.log_metrics({f"m{n}": spiked + n / 7 for n in range(500)}, step=step)
    record = finished(run)
    assert record.series is not None
    shown = run_git(inside, "show", f"gittrack/runs:{record.path}/metrics.csv")
    series = parse_series(shown.encode(), "metrics.csv")
    assert series.rows == record.series.sampled_rows
    assert {max(curve.values) >= 1e6 for curve in series.curves.values()} == {True}
    assert len({len(curve.values) for curve in series.curves.values()}) == 1
    assert len(shown) < 1.2 * SERIES_IN_GIT


def test_a_small_series_is_text_in_git(inside: Path) -> None:
    """Its digest is that of the file, and there is no pointer; a run without metrics has no series."""
    run = gittrack.start_run()
    run.log_metric("a", 0.1 + 0.2, step=1)
    record = finished(run)
    assert record.series is not None and record.series.pointer is None
    shown = run_git(inside, "show", f"gittrack/runs:{record.path}/metrics.csv")
    assert hashlib.sha256(shown.encode()).hexdigest() == record.series.sha256
    assert shown.splitlines()[1].endswith(",0.30000000000000004")
    without = finished(gittrack.start_run())
    assert without.series is None and without.metrics == {}


def test_final_metrics_are_the_last_values(inside: Path) -> None:
    """Of each metric the value that was logged last, whatever its step, with that step."""
    run = gittrack.start_run()
    run.log_metric("a", 3.0, step=10)
    run.log_metric("a", 2.0, step=5)
    run.log_metric("b", float("nan"))
    record = finished(run)
    assert (record.metrics["a"].value, record.metrics["a"].step) == (2.0, 5)
    assert (record.metrics["b"].value, record.metrics["b"].status) == (None, "nan")


def test_final_metrics_follow_what_gittrack_yaml_says_of_a_beginning(inside: Path) -> None:
    """``val/*`` there is all metrics that begin so, as for define_metric()."""
    (inside / "gittrack.yaml").write_text(
        "experiment: digits\n"
        "experiments: {digits: {metrics: {'val/*': {direction: minimize, final: best}}}}\n"
    )
    run = gittrack.start_run()
    for value in (1.0, 0.2, 0.5):
        run.log_metrics({"val/loss": value, "loss": value})
    metrics = finished(run).metrics
    assert (metrics["val/loss"].value, metrics["val/loss"].rule) == (0.2, "best")
    assert (metrics["loss"].value, metrics["loss"].rule) == (0.5, "last")


def test_memory_stays_flat(inside: Path) -> None:
    """50,000 rows of five metrics, logged and committed, never take 23 MB of Python objects."""
    gittrack.start_run().finish()
    tracemalloc.start()
    try:
        run = gittrack.start_run()
        for step in range(50_000):
            run.log_metrics({"a": 0.5, "b": step / 3, "c": step / 7, "d": 1.5, "e": step / 11}, step=step)
        record = finished(run)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert record.series is not None and record.series.rows == 50_000
    assert peak < 23_000_000


def test_the_environment_beside_the_record_is_the_one_it_names(inside: Path) -> None:
    """environment.yaml has the digest that the record gives."""
    record = finished(gittrack.start_run())
    shown = run_git(inside, "show", f"gittrack/runs:{record.path}/environment.yaml")
    assert hashlib.sha256(shown.encode()).hexdigest() == record.environment.sha256


def test_the_commit_says_what_it_holds(inside: Path) -> None:
    """Subject with experiment, id, status and values; trailers with run and code; the author is the user."""
    run = gittrack.start_run("digits")
    run.log_metric("acc", 0.5)
    record = finished(run)
    message = run_git(inside, "log", "-1", "--format=%an%n%B", "gittrack/runs").splitlines()
    assert message[:2] == ["Ada Lovelace", f"run digits {record.id}: finished acc=0.5"]
    assert f"Gittrack-Run: {record.id}" in message
    assert f"Gittrack-Code: {record.code.commit}" in message


def test_snapshots_of_runs_that_never_began_are_let_go(repository: Repository, project: Path) -> None:
    """Old ones alone: a run that starts right now has a snapshot before it has a journal."""
    from gittrack.recording.capture.code import LIVE
    from gittrack.recording.recover import release_left_snapshots

    now = datetime.now(UTC).strftime("%Y%m%d-%H%M%S-aaaaaa")
    head = repository.resolve("HEAD")
    repository.update_refs([(LIVE + name, head, None) for name in ("20200101-000000-aaaaaa", now)])
    assert release_left_snapshots(repository) == 1
    assert list(repository.refs(LIVE)) == [LIVE + now]

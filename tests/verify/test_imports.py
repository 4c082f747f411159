"""Check 13: runs of other trackers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from gittrack.formats.codec import dump_record
from gittrack.formats.finals import finals_in
from gittrack.formats.record import Code, EnvironmentSummary, Metric, Record, Series
from gittrack.formats.series import Point, write_table
from gittrack.formats.texts import FILE, Texts
from gittrack.git.repository import Repository
from gittrack.ledger import Addition, Ledger
from gittrack.verify import verify
from gittrack.verify.findings import Finding
from tests.ledgers import make_import
from tests.repositories import run_git
from tests.verify.contexts import sha256

TEXT = b'{"name":"prediction","text":"cat"}\n'
POINTS: list[Point] = [
    (-3.5, 0.5, {"a,b": 0.5, "loss": 1.0}),
    (None, -2, {"loss": 0.5}),
    (2.0, -2, {"loss": 0.25, "step": 7}),
]


def append(top: Path, record: Record, files: dict[str, bytes]) -> list[Finding]:
    """What verify says of a new ledger with this one run, as it lies there."""
    run_git(top, "init", "-q", "-b", "main")
    repository = Repository.discover(top)
    everything = {"run.yaml": dump_record(record), **files}
    Ledger(repository).append([Addition(record.path, everything, "import")])
    return [finding for finding in verify(repository).findings if finding.run == record.id]


def imported(top: Path) -> tuple[Record, dict[str, bytes]]:
    """One with a series of odd names, times and steps, with texts, and with code of elsewhere."""
    table = write_table(lambda: POINTS, top / "metrics.csv")
    data = table.path.read_bytes()
    finals = finals_in(data.decode().splitlines(), {"loss": "greatest-step"}, table.names)
    assert finals == {"loss": ("1.0", "0.5")}
    return make_import(
        code=Code(commit="a" * 40, dirty=None, cwd=None, entry="train.py"),
        series=Series(rows=table.rows, columns=table.columns, sha256=table.sha256, names=table.names),
        metrics={
            "a,b": Metric(value=0.5, step=0.5, rule="last"),
            "loss": Metric(value=1.0, step=0.5, rule="greatest-step"),
            "step": Metric(value=7, step=-2, rule="max"),
        },
        texts=Texts(rows=1, sha256=sha256(TEXT), size=len(TEXT)),
    ), {"metrics.csv": data, FILE: TEXT}


def test_it_is_claimed_and_all_that_can_be_checked_is_right(tmp_path: Path) -> None:
    """Code of another repository is a note, as is that nobody here saw the run."""
    found = append(tmp_path, *imported(tmp_path))
    assert {(f.code, f.severity) for f in found} == {("code-elsewhere", "note"), ("import-claimed", "note")}
    assert any("claimed by mlflow, not observed here" in f.says for f in found)


def test_a_changed_record_has_another_id(tmp_path: Path) -> None:
    """Whoever edits what was imported has to give it another id, too."""
    record, files = imported(tmp_path)
    found = append(tmp_path, replace(record, name="better"), files)
    assert [f.code for f in found if f.severity == "fail"] == ["import-id"]


def test_series_finals_and_texts_are_held_to_it(tmp_path: Path) -> None:
    """Under their real names."""
    record, files = imported(tmp_path)
    metrics = {**record.metrics, "a,b": Metric(value=0.9, step=0.5, rule="last")}
    edited = replace(record, metrics=metrics)
    found = append(tmp_path, edited, {**files, FILE: TEXT.replace(b"cat", b"dog")})
    assert {f.code for f in found if f.severity == "fail"} == {"import-id", "record-metrics", "record-digest"}


def test_names_and_texts_are_what_lies_there(tmp_path: Path) -> None:
    """A column is called after its metric, and every line is a text."""
    record, files = imported(tmp_path)
    assert record.series is not None and record.texts is not None
    forged = replace(record.series, names={"loss": "accuracy", **record.series.names})
    torn = b'{"name":"prediction"}\n'
    texts = replace(record.texts, sha256=sha256(torn), size=len(torn))
    found = append(tmp_path, replace(record, series=forged, texts=texts), {**files, FILE: torn})
    assert {f.code for f in found if f.severity == "fail"} == {"import-id", "record-series", "record-texts"}


def test_a_file_that_the_record_does_not_name_is_unexpected(tmp_path: Path) -> None:
    """An environment is stated or it is not there."""
    record, files = imported(tmp_path)
    found = append(tmp_path, record, {**files, "environment.yaml": b"schema: gittrack/environment/1\n"})
    assert [f.code for f in found if f.severity == "fail"] == ["record-file-unexpected"]


def test_a_stated_environment_is_checked(tmp_path: Path) -> None:
    """As that of any run."""
    data = b"schema: gittrack/environment/1\npython:\n  version: 3.9.1\n"
    right = EnvironmentSummary(sha256=sha256(data), python="3.9.1")
    record = make_import(environment=right)
    assert {f.severity for f in append(tmp_path, record, {"environment.yaml": data})} == {"note"}
    wrong = make_import(environment=replace(right, python="3.10"))
    (tmp_path / "other").mkdir()
    found = append(tmp_path / "other", wrong, {"environment.yaml": data})
    assert [f.code for f in found if f.severity == "fail"] == ["record-environment"]

"""Check 3: the record, its place, and the files beside it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import strategies as st

from gittrack.formats import codec
from gittrack.formats.record import Metric, Record, Series
from gittrack.git.objects import make
from gittrack.verify.context import Blob, RunFiles
from gittrack.verify.record import check_ids, check_record
from gittrack.verify.series import check_complete, check_series
from tests.ledgers import commit_files
from tests.strategies import examples
from tests.verify.contexts import FORGED, Honest, opened, run_checks, sha256


def with_metric(record: Record, name: str, **changes: Any) -> Record:
    return replace(record, metrics={**record.metrics, name: replace(record.metrics[name], **changes)})


def with_environment(honest: Honest, **changes: Any) -> tuple[Record, dict[str, bytes | None]]:
    """The record with environment.yaml altered, its digest made right again."""
    value = codec.read_yaml(honest.files(honest.clean)["environment.yaml"])
    data = codec.write_yaml({**value, **changes})
    summary = replace(honest.clean.environment, sha256=sha256(data))
    return replace(honest.clean, environment=summary), {"environment.yaml": data}


def test_an_honest_run_has_no_finding(honest: Honest) -> None:
    """With and without a snapshot; and its record is there for the checks after it."""
    with opened(honest.repository) as context:
        assert run_checks(context, check_record) == []
        assert {r.id for r in context.records.values()} == {honest.clean.id, honest.dirty.id}


def test_a_run_without_series_and_console_is_honest(honest: Honest) -> None:
    """What a record does not name need not be there."""
    plain = replace(honest.clean, series=None, metrics={"f1": Metric(value=0.5)})
    assert honest.codes(check_record, plain, files={"metrics.csv": None}) == []


def test_a_value_set_by_the_summary_stands_beside_its_series(honest: Honest) -> None:
    """It has no step, and may differ from the last value that was logged; older records name no rule."""
    for rule in ("given", None):
        given = with_metric(honest.clean, "loss", value=0.01, step=None, rule=rule)
        assert honest.codes(check_record, given) == []
    unnamed = with_metric(honest.clean, "loss", value=0.01, step=None)
    assert honest.codes(check_record, unnamed) == ["record-metrics"]


@pytest.mark.parametrize(
    "changes", [{"value": 0.9}, {"step": 3}, {"value": None, "status": "inf"}, {"value": 1}]
)
def test_an_edited_metric_is_not_the_last_of_its_series(honest: Honest, changes: dict[str, Any]) -> None:
    """Value, status and step are those of the last row with a cell for it."""
    (finding,) = honest.check(check_record, with_metric(honest.clean, "accuracy", **changes))
    assert (finding.code, finding.severity) == ("record-metrics", "fail")
    assert finding.expected == "0.4 at step 4"


@pytest.mark.parametrize(
    ("rule", "direction", "value", "step"),
    [
        ("last", None, 0.4, 4),
        ("greatest-step", None, 0.4, 4),
        ("max", None, 0.4, 4),
        ("min", None, 0.0, 0),
        ("best", "minimize", 0.0, 0),
        ("best", "maximize", 0.4, 4),
    ],
)
def test_a_final_value_is_checked_by_its_rule(
    honest: Honest, rule: str, direction: str | None, value: float, step: int
) -> None:
    """As it is named: another value, another step, or another rule is found."""
    changes = {"rule": rule, "direction": direction, "value": value, "step": step}
    assert honest.codes(check_record, with_metric(honest.clean, "accuracy", **changes)) == []
    for wrong in ({"value": 0.2}, {"step": 2}, {"rule": "max" if value < 0.4 else "min"}):
        forged = with_metric(honest.clean, "accuracy", **{**changes, **wrong})
        assert honest.codes(check_record, forged) == ["record-metrics"]


def test_the_complete_series_tells_what_a_sample_hides(honest: Honest) -> None:
    """Read again with --read-data: the value that the record claims has to be that of all rows."""
    record = with_metric(honest.clean, "accuracy", rule="max")
    lines = honest.files(honest.clean)["metrics.csv"].decode().splitlines()
    assert list(check_complete(record, lines)) == []
    ((code, says, expected, found),) = check_complete(record, [*lines, "5,9.9,,0.75,"])
    assert (code, says) == ("record-metrics", "the final value of accuracy is not the largest of its series")
    assert (expected, found) == ("0.75 at step 5", "0.4 at step 4")
    assert [fault[0] for fault in check_complete(record, [*lines, "5"])] == ["record-series"]


def test_the_best_needs_a_direction(honest: Honest) -> None:
    """Without one nobody can tell which value is meant."""
    record = with_metric(honest.clean, "accuracy", rule="best", direction=None)
    assert honest.codes(check_record, record) == ["record-metrics"]


def test_a_metric_cannot_be_left_out_or_made_up(honest: Honest) -> None:
    """Every series ends in a metric; a step comes from nowhere else."""
    metrics = dict(honest.clean.metrics)
    del metrics["loss"]
    assert honest.codes(check_record, replace(honest.clean, metrics=metrics)) == ["record-metrics"]
    metrics = {**honest.clean.metrics, "f1": Metric(value=1.0, step=4)}
    assert honest.codes(check_record, replace(honest.clean, metrics=metrics)) == ["record-metrics"]


def test_changed_series_is_another_file(honest: Honest) -> None:
    """The digest says so, and where the metric is named, so does that."""
    data = honest.files(honest.clean)["metrics.csv"]
    changed = data.replace(b"\n0,", b"\n00,", 1)
    assert honest.codes(check_record, files={"metrics.csv": changed}) == ["record-digest"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"step,time,loss", b"step,time,loss2"),
        (b"step,time,", b"time,step,"),
        (b"\n9,", b"\n8,0.0,1,1,\n9,"),
        (b",nan\n", b",nan,1\n"),
        (b",nan\n", b",nan"),
        (b"step", b""),
    ],
)
def test_series_of_another_shape_disagrees(honest: Honest, old: bytes, new: bytes) -> None:
    """Columns, rows, cells of each row, and the last line end, even with the digest made right."""
    data = honest.files(honest.clean)["metrics.csv"].replace(old, new, 1)
    assert honest.clean.series is not None
    record = replace(honest.clean, series=replace(honest.clean.series, sha256=sha256(data)))
    assert honest.codes(check_record, record, files={"metrics.csv": data}) == ["record-series"]


def sampled(record: Record, data: bytes, last: bytes = b"4,0.1,0.2,0.4,\n") -> tuple[Record, bytes]:
    assert record.series is not None
    sample = b"step,time,loss,accuracy,odd\n0,0.0,1.0,0.0,\n" + last
    series = replace(
        record.series,
        sha256=sha256(data),
        pointer="outputs/_gittrack/metrics.csv.dvc",
        md5="a" * 32,
        size=9,
        sampled_rows=2,
        sampled_sha256=sha256(sample),
    )
    return replace(record, series=series), sample


def test_of_a_sample_only_the_last_row_is_the_last(honest: Honest) -> None:
    """In records that name no rule: the last value of a metric may lie between two sampled rows."""
    metrics = {name: replace(metric, rule=None) for name, metric in honest.clean.metrics.items()}
    record, sample = sampled(replace(honest.clean, metrics=metrics), b"")
    files = {"metrics.csv": sample, "outputs/_gittrack/metrics.csv.dvc": b"outs:\n"}
    assert honest.codes(check_record, record, files=files) == []
    record, sample = sampled(record, b"", b"4,0.1,0.3,0.4,\n")
    files["metrics.csv"] = sample
    assert honest.codes(check_record, record, files=files) == ["record-metrics"]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"experiment: digits\n", b"experiment: 'digits'\n", "record-canonical"),
        (b"seed: 7\n", b"seed:  7\n", "record-canonical"),
        (b"seed: 7\n", b"seed: 7\n# a remark\n", "record-canonical"),
        (b"seed: 7\n", b"seed: 7\nseed: 7\n", "record-unreadable"),
        (b"seed: 7\n", b"seed: &a 7\n", "record-unreadable"),
        (b"seed: 7\n", b"seed: seven\n", "record-unreadable"),
        (b"seed: 7\n", b"colour: red\n", "record-unreadable"),
        (b"schema: gittrack/run/1\n", b"schema: gittrack/run/2\n", "record-too-new"),
        (b"schema: gittrack/run/1\n", b"schema: gittrack/run/0\n", "record-unreadable"),
        (b"schema: gittrack/run/1\n", b"\xff\xfe", "record-unreadable"),
    ],
)
def test_a_record_of_another_form_is_refused(honest: Honest, old: bytes, new: bytes, code: str) -> None:
    """Strict YAML, the schema of its version, and the one form that gittrack writes."""
    data = honest.files(honest.clean)["run.yaml"].replace(old, new, 1)
    (finding,) = honest.check(check_record, files={"run.yaml": data})
    assert finding.code == code
    assert finding.severity == ("incomplete" if code == "record-too-new" else "fail")
    assert finding.run == honest.clean.id and finding.path == f"{honest.clean.path}/run.yaml"


@pytest.mark.parametrize("change", ["experiment", "day", "id"])
def test_a_run_lies_where_its_record_says(honest: Honest, change: str) -> None:
    """Experiment, day and id are those of the folder."""
    runs, experiment, day, run_id = honest.clean.path.split("/")
    at = {
        "experiment": [runs, "others", day, run_id],
        "day": [runs, experiment, "2020-01-01", run_id],
        "id": [runs, experiment, day, "20200101-000000-abcdef"],
    }[change]
    (finding,) = honest.check(check_record, folder="/".join(at))
    assert (finding.code, finding.expected) == ("record-path", honest.clean.path)


def test_an_id_is_there_once(honest: Honest) -> None:
    """Also under another experiment, and told apart by more than case."""
    files = {f"{honest.clean.path}/{name}": data for name, data in honest.files(honest.clean).items()}
    other = replace(honest.clean, experiment="others")
    files |= {
        f"{other.path}/{name}": codec.dump_record(other) if name == "run.yaml" else data
        for name, data in honest.files(honest.clean).items()
    }
    commit_files(honest.repository, files, branch=FORGED, keep=False)
    with opened(honest.repository, FORGED) as context:
        found = list(check_ids(context))
    assert [f.code for f in found] == ["record-duplicate"] * 2
    assert {f.found for f in found} == {honest.clean.path, other.path}


def test_nothing_lies_beside_a_record_that_it_does_not_name(honest: Honest) -> None:
    """And nothing that it names is missing."""
    (finding,) = honest.check(check_record, files={"notes.txt": b"x"})
    assert (finding.code, finding.path) == ("record-file-unexpected", f"{honest.clean.path}/notes.txt")
    for name in ("metrics.csv", "environment.yaml", "outputs/model.bin.dvc", "inputs/data/parts.dvc"):
        (finding,) = honest.check(check_record, files={name: None})
        assert (finding.code, finding.path) == ("record-file-missing", f"{honest.clean.path}/{name}")
    assert honest.codes(check_record, files={"run.yaml": None}) == ["record-missing"]


def test_a_changed_environment_is_another_file(honest: Honest) -> None:
    """Its digest is in the record, and its first facts are."""
    _, files = with_environment(honest, memory_mb=1)
    assert honest.codes(check_record, files=files) == ["record-digest"]
    record, files = with_environment(honest, memory_mb=1)
    assert honest.codes(check_record, record, files=files) == []
    record, files = with_environment(honest, os={"name": "Other 1"})
    assert honest.codes(check_record, record, files=files) == ["record-environment"]
    record, files = with_environment(honest, gpus="none")
    assert honest.codes(check_record, record, files=files) == ["record-environment"]


def test_the_console_is_the_one_recorded(honest: Honest) -> None:
    """Digest and size."""
    from gittrack.formats.record import Console

    record = replace(honest.clean, console=Console(sha256=sha256(b"hello"), size=5, truncated=False))
    assert honest.codes(check_record, record, files={"console.txt": b"hello"}) == []
    assert honest.codes(check_record, record, files={"console.txt": b"help!"}) == ["record-digest"]
    assert honest.codes(check_record, record) == ["record-file-missing"]


@pytest.mark.parametrize("mode", ["100755", "120000", "160000", "040000", "100600"])
def test_files_are_plain_files(honest: Honest, mode: str) -> None:
    """No link and nothing executable lies beside a record."""
    with opened(honest.repository) as context:
        run = context.runs[honest.clean.path]
        blobs = {**run.blobs, "metrics.csv": Blob(mode, run.blobs["metrics.csv"].oid)}
        found = list(check_record(context, RunFiles(run.folder, blobs)))
    assert [(f.code, f.found) for f in found] == [("record-mode", mode)]


def test_content_that_is_not_here_is_incomplete_in_a_partial_clone(honest: Honest) -> None:
    """In a clone that claims to be whole it is a fault."""
    missing = "0" * 39 + "1"
    names = ("run.yaml", "environment.yaml", "metrics.csv")
    for shallow, severity in ((False, "fail"), (True, "incomplete")):
        if shallow:
            (honest.top / ".git" / "shallow").write_text("")
        for name in names:
            with opened(honest.repository) as context:
                run = context.runs[honest.clean.path]
                broken = RunFiles(run.folder, {**run.blobs, name: Blob("100644", missing)})
                found = list(check_record(context, broken))
            assert [(f.code, f.severity) for f in found] == [("record-absent", severity)]


@examples(60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_bytes_of_a_record_make_it_raise(template: Honest, data: st.DataObject) -> None:
    """Bytes flipped, cut out and put in anywhere: a finding, unless it is another record that may be."""
    with opened(template.repository) as context:
        run = context.runs[template.clean.path]
        name = data.draw(st.sampled_from(sorted(run.blobs)))
        found = context.read(run, name) or make("blob", b"", "sha1")
        at = data.draw(st.integers(0, len(found.data)))
        cut = data.draw(st.integers(0, 20))
        new = found.data[:at] + data.draw(st.binary(max_size=8)) + found.data[at + cut :]
        reader = context.objects

        class Forged:
            def get(self, oid: str) -> Any:
                return found._replace(data=new) if oid == found.oid else reader.get(oid)

        context.objects = Forged()  # type: ignore[assignment]
        said = list(check_record(context, run))
        assert said or new == found.data or name.endswith(".dvc") or name == "run.yaml"
        if name == "run.yaml" and not said:
            assert codec.dump_record(context.records[run.folder]) == new


@given(cells=st.lists(st.lists(st.text(max_size=5), max_size=4), max_size=5), sample=st.booleans())
def test_no_series_makes_it_raise(cells: list[list[str]], sample: bool) -> None:
    """Whatever stands in the rows."""
    from tests.ledgers import make_record

    text = "step,time,a\n" + "".join(",".join(row) + "\n" for row in cells)
    series = Series(rows=len(cells), columns=("step", "time", "a"), sha256="0" * 64)
    if sample:
        series = replace(series, pointer="outputs/x.dvc", sampled_rows=len(cells))
    record = make_record(series=series, metrics={"a": Metric(value=1, step=1)})
    for code, *_ in check_series(record, text.encode("utf-8", "surrogatepass")):
        assert code in ("record-series", "record-metrics")

"""What a run says at steps: times of their own, fractions, odd names, texts, axes; what it read and made."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.formats.record import Dataset, Record, parse_time
from gittrack.formats.texts import read_texts
from gittrack.git.repository import Repository
from gittrack.reading.journal.stored import StoredJournal
from gittrack.verify import verify
from tests.ledgers import file_of
from tests.repositories import run_git


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITTRACK_ON_ERROR", "raise")


def finish(run: gittrack.Run) -> Record:
    record = run.finish()
    assert record is not None
    return record


def faults(top: Path) -> list[str]:
    """What verify finds wrong; that no remote has it is a finding of every clone."""
    return [f.code for f in verify(Repository.discover(top)).findings if f.severity == "fail"]


def test_steps_times_and_names_are_kept_as_they_are(inside: Path) -> None:
    """Fractions, repeated and backward steps, moments in milliseconds, and names that head no CSV column."""
    run = gittrack.start_run()
    began = parse_time(json.loads(next(inside.rglob("start.json")).read_text())["record"]["started"])
    at = round(began.timestamp() * 1000) + 5000
    run.log_metric("a,b", 1.0, step=0.5, timestamp=at)
    run.log_metric("a,b", 2.0, step=-3, timestamp=at - 10_000)
    run.log_metrics({"a,b": 3.0, "step": 4.0}, step=-3, timestamp=float(at))
    record = finish(run)
    (found,) = gittrack.search(repository=inside)
    series = found.series()
    assert series is not None
    curve = series.curves["a,b"]
    assert (curve.steps, curve.values) == ((0.5, -3, -3), (1.0, 2.0, 3.0))
    assert [round(time or 0) for time in curve.times] == [5, -5, 5]
    assert series.curves["step"].values == (4.0,)
    frame = pytest.importorskip("pandas") and found.to_pandas()
    assert list(frame["step"]) == [0.5, -3.0, -3.0] and list(frame["a,b"]) == [1.0, 2.0, 3.0]
    assert record.metrics["a,b"].step == -3 and record.series is not None
    assert sorted(record.series.names.values()) == ["a,b", "step"]
    assert file_of(inside, record, "metrics.csv").startswith("step,time,a_b~")
    assert faults(inside) == []


def test_counted_calls_go_on_after_a_fraction(inside: Path) -> None:
    """With the next whole number."""
    run = gittrack.start_run()
    for step in (5.5, None):
        run.log({"loss": 1.0}, step=step)
    assert finish(run).metrics["loss"].step == 6


@pytest.mark.parametrize("timestamp", [-1, "now", True, float("nan"), 1e18])
def test_a_timestamp_is_a_moment(inside: Path, timestamp: Any) -> None:
    """Others are refused; where warnings do, the values are kept with the time of the call."""
    run = gittrack.start_run(on_error="warn")
    run.log_metric("loss", 1.0, step=1, timestamp=timestamp)
    record = finish(run)
    assert record.metrics["loss"].value == 1.0
    assert [loss.what for loss in record.not_recorded] == ["timestamp"]


def test_texts_stand_beside_the_numbers(inside: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one call the numbers go to the series; secrets go nowhere."""
    monkeypatch.setenv("SERVICE_TOKEN", "planted-secret")
    run = gittrack.start_run()
    for step in range(3):
        run.log({"loss": 0.5, "sample": f"cät {step}\nplanted-secret"}, step=step)
    run.log_metric("only", "text")  # type: ignore[arg-type]
    record = finish(run)
    assert record.texts is not None and record.texts.rows == 4 and record.metrics.keys() == {"loss"}
    data = run_git(inside, "show", f"gittrack/runs:{record.path}/texts.jsonl").encode()
    texts = read_texts(data, "texts.jsonl")
    assert [(t.name, t.text, t.step) for t in texts[:2]] == [
        ("sample", "cät 0\n***", 0),
        ("sample", "cät 1\n***", 1),
    ]
    assert (texts[3].name, texts[3].step) == ("only", None)
    assert gittrack.load("latest", repository=inside).texts() == texts
    assert faults(inside) == []


def test_many_texts_are_a_sample_in_git(inside: Path) -> None:
    """The complete file goes to DVC, as a long series does."""
    run = gittrack.start_run()
    for step in range(30):
        run.log({"sample": f"{step} " + "x" * 90_000}, step=step)
    record = finish(run)
    texts = record.texts
    assert texts is not None and texts.pointer is not None and texts.sampled_rows is not None
    assert texts.rows == 30 and 0 < texts.sampled_rows < 30 and texts.size <= 1 << 20
    kept = read_texts(run_git(inside, "show", f"gittrack/runs:{record.path}/texts.jsonl").encode(), "x")
    assert (kept[0].step, kept[-1].step, len(kept)) == (0, 29, texts.sampled_rows)
    assert faults(inside) == []


def test_a_metric_is_drawn_over_another(inside: Path) -> None:
    """As far as that is logged; the final value has its rule as before."""
    run = gittrack.start_run()
    run.define_metric("val/*", step_metric="epoch", summary="min")
    run.define_metric("loss", step_metric="nowhere")
    run.log_metrics({"val/loss": 1.0, "epoch": 0.0, "loss": 2.0}, step=10)
    run.log_metrics({"val/loss": 2.0, "epoch": 1.0, "loss": 1.0}, step=20)
    record = finish(run)
    assert record.series is not None and record.series.axes == {"val/loss": "epoch"}
    assert (record.metrics["val/loss"].value, record.metrics["loss"].value) == (1.0, 1.0)


def test_versions_of_an_artifact_stand_side_by_side(inside: Path, tmp_path: Path) -> None:
    """Under a logical path, wherever the file lies; a later log of one path replaces it."""
    run = gittrack.start_run()
    for version, aliases in (("v1", []), ("v2", ["best", "latest"])):
        (inside / "model.bin").write_text(version)
        run.log_artifact("model.bin", "model", name="classifier", version=version, aliases=aliases)
    outside = tmp_path / "plot.png"
    outside.write_text("plot")
    run.log_artifact(outside, artifact_path="plots/2026")
    record = finish(run)
    outputs = {output.path: output for output in record.outputs}
    assert [*outputs] == ["classifier/v1/model.bin", "classifier/v2/model.bin", "plots/2026/plot.png"]
    best = outputs["classifier/v2/model.bin"]
    assert (best.name, best.version, best.aliases, best.logical) == (
        "classifier",
        "v2",
        ("best", "latest"),
        True,
    )
    assert outputs["plots/2026/plot.png"].name is None
    assert faults(inside) == []


@pytest.mark.parametrize("path", ["../up", "/etc", "a/../../b"])
def test_a_logical_path_leads_nowhere_else(inside: Path, path: str) -> None:
    """It is relative and goes down."""
    (inside / "a.bin").write_text("x")
    with gittrack.start_run() as run, pytest.raises(gittrack.GittrackError, match="no name for an output"):
        run.log_artifact("a.bin", artifact_path=path)


def test_datasets_without_a_path(inside: Path) -> None:
    """By name, digest and source; each once; replicates have read the same."""

    def spec(digest: str) -> str:
        with gittrack.start_run() as run:
            for _ in range(2):
                run.log_dataset(
                    "mnist",
                    digest,
                    "https://user:pw@example.org/mnist",
                    context="training",
                    details={"rows": 7},
                )
        assert run.record is not None
        assert run.record.datasets == (
            Dataset(
                name="mnist",
                digest=digest,
                source="https://example.org/mnist",
                context="training",
                details={"rows": 7},
            ),
        )
        return run.record.spec

    assert spec("1") == spec("1") != spec("2")
    assert faults(inside) == []


def test_a_dataset_as_mlflow_describes_it(inside: Path) -> None:
    """What a record has no field for is among the details."""
    described = {"name": "wine", "digest": "6f2", "source_type": "http", "source": "{}", "schema": '{"a": 1}'}
    with gittrack.start_run() as run:
        run.log_dataset(**described, context="training")
    assert run.record is not None
    (dataset,) = run.record.datasets
    assert (dataset.name, dataset.context) == ("wine", "training")
    assert dataset.details == {"schema": '{"a": 1}', "source_type": "http"}


def test_an_experiment_of_any_name(inside: Path) -> None:
    """Is kept with its name, below one that commands and folders take; both find it."""
    record = finish(gittrack.start_run("probe é/sub"))
    assert record.experiment.startswith("probe-e-sub-") and record.experiment_name == "probe é/sub"
    assert gittrack.load("probe é/sub/latest", repository=inside).id == record.id
    (found,) = gittrack.search(experiment="probe é/sub", repository=inside)
    assert found.id == record.id
    assert finish(gittrack.start_run("plain")).experiment_name is None


def test_long_parameters_are_kept(inside: Path) -> None:
    """Up to 100,000 characters in their place, longer ones as outputs that the parameter names."""
    with gittrack.start_run(params={"prompt": "a" * 100_000}) as run:
        run.log_params({"model": {"chat template": "b" * 100_001}, "lr": 0.1})
    record = run.record
    assert record is not None and record.params["prompt"] == "a" * 100_000 and record.params["lr"] == 0.1
    (output,) = record.outputs
    assert output.path.startswith("params/model.chat_template-") and output.size == 100_001
    stated = record.params["model"]["chat template"]
    assert stated == f"100,001 characters, kept as the output {output.path} (sha256 {output.sha256})"
    assert faults(inside) == []


def test_a_run_that_goes_on_is_seen_as_it_is(inside: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With fractional steps, odd names and axes; what is sent to others has their form."""
    from gittrack.cli import execute
    from gittrack.formats import live
    from gittrack.reading.journal.stored import journals_dir
    from gittrack.reading.live.curves import Curves
    from gittrack.reading.live.state import State

    with gittrack.start_run() as run:
        run.define_metric("a,b", step_metric="epoch")
        run.log({"a,b": 1.0, "epoch": 0.5, "text": "t"}, step=1.5)
        run._journal.flush()  # type: ignore[union-attr]
        assert execute(["show", run.id]) == 0 and execute(["log"]) == 0
        assert "a,b" in capsys.readouterr().out
        stored = StoredJournal(journals_dir(Repository.discover(inside).state_dir) / run.id)
        state, curves = State(stored.start), Curves()
        for event in stored.events():
            for elapsed, step, values in state.take(event):
                curves.add(elapsed, step, values)
        sent = live.dump(state.record("running"), curves.points(), sent=state.facts["started"], every=60)
        plain = live.load(sent, "x")
        assert plain["metrics"]["a,b"] == {"value": 1.0, "step": 1.5, "rule": "last"}
        assert plain["curves"]["a,b"][0][0] == 1.5

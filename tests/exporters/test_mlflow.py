"""MLflow: what its own client reads back, from a folder and from a database."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import gittrack
from gittrack.errors import UsageError
from gittrack.exporters.mlflow import _safe, tracking_uri
from gittrack.formats.record import Metric
from gittrack.importers.foreign import Final
from gittrack.importers.mlflow import read
from tests.exporters.bench import HOSTILE, Bench
from tests.exporters.points import points_of, recorded_points
from tests.importers.taking import only

pytest.importorskip("mlflow")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that reads back may use a file store, and calls nobody."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")


def runs_of(uri: str, experiment: str = "digits") -> tuple[Any, dict[str, Any]]:
    """MLflow's client, and the runs by gittrack's id."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, {run.data.tags["gittrack.run_id"]: run for run in found}


def test_a_folder(bench: Bench, tmp_path: Path) -> None:
    """Parameters, series, final values, tags, times and status; a second time nothing is added."""
    records = bench.replicates()
    failed = bench.fail()
    done = bench.export("digits", "mlflow", target=str(tmp_path / "mlruns"))
    assert done.said.startswith("4 runs written")
    client, runs = runs_of((tmp_path / "mlruns").as_uri())
    run, record = runs[records[1].id], records[1]
    assert run.data.params == {"lr": "0.1", "seed": "1"}
    assert run.data.metrics["accuracy"] == 0.91 and run.info.status == "FINISHED"
    assert run.data.tags["mlflow.source.git.commit"] == record.code.commit
    assert run.data.tags["gittrack.spec"] == record.spec and run.data.tags["mlflow.user"] == "Ada Lovelace"
    assert run.info.end_time - run.info.start_time == pytest.approx(record.duration_s * 1000, abs=1)
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [(0, 1.0), (1, 0.5), (2, 1 / 3)]
    assert all(run.info.start_time <= point.timestamp <= run.info.end_time for point in history)
    (dataset,) = run.inputs.dataset_inputs
    assert (dataset.dataset.name, dataset.tags[0].value) == ("data/train.csv", "train")
    assert runs[failed.id].info.status == "FAILED"
    assert runs[failed.id].data.tags["gittrack.failure"] == f"ValueError: {HOSTILE}"
    again = bench.export("digits", "mlflow", target=str(tmp_path / "mlruns"))
    assert again.said.startswith("0 runs written") and again.said.endswith("4 there already")
    assert len(runs_of((tmp_path / "mlruns").as_uri())[1]) == 4


def test_a_database_with_the_bytes(bench: Bench, tmp_path: Path) -> None:
    """Artifacts lie beside the database, none in the project; a half-written run is made anew."""
    record = bench.run(0.9, 2, folder=True, pages=["<p>1</p>"])
    uri = f"sqlite:///{tmp_path}/ml.db"
    before = sorted(p.name for p in bench.top.iterdir())
    bench.export("latest", "mlflow", target=uri, data=True)
    assert sorted(p.name for p in bench.top.iterdir()) == before
    client, runs = runs_of(uri)
    run = runs[record.id].info.run_id
    got = Path(client.download_artifacts(run, "", str(tmp_path)))
    assert (got / "outputs" / "model.bin").read_bytes() == b"weights 2"
    assert (got / "outputs" / "plots" / "in" / "a.txt").is_file()
    assert (
        got / "outputs" / "_gittrack" / "media" / "html" / "page" / "step-0.html"
    ).read_text() == "<p>1</p>"
    assert (got / "gittrack" / "media.jsonl").is_file()
    assert (got / "gittrack" / "run.yaml").read_bytes().startswith(b"schema: gittrack/run/1\n")
    client.update_run(run, status="RUNNING")
    assert bench.export("latest", "mlflow", target=uri).said.startswith("1 run written")
    _, runs = runs_of(uri)
    assert len(runs) == 1 and runs[record.id].info.run_id != run


def test_back_again(bench: Bench, tmp_path: Path) -> None:
    """An import has points, names, note and tags as the run had them, final values by their rules."""
    with gittrack.start_run(
        "digits", hypothesis="wider", tags={"team": "a", HOSTILE: "x", "mlflow.x": "y"}
    ) as run:
        for step, value in enumerate((math.nan, math.inf, 0.25, -math.inf, 1 / 3)):
            run.log_metrics({"loss": value, "größe:a": step * 0.1}, step=step)
        run.define_metric("best", "min")
        for step in (4, -1, 7, 7):
            run.log_metric("best", step / 3, step=step, timestamp=1_900_000_000_000)
        run.log_metric("half", 1.0, step=0.5)
        run.summary["alone"] = 0.75
        run.log_params({"a<b>": 1})
    record = bench.keep(run)
    done = bench.export("latest", "mlflow", target=str(tmp_path / "mlruns"))
    assert f"run {record.id}: of fractional steps the whole part is there: half" in done.notes
    found = only(read, tmp_path / "mlruns")
    points, given = points_of(found), recorded_points(bench.top, record)
    assert points.pop("half") == [(0, *given.pop("half")[0][1:])]
    assert f"run {record.id}: equal points of one moment are one: best" in done.notes
    assert points == {name: sorted({*own}) for name, own in given.items()}
    assert (found.name, found.note, found.params) == (None, "wider", {"a<b>": "1"})
    assert {n: v for n, v in found.tags.items() if not n.startswith("gittrack.")} == record.tags
    assert found.finals["best"] == Final(rule="min")
    assert found.finals["alone"] == Final(rule="given", value=0.75)


def test_odd_and_hostile_values(bench: Bench, tmp_path: Path) -> None:
    """Names that MLflow refuses become others, long values are cut, nan and inf are kept."""
    record = bench.bare()
    odd = replace(
        record,
        id="20990101-000000-aaaaaa",
        params={HOSTILE: "x" * 9000, "../../p": {"q": None}, "/etc/passwd": True},
        tags={"mlflow.user": "mallory", "gittrack.run_id": "20260101-000000-bbbbbb", HOSTILE: HOSTILE},
        metrics={
            "<b>": Metric(status="nan"),
            "../m": Metric(status="-inf", step=4),
            "big": Metric(value=10**400),
        },
    )
    bench.add(odd)
    bench.export(odd.id, "mlflow", target=str(tmp_path / "mlruns"))
    _, runs = runs_of((tmp_path / "mlruns").as_uri())
    run = runs[odd.id]
    assert run.data.tags["mlflow.user"] == "Ada Lovelace" and run.data.tags["tag.mlflow.user"] == "mallory"
    assert run.data.metrics["_/m"] == float("-inf") and str(run.data.metrics["_b_"]) == "nan"
    assert run.data.params["_/_/p.q"] == "null" and run.data.params["etc/passwd"] == "true"
    assert {len(value) for value in run.data.params.values()} >= {6000}
    assert {p.name for p in tmp_path.iterdir()} == {"mlruns", "project"}


def test_where_it_cannot_go(bench: Bench, tmp_path: Path) -> None:
    """One line each."""
    bench.bare()
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="sqlite:///"):
        bench.export("latest", "mlflow", target=str(tmp_path / "file"))
    with pytest.raises(UsageError, match="no store that MLflow can use"):
        bench.export("latest", "mlflow", target="nosuch://ada:secret@host/x")
    with pytest.raises(UsageError, match="needs -o"):
        bench.export("latest", "mlflow")


def test_names(tmp_path: Path) -> None:
    """No two alike, none below another; a target without a scheme is a folder."""
    assert _safe(["a", "a/b", "a<", "a>", ".."]) == {
        "a": "a",
        "a/b": "a-2/b",
        "a<": "a_",
        "a>": "a_-2",
        "..": "_",
    }
    assert tracking_uri("http://localhost:5000") == "http://localhost:5000"
    assert tracking_uri(str(tmp_path)) == tmp_path.as_uri()

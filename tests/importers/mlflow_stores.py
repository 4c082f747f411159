"""Stores written by MLflow's own client: a run of every kind that an import has to read."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

EXPERIMENT = "probe é/sub"
NOTE = "first line\n# 名前"


def fill(uri: str, artifacts: Path | None = None) -> dict[str, str]:
    """Write runs of every kind to the store at `uri`; their ids by what they are."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    location = client.create_experiment(
        EXPERIMENT, artifacts and (artifacts / "probe").as_uri(), {"team": "vision"}
    )
    ids = {"whole": _whole(client, location)}
    for status in ("FAILED", "KILLED", "RUNNING", "SCHEDULED"):
        run = client.create_run(location, start_time=1_700_000_000_000, run_name=status.lower())
        ids[status.lower()] = run.info.run_id
        client.update_run(run.info.run_id, status=status)
        if status in ("FAILED", "KILLED"):
            client.set_terminated(run.info.run_id, status, end_time=1_700_000_001_500)
    child = client.create_run(location, tags={"mlflow.parentRunId": ids["whole"]})
    client.set_terminated(child.info.run_id)
    gone = client.create_run(location)
    client.delete_run(gone.info.run_id)
    trash = client.create_experiment("trash", artifacts and (artifacts / "trash").as_uri())
    buried = client.create_run(trash)
    client.delete_experiment(trash)
    return ids | {"child": child.info.run_id, "deleted": gone.info.run_id, "buried": buried.info.run_id}


def _whole(client: Any, experiment: str) -> str:
    from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param, RunTag

    run = client.create_run(experiment, start_time=1_699_999_999_123, run_name="Läufer").info.run_id
    params = {
        "lr": 0.1,
        "epochs": 3,
        "flag": True,
        "none": None,
        "nested": {"a": [1, "b"]},
        "größe/名": "x\n y ",
    }
    points = [
        Metric("loss", value, moment, step)
        for value, moment, step in (
            (0.5, 2000, 2), (1.5, 1000, 0), (math.nan, 1500, 1), (1.5, 1000, 0), (math.inf, 900, -3),
            (-math.inf, 901, -3), (0.25, 2000, 2), (0.125, 1999, 2),
        )
    ]  # fmt: skip
    points += [Metric("val/genauigkeit é", 1 / 3, 5000, 7), Metric("only nan", math.nan, 5, 0)]
    tags = {
        "mlflow.note.content": NOTE, "mlflow.user": "ada", "mlflow.source.name": "/home/ada/proj/train.py",
        "mlflow.source.git.commit": "c0ffee" * 6 + "c0ff", "mlflow.source.git.branch": "main",
        "mlflow.source.git.repoURL": "https://example.com/p.git", "mlflow.source.type": "LOCAL",
        "stage": "tüned\n!",
    }  # fmt: skip
    client.log_batch(
        run,
        metrics=points,
        params=[Param(k, str(v)) for k, v in params.items()],
        tags=[RunTag(k, v) for k, v in tags.items()],
    )
    client.log_text(run, "hello", "notes/readme.txt")
    client.log_dict(run, {"a": 1}, "é.json")
    client.log_table(run, {"q": ["a", "b"]}, "answers.json")
    client.log_text(run, "flavors: {}\n", "model/MLmodel")
    client.log_text(run, "weights", "model/weights.bin")
    data = Dataset("iris", "d1ge57", "local", '{"uri": "/home/ada/iris.csv"}', schema='{"n": 4}')
    client.log_inputs(run, [DatasetInput(data, [InputTag("mlflow.data.context", "training")])])
    client.create_registered_model("classifier")
    source = client.get_run(run).info.artifact_uri + "/model"
    client.create_model_version("classifier", source, run)
    client.set_registered_model_alias("classifier", "champion", "1")
    client.transition_model_version_stage("classifier", "1", "Production")
    client.set_terminated(run, end_time=1_700_000_009_456)
    return str(run)


def log_model(uri: str, run: str) -> str:
    """A logged model of MLflow 3, of `run`, with one file; its id."""
    import mlflow
    from mlflow import MlflowClient
    from mlflow.entities import LoggedModelOutput

    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    experiment = client.get_run(run).info.experiment_id
    model = client.create_logged_model(
        experiment, name="forest", source_run_id=run, params={"depth": "3", "lr": "0.1"}
    )
    place = Path(model.artifact_location.removeprefix("file://"))
    place.mkdir(parents=True, exist_ok=True)
    (place / "MLmodel").write_text("flavors: {}\nmlflow_version: 3.17.2\n")
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run, [LoggedModelOutput(model.model_id, 4)])
    client.create_registered_model("woods")
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)  # the registry looks there for the model
    try:
        client.create_model_version("woods", f"models:/{model.model_id}", run, model_id=model.model_id)
    finally:
        mlflow.set_tracking_uri(before)
    return str(model.model_id)

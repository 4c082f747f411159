"""What a tracker kept of a program becomes the run's own, and nothing of it twice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gittrack.formats.during import Harvested
from gittrack.formats.record import Metric
from tests.importers.harvest.programs import (
    copies,
    kept_by_board,
    kept_by_mlflow,
    kept_by_wandb,
    points,
    run,
)
from tests.importers.tensorboard import writer as boards
from tests.ledgers import file_of

ID = "5f" * 16


@pytest.mark.usefixtures("inside")
def test_each_tracker(tmp_path: Path) -> None:
    """Points, parameters, tags and artifacts of each; the next run takes what is new and no other."""
    wandb = run(copies(kept_by_wandb(tmp_path / "w", (0, 0.5), (1, 0.25), lr=0.1, net={"width": 3})))
    assert wandb.harvested == (Harvested(system="wandb", id="abc"),)
    assert wandb.metrics["loss"] == Metric(value=0.25, step=1, rule="last")
    assert points(wandb, "loss") == [(0, 0.5), (1, 0.25)]
    assert (wandb.params, wandb.param_sources) == (
        {"lr": 0.1, "net": {"width": 3}},
        {"lr": "wandb", "net": "wandb"},
    )
    assert wandb.tags == {"wandb.labels": "ä, b"} and wandb.imported is None and wandb.code.dirty is False
    store = kept_by_mlflow(tmp_path / "m", ID, (0, 0.5), (2, 0.125), lr="0.1")
    mlflow = run(copies(store, "mlruns"))
    assert mlflow.harvested == (Harvested(system="mlflow", id=ID),)
    assert mlflow.metrics["loss"] == Metric(value=0.125, step=2, rule="greatest-step")
    assert [(o.path, o.role) for o in mlflow.outputs] == [("model.txt", "artifact")]
    assert mlflow.params == {"lr": "0.1"} and mlflow.tags == {"mlflow.name": "n"}
    board = run(copies(kept_by_board(tmp_path / "t", (0, 0.1)), "runs/Nov30"))
    assert board.metrics["loss"].value == pytest.approx(0.1) and board.code.dirty is False
    nothing = run("true")
    assert (nothing.harvested, nothing.metrics, nothing.params, nothing.not_recorded) == ((), {}, {}, ())


@pytest.mark.usefixtures("inside")
def test_of_two_trackers_the_first(tmp_path: Path) -> None:
    """Equal points come once, also in 32 bits; other ones stand apart, and so do other values of a param."""
    kept_by_wandb(tmp_path / "w", (0, 0.1), (1, 0.2), lr=0.1, layers=2)
    kept_by_mlflow(tmp_path / "m", ID, (0, 0.1), (1, 0.3), lr="0.1", layers="3")
    kept_by_board(tmp_path / "t", (0, 0.1), (1, 0.2))
    record = run(
        copies(tmp_path / "w"), copies(tmp_path / "m", "mlruns"), copies(tmp_path / "t", "lightning_logs")
    )
    assert [one.system for one in record.harvested] == ["wandb", "mlflow", "tensorboard"]
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "loss": 0.2,
        "mlflow/loss": 0.3,
    }
    assert record.params == {"lr": 0.1, "layers": 2, "mlflow/layers": "3"}
    assert record.param_sources["lr"] == "wandb, mlflow"


def test_what_the_run_has_already(inside: Path, tmp_path: Path) -> None:
    """A metrics file, an output and the command line go first; a program that logs to gittrack too."""
    kept_by_wandb(tmp_path / "w", (0, 0.5), (1, 0.25), lr=0.2)
    kept_by_mlflow(tmp_path / "m", ID, (0, 9.0), lr="0.2")
    (inside / "train.py").write_text(
        "import gittrack, sys\n"
        "with gittrack.start_run() as run:\n"
        "    run.log_metric('loss', 0.5, step=0), run.log_metric('loss', 0.25, step=1)\n"
        "    run.log_params({'lr': 0.3})\n"
    )
    import sys

    record = run(
        copies(tmp_path / "w"),
        copies(tmp_path / "m", "mlruns"),
        "echo '{\"loss\": 0.25}' > metrics.json; echo w > model.txt",
        f"{sys.executable} train.py",
        metrics=["metrics.json"],
        outputs=[("model.txt", "model")],
    )
    assert {name: metric.value for name, metric in record.metrics.items()} == {
        "loss": 0.25,
        "mlflow/loss": 9.0,
    }
    assert points(record, "loss") == [(0, 0.5), (1, 0.25)]
    assert record.params == {"lr": 0.3} and record.param_conflicts["lr"]["log_params"] == 0.3
    assert {output.path: output.role for output in record.outputs} == {
        "model.txt": "model",
        "mlflow/model.txt": "artifact",
    }


def test_texts_media_and_hyperparameters(inside: Path, tmp_path: Path) -> None:
    """Texts at their steps, pictures as outputs, what hparams says as parameters."""
    picture = boards.value(
        "img", "images", boards.tensor(7, *(boards.field(8, t) for t in ("2", "2", b"\x89PNG")), shape=(3,))
    )
    boards.write(
        tmp_path / "t",
        boards.version(),
        boards.session(100.0, {"lr": 0.5, "name": "x"}, 1),
        boards.event(
            101, 3, boards.summary(boards.value("say", "text", boards.tensor(7, boards.field(8, "hi"))))
        ),
        boards.event(102, 4, boards.summary(picture)),
    )
    record = run(copies(tmp_path / "t", "runs/a"))
    assert record.params == {"lr": 0.5, "name": "x"} and record.tags == {"tensorboard.group": "g"}
    (text,) = map(json.loads, file_of(inside, record, "texts.jsonl").splitlines())
    assert (text["name"], text["step"], text["text"]) == ("say", 3, "hi")
    assert [(o.path, o.role, o.name) for o in record.outputs] == [("media/images/img/4.png", "media", "img")]


@pytest.mark.usefixtures("inside")
def test_dvclive(tmp_path: Path) -> None:
    """Its metrics are read as ever; what else lies in its folder comes, and an import finds it here."""
    folder = tmp_path / "d"
    (folder / "plots" / "images").mkdir(parents=True)
    (folder / "plots" / "images" / "a.png").write_bytes(b"\x89PNG")
    (folder / "metrics.json").write_text('{"acc": 0.5}')
    record = run(copies(folder, "dvclive"))
    assert [one.system for one in record.harvested] == ["dvclive"]
    assert [(o.path, o.role) for o in record.outputs] == [("plots/images/a.png", "media")]
    assert {name: metric.value for name, metric in record.metrics.items()} == {"acc": 0.5}


@pytest.mark.usefixtures("inside")
def test_what_a_record_has_no_place_for(tmp_path: Path) -> None:
    """Losses of the tracker's run are the run's, under its name; a damaged log costs nothing else."""
    boards.write(tmp_path / "t", boards.version(), boards.event(101, 0, boards.field(4, b"graph")))
    (tmp_path / "w" / "wandb" / "run-20240101_000000-bad").mkdir(parents=True)
    (tmp_path / "w" / "wandb" / "run-20240101_000000-bad" / "run-bad.wandb").write_bytes(b"no log")
    record = run(copies(tmp_path / "t", "runs/a"), copies(tmp_path / "w"), "exit 3")
    assert record.status == "failed"
    lost = {loss.what: loss.why for loss in record.not_recorded}
    assert lost["tensorboard: graph"] == "a record has no place for it"
    assert any(what.startswith("wandb") for what in lost)


@pytest.mark.usefixtures("inside")
def test_more_files_than_a_record_has_room_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many is said, and metrics and parameters of every tracker come before the files of any."""
    store = kept_by_mlflow(tmp_path / "m", ID, lr="0.1")
    for number in range(40):
        (store / "0" / ID / "artifacts" / f"{number}.txt").write_text(str(number))
    kept_by_board(tmp_path / "t", (0, 0.5))
    monkeypatch.setattr("gittrack.recording.journal.allowance.LIMIT", 8_000)
    record = run(copies(store, "mlruns"), copies(tmp_path / "t", "runs/a"))
    assert record.metrics["loss"].value == 0.5 and 0 < len(record.outputs) < 41
    (loss,) = record.not_recorded
    assert loss.what.startswith("mlflow: output ") and loss.what.endswith(" more")
    assert loss.count == 41 - len(record.outputs) and "is full" in loss.why

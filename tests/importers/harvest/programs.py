"""Programs that leave behind what trackers keep: what writers here have made is copied into place."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from gittrack.cli.job_options import HARVEST
from gittrack.formats.config import Config
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.entry import entry_of, open_index
from gittrack.recording.job import Job, run_job
from gittrack.recording.request import Request
from tests.importers.tensorboard import writer as boards
from tests.importers.wandb import writer as wandb


def run(*commands: str, harvest: bool = True, **options: Any) -> Record:
    """`gittrack run` of a shell's commands in the current folder."""
    job = Job(
        command=["sh", "-ec", "\n".join(commands)],
        request=Request(),
        harvest=HARVEST if harvest else None,
        console=False,
        **options,
    )
    outcome = run_job(Repository.discover(), Config(), job)
    assert outcome.record is not None, outcome.complaint
    return outcome.record


def points(record: Record, metric: str) -> list[tuple[Any, float]]:
    """Steps and values of a metric."""
    with open_index() as index:
        series = entry_of(index, index.one(record.id)).series()
    curve = (series.curves if series else {})[metric]
    return [*zip(curve.steps, curve.values, strict=True)]


def copies(source: Path, target: str = ".") -> str:
    """The command that puts what lies in `source` into the folder `target`."""
    return f"mkdir -p {target}; cp -R {shlex.quote(str(source))}/. {target}"


def kept_by_wandb(root: Path, *rows: tuple[Any, ...], run_id: str = "abc", **config: Any) -> Path:
    """A folder with ``wandb`` in it, and in that one run, whose metric is ``loss``."""
    points = [wandb.history(step, wandb.item("loss", value)) for step, value in rows]
    records = [wandb.header(), wandb.run(run_id=run_id, project="p"), wandb.config(**config), *points]
    wandb.folder(root, [*records, wandb.stopped(0)], run_id)
    return root


def kept_by_board(folder: Path, *rows: tuple[Any, ...], stamp: int = 100, tag: str = "loss") -> Path:
    """A folder with one event file."""
    points = [
        boards.event(100 + step, step, boards.summary(boards.simple(tag, value))) for step, value in rows
    ]
    boards.write(folder, boards.version(stamp), *points, stamp=stamp)
    return folder


def kept_by_mlflow(
    store: Path, run_id: str, *rows: tuple[Any, ...], parent: str | None = None, **params: str
) -> Path:
    """A store of files with one run."""
    experiment = store / "0"
    made = experiment / run_id
    for name in ("params", "metrics", "tags", "artifacts"):
        (made / name).mkdir(parents=True)
    (experiment / "meta.yaml").write_text("artifact_location: x\nexperiment_id: '0'\nname: Default\n")
    (made / "meta.yaml").write_text(
        f"artifact_uri: file:///x/{run_id}/artifacts\nend_time: 2\nentry_point_name: ''\nexperiment_id: '0'\n"
        f"lifecycle_stage: active\nrun_id: {run_id}\nrun_name: n\nstart_time: 1\nstatus: 3\nuser_id: ada\n"
    )
    (made / "metrics" / "loss").write_text("".join(f"{1000 + step} {value} {step}\n" for step, value in rows))
    for name, value in params.items():
        (made / "params" / name).write_text(value)
    if parent:
        (made / "tags" / "mlflow.parentRunId").write_text(parent)
    (made / "artifacts" / "model.txt").write_text("weights of " + run_id)
    return store

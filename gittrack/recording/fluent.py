"""MLflow's module-level verbs, on the active run; the first one begins a run if there is none.

`Ambiguous` where several runs are open and none was begun in this thread or task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gittrack.formats.record import Record, Role, Status
from gittrack.recording.active import Ambiguous
from gittrack.recording.run import open_runs
from gittrack.recording.start import astray, current_run


def log_param(key: str, value: Any) -> None:
    """`Run.log_param` of the active run."""
    current_run().log_param(key, value)


def log_params(params: Mapping[str, Any]) -> None:
    """`Run.log_params` of the active run."""
    current_run().log_params(params)


def log_metric(key: str, value: float, step: float | None = None, timestamp: float | None = None) -> None:
    """`Run.log_metric` of the active run."""
    current_run().log_metric(key, value, step, timestamp)


def log_metrics(
    metrics: Mapping[str, float], step: float | None = None, timestamp: float | None = None
) -> None:
    """`Run.log_metrics` of the active run."""
    current_run().log_metrics(metrics, step, timestamp)


def log(values: Mapping[str, Any], step: float | None = None) -> None:
    """`Run.log` of the active run."""
    current_run().log(values, step)


def define_metric(
    name: str, summary: str | None = None, goal: str | None = None, step_metric: str | None = None
) -> None:
    """`Run.define_metric` of the active run."""
    current_run().define_metric(name, summary, goal, step_metric)


def next_step() -> int:
    """`Run.next_step` of the active run."""
    return current_run().next_step()


def log_input(path: str | Path, role: Role | None = None, *, store: bool | None = None) -> None:
    """`Run.log_input` of the active run."""
    current_run().log_input(path, role, store=store)


def log_dataset(
    name: str,
    digest: str | None = None,
    source: str | None = None,
    context: str | None = None,
    details: Mapping[str, Any] | None = None,
    **more: Any,
) -> None:
    """`Run.log_dataset` of the active run."""
    current_run().log_dataset(name, digest, source, context, details, **more)


def log_artifact(
    path: str | Path,
    role: str = "artifact",
    artifact_path: str | None = None,
    *,
    name: str | None = None,
    version: str | None = None,
    aliases: Sequence[str] = (),
) -> None:
    """`Run.log_artifact` of the active run."""
    current_run().log_artifact(path, role, artifact_path, name=name, version=version, aliases=aliases)


def log_model(path: str | Path) -> None:
    """`Run.log_model` of the active run."""
    current_run().log_model(path)


def log_text(text: str, artifact_file: str) -> None:
    """`Run.log_text` of the active run."""
    current_run().log_text(text, artifact_file)


def log_dict(content: Any, artifact_file: str) -> None:
    """`Run.log_dict` of the active run."""
    current_run().log_dict(content, artifact_file)


def log_figure(figure: Any, artifact_file: str) -> None:
    """`Run.log_figure` of the active run."""
    current_run().log_figure(figure, artifact_file)


def log_image(
    image: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    caption: str | None = None,
    key: str | None = None,
    artifact_file: str | None = None,
) -> None:
    """`Run.log_image` of the active run."""
    current_run().log_image(
        image, name, step, timestamp, caption=caption, key=key, artifact_file=artifact_file
    )


def log_images(
    images: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    captions: Sequence[str] | None = None,
    key: str | None = None,
) -> None:
    """`Run.log_images` of the active run."""
    current_run().log_images(images, name, step, timestamp, captions=captions, key=key)


def log_audio(
    audio: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    sample_rate: int | None = None,
    caption: str | None = None,
) -> None:
    """`Run.log_audio` of the active run."""
    current_run().log_audio(audio, name, step, timestamp, sample_rate=sample_rate, caption=caption)


def log_table(
    data: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    columns: Sequence[str] | None = None,
    artifact_file: str | None = None,
) -> None:
    """`Run.log_table` of the active run."""
    current_run().log_table(data, name, step, timestamp, columns=columns, artifact_file=artifact_file)


def log_html(
    html: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    caption: str | None = None,
) -> None:
    """`Run.log_html` of the active run."""
    current_run().log_html(html, name, step, timestamp, caption=caption)


def log_histogram(
    values: Any,
    name: str | None = None,
    step: float | None = None,
    timestamp: float | None = None,
    *,
    bins: int = 64,
) -> None:
    """`Run.log_histogram` of the active run."""
    current_run().log_histogram(values, name, step, timestamp, bins=bins)


def log_confusion_matrix(
    y_true: Any = None,
    y_pred: Any = None,
    name: str = "confusion matrix",
    step: float | None = None,
    timestamp: float | None = None,
    *,
    matrix: Any = None,
    labels: Sequence[Any] | None = None,
) -> None:
    """`Run.log_confusion_matrix` of the active run."""
    current_run().log_confusion_matrix(y_true, y_pred, name, step, timestamp, matrix=matrix, labels=labels)


def set_tag(key: str, value: Any) -> None:
    """`Run.set_tag` of the active run."""
    current_run().set_tag(key, value)


def set_tags(tags: Mapping[str, Any]) -> None:
    """`Run.set_tags` of the active run."""
    current_run().set_tags(tags)


def end_run(status: Status | None = None) -> Record | None:
    """Finish the active run, if there is one, and return its record."""
    try:
        run = open_runs.current()
    except Ambiguous as error:
        run = astray(error)
    return run.finish(status) if run is not None else None

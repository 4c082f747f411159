"""gittrack: experiment tracking that is just git.

    import gittrack

    with gittrack.start_run("digits", params={"lr": 0.1}, seed=1) as run:
        run.log_metric("accuracy", 0.97, step=1)
        run.log_artifact("model.pkl", role="model")

Module-level functions work on the active run, as MLflow's do. Everything is loaded
when it is first used: importing gittrack costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from gittrack.version import VERSION as __version__

if TYPE_CHECKING:
    from gittrack.errors import GittrackError
    from gittrack.formats.record import Record
    from gittrack.reading.artifact import Artifact
    from gittrack.reading.search import Found, Runs, load, search
    from gittrack.recording.fluent import (
        define_metric,
        end_run,
        log,
        log_artifact,
        log_audio,
        log_confusion_matrix,
        log_dataset,
        log_dict,
        log_figure,
        log_histogram,
        log_html,
        log_image,
        log_images,
        log_input,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_params,
        log_table,
        log_text,
        next_step,
        set_tag,
        set_tags,
    )
    from gittrack.recording.run import Run
    from gittrack.recording.start import active_run, start_run

_HOMES = {
    "gittrack.errors": ("GittrackError",),
    "gittrack.recording.fluent": (
        "define_metric", "end_run", "log", "log_artifact", "log_audio", "log_confusion_matrix",
        "log_dataset", "log_dict", "log_figure", "log_histogram", "log_html", "log_image",
        "log_images", "log_input", "log_metric", "log_metrics", "log_model", "log_param",
        "log_params", "log_table", "log_text", "next_step", "set_tag", "set_tags",
    ),
    "gittrack.reading.artifact": ("Artifact",),
    "gittrack.reading.search": ("Found", "Runs", "load", "search"),
    "gittrack.formats.record": ("Record",),
    "gittrack.recording.run": ("Run",),
    "gittrack.recording.start": ("active_run", "start_run"),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Artifact",
    "Found",
    "GittrackError",
    "Record",
    "Run",
    "Runs",
    "__version__",
    "active_run",
    "define_metric",
    "end_run",
    "load",
    "log",
    "log_artifact",
    "log_audio",
    "log_confusion_matrix",
    "log_dataset",
    "log_dict",
    "log_figure",
    "log_histogram",
    "log_html",
    "log_image",
    "log_images",
    "log_input",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_params",
    "log_table",
    "log_text",
    "next_step",
    "search",
    "set_tag",
    "set_tags",
    "start_run",
]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'gittrack' has no attribute {name!r}")
    value = getattr(importlib.import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)

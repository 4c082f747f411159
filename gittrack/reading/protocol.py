"""The protocol of a run: the gittrack.yaml that was in force."""

from __future__ import annotations

from gittrack.errors import NotFoundError
from gittrack.formats.config import ExperimentConfig, parse
from gittrack.formats.record import Record
from gittrack.git.repository import ObjectReader


def protocol_of(objects: ObjectReader, record: Record) -> ExperimentConfig:
    """What the gittrack.yaml in force said of the experiment; all defaults where there was none."""
    if record.protocol is None:
        return ExperimentConfig()
    blob = objects.get(record.protocol)
    if blob is None:
        raise NotFoundError(
            f"gittrack.yaml of run {record.id} is not in this clone: "
            "run gittrack pull, or git fetch --unshallow"
        )
    return parse(blob.data, f"gittrack.yaml of run {record.id}").experiment_config(record.experiment)

"""Locks of a commit's tree, and its environment: the machine here and now, or unknown."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from gittrack.formats.config import Config
from gittrack.formats.record import EnvironmentSummary, Lock
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline

UNKNOWN: dict[str, Any] = {"schema": "gittrack/environment/1"}
"""environment.yaml of a commit that was recorded later: nothing is known."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What goes into the record, and environment.yaml."""

    locks: tuple[Lock, ...]
    summary: EnvironmentSummary
    written: bytes


def read_surroundings(
    files: CommitFiles, pipelines: Sequence[Pipeline], config: Config, *, here: bool
) -> Surroundings:
    """`here`: with the machine that the commit was made on.

    Which interpreter trained, and with which packages, neither a commit nor its hook can tell.
    """
    from gittrack.formats.locks import read_lock
    from gittrack.recording.capture import describe_machine, write_environment

    machine = (
        {name: fact for name, fact in describe_machine().items() if name not in ("allocation", "variables")}
        if here
        else {}
    )
    paths = {*_lock_paths(files, pipelines), *(p for p in config.capture.locks if p in files.names)}
    locks = []
    for path in sorted(paths):
        data = files.read(path)
        if data is not None:
            locks.append(read_lock(path, data, blob=files.oid(path), installed=None)[0])
    written, summary = write_environment({**UNKNOWN, **machine}, {})
    return Surroundings(tuple(locks), summary, written)


def _lock_paths(files: CommitFiles, pipelines: Sequence[Pipeline]) -> Iterator[str]:
    """Files that are locks by their name, in the folders of the pipelines and those above."""
    from gittrack.formats.locks import kind_of

    folders = {""}
    for pipeline in pipelines:
        folder = pipeline.folder
        while folder:
            folders.add(folder)
            folder = posixpath.dirname(folder)
    folders |= {posixpath.join(folder, "requirements") for folder in folders}
    for name in files.names:
        if posixpath.dirname(name) in folders and name.isprintable() and kind_of(name):
            yield name

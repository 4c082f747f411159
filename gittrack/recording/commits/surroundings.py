"""Locks of a commit's tree, and its environment: captured here and now, or honestly unknown."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from gittrack.formats.config import Config
from gittrack.formats.record import EnvironmentSummary, Lock
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline

_UNKNOWN = "(not recorded)"
UNKNOWN: dict[str, Any] = {
    "schema": "gittrack/environment/1",
    "python": {"version": _UNKNOWN, "implementation": "Python"},
    "os": {"name": _UNKNOWN},
    "container": "none",
    "cpu": {"architecture": _UNKNOWN},
    "gpus": [],
    "blas": [],
    "variables": {},
    "packages": {},
}
"""environment.yaml of a commit that was recorded later: the schema's fields, and nothing that is known."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What goes into the record, and environment.yaml."""

    locks: tuple[Lock, ...]
    summary: EnvironmentSummary
    written: bytes


def read_surroundings(
    files: CommitFiles, pipelines: Sequence[Pipeline], config: Config, *, here: bool
) -> Surroundings:
    """`here`: the environment of this process, compared with the locks."""
    from gittrack.formats.locks import read_lock
    from gittrack.recording.capture import describe_environment, write_environment

    environment = describe_environment() if here else UNKNOWN
    locks = []
    drift: dict[str, Any] = {}
    for path in sorted(
        {*_lock_paths(files, pipelines), *(p for p in config.capture.locks if p in files.names)}
    ):
        data = files.read(path)
        if data is None:
            continue
        lock, differs = read_lock(path, data, blob=files.oid(path), installed=environment["packages"])
        locks.append(lock if here else replace(lock, installed=None))
        if differs and here:
            drift[path] = [
                {"name": d.name, "locked": d.locked, **({"installed": d.installed} if d.installed else {})}
                for d in differs[:1000]
            ]
    written, summary = write_environment(environment, drift)
    return Surroundings(tuple(locks), replace(summary, sha256=hashlib.sha256(written).hexdigest()), written)


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

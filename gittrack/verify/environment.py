"""environment.yaml of a run, read once for all runs that share it."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gittrack.errors import RecordError
from gittrack.formats.codec import MAX_BYTES, read_yaml
from gittrack.formats.codec.schema import validate_plain
from gittrack.formats.environment import summarise
from gittrack.formats.record import EnvironmentSummary
from gittrack.verify.context import Context, RunFiles

FILE = "environment.yaml"
_KEPT = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """What an environment.yaml says, or why it cannot be read."""

    sha256: str
    fault: str | None = None
    summary: EnvironmentSummary | None = None
    packages: Mapping[str, str] | None = None
    """None: what the run could import is not known."""
    packages_digest: str = ""
    drift: Mapping[str, Sequence[tuple[str, str | None]]] = field(default_factory=dict)
    """By path of a lock: name and installed version of what differs from it."""
    python: Mapping[str, Any] | None = None
    """Version and implementation of the interpreter that ran the program; None: not known."""
    is_like_this: bool = False
    """Whether this interpreter and system would judge markers alike."""


def environment_of(context: Context, run: RunFiles) -> Environment | None:
    """The environment of the run; None if it has no such file, or this clone does not hold it."""
    blob = run.blobs.get(FILE)
    if blob is None:
        return None
    environments: dict[str, Environment] = context.cache.setdefault("environments", {})
    if blob.oid not in environments:
        file = context.read(run, FILE)
        if file is None or file.kind != "blob":
            return None
        if len(environments) >= _KEPT:
            environments.clear()
        environments[blob.oid] = _read(file.data)
    return environments[blob.oid]


def _read(data: bytes) -> Environment:
    sha256 = hashlib.sha256(data).hexdigest()
    try:
        value = read_yaml(data, FILE, max_bytes=MAX_BYTES)
        validate_plain(value, "environment", FILE)
    except RecordError as error:
        return Environment(sha256=sha256, fault=str(error))
    packages: dict[str, str] | None = value.get("packages")
    return Environment(
        sha256=sha256,
        summary=summarise(value, sha256),
        packages=packages,
        packages_digest="" if packages is None else _digest(packages),
        drift={
            path: [(entry["name"], entry.get("installed")) for entry in listed]
            for path, listed in value.get("drift", {}).items()
        },
        python=value.get("python"),
        is_like_this=_is_like_this(value),
    )


def _digest(packages: Mapping[str, str]) -> str:
    return hashlib.sha256(repr(sorted(packages.items())).encode()).hexdigest()


def _is_like_this(value: Mapping[str, Any]) -> bool:
    python, system = value.get("python", {}), value.get("os", {})
    machine = (platform.python_version(), platform.python_implementation(), platform.machine())
    recorded = (python.get("version"), python.get("implementation"), system.get("machine"))
    return machine == recorded and system.get("kernel") == platform.release()

"""What environment.yaml says, in the terms of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gittrack.formats.record import EnvironmentSummary


def summarise(environment: Mapping[str, Any], sha256: str) -> EnvironmentSummary:
    """The facts of `environment` that go into run.yaml; `sha256` is of the bytes of environment.yaml."""
    return EnvironmentSummary(
        sha256=sha256,
        python=_python(environment.get("python")),
        os=environment.get("os", {}).get("name"),
        cpu=environment.get("cpu", {}).get("model"),
        gpus=tuple(gpu["name"] for gpu in environment.get("gpus", [])),
        image=environment.get("image"),
    )


def _python(python: Mapping[str, Any] | None) -> str | None:
    if python is None:
        return None
    version, implementation = python["version"], python.get("implementation", "CPython")
    return version if implementation == "CPython" else f"{implementation} {version}"


ORDER = (
    "schema", "python", "os", "host", "container", "image", "cpu", "memory_mb", "gpus", "cuda",
    "allocation", "blas", "variables", "packages", "origins", "imported", "interpreters", "drift",
)  # fmt: skip
"""Sections of environment.yaml, as they follow each other."""

MAX_DRIFT = 1000
"""Packages that differ from a lock and are named in environment.yaml, for each lock."""

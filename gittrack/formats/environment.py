"""What environment.yaml says, in the terms of a record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gittrack.formats.record import EnvironmentSummary


def summarise(environment: Mapping[str, Any], sha256: str) -> EnvironmentSummary:
    """The facts of `environment` that go into run.yaml; `sha256` is of the bytes of environment.yaml."""
    python = environment["python"]
    is_cpython = python["implementation"] == "CPython"
    return EnvironmentSummary(
        sha256=sha256,
        python=python["version"] if is_cpython else f"{python['implementation']} {python['version']}",
        os=environment["os"]["name"],
        cpu=environment["cpu"].get("model"),
        gpus=tuple(gpu["name"] for gpu in environment["gpus"]),
        image=environment.get("image"),
    )


MAX_DRIFT = 1000
"""Packages that differ from a lock and are named in environment.yaml, for each lock."""

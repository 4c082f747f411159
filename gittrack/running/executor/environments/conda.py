"""conda environments: explicit lists with micromamba, mamba or conda; conda-lock.yml."""

from __future__ import annotations

import re
from pathlib import Path

from gittrack.errors import UsageError
from gittrack.formats.locks.conda import this_platform
from gittrack.running.executor.environments.locked import choose
from gittrack.running.executor.environments.model import EnvironmentPlan, Request
from gittrack.running.executor.environments.process import find_tool

NOTE = "scripts that conda runs on activation are not run"


def plan_conda(request: Request) -> EnvironmentPlan:
    """The packages that the lock lists for this platform, taken as they are: nothing is solved."""
    lock, data, why = choose(request, "conda")
    hint = "install micromamba"
    if lock.kind == "conda-lock.yml":
        tool = find_tool("micromamba", "conda-lock", hint=f"{hint}, or pip install conda-lock beside conda")
    else:
        _check_platform(lock.path, data)
        tool = find_tool("micromamba", "mamba", "conda", hint=hint)

    def commands(tree: Path, home: Path) -> list[list[str]]:
        file, prefix = str(tree / lock.path), str(home / "env")
        if Path(tool).name == "conda-lock":
            return [[tool, "install", "--prefix", prefix, file]]
        return [[tool, "create", "--yes", "--prefix", prefix, "--file", file]]

    return EnvironmentPlan(kind="conda", lock=lock, commands=commands, notes=(why, NOTE))


def _check_platform(path: str, data: bytes) -> None:
    match = re.search(rb"(?m)^# platform: ([a-z0-9-]{1,30})\s*$", data)
    platform = this_platform()
    if match and platform and match[1].decode() != platform:
        raise UsageError(
            f"{path} lists packages for {match[1].decode()}, and this is {platform}: take --env current, "
            "or run this on such a machine"
        )

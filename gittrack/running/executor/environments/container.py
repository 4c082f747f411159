"""The recorded container image, with docker or podman.

The program gets the image, the code tree and what else the caller mounts; no network unless asked
for, no capabilities, and the user's own numbers, so that what it writes is the user's.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from gittrack.errors import NotFoundError, RecordError, RepositoryError, UsageError
from gittrack.recording.capture.environment import IMAGE
from gittrack.running.executor.environments.model import Environment, EnvironmentPlan, Request
from gittrack.running.executor.environments.process import find_tool

Mounts = Mapping[Path, Literal["ro", "rw"]]

_ALWAYS = (
    "run", "--rm", "--pull=never", "--cap-drop=ALL", "--security-opt=no-new-privileges",
    "--env=HOME=/tmp",  # the user has no home folder in there
    "--shm-size=2g",  # PyTorch's data loaders need more than the usual 64 MB
)  # fmt: skip
_OF_ENGINE = {
    "docker": ("--init",),  # else Python is process 1, and deaf to SIGTERM
    "podman": ("--security-opt=label=disable",),  # else SELinux keeps it from the mounted folders
}
_GPUS = {"docker": "--gpus=all", "podman": "--device=nvidia.com/gpu=all"}
_ROOTLESS = re.compile(r"(?m)^\s*rootless(?:: true)?\s*$")


def plan_docker(request: Request) -> EnvironmentPlan:
    """The image that the record names by digest. NotFoundError where it names none."""
    image = request.image
    if image is None:
        raise NotFoundError(
            "the record names no container image (GITTRACK_IMAGE was not set): "
            "take --env lock, or --env current"
        )
    if not IMAGE.match(image):
        raise RecordError(f"the record names the image {image[:300]!r}, which is no digest")
    engine = find_tool("docker", "podman", hint="install one of them")
    name = Path(engine).name
    options = [*_OF_ENGINE[name], *([] if request.network else ["--network=none"])]
    options += [_GPUS[name]] if request.gpus else []
    notes = [image, f"in {name}", "with network" if request.network else "without network"]

    def commands(_tree: Path, _home: Path) -> list[list[str]]:
        return [[engine, "info"], _ask(engine, image), _pull(engine, image)]

    return EnvironmentPlan(
        kind="docker",
        commands=commands,
        prefix=(engine,),
        image=image,
        options=tuple(options),
        notes=tuple(notes),
    )


def _ask(engine: str, image: str) -> list[str]:
    return [engine, "image", "inspect", "--format={{.Id}}", image]


def _pull(engine: str, image: str) -> list[str]:
    return [engine, "pull", image]


def make_container(
    plan: EnvironmentPlan, tree: Path, run: Callable[[Sequence[str]], str], mounts: Mounts
) -> Environment:
    """The image is here afterwards, and the prefix is the whole ``docker run`` up to the image."""
    (engine,), image = plan.prefix, plan.image or ""
    rootless = _ROOTLESS.search(run([engine, "info"])) is not None
    _fetch(engine, image, run)
    # Root in a rootless engine's container is the user outside; any other number would be nobody's.
    who = "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"
    shared = {**mounts, tree: "rw"}
    places = [_mount(path, shared[path]) for path in sorted(shared)]  # a folder before what is in it
    prefix = (engine, *_ALWAYS, *plan.options, f"--user={who}", *places)
    return Environment(kind="docker", prefix=prefix, image=image, note="; ".join(plan.notes))


def _fetch(engine: str, image: str, run: Callable[[Sequence[str]], str]) -> None:
    try:
        run(_ask(engine, image))
    except RepositoryError:
        if image.startswith("sha256:"):
            raise NotFoundError(
                f"the record names the image by its id alone ({image[:19]}...), and it is not on this "
                "machine: build or load it, or take --env lock"
            ) from None
        run(_pull(engine, image))


def _mount(path: Path, mode: Literal["ro", "rw"]) -> str:
    if any(character in str(path) for character in ',"\n'):
        raise UsageError(f"{path} cannot be mounted: docker takes no comma and no quote in a path")
    return f"--mount=type=bind,source={path},target={path}{',readonly' if mode == 'ro' else ''}"

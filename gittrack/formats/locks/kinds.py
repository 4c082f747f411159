"""What kind of lock a file is, by its name alone."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

_BY_NAME = {
    "uv.lock": "uv.lock",
    "poetry.lock": "poetry.lock",
    "pdm.lock": "pdm.lock",
    "pylock.toml": "pylock.toml",
    "Pipfile.lock": "Pipfile.lock",
    "pixi.lock": "pixi.lock",
    "explicit.txt": "conda-explicit",
    "spec-file.txt": "conda-explicit",
    "package-lock.json": "package-lock.json",
    "renv.lock": "renv.lock",
    "flake.lock": "flake.lock",
    "environment.yml": "environment.yml",
    "environment.yaml": "environment.yml",
    "Dockerfile": "Dockerfile",
    "Containerfile": "Dockerfile",
}

_BY_PATTERN = (
    (re.compile(r"pylock\.[^.]+\.toml"), "pylock.toml"),  # PEP 751
    (re.compile(r"(?:.+\.)?conda-lock\.ya?ml"), "conda-lock.yml"),  # CEP 37
    (re.compile(r"requirements.*\.txt"), "requirements.txt"),
    (re.compile(r"conda-.+\.(?:lock|txt)|.+\.explicit\.txt"), "conda-explicit"),
    (re.compile(r"(?:Julia)?Manifest(?:-v\d+(?:\.\d+)?)?\.toml"), "Manifest.toml"),
    (re.compile(r"(?:Dockerfile|Containerfile)\.(?!dockerignore$).+|.+\.[Dd]ockerfile"), "Dockerfile"),
)

REQUIREMENTS_FOLDER = "requirements"


def kind_of(path: str) -> str | None:
    """The kind of lock that a file of this name is; None for any other file.

    Every ``.txt`` in a folder called ``requirements`` is a pip requirements file. Whether a
    requirements file is a conda explicit list after all, only `read_lock` can tell.
    """
    pure = PurePosixPath(path)
    known = _BY_NAME.get(pure.name)
    if known is not None:
        return known
    for pattern, kind in _BY_PATTERN:
        if pattern.fullmatch(pure.name):
            return kind
    if pure.suffix == ".txt" and pure.parent.name == REQUIREMENTS_FOLDER:
        return "requirements.txt"
    return None

"""Where a work tree's lock files are, and what kind each one is, by its name alone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from gittrack.errors import UsageError

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

_REQUIREMENTS_FOLDER = "requirements"


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
    if pure.suffix == ".txt" and pure.parent.name == _REQUIREMENTS_FOLDER:
        return "requirements.txt"
    return None


def find_locks(top: Path, cwd: Path, extra: Sequence[str] = ()) -> list[str]:
    """Paths of the lock files, relative to `top`, with ``/``, sorted.

    Looked at are `top`, `cwd` and the folders between them, each with its folder ``requirements``
    if it has one, and nothing below. `extra` names more files, relative to `top`. Symbolic links
    are left alone (git holds a link's target, not the lock), and so are names that no record can
    hold: control characters, bytes that are not UTF-8.

    Raises UsageError for an `extra` path that is absolute, outside `top`, a link, or no file.
    """
    top, cwd = top.resolve(), cwd.resolve()
    found = {
        file.relative_to(top).as_posix()
        for folder in _folders(top, cwd)
        for file in _regular_files(folder)
        if kind_of(file.relative_to(top).as_posix())
    }
    return sorted(found | {_checked(top, path) for path in extra})


def _folders(top: Path, cwd: Path) -> Iterator[Path]:
    between = [cwd, *cwd.parents] if cwd.is_relative_to(top) else [top]
    for folder in between:
        yield folder
        requirements = folder / _REQUIREMENTS_FOLDER
        if requirements.is_dir() and not requirements.is_symlink():
            yield requirements
        if folder == top:
            return


def _regular_files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_file(follow_symlinks=False) and entry.name.isprintable():
                yield folder / entry.name


def _checked(top: Path, path: str) -> str:
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or "\0" in path:
        raise UsageError(f"lock file {path!r}: give a path inside the repository, relative to its top")
    file = top / pure
    if not file.is_file():
        raise UsageError(f"lock file {path!r} does not exist: mend the path or take it out of the config")
    if file.resolve() != file:
        raise UsageError(f"lock file {path!r} is reached by a symbolic link: name the file itself")
    return pure.as_posix()

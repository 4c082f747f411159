"""Small wheels, a build system and stand-ins for tools, so that environments are built without a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from gittrack.formats.locks import read_lock
from gittrack.formats.record import Lock
from gittrack.running.executor.environments import Environment, EnvironmentPlan, build, plan, tree_reader
from tests.repositories import run_git

ZEROS = "0" * 64
BIN = Path(sys.executable).parent


def make_wheel(folder: Path, name: str, version: str, requires: Sequence[str] = ()) -> Path:
    """A wheel with one module that has VERSION."""
    about = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {r}\n" for r in requires)
    files = {
        f"{name}.py": f"VERSION = {version!r}\n",
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{path},sha256={_digest(text)},{len(text)}\n" for path, text in files.items()]
    files[f"{about}/RECORD"] = "".join([*rows, f"{about}/RECORD,,\n"])
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return wheel


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


# As setuptools does, it leaves a folder in the source tree; and it rewrites a tracked file.
BACKEND = """
import pathlib, zipfile

def get_requires_for_build_editable(config_settings=None):
    return []

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    pathlib.Path("src/own.egg-info").mkdir(exist_ok=True)
    pathlib.Path("src/own.egg-info/PKG-INFO").write_text("Name: own")
    pathlib.Path("version.txt").write_text("built")
    name = "own-0.1-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as archive:
        archive.writestr("own.pth", str(pathlib.Path("src").resolve()))
        archive.writestr("own-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: own\\nVersion: 0.1\\n")
        archive.writestr("own-0.1.dist-info/WHEEL",
                         "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr("own-0.1.dist-info/RECORD", "")
    return name

build_wheel = build_editable
"""
BUILD_SYSTEM = '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
PROJECT = '[project]\nname = "own"\nversion = "0.1"\nrequires-python = ">=3.11"\n'


def lock_of(tree: Path, path: str) -> Lock:
    """What a record would say of the lock at `path`."""
    lock, _ = read_lock(path, (tree / path).read_bytes(), blob=None, installed={})
    return lock


def commit(tree: Path, **files: str) -> None:
    """Write files (``__`` for a dot) and commit all that is there."""
    for name, content in files.items():
        (tree / name.replace("__", ".")).write_text(content)
    run_git(tree, "add", "--all")
    run_git(tree, "commit", "-q", "-m", "more")


def own_package(tree: Path) -> None:
    """The project as a package, to be built by a build system of its own."""
    (tree / "src/own").mkdir(parents=True)
    (tree / "src/own/__init__.py").write_text("")
    commit(tree, backend__py=BACKEND, version__txt="committed")


def plan_for(tree: Path, kind: str, *paths: str, **more: object) -> EnvironmentPlan:
    """The plan from the locks at `paths`."""
    locks = [lock_of(tree, path) for path in paths]
    return plan(kind, tree_reader(tree), locks, None, None, **more)  # type: ignore[arg-type]


def build_in(tree: Path, made: EnvironmentPlan, timeout: float = 120, home: str = "home") -> Environment:
    """The environment, made in a folder beside `tree`."""
    folder = tree.parent / home
    return build(made, tree, folder, timeout, folder / "build.log")


def needs(tool: str) -> None:
    if shutil.which(tool) is None:
        pytest.skip(f"{tool} is not installed")


def stand_in(folder: Path, name: str, body: str = "") -> Path:
    """A program that notes its arguments and variables as a line of JSON in ``calls``, and runs `body`."""
    folder.mkdir(exist_ok=True)
    program = folder / name
    note = f"import json, os, sys\nwith open({str(folder / 'calls')!r}, 'a') as calls:\n"
    note += "    print(json.dumps([sys.argv[1:], dict(os.environ)]), file=calls)\n"
    program.write_text(f"#!{sys.executable}\n{note}{body}\n")
    program.chmod(0o755)
    return program


def calls(folder: Path) -> list[tuple[list[str], dict[str, str]]]:
    return [tuple(json.loads(line)) for line in (folder / "calls").read_text().splitlines()]


def only_on_path(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """git, and what is in `folder`, are all the programs there are."""
    folder.mkdir(exist_ok=True)
    git = shutil.which("git")
    assert git is not None
    (folder / "git").symlink_to(git)
    monkeypatch.setenv("PATH", str(folder))


def offline(monkeypatch: pytest.MonkeyPatch, wheels: Path) -> None:
    """pip and uv find what is in `wheels`, and nothing else."""
    for name in [n for n in os.environ if n.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name, value in {
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": wheels.as_uri(),
        "UV_NO_INDEX": "1",
        "UV_OFFLINE": "1",
        "UV_FIND_LINKS": str(wheels),
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PATH", f"{os.environ['PATH']}{os.pathsep}{BIN}")

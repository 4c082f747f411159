"""What is built is what is used: sdist, wheel and editable install, each in an environment of its own."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from gittrack.cli.githooks.install import EVENTS
from tests.environments import make_environment
from tests.repositories import run_git

pytestmark = pytest.mark.xdist_group("packaging")  # built once

ROOT = Path(__file__).parent.parent
SHIPPED = ("gittrack", "schemas", "hooks", "pyproject.toml", "README.md", "LICENSE")
SCHEMAS = {file.name for file in (ROOT / "schemas").glob("*.json")}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program in a folder that has nothing of gittrack in it, offline; what it printed."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PIP_"))}
    env |= {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "COLUMNS": "200"}
    done = subprocess.run(
        list(map(str, command)),
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what the build reads, so that no build folder is left in the repository."""
    copy = tmp_path_factory.mktemp("source")
    for name in SHIPPED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def built(source: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The sdist, and the wheel that is built from it, with the setuptools of this environment."""
    pytest.importorskip("build")
    out = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    return {"sdist": next(out.glob("*.tar.gz")), "wheel": next(out.glob("*.whl"))}


def install(binaries: Path, *what: str | Path) -> None:
    options = (
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--ignore-installed",
        "--no-warn-script-location",
    )
    run(sys.executable, "-m", "pip", "--python", binaries / "python", "install", *options, *what,
        cwd=binaries.parent)  # fmt: skip


def use(binaries: Path, project: Path) -> Iterator[str]:
    """From nothing to a run that `git track log` lists; what gittrack printed on the way."""
    run_git(project, "config", "user.name", "Ada Lovelace")
    run_git(project, "config", "user.email", "ada@example.com")
    gittrack = binaries / "gittrack"
    yield run(gittrack, "--version", cwd=project)
    yield run(gittrack, "init", "--no-config", cwd=project)
    yield run(
        gittrack,
        "run",
        "-e",
        "digits",
        "-S",
        "lr=0.1",
        "--pass",
        "env",
        "--",
        "python3",
        "train.py",
        cwd=project,
    )
    yield run(gittrack, "show", "--yaml", cwd=project)
    yield run(
        "git",
        "-c",
        f"alias.track=!{shlex.quote(str(binaries / 'git-track'))}",
        "track",
        "log",
        "--no-pager",
        cwd=project,
    )
    yield run("env", f"PATH={binaries}:{os.environ['PATH']}", "git", "track", "log", cwd=project)


def resolved(binaries: Path, where: Path) -> dict[str, str]:
    """Where the environment finds gittrack, its schemas and its hooks, and what schemas there are."""
    asked = (
        "import gittrack, gittrack.hooks, gittrack.schemas, importlib.resources as r;"
        "print(gittrack.__file__, gittrack.hooks.__file__, *sorted(f.name for f in "
        "r.files('gittrack.schemas').iterdir() if f.name.endswith('.json')), sep='\\n')"
    )
    package, hooks, *schemas = run(binaries / "python", "-c", asked, cwd=where).splitlines()
    return {"package": package, "hooks": hooks, "schemas": " ".join(schemas)}


def test_every_package_is_declared() -> None:
    """A folder of modules that pyproject.toml forgets would be missing from the wheel alone."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {
        ".".join(init.parent.relative_to(ROOT).parts) for init in (ROOT / "gittrack").rglob("__init__.py")
    }
    assert set(declared) == folders | {"gittrack.schemas", "gittrack.hooks"}


def test_the_build_back_end_is_a_development_dependency() -> None:
    """This test builds without isolation, hence offline, so what builds has to be installed with `dev`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    dev = {re.split(r"[<>=]", spec)[0] for spec in project["project"]["optional-dependencies"]["dev"]}
    required = {re.split(r"[<>=]", spec)[0] for spec in project["build-system"]["requires"]}
    assert required | {"build"} <= dev


def test_the_wheel_holds_code_schemas_and_hooks_and_nothing_else(built: dict[str, Path]) -> None:
    """schemas/ and hooks/ of the repository are gittrack.schemas and gittrack.hooks in the wheel."""
    with zipfile.ZipFile(built["wheel"]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        information = {Path(name).name for name in wheel.namelist() if ".dist-info/" in name}
    modules = {f"gittrack/{p.relative_to(ROOT / 'gittrack')}" for p in (ROOT / "gittrack").rglob("*.py")}
    assert modules <= names
    assert {f"gittrack/schemas/{name}" for name in SCHEMAS} <= names
    assert {"gittrack/hooks/__init__.py", "gittrack/py.typed"} <= names
    assert {f"gittrack/hooks/{event}" for event in EVENTS} <= names
    assert {name.split("/")[0] for name in names} == {"gittrack"}
    assert "LICENSE" in information


def test_the_sdist_holds_what_the_build_needs(built: dict[str, Path]) -> None:
    """The wheel above was built from it; what a reader expects beside the code is in it too."""
    with tarfile.open(built["sdist"]) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
    assert {"pyproject.toml", "README.md", "LICENSE"} <= names
    assert {f"schemas/{name}" for name in SCHEMAS} <= names


def test_the_wheel_works_in_a_clean_environment(
    built: dict[str, Path], tmp_path: Path, project: Path
) -> None:
    """Installed from the wheel: init, a run, its record, and both console scripts."""
    binaries = make_environment(tmp_path / "clean")
    install(binaries, built["wheel"])
    found = resolved(binaries, tmp_path)
    assert found["package"].startswith(str(tmp_path / "clean"))
    assert found["hooks"].startswith(str(tmp_path / "clean"))
    assert set(found["schemas"].split()) == SCHEMAS
    version, made, _, record, log, on_path = use(binaries, project)
    assert re.fullmatch(r"gittrack [0-9.]+\n", version)
    assert "ledger branch gittrack/runs" in made
    assert "\nstatus: finished\n" in record
    assert "digits" in log and "finished" in log
    assert log.splitlines()[0] == on_path.splitlines()[0]


def test_an_editable_install_finds_schemas_and_hooks(source: Path, tmp_path: Path, project: Path) -> None:
    """Installed with -e: code, schemas and hooks are those of the source tree."""
    binaries = make_environment(tmp_path / "editable")
    install(binaries, "-e", source)
    found = resolved(binaries, tmp_path)
    assert found["package"] == str(source / "gittrack" / "__init__.py")
    assert found["hooks"] == str(source / "hooks" / "__init__.py")
    assert set(found["schemas"].split()) == SCHEMAS
    assert "digits" in list(use(binaries, project))[-1]

"""Virtual environments from the locks of Python tools: uv, Poetry, and requirements files with pip.

What the lock calls the project itself is installed only where the record lists it among the packages,
and then in editable mode, so that it is imported from the code tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.formats.locks.compare import use_of
from gittrack.formats.locks.entry import Contents, load_toml, name_of, table, tables, text, texts
from gittrack.formats.locks.requirements import read_requirements
from gittrack.formats.record import Lock
from gittrack.recording.capture.environment import normalise
from gittrack.running.executor.environments.locked import choose, has_project
from gittrack.running.executor.environments.model import EnvironmentPlan, Request
from gittrack.running.executor.environments.process import answers, downloads_python, find_python, find_tool

Commands = list[list[str]]

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,98}[A-Za-z0-9])?\Z")
_VERSION = re.compile(r"[0-9][A-Za-z0-9.!]{0,99}\Z")
CONSTRAINTS = "constraints.txt"


def bin_of(home: Path) -> Path:
    return home / "env" / "bin"


# --- uv ------------------------------------------------------------------------------------


def plan_uv(request: Request) -> EnvironmentPlan:
    """``uv sync --frozen``: what uv.lock says, whether or not pyproject.toml has moved on."""
    lock, data, why = choose(request, "uv")
    uv = find_tool("uv", hint="pip install uv")
    folder = str(PurePosixPath(lock.path).parent)
    document = load_toml(data)
    members = texts(table(document.get("manifest", {}), "'manifest'").get("members"))
    options = [*_uv_project(request, folder, members), *_uv_choices(document, members, request.packages)]
    version, remark = _uv_python(uv, request)

    def commands(tree: Path, _home: Path) -> Commands:
        return [[uv, "sync", "--frozen", f"--project={tree / folder}", *version, *options]]

    return EnvironmentPlan(kind="uv", lock=lock, commands=commands, notes=_notes(why, remark))


def _uv_python(uv: str, request: Request) -> tuple[list[str], str]:
    """The option for the recorded Python, where uv has it or may download it; else uv chooses."""
    version = request.python_version
    if version is None:
        return [], ""
    if downloads_python() or answers(
        [uv, "python", "find", "--no-project", "--no-python-downloads", version]
    ):
        return [f"--python={version}"], ""
    return [], f"uv finds no Python {version} here (UV_PYTHON_DOWNLOADS=automatic lets it fetch one)"


def _uv_project(request: Request, folder: str, members: list[str]) -> list[str]:
    if members:
        installed = any(normalise(member) in request.packages for member in members)
        return ["--all-packages", *([] if installed else ["--no-install-workspace"])]
    return [] if has_project(request, folder) else ["--no-install-project"]


def _uv_choices(document: Mapping[str, Any], members: list[str], packages: Mapping[str, str]) -> list[str]:
    """Extras and groups of the project all of whose packages the run had."""
    options: dict[str, None] = {}
    for package in tables(document, "package"):
        source = table(package.get("source", {}), "'source'")
        own = text(source, "editable") or text(source, "virtual")
        if own != "." and text(package, "name") not in members:
            continue
        for option, key in (("extra", "optional-dependencies"), ("group", "dev-dependencies")):
            groups = table(package.get(key, {}), f"'{key}'")
            for name in groups:
                if _NAME.match(name) and _had_all(tables(groups, name), packages):
                    options[f"--{option}={name}"] = None
    return list(options)


def _had_all(edges: Iterable[Mapping[str, Any]], packages: Mapping[str, str]) -> bool:
    wanted = [edge for edge in edges if use_of(text(edge, "marker")) != "excluded"]
    return bool(wanted) and all(_had(edge, packages) for edge in wanted)


def _had(edge: Mapping[str, Any], packages: Mapping[str, str]) -> bool:
    installed = packages.get(normalise(name_of(edge)))
    return installed is not None and text(edge, "version") in (None, installed)


# --- Poetry --------------------------------------------------------------------------------


def plan_poetry(request: Request) -> EnvironmentPlan:
    """``poetry install`` into a virtual environment made for it, which it takes for the active one."""
    lock, data, why = choose(request, "poetry")
    poetry = find_tool("poetry", hint="pipx install poetry")
    python, remark = find_python(request.python_version)
    folder = str(PurePosixPath(lock.path).parent)
    root = [] if has_project(request, folder) else ["--no-root"]
    extras = _poetry_extras(load_toml(data), request.packages)

    def commands(tree: Path, home: Path) -> Commands:
        made = [python, "-m", "venv", "--without-pip", str(home / "env")]
        return [made, [poetry, "install", f"--directory={tree / folder}", *root, *extras]]

    return EnvironmentPlan(kind="poetry", lock=lock, commands=commands, notes=_notes(why, remark))


def _poetry_extras(document: Mapping[str, Any], packages: Mapping[str, str]) -> list[str]:
    extras = table(document.get("extras", {}), "'extras'")
    wanted = {
        name: [normalise(m[0]) for item in texts(items) if (m := re.match(r"[A-Za-z0-9._-]+", item))]
        for name, items in extras.items()
        if _NAME.match(name)
    }
    return [f"--extras={name}" for name, items in wanted.items() if items and set(items) <= set(packages)]


# --- requirements files and pylock.toml ----------------------------------------------------


def plan_pip(request: Request) -> EnvironmentPlan:
    """``pip install -r`` in a new virtual environment; ``uv pip sync`` for a pylock.toml."""
    lock, data, why = choose(request, "pip")
    if lock.kind == "pylock.toml":
        return _plan_pylock(request, lock, why)
    python, remark = find_python(request.python_version)
    contents = read_requirements(data)
    # pip has no hash of a git commit, although it names its content: then it can only take all or none.
    hashed = lock.pins == "hashed" and all(entry.source != "git" for entry in contents.entries)
    files = {} if hashed else {CONSTRAINTS: _constraints(contents, request.packages)}
    which = "recorded" if any(files.values()) else "newest"
    remarks = [] if hashed else [f"what the lock does not list is taken in the {which} version"]
    plan = EnvironmentPlan(kind="pip", lock=lock)
    project = has_project(request, plan.folder)

    def commands(tree: Path, home: Path) -> Commands:
        environment = str(home / "env")
        install = [str(bin_of(home) / "python"), "-m", "pip", "install"]
        fixed = ["--require-hashes"] if hashed else [f"--constraint={home / CONSTRAINTS}"]
        own = [[*install, "--no-deps", f"--editable={tree / plan.folder}"]] if project else []
        file = f"--requirement={tree / lock.path}"
        return [[python, "-m", "venv", environment], [*install, *fixed, file], *own]

    notes = _notes(why, *contents.remarks, *remarks, remark)
    return EnvironmentPlan(kind="pip", lock=lock, commands=commands, files=files, notes=notes)


def _constraints(contents: Contents, packages: Mapping[str, str]) -> str:
    """Lines ``name==version`` for the recorded packages that the lock does not name itself."""
    listed = {normalise(entry.name) for entry in contents.entries}
    public = {name: version.partition("+")[0] for name, version in packages.items() if name not in listed}
    return "".join(
        f"{name}=={version}\n"
        for name, version in sorted(public.items())
        if _NAME.match(name) and _VERSION.match(version)
    )


def _plan_pylock(request: Request, lock: Lock, why: str) -> EnvironmentPlan:
    uv = find_tool("uv", hint="pip install uv")
    version, remark = _uv_python(uv, request)
    folder = str(PurePosixPath(lock.path).parent)
    project = has_project(request, folder)

    def commands(tree: Path, home: Path) -> Commands:
        into = f"--python={bin_of(home) / 'python'}"
        own = [[uv, "pip", "install", into, "--no-deps", f"--editable={tree / folder}"]] if project else []
        made = [uv, "venv", "--no-project", *version, str(home / "env")]
        return [made, [uv, "pip", "sync", into, str(tree / lock.path)], *own]

    return EnvironmentPlan(kind="pip", lock=lock, commands=commands, notes=_notes(why, remark))


def _notes(*remarks: str) -> tuple[str, ...]:
    return tuple(remark for remark in remarks if remark)

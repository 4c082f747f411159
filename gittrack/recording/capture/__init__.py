"""What is true when a run starts: code, locks, environment and determinism, read once.

Data has its own moment, when it is logged: `gittrack.recording.capture.data`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gittrack.errors import NotFoundError
from gittrack.formats.config import FILE, Config
from gittrack.formats.environment import MAX_DRIFT, ORDER
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Code, EnvironmentSummary, Lock
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.capture.code import LIVE, Invocation, capture_code
from gittrack.recording.capture.untracked import Limits


@dataclass(frozen=True, slots=True)
class Captured:
    """The start of a run."""

    code: Code
    locks: tuple[Lock, ...]
    environment: bytes
    """environment.yaml."""
    surroundings: dict[str, Any]
    """Its sections as they were read."""
    summary: EnvironmentSummary
    determinism: dict[str, Any]
    protocol: str | None
    """Blob of gittrack.yaml in the code tree."""
    notes: tuple[str, ...] = ()
    """What a person is told at the run's end of untracked files in the snapshot."""


def capture(
    repo: Repository,
    objects: ObjectReader,
    config: Config,
    invocation: Invocation,
    run_id: str,
    *,
    dirty: str | None = None,
    exclude: Sequence[str] = (),
    inputs: Sequence[str] = (),
    image: str | None = None,
) -> Captured:
    """Read everything once. Raises UsageError when the policy refuses a dirty tree.

    `exclude` and `inputs`: paths from the top that the run writes and reads.
    """
    notes: list[str] = []
    environment = describe_environment(image) if invocation.in_process else describe_machine(image)
    code = capture_code(
        repo,
        objects,
        invocation,
        run_id,
        policy=dirty or config.capture.dirty,
        limits=limits_of(config, inputs),
        exclude=exclude,
        notes=notes,
    )
    try:
        captured = _with_code(repo, objects, config, invocation, code, environment)
        return replace(captured, notes=tuple(notes))
    except BaseException:
        repo.update_refs([(LIVE + run_id, None, None)])
        raise


def limits_of(config: Config, inputs: Sequence[str] = ()) -> Limits:
    """What a snapshot may hold, as gittrack.yaml says; `inputs` may be data."""
    return Limits(
        file_bytes=int(config.capture.max_file_mb * 1_000_000),
        untracked_bytes=int(config.capture.max_untracked_mb * 1_000_000),
        inputs=inputs,
    )


def _with_code(
    repo: Repository,
    objects: ObjectReader,
    config: Config,
    invocation: Invocation,
    code: Code,
    environment: dict[str, Any],
) -> Captured:
    from gittrack.recording.capture.determinism import capture_determinism

    protocol = objects.get(f"{code.tree}:{FILE}")
    locks, drift = _locks(repo, objects, config, invocation.cwd, code.tree or "", environment)
    written, summary = write_environment(environment, drift)
    return Captured(
        code=code,
        locks=locks,
        environment=written,
        surroundings=environment,
        summary=summary,
        determinism=capture_determinism(),
        protocol=protocol.oid if protocol else None,
    )


def describe_environment(image: str | None = None) -> dict[str, Any]:
    from gittrack.recording.capture.environment import capture_environment

    return capture_environment(image=image)


def describe_machine(image: str | None = None) -> dict[str, Any]:
    """`describe_environment` without what only this process has: of another program that is not known."""
    from gittrack.recording.capture.environment import capture_environment

    return capture_environment(image=image, is_own=False)


def describe_program(program: Path | None, image: str | None = None) -> dict[str, Any]:
    """`describe_machine` with interpreter and packages of `program`, if it is a Python or a script of one."""
    if program is None or not is_python(program):
        return describe_machine(image)
    if environment := _environment_of(program):
        return {**describe_machine(image), **environment}
    return describe_environment(image)


_LAUNCHERS = frozenset(
    {"conda", "dvc", "guild", "hatch", "invoke", "luigi", "mamba", "nox", "pdm", "pipenv", "pipx", "poetry"}
    | {"pixi", "rye", "snakemake", "tox", "uv", "uvx"}
)
"""Scripts for a Python that start others, of environments which they alone know."""


def is_python(program: Path) -> bool:
    """Whether that file is an interpreter by its name, or a script whose first line names one."""
    import re

    if re.fullmatch(r"(?:python|pypy)[0-9.]*", program.name):
        return True
    try:
        with program.open("rb") as file:
            line = file.readline(4096)
    except OSError:
        return False
    is_script = re.match(rb"#!.*/(?:python|pypy)[0-9.]*\s", line) is not None
    return is_script and program.name not in _LAUNCHERS


def capture_here(
    repo: Repository, config: Config, code: Code, image: str | None = None
) -> tuple[bytes, dict[str, Any]]:
    """environment.yaml of this process, and what it changes in a record: ``environment`` and ``locks``.

    For a program that joins the run of `gittrack run`, whose own environment may be another.
    """
    environment = describe_environment(image)
    with repo.objects() as objects:
        locks, drift = _locks(
            repo, objects, config, repo.top / (code.cwd or "."), code.tree or "", environment
        )
    written, summary = write_environment(environment, drift)
    return written, {"environment": to_dict(summary), "locks": [to_dict(lock) for lock in locks]}


def _environment_of(program: Path | None) -> dict[str, Any]:
    """Interpreter and packages of the environment that `program` belongs to; nothing if that is our own."""
    import re
    import sys

    from gittrack.recording.capture.environment import packages_of

    if program is None:
        return {}
    prefix = program.parent.parent
    stated = prefix / "pyvenv.cfg"
    is_conda = (prefix / "conda-meta").is_dir()
    if prefix.resolve() == Path(sys.prefix).resolve():
        return {}
    if not (is_conda or stated.is_file()):
        return _asked(program)
    try:
        packages = packages_of(prefix)
    except NotFoundError:
        return {}  # an environment of another language
    # `version = 3.11.7` in pyvenv.cfg, conda-meta/python-3.11.7-h955ad1f_0.json
    text = stated.read_text("utf-8", "replace") if stated.is_file() else ""
    text += "\n".join(path.name for path in prefix.glob("conda-meta/python-3*.json"))
    version = re.search(r"(?m)^(?:version(?:_info)? *= *|python-)([0-9]+\.[0-9]+(?:\.[0-9]+)?)", text)
    if version is None:
        return {"packages": packages}
    kind = re.search(r"(?m)^implementation *= *(\w+)", text)
    python = {
        "version": version[1],
        "implementation": kind[1] if kind else "CPython",
        "executable": program.name,
        "prefix": "conda" if is_conda else "venv",
    }
    return {"python": python, "packages": packages}


_QUESTION = """
import json, platform, sys
print(json.dumps([sys.prefix, platform.python_version(), platform.python_implementation(), sys.path[1:]]))
"""


def _asked(program: Path) -> dict[str, Any]:
    """What an interpreter that belongs to no environment says of itself; nothing for another program."""
    import json
    import re
    import subprocess
    import sys

    from gittrack.recording.capture.environment import packages_on

    if not re.fullmatch(r"(?:python|pypy)[0-9.]*", program.name):
        return {}
    try:
        process = subprocess.run(
            [program, "-c", _QUESTION], cwd="/", stdin=subprocess.DEVNULL, capture_output=True, timeout=20,
            check=True,
        )  # fmt: skip
        prefix, version, implementation, path = json.loads(process.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}  # no Python after all
    if Path(prefix).resolve() == Path(sys.prefix).resolve():
        return {}
    python = {"version": version, "implementation": implementation, "executable": program.name}
    return {"python": {**python, "prefix": "system"}, "packages": packages_on(path)}


def write_environment(environment: dict[str, Any], drift: dict[str, Any]) -> tuple[bytes, EnvironmentSummary]:
    """environment.yaml, validated, and its summary. `drift`: how what is installed differs from locks."""
    import hashlib

    from gittrack.formats import codec
    from gittrack.formats.environment import summarise

    if drift:
        environment = {**environment, "drift": drift}
    environment = {name: environment[name] for name in ORDER if name in environment} | environment
    codec.validate(environment, "environment", "environment.yaml")
    data = codec.write_yaml(environment)
    return data, summarise(environment, hashlib.sha256(data).hexdigest())


def _locks(
    repo: Repository,
    objects: ObjectReader,
    config: Config,
    cwd: Path,
    tree: str,
    environment: dict[str, Any],
) -> tuple[tuple[Lock, ...], dict[str, Any]]:
    """Every lock, from the code tree where it is tracked, and how what is installed differs from it."""
    if repo.worktree is None:
        return (), {}
    from gittrack.recording.capture.locks import find_locks

    paths = find_locks(repo.worktree, cwd, config.capture.locks)
    return compare_locks(repo, objects, paths, tree, environment)


def compare_locks(
    repo: Repository, objects: ObjectReader, paths: Sequence[str], tree: str, environment: dict[str, Any]
) -> tuple[tuple[Lock, ...], dict[str, Any]]:
    """The locks at `paths`, and by path how the packages of `environment` differ, if these are known."""
    from gittrack.recording.capture.locks import read_lock_once

    locks: list[Lock] = []
    blob: str | None
    drift: dict[str, Any] = {}
    python, packages = environment.get("python"), environment.get("packages")
    for path in paths:
        tracked = objects.get(f"{tree}:{path}")
        if tracked is not None and tracked.kind == "blob":
            data, blob = tracked.data, tracked.oid
        else:
            data, blob = (repo.top / path).read_bytes(), None
        lock, differs = read_lock_once(
            path, data, blob=blob, installed=packages, python=python, folder=repo.state_dir
        )
        locks.append(lock)
        if differs:
            drift[path] = [
                {"name": d.name, "locked": d.locked, **({"installed": d.installed} if d.installed else {})}
                for d in differs[:MAX_DRIFT]
            ]
    return tuple(locks), drift

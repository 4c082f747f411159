"""Which of the recorded locks an environment is built from. What the record says of it is checked."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.errors import NotFoundError, RecordError, UsageError
from gittrack.formats.locks import read_lock
from gittrack.formats.locks.entry import Malformed, load_toml
from gittrack.formats.record import Lock
from gittrack.recording.capture.environment import normalise
from gittrack.running.executor.environments.model import Reader, Request

TOOLS = {
    "uv.lock": "uv",
    "poetry.lock": "poetry",
    "conda-lock.yml": "conda",
    "conda-explicit": "conda",
    "pylock.toml": "pip",
    "requirements.txt": "pip",
}
"""Kinds of lock that an environment can be built from, and the kind of environment; best first."""

_GRADES = ("hashed", "versions", "none")
_EMPTY = "names no package"
"""What `read_lock` notes of a lock that fixes all there is: a project with no dependencies."""


def tree_reader(tree: Path) -> Reader:
    """Reads files of the work tree at `tree`; what is reached by a symbolic link is not there."""
    top = tree.resolve()

    def read(path: str) -> bytes | None:
        file = top / path
        return file.read_bytes() if file.is_file() and file.resolve() == file else None

    return read


def choose(request: Request, kind: str) -> tuple[Lock, bytes, str]:
    """The lock for `kind` (``lock``: for any tool), its bytes, and why it is this one.

    The best graded one first; then the one that fitted what was installed, with the most packages;
    then by kind, in the order of `TOOLS`; then the one deepest in the tree. NotFoundError when there
    is none, RecordError or UsageError when the chosen one cannot be used.
    """
    fitting = [lock for lock in request.locks if kind in ("lock", TOOLS.get(lock.kind))]
    candidates = [lock for lock in fitting if lock.kind in TOOLS]
    if not candidates:
        raise NotFoundError(_none_of(kind, request.locks))
    ranked = sorted(candidates, key=_rank)
    lock, data = _checked(ranked[0], request.read)
    why = f"{lock.path}, the best graded of {len(ranked)} locks" if len(ranked) > 1 else lock.path
    return lock, data, f"{why} (pins {lock.pins})"


def _none_of(kind: str, locks: Sequence[Lock]) -> str:
    kinds = ", ".join(sorted({lock.kind for lock in locks}))
    if kind == "lock":
        what = f"gittrack builds no environment from {kinds}" if kinds else "the record names no lock"
        return f"{what}: take --env current, or --env command"
    wanted = " or ".join(name for name, tool in TOOLS.items() if tool == kind)
    hint = "take --env lock" if any(lock.kind in TOOLS for lock in locks) else "take --env current"
    return f"the record names no {wanted}" + (f", only {kinds}: {hint}" if kinds else f": {hint}")


def _rank(lock: Lock) -> tuple[int, bool, int, int, int, str]:
    fits, same = True, 0
    if lock.installed is not None:
        fits, same = not lock.installed.differs and not lock.installed.missing, lock.installed.same
    kinds = list(TOOLS)
    return (
        _GRADES.index(lock.pins),
        not fits,
        -same,
        kinds.index(lock.kind),
        -lock.path.count("/"),
        lock.path,
    )


def _checked(recorded: Lock, read: Reader) -> tuple[Lock, bytes]:
    """The lock as the code has it. A record can claim anything: path, bytes, kind and grade are looked at."""
    path = recorded.path
    if not _stays_inside(path):
        raise RecordError(f"the record names the lock {path[:300]!r}, which is no path in the code: not read")
    data = read(path)
    if data is None:
        raise NotFoundError(
            f"{path} is no file of the recorded code (git did not track it, or it is a link): "
            "take --env current"
        )
    if hashlib.sha256(data).hexdigest() != recorded.sha256 and not _is_blob(data, recorded.blob):
        raise RecordError(f"{path} of the recorded code is not the lock that the record names")
    lock, _ = read_lock(path, data, blob=recorded.blob, installed={})
    if lock.kind != recorded.kind:
        raise RecordError(f"{path} is called {recorded.kind} in the record, and is {lock.kind}")
    if lock.pins == "none" and lock.note != _EMPTY:
        raise UsageError(f"{path} fixes no versions ({lock.note}): take --env current, or --env command")
    return lock, data


def _stays_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return path.isprintable() and not pure.is_absolute() and ".." not in pure.parts and bool(pure.name)


def _is_blob(data: bytes, blob: str | None) -> bool:
    """Whether git would store `data` under that name."""
    hashes = {40: hashlib.sha1, 64: hashlib.sha256}
    new = hashes.get(len(blob or ""))
    return new is not None and new(b"blob %d\0" % len(data) + data).hexdigest() == blob


def has_project(request: Request, folder: str) -> bool:
    """Whether the project of `folder` was itself installed, as a package, when the run was recorded."""
    data = request.read(str(PurePosixPath(folder) / "pyproject.toml"))
    try:
        document = load_toml(data) if data is not None else {}
    except Malformed:
        return False
    tool = _table(document.get("tool"))
    names = (_table(document.get("project")).get("name"), _table(tool.get("poetry")).get("name"))
    return any(isinstance(name, str) and normalise(name) in request.packages for name in names)


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

"""Dependency lock files: of what kind, how firmly each pins, and whether it is what is installed.

Pure: the caller finds the files and reads the bytes (`gittrack.recording.capture.locks`). A lock
comes from the repository and may be broken or hostile, so `read_lock` never raises over its content.

A grade is ``hashed`` when every entry names its content (a digest, a full git commit), ``versions``
when every entry has at least an exact version, else ``none``. Entries for other platforms count
for the grade, but not for the comparison with what is installed.

    kinds.py         what kind by name
    entry.py         what a reader returns; safe TOML, JSON and YAML
    python.py, requirements.py, conda.py, other.py    the readers
    compare.py       lock against installed distributions
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from typing import Any

from gittrack.formats.locks.compare import Drift, compare, markers_of
from gittrack.formats.locks.entry import Contents, LockedPackage, Malformed
from gittrack.formats.locks.kinds import kind_of
from gittrack.formats.record import Lock, Pins

__all__ = ["MAX_BYTES", "Drift", "kind_of", "read_lock"]

MAX_BYTES = 64 * 1024 * 1024
"""A larger file is recorded by its digest alone."""

_NAMES_IN_NOTE = 5
_SHOWABLE = re.compile(r"(?:@[A-Za-z0-9._-]{1,60}/)?[A-Za-z0-9(][A-Za-z0-9._/ )-]{0,99}\Z")


def read_lock(
    path: str,
    data: bytes,
    *,
    blob: str | None,
    installed: Mapping[str, str] | None,
    python: Mapping[str, Any] | None = None,
) -> tuple[Lock, list[Drift]]:
    """The lock at `path`, whose bytes are `data`, and how what is installed differs from it.

    `blob` is the git object id of `data`, if git tracks it. `installed` maps PEP 503 names to the
    versions of the distributions that the run could import: nothing is compared where it is None.
    `python` has the ``version`` and ``implementation`` of the interpreter that markers are evaluated
    for; None: this one.
    """
    kind = _kind(path, data)
    drifts: list[Drift] = []
    counts = None
    try:
        with markers_of(python):
            contents = _read(kind, data)
        pins, note = _grade(contents), _note(contents)
        if kind in _COMPARED and installed is not None:
            counts, drifts = compare(contents.entries, installed)
    except Malformed as error:
        pins, note = "none", f"could not be read as {kind}: {error}"
    except RecursionError:
        pins, note = "none", f"could not be read as {kind}: nested too deeply"
    digest = hashlib.sha256(data).hexdigest()
    lock = Lock(path=path, kind=kind, sha256=digest, blob=blob, pins=pins, note=note, installed=counts)
    return lock, drifts


def _kind(path: str, data: bytes) -> str:
    """By name, except that conda writes explicit lists to any ``.txt``."""
    kind = kind_of(path)
    if kind in (None, "requirements.txt") and re.search(rb"^@EXPLICIT\s*$", data[:MAX_BYTES], re.MULTILINE):
        return "conda-explicit"
    return kind or ("requirements.txt" if path.endswith((".txt", ".in")) else "other")


def _read(kind: str, data: bytes) -> Contents:
    if len(data) > MAX_BYTES:
        raise Malformed(f"larger than {MAX_BYTES // 1024 // 1024} MiB")
    return _reader(kind)(data)


def _reader(kind: str) -> Callable[[bytes], Contents]:
    from gittrack.formats.locks import conda, other, python, requirements

    readers: dict[str, Callable[[bytes], Contents]] = {
        "uv.lock": python.read_uv,
        "poetry.lock": python.read_poetry,
        "pdm.lock": python.read_pdm,
        "pylock.toml": python.read_pylock,
        "Pipfile.lock": python.read_pipfile,
        "requirements.txt": requirements.read_requirements,
        "conda-lock.yml": conda.read_conda_lock,
        "conda-explicit": conda.read_explicit,
        "pixi.lock": conda.read_pixi,
        "package-lock.json": other.read_npm,
        "renv.lock": other.read_renv,
        "Manifest.toml": other.read_julia,
        "flake.lock": other.read_flake,
        "environment.yml": other.read_environment,
        "Dockerfile": other.read_dockerfile,
    }
    return readers.get(kind, _read_unknown)


def _read_unknown(data: bytes) -> Contents:
    return Contents(
        pins="none", remarks=["not a kind of lock that gittrack reads: only its bytes are recorded"]
    )


_COMPARED = frozenset(
    {
        "uv.lock",
        "poetry.lock",
        "pdm.lock",
        "pylock.toml",
        "Pipfile.lock",
        "requirements.txt",
        "conda-lock.yml",
        "conda-explicit",
        "pixi.lock",
    }
)


def _grade(contents: Contents) -> Pins:
    if contents.pins is not None:
        return contents.pins
    if not contents.entries:
        return "none"
    if all(entry.hashed for entry in contents.entries):
        return "hashed"
    return "versions" if all(entry.hashed or entry.version for entry in contents.entries) else "none"


def _note(contents: Contents) -> str | None:
    """What keeps the file from a better grade, then the reader's remarks; None where neither."""
    entries = contents.entries
    loose = [entry for entry in entries if not entry.hashed and entry.version is None]
    unhashed = [entry for entry in entries if not entry.hashed]
    parts: list[str] = []
    if not entries and contents.pins is None:
        parts.append("names no package")
    elif loose and contents.pins is None:
        parts.append(_listing(loose, len(entries), "neither exact version nor hash"))
    elif unhashed:
        parts.append(_listing(unhashed, len(entries), "no hash"))
    return "; ".join([*parts, *contents.remarks]) or None


def _listing(lacking: list[LockedPackage], total: int, what: str) -> str:
    names = list(dict.fromkeys(_shown(entry) for entry in lacking))
    listed = ", ".join(names[:_NAMES_IN_NOTE]) + (", ..." if len(names) > _NAMES_IN_NOTE else "")
    return f"{len(lacking)} of {total} entries carr{'ies' if len(lacking) == 1 else 'y'} {what}: {listed}"


def _shown(entry: LockedPackage) -> str:
    """The name, unless it could be something else in a name's place (an URL with a password)."""
    name = entry.name if _SHOWABLE.match(entry.name) else "(unnamed)"
    return f"{name} ({entry.source})" if entry.source else name

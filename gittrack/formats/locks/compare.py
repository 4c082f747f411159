"""Whether the installed distributions are those that a Python lock pins."""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from gittrack.formats.locks.entry import LockedPackage, Use
from gittrack.formats.record import Installed

# What of a marker is the installer's choice: extra == "x", "x" in extras, "x" in dependency_groups.
_CHOICE = re.compile(
    r"""\bextra\s*[!=]=\s*(?:"[^"]*"|'[^']*')"""
    r"""|(?:"[^"]*"|'[^']*')\s*(?:[!=]=\s*extra\b|(?:not\s+)?in\s+(?:extras|dependency_groups)\b)"""
)
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,198}[a-z0-9])?\Z")  # normalised
_ALWAYS = "python_version >= '0'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """A package that is not installed as it is locked."""

    name: str
    locked: str
    installed: str | None
    """None: not installed."""


def normalised(name: str) -> str:
    """The name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


_INTERPRETER: ContextVar[tuple[str, str] | None] = ContextVar("interpreter", default=None)
"""Version and implementation of the Python that markers are evaluated for; None: this one."""


@contextlib.contextmanager
def markers_of(python: Mapping[str, Any] | None) -> Iterator[None]:
    """Within the block `use_of` judges markers as the interpreter with these facts would."""
    token = _INTERPRETER.set(
        (python["version"], python["implementation"]) if python and "implementation" in python else None
    )
    try:
        yield
    finally:
        _INTERPRETER.reset(token)


def use_of(marker: str | None) -> Use:
    """Whether a PEP 508 marker asks for its package on the interpreter of `markers_of`.

    Extras and groups are the installer's choice, which no lock tells: a marker that holds once they
    are granted makes its package ``optional``. So does one that cannot be evaluated.
    """
    return "required" if marker is None else _use_of(marker, _INTERPRETER.get())


@functools.lru_cache(maxsize=4096)
def _use_of(marker: str, interpreter: tuple[str, str] | None) -> Use:
    from packaging.markers import Marker

    granted, choices = _CHOICE.subn(_ALWAYS, marker)
    try:
        holds = Marker(granted).evaluate(_marker_values(interpreter))
    except (ValueError, KeyError):  # UndefinedEnvironmentName is a KeyError in some versions
        return "optional"
    if not holds:
        return "excluded"
    return "optional" if choices else "required"


def _marker_values(interpreter: tuple[str, str] | None) -> dict[str, str | set[str]]:
    """What of packaging's marker environment belongs to the interpreter, not to the machine."""
    if interpreter is None:
        return {}
    version, implementation = interpreter
    release = re.match(r"[0-9]+\.[0-9]+", version)
    return {
        "python_full_version": version,
        "python_version": release[0] if release else version,
        "implementation_name": implementation.lower(),
        "platform_python_implementation": implementation,
    }


def weaker(first: Use, second: Use) -> Use:
    order: tuple[Use, ...] = ("excluded", "optional", "required")
    return min(first, second, key=order.index)


def compare(
    entries: Iterable[LockedPackage], installed: Mapping[str, str]
) -> tuple[Installed | None, list[Drift]]:
    """Counts and differences, by name; no counts where there was nothing to compare.

    `installed` maps PEP 503 names to versions. A package that the lock holds in several versions
    (uv forks) is the same if one of those that apply here is installed.
    """
    wanted: dict[str, list[LockedPackage]] = {}
    for entry in entries:
        if entry.use != "excluded" and entry.version is not None:
            wanted.setdefault(normalised(entry.name), []).append(entry)
    wanted = {name: choices for name, choices in wanted.items() if _NAME.match(name)}
    same = 0
    drifts: list[Drift] = []
    for name, choices in sorted(wanted.items()):
        version_here = installed.get(name)
        if version_here is None and all(entry.use == "optional" for entry in choices):
            continue
        versions = sorted({entry.version for entry in choices if entry.version})
        if version_here is not None and any(same_version(version, version_here) for version in versions):
            same += 1
        else:
            drifts.append(Drift(name=name, locked=", ".join(versions), installed=version_here))
    missing = sum(drift.installed is None for drift in drifts)
    if not same and not drifts:
        return None, []
    return Installed(same=same, differs=len(drifts) - missing, missing=missing), drifts


def same_version(locked: str, installed: str) -> bool:
    """PEP 440 ``==``: 1.0 is 1.0.0, and a lock without a local label accepts any (2.1.0: 2.1.0+cpu)."""
    if locked == installed:
        return True
    from packaging.version import InvalidVersion, Version

    try:
        want, have = Version(locked), Version(installed)
    except InvalidVersion:
        return False
    return want == (have if want.local is not None else Version(have.public))

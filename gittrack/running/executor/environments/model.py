"""What is asked for, what would be done, and what came of it: the values of this package. No I/O."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from gittrack.formats.record import Lock

Reader = Callable[[str], bytes | None]
"""The bytes of a file of the recorded code, by its path from the top; None where there is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a record says of the environment, and what the caller adds. See `plan` for the fields."""

    read: Reader
    locks: Sequence[Lock] = ()
    image: str | None = None
    command_prefix: str | None = None
    python: str | None = None
    packages: Mapping[str, str] = field(default_factory=dict)
    network: bool = False
    gpus: bool = False

    @property
    def python_version(self) -> str | None:
        """``X.Y`` of the CPython that the record names; None for another implementation."""
        match = re.match(r"([0-9]+\.[0-9]+)(?:\.|\Z)", self.python or "")
        return match[1] if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentPlan:
    """How an environment would be made. Nothing has been done yet."""

    kind: str
    lock: Lock | None = None
    """As read from the recorded code, not as the record claims it to be."""
    commands: Callable[[Path, Path], list[list[str]]] = lambda _tree, _home: []
    """The argument lists that `build` runs, given the code tree and the folder to build in."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Texts that `build` writes below that folder first, by name."""
    prefix: tuple[str, ...] = ()
    image: str | None = None
    options: tuple[str, ...] = ()
    """Of ``docker run``."""
    notes: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """Where the commands run, from the top of the code tree: the project that the lock belongs to."""
        parent = PurePosixPath(self.lock.path).parent if self.lock else PurePosixPath()
        return str(parent.parent if parent.name == "requirements" else parent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that is there. It belongs to the code tree that it was built for."""

    kind: str
    path: tuple[Path, ...] = ()
    """Folders in front of PATH."""
    variables: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    """Variables that the command must not see."""
    prefix: tuple[str, ...] = ()
    """What stands in front of the command; for a container `command_line` adds the rest."""
    image: str | None = None
    note: str = ""

    def environ(self, base: Mapping[str, str]) -> dict[str, str]:
        """The variables to run the command with: `base` with this environment in place of its own."""
        variables = {name: value for name, value in base.items() if name not in self.unset}
        if self.path:
            active = {str(Path(base[n], "bin")) for n in ("VIRTUAL_ENV", "CONDA_PREFIX") if base.get(n)}
            folders = (f for f in base.get("PATH", os.defpath).split(os.pathsep) if f not in active)
            variables["PATH"] = os.pathsep.join([*map(str, self.path), *folders])
        return {**variables, **self.variables}

    def command_line(
        self, command: Sequence[str], cwd: Path, *, passed: Sequence[str] = (), name: str = ""
    ) -> list[str]:
        """`command` as it has to be started here, in `cwd`.

        A container gets `cwd`, the `name` by which `ending` stops it, and the variables named in
        `passed`, with the values that the process which starts it has: none of them stands on the
        command line. Elsewhere `cwd` and the variables are the caller's to set.
        """
        if self.image is None:
            return [*self.prefix, *command]
        called = [f"--name={name}"] if name else []
        variables = [f"--env={variable}" for variable in passed]
        return [*self.prefix, *called, f"--workdir={cwd}", *variables, self.image, *command]

    def ending(self, name: str) -> list[str]:
        """What stops the container `name`, which outlives a ``docker run`` that was killed; else []."""
        return [self.prefix[0], "kill", name] if self.image else []

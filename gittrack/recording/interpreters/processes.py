"""Pythons of a job that report nothing, seen while they run: started with -I, or without our variables.

Linux alone lets a process look at those below it without cost, by /proc.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gittrack.recording.interpreters.reports import Report
from gittrack.recording.interpreters.startup.sitecustomize import PARENT, started_with

INTERPRETER = re.compile(r"(?:python|pypy)[0-9.]*[a-z]?(?:-[a-z0-9]+)?")
ASK_S = 20.0
_PROC = Path("/proc")
_ISOLATED = re.compile(r"-[bBdiOPqRuvVx]*[IES]")

QUESTION = """
import json, sys
text = [sys.executable, sys.version, sys.implementation.name, sys.prefix, sys.base_prefix]
print(json.dumps([text, sys.path[1:] if not getattr(sys.flags, "safe_path", False) else sys.path]))
"""
"""Without safe_path (-P, -I) the first of sys.path is where the question is asked."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """A Python process, as the system shows it."""

    when: float
    pid: int
    executable: str
    """Behind all links."""
    argv: tuple[str, ...]
    cwd: str
    environment: Mapping[str, str]

    @property
    def is_isolated(self) -> bool:
        """Whether its options keep it from reading PYTHONPATH, or from running any sitecustomize."""
        return any(_ISOLATED.match(option) for option in started_with(self.argv)[0])

    @property
    def program(self) -> str | None:
        """The interpreter as it was named, which tells its environment; None where that leads elsewhere."""
        word = self.argv[0] if self.argv else ""
        named = word if os.sep in word else shutil.which(word, path=self.environment.get("PATH", os.defpath))
        path = os.path.join(self.cwd, named or "")  # noqa: PTH118
        return path if named and os.path.realpath(path) == self.executable else None


def below(pid: int) -> Iterator[int]:
    """`pid` and all processes that it and its children have started, as far as they run."""
    pids = [pid]
    for number in pids:
        yield number
        try:
            with os.scandir(_PROC / str(number) / "task") as tasks:
                for task in tasks:
                    pids += map(int, Path(task.path, "children").read_text().split())
        except OSError:
            continue  # it has just ended


def executable_of(pid: int) -> str | None:
    """The file that the process runs, if that is a Python by its name."""
    try:
        path = os.readlink(_PROC / str(pid) / "exe").removesuffix(" (deleted)")  # noqa: PTH115
    except OSError:
        return None
    return path if INTERPRETER.fullmatch(path.rpartition("/")[2]) else None


def look_at(pid: int, executable: str) -> Sighting | None:
    """What is to be known of a Python process; None where it has just ended."""
    try:
        words, variables = ((_PROC / str(pid) / name).read_bytes() for name in ("cmdline", "environ"))
        cwd = os.readlink(_PROC / str(pid) / "cwd")  # noqa: PTH115
    except OSError:
        return None
    pairs = (os.fsdecode(item).partition("=") for item in variables.split(b"\0") if item)
    argv = tuple(os.fsdecode(word) for word in words.split(b"\0")[:-1])
    return (
        Sighting(time.time(), pid, executable, argv, cwd, {name: value for name, _, value in pairs})
        if argv
        else None
    )


def ask(sighting: Sighting, name: str) -> Report | None:
    """What an interpreter started like that process says of itself; None where it does not answer."""
    if sighting.program is None:
        return None
    options, ran = started_with(sighting.argv)
    environment = {k: v for k, v in sighting.environment.items() if not k.startswith("GITTRACK_")}
    try:
        process = subprocess.run(
            [sighting.program, *(option for option in options if _ISOLATED.match(option)), "-c", QUESTION],
            cwd="/", env=environment, stdin=subprocess.DEVNULL,
            capture_output=True, timeout=ASK_S, check=True,
        )  # fmt: skip
        text, path = json.loads(process.stdout.splitlines()[-1])
        executable, version, implementation, prefix, base_prefix = map(str, text)
    except (OSError, ValueError, TypeError, IndexError, subprocess.SubprocessError):
        return None
    parent = sighting.environment.get(PARENT, "")
    return Report(
        name=name, when=sighting.when, pid=sighting.pid, parent=parent,
        executable=executable, file=sighting.executable,
        version=version, implementation=implementation, prefix=prefix, base_prefix=base_prefix,
        cwd=sighting.cwd, ran=ran, path=tuple(map(str, path)), variables=sighting.environment, said=False,
    )  # fmt: skip

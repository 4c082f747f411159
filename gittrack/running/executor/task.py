"""One execution as plain values: everything that a worker, on this machine or another, needs to know."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from gittrack.formats.plain import from_dict, to_dict
from gittrack.formats.record import BaseModel, Code, DataInput
from gittrack.formats.sources import Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The environment that the program is started in."""

    path: tuple[str, ...] = ()
    """Folders in front of PATH."""
    variables: Mapping[str, str] = field(default_factory=dict)
    unset: tuple[str, ...] = ()
    prefix: tuple[str, ...] = ()
    """Arguments in front of the command, such as those of ``docker run``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A run that is to be made in a work tree of its own. Paths are from the top of that."""

    run_id: str
    """Chosen beforehand, so that a task that is tried again is still one run."""
    experiment: str
    code: Code
    command: tuple[str, ...]
    launch: tuple[str, ...] = ()
    """What is started where that is not what is recorded, such as ``dvc repro --force``."""
    layers: tuple[Layer, ...] = ()
    """Parameters by source; the command has what it needs of them."""
    not_recorded: tuple[tuple[str, str], ...] = ()
    """What files of parameters had besides, and why it is not among them."""
    seed: int | None = None
    seed_source: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    name: str | None = None
    hypothesis: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    base_models: tuple[BaseModel, ...] = ()
    parent: str | None = None
    reproduces: str | None = None
    data: tuple[DataInput, ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    """Paths and roles."""
    usual_metrics: bool = False
    """Whether metrics.json and dvclive are read as well, where the program leaves them."""
    image: str | None = None
    surroundings: Surroundings = Surroundings()
    timeout_s: float | None = None
    harvest: str | None = None
    """See `gittrack.recording.job.Job`, as for what follows."""
    held: str | None = None
    resume: str | None = None
    """The run to go on with, or to continue."""
    branch: str
    """Ledger branch."""
    proposal: str | None = None
    """Name of the proposal that the run goes to; None: the ledger itself."""

    @property
    def commit(self) -> str:
        """What is checked out: the snapshot where there is one."""
        return self.code.snapshot or self.code.commit or ""

    def to_json(self) -> str:
        plain = {k: v for k, v in asdict(self).items() if k not in ("code", "data", "base_models")}
        plain["code"] = to_dict(self.code)
        plain["data"] = [to_dict(item) for item in self.data]
        plain["base_models"] = [to_dict(model) for model in self.base_models]
        return json.dumps(plain)

    @classmethod
    def from_json(cls, text: str | bytes) -> Task:
        plain = json.loads(text)
        for name in ("outputs", "not_recorded"):
            plain[name] = [tuple(pair) for pair in plain[name]]
        return from_dict(cls, plain)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a task: exit status of the program, and what could not be kept."""

    run_id: str
    status: int
    complaint: str = ""
    error: str = ""
    """Why nothing was run, or committed; empty where the run is on the ledger."""
    exit_code: int = 0
    """Of that error, as docs/exit-codes.md has it."""
    instead: str = ""
    """The run that took the place of `run_id`, whose id a killed attempt has."""

    @property
    def run(self) -> str:
        """The run that is on the ledger."""
        return self.instead or self.run_id


INTERPRETER = re.compile(r"(?:.*/)?python[0-9.]*")


def with_interpreter(command: Sequence[str], home: Path | None) -> tuple[str, ...]:
    """`command` as it is started in a work tree of its own.

    An interpreter that is named by its place, such as .venv/bin/python, is that of the user's own work
    tree, whose folder `home` is; where that has none, or None is given, the one of that name on PATH.
    """
    program, *arguments = command
    if os.sep in program and INTERPRETER.fullmatch(program):
        path = None if home is None else home / program
        is_there = path is not None and path.is_file() and os.access(path, os.X_OK)
        program = str(path) if is_there else program.rpartition("/")[2]
    return (program, *arguments)


def search_path(path: str) -> str:
    """PATH, and at its end the folder of our own interpreter, for an environment that is not activated."""
    return os.pathsep.join([path, str(Path(sys.executable).parent)])

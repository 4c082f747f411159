"""What surrounds a run that is about to start: its rank, its seed, and a `gittrack run` to be part of."""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gittrack.formats.config import choose_experiment, declared_metrics
from gittrack.formats.plain import from_dict
from gittrack.formats.record import RUN_ID, Code
from gittrack.git.repository import Repository
from gittrack.recording.changes import note_params
from gittrack.recording.journal import Journal
from gittrack.recording.journal.events import Kind
from gittrack.recording.journal.stored import StoredJournal
from gittrack.recording.request import Request, stated

RUN_VARIABLE = "GITTRACK_RUN"
"""Set by `gittrack run` for the program that it wraps: the folder of the run's journal."""

_RANK_VARIABLES = ("RANK", "OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID")


@dataclass(frozen=True, slots=True)
class Joined:
    """The run of `gittrack run`, which this process now writes to as well."""

    repository: Repository
    journal: Journal
    experiment: str | None
    """Where the program named one and `gittrack run` did not."""
    params: dict[str, Any]


def rank() -> int:
    """Which of several processes of one training this is; 0 where there is one."""
    for name in _RANK_VARIABLES:
        value = os.environ.get(name, "")
        if value.isdecimal() and (name != "SLURM_PROCID" or os.environ.get("SLURM_NTASKS", "1") != "1"):
            return int(value)
    return 0


def given_seed(given: int | None) -> int | None:
    """The seed as given, else that of ``gittrack run --seed``."""
    if given is not None:
        return given
    text = os.environ.get("GITTRACK_SEED", "")
    return int(text) if re.fullmatch("-?[0-9]{1,40}", text) else None


def below_outer_run(request: Request) -> Request:
    """The request of a further run inside `gittrack run`: that one is its parent."""
    outer = Path(os.environ.get(RUN_VARIABLE, "")).name
    return replace(request, parent=outer) if request.parent is None and RUN_ID.match(outer) else request


def join(request: Request, where: str | Path | None) -> Joined | None:
    """The run that `gittrack run` has begun around this program, if this is the first to ask for it."""
    folder = Path(os.environ.get(RUN_VARIABLE) or os.devnull)
    if not (folder / "start.json").is_file() or (folder / "joined").exists():
        return None
    start = StoredJournal(folder).start
    repo = Repository.discover(start["top"])
    if where is not None and Repository.discover(where).common_dir != repo.common_dir:
        return None
    from gittrack.formats.config import load_cached
    from gittrack.recording.capture import capture_here

    statement = {k: v for k, v in stated(request).items() if v not in (None, [])}
    facts = {k: v for k, v in statement.items() if k not in start["given"]}
    if statement.get("seed", start["record"].get("seed")) != start["record"].get("seed"):
        facts["seed"] = statement["seed"]  # what the program uses, whatever it was told
    config = load_cached(repo.worktree, repo.state_dir)
    if request.experiment is not None and "experiment" not in start["given"]:
        facts["experiment"] = choose_experiment(request.experiment, config)
    code = from_dict(Code, start["record"]["code"])
    environment, changed = capture_here(repo, config, code, request.image)
    journal = Journal(folder)
    if not journal.claim():
        return None
    journal.replace_environment(environment)
    journal.event(Kind.FACTS, {**facts, **changed})
    if "experiment" in facts:
        journal.event(Kind.DECLARED, declared_metrics(config, facts["experiment"]))
    edited = note_params(journal)
    return Joined(repo, journal, facts.get("experiment"), _params(start) | edited)


def _params(start: dict[str, Any]) -> dict[str, Any]:
    """The params of `gittrack run`, as it hands them to the program: the journal has no credentials.

    Those of a run that reproduces another are the other's, logged by whom nobody knows: the program may
    say what it likes, and the records are compared.
    """
    if start["record"].get("reproduces"):
        return {}
    try:
        given = json.loads(os.environ.get("GITTRACK_PARAMS", ""))
    except ValueError:
        given = None
    return given if isinstance(given, dict) else dict(start["params"])

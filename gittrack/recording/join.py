"""What surrounds a run that is about to start: its seed, and a `gittrack run` to be part of."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gittrack.formats.config import choose_experiment, declared_metrics
from gittrack.formats.masks import is_masked
from gittrack.formats.plain import from_dict
from gittrack.formats.record import RUN_ID, Code
from gittrack.formats.sources import SEED_OPTION, SEED_VARIABLE, START_RUN, Layer, layer_of
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.attempts import say_again
from gittrack.recording.changes import note_params
from gittrack.recording.journal import Journal
from gittrack.recording.ranks import ranks_fact
from gittrack.recording.request import Request, stated
from gittrack.recording.unfinished import AUTO, is_called

log = logging.getLogger("gittrack")

RUN_VARIABLE = "GITTRACK_RUN"
"""Set by `gittrack run` for the program that it wraps: the folder of the run's journal."""


@dataclass(frozen=True, slots=True)
class Joined:
    """The run of `gittrack run`, which this process now writes to as well."""

    repository: Repository
    journal: Journal
    experiment: str | None
    """Where the program named one and `gittrack run` did not."""
    layers: list[Layer]
    """Parameters that are recorded already, credentials among them."""
    again: bool
    """Whether it reproduces another run, which has said what is on the command line."""


def outer_run() -> Path | None:
    """The journal of the `gittrack run` around this process, while that run goes on."""
    folder = Path(os.environ.get(RUN_VARIABLE) or os.devnull)
    is_there = RUN_ID.match(folder.name) and (folder / "start.json").is_file()
    return folder if is_there and StoredJournal(folder).alive is not False else None


def is_left_behind() -> bool:
    """Whether the variables of a `gittrack run` are of one that has ended: in a tmux, a Ray daemon."""
    return bool(os.environ.get(RUN_VARIABLE)) and outer_run() is None


def given_seed(given: int | None) -> tuple[int | None, str | None]:
    """The seed as given, else that of ``gittrack run --seed``; and its source."""
    if given is not None:
        return given, START_RUN
    if is_left_behind():
        return None, None
    text = os.environ.get("GITTRACK_SEED", "")
    return (int(text), SEED_VARIABLE) if re.fullmatch("-?[0-9]{1,40}", text) else (None, None)


def below_outer_run(request: Request) -> Request:
    """The request of a further run inside `gittrack run`: that one is its parent."""
    outer = outer_run() if request.parent is None else None
    return request if outer is None else replace(request, parent=outer.name)


def may_join() -> bool:
    """Whether `gittrack run` has begun a run around this program that nobody has joined."""
    folder = outer_run()
    return folder is not None and not (folder / "joined").exists()


def join(request: Request, where: str | Path | None) -> Joined | None:
    """The run that `gittrack run` has begun around this program, if this is the first to ask for it."""
    folder = outer_run()
    if folder is None or not may_join():
        return None
    stored = StoredJournal(folder)
    start = stored.start
    repo = Repository.discover(start["top"])
    if where is not None and Repository.discover(where).common_dir != repo.common_dir:
        return None
    from gittrack.formats.config import load_cached
    from gittrack.recording.capture import capture_here

    statement = {k: v for k, v in stated(request).items() if v not in (None, [])}
    facts = {k: v for k, v in statement.items() if k not in start["given"]}
    facts |= _seed(statement, start)
    config = load_cached(repo.worktree, repo.state_dir)
    if request.experiment is not None and "experiment" not in start["given"]:
        facts["experiment"] = choose_experiment(request.experiment, config)
    code = from_dict(Code, start["record"]["code"])
    environment, changed = capture_here(repo, config, code, request.image)
    journal = Journal(folder)
    if not journal.claim():
        return None
    _say_not_resumed(request, stored)
    if stored.is_again:
        say_again(journal, {**facts, "experiment": None}, (environment, changed))
        facts.pop("experiment", None)
    else:
        journal.replace_environment(environment)
        journal.event(Kind.FACTS, {**facts, **changed, **ranks_fact()})
    if "experiment" in facts:
        journal.event(Kind.DECLARED, declared_metrics(config, facts["experiment"]))
    edited = note_params(journal)
    return Joined(
        repo,
        journal,
        facts.get("experiment"),
        [*_layers(folder, start), *edited],
        bool(start["record"].get("reproduces")),
    )


def _say_not_resumed(request: Request, stored: StoredJournal) -> None:
    """Which run this is was settled outside; a program that asks for another one to go on is told so."""
    name, record = request.resume, stored.start["record"]
    if name is None or record.get("reproduces"):
        return
    known = [stored.run_id, *filter(None, [record.get("continues")])]
    goes_on = stored.is_again or len(known) > 1
    if name == AUTO and (goes_on or stored.start.get("resumable")):
        return
    if not any(is_called(run_id, name) for run_id in known):
        log.warning(
            "resume=%r says nothing here: gittrack run has begun run %s; to go on with one: "
            "gittrack run --resume %s", name, stored.run_id, name,
        )  # fmt: skip


def _seed(statement: Mapping[str, Any], start: Mapping[str, Any]) -> dict[str, Any]:
    """The seed that the program uses, whatever it was told, and that it was told another."""
    if "seed" not in start["given"] or "seed" not in statement:
        return {}
    told, source = start["record"]["seed"], start["record"].get("seed_source") or SEED_OPTION
    if statement["seed"] == told:
        sources = [*source.split(", "), *([START_RUN] if statement["seed_source"] == START_RUN else [])]
        return {"seed_source": ", ".join(dict.fromkeys(sources))}
    conflict = {"seed": {source: told, START_RUN: statement["seed"]}}
    return {"seed": statement["seed"], "seed_source": START_RUN, "param_conflicts": conflict}


def _layers(folder: Path, start: dict[str, Any]) -> list[Layer]:
    """What the journal says of params, with the values that `gittrack run` hands to the program.

    Those of a run that reproduces another are the other's, logged by whom nobody knows: the program may
    say what it likes, and the records are compared.
    """
    if start["record"].get("reproduces"):
        return []
    events = (event for event in StoredJournal(folder).own_events() if event[0] == Kind.PARAMS)
    layers = [layer_of(params, origin) for _, params, *origin in events]
    try:
        given = json.loads(os.environ.get("GITTRACK_PARAMS", ""))
    except ValueError:
        given = None
    offered = given if isinstance(given, dict) else dict(start["params"])
    return [replace(layer, params=_unmasked(layer.params, offered), masked={}) for layer in layers]


def _unmasked(params: Mapping[str, Any], offered: Mapping[str, Any]) -> dict[str, Any]:
    """`params` of the journal, which has no credentials, with those that the environment has."""
    whole: dict[str, Any] = {}
    for name, value in params.items():
        known = offered.get(name)
        if isinstance(value, dict):
            whole[name] = _unmasked(value, known if isinstance(known, dict) else {})
        else:
            whole[name] = known if name in offered and is_masked(value) else value
    return whole

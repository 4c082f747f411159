"""The start of a run: everything that could go wrong is asked first, then it is on disk."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.config import Config
from gittrack.formats.record import EXPERIMENT, RUN_ID, BaseModel, Tool, clean_text, format_time, to_dict
from gittrack.formats.scrub import scrub_text
from gittrack.formats.values import MAX_TEXT, check_name, to_params, to_tags, without_secrets
from gittrack.git.repository import Repository
from gittrack.ledger import Ledger
from gittrack.recording.capture import capture
from gittrack.recording.capture.code import LIVE, Invocation
from gittrack.recording.finish import recover
from gittrack.recording.journal import Journal, StoredJournal
from gittrack.recording.propose import target
from gittrack.version import VERSION

log = logging.getLogger("gittrack")

DEFAULT_EXPERIMENT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants recorded about a run that is about to start."""

    experiment: str | None = None
    name: str | None = None
    hypothesis: str | None = None
    seed: int | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    reproduces: str | None = None
    base_models: Sequence[Mapping[str, Any] | str] = ()
    dirty: str | None = None
    """``snapshot`` or ``refuse``; None takes what gittrack.yaml says."""
    image: str | None = None
    propose: str | None = None
    """Name of the proposal that the run goes to, empty for any; None takes the mode of gittrack.yaml."""
    exclude: Sequence[str] = ()
    """Outputs and metrics files that the run will write, from the top of the work tree."""
    run_id: str | None = None
    """Chosen by the caller, where a run that is tried again has to be the same run; None: a new one."""


def begin(repo: Repository, config: Config, request: Request, invocation: Invocation) -> Journal:
    """Check, capture, and put the run on disk. Nothing has been run when this raises."""
    started = datetime.now(UTC)
    run_id = request.run_id or new_id(started)
    experiment = choose_experiment(request.experiment, config)
    facts = stated(request)
    params, tags = without_secrets(to_params(request.params)), to_tags(request.tags)
    seeds = check_seeds(request.seeds)
    who = repo.identity()
    branch, onto = target(config, request.propose, request.parent or run_id)
    ledger = Ledger(repo, branch, onto)
    with repo.objects() as objects:
        ledger.check(objects)
        _recover_others(repo)
        captured = capture(
            repo,
            objects,
            config,
            invocation,
            run_id,
            dirty=request.dirty,
            exclude=[*request.exclude, *_declared_outputs(config, experiment)],
            image=request.image,
        )
    record = {
        "id": run_id,
        "experiment": experiment,
        "started": format_time(started),
        "author": {"name": clean_text(who.name), "email": clean_text(who.email)},
        **facts,
        "code": to_dict(captured.code),
        "locks": [to_dict(lock) for lock in captured.locks],
        "environment": to_dict(captured.summary),
        "protocol": captured.protocol,
        "tool": to_dict(Tool(version=VERSION)),
    }
    start = {
        "ledger": branch,
        "onto": onto,
        "dvc_config": _dvc_config(repo).decode(),
        "given": sorted(
            k for k in ("experiment", "name", "hypothesis", "seed") if getattr(request, k) is not None
        ),
        "metrics": declared_metrics(config, experiment),
        "top": str(repo.top),
        "params": params,
        "record": record,
    }
    events = [["p", params], ["t", tags], ["s", seeds], ["d", captured.determinism]]
    try:
        return Journal.create(
            repo.state_dir, run_id, start, captured.environment, [e for e in events if e[1]]
        )
    except BaseException:
        _release(repo, run_id)
        raise


def new_id(moment: datetime) -> str:
    """An id of that second (UTC), unique by its random end."""
    return f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _declared_outputs(config: Config, experiment: str) -> list[str]:
    """What gittrack.yaml says runs produce: neither code nor a change to it."""
    return [o.path for o in [*config.outputs, *config.experiment_config(experiment).outputs]]


def abandon(repo: Repository, journal: Journal) -> None:
    """Take back a run that could not start: nothing was run, so there is nothing to record."""
    journal.close()
    StoredJournal(journal.folder).remove()
    _release(repo, journal.folder.name)


def _release(repo: Repository, run_id: str) -> None:
    repo.update_refs([(LIVE + run_id, None, None)])


def stated(request: Request) -> dict[str, Any]:
    """What the caller said, checked while it can still be said better."""
    for what in ("parent", "reproduces", "run_id"):
        value = getattr(request, what)
        if value is not None and not (isinstance(value, str) and RUN_ID.match(value)):
            raise UsageError(f"{what} must be a full run id such as 20261122-142233-7f3a2c, not {value!r}")
    if request.dirty not in (None, "snapshot", "refuse"):
        raise UsageError(f"dirty must be snapshot or refuse, not {request.dirty!r}")
    return {
        "name": _text(request.name, "name", 250),
        "hypothesis": _text(request.hypothesis, "hypothesis", MAX_TEXT),
        "seed": None if request.seed is None else check_seeds({"seed": request.seed})["seed"],
        "parent": request.parent,
        "reproduces": request.reproduces,
        "base_models": [_base_model(model) for model in request.base_models],
    }


def _text(text: str | None, what: str, limit: int) -> str | None:
    if text is None:
        return None
    text = clean_text(scrub_text(str(text), os.environ))
    if not 1 <= len(text) <= limit:
        raise UsageError(f"{what} must have 1 to {limit} characters, not {len(text)}")
    return text


def _base_model(model: Mapping[str, Any] | str) -> dict[str, Any]:
    given = {"name": model} if isinstance(model, str) else to_params(model)
    try:
        return to_dict(BaseModel(**given))
    except TypeError as error:
        names = ", ".join(f.name for f in fields(BaseModel))
        raise UsageError(f"a base model has a name and may have more of {names}: not {given!r}") from error


def check_seeds(seeds: Mapping[str, int]) -> dict[str, int]:
    """Seeds by library; whole numbers."""
    checked = {}
    for name, seed in seeds.items():
        number = seed.item() if hasattr(seed, "item") else seed
        if not isinstance(number, int) or isinstance(number, bool) or number.bit_length() > 128:
            raise UsageError(f"seed {name!r} must be a whole number of at most 128 bits, not {seed!r}")
        checked[check_name(name, "seed")] = number
    return checked


def choose_experiment(given: str | None, config: Config) -> str:
    """The experiment's name: as given, GITTRACK_EXPERIMENT, gittrack.yaml's, or ``default``."""
    name = given or os.environ.get("GITTRACK_EXPERIMENT") or config.experiment or DEFAULT_EXPERIMENT
    if not isinstance(name, str) or not EXPERIMENT.match(name):
        raise UsageError(
            f"experiment name {name!r} will not do: up to 100 letters, digits, '_', '-' and '.', "
            "beginning with a letter, digit or '_'"
        )
    return name


def declared_metrics(config: Config, experiment: str) -> dict[str, dict[str, Any]]:
    """Direction, unit and split of the metrics that gittrack.yaml declares for the experiment."""
    declared = config.experiment_config(experiment).metrics
    return {
        name: {
            k: v for k, v in asdict(metric).items() if k in ("direction", "unit", "split") and v is not None
        }
        for name, metric in declared.items()
    }


def _dvc_config(repo: Repository) -> bytes:
    if repo.worktree is None or not (repo.worktree / ".dvc" / "config").is_file():
        return b""
    from gittrack.dvc.settings import ledger_config

    return ledger_config(repo.worktree)


def _recover_others(repo: Repository) -> None:
    """Runs that were killed are committed by whoever comes next; what fails waits for `gittrack recover`."""
    for recovery in recover(repo):
        if recovery.record is not None:
            status = recovery.record.status
            log.warning(
                "run %s was left uncommitted; it is on the ledger now, as %s", recovery.run_id, status
            )
        elif recovery.failed:
            log.warning("run %s could not be recovered: %s", recovery.run_id, recovery.why)

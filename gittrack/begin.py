"""The start of a run: everything that could go wrong is asked first, then it is on disk."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

from gittrack.capture import capture
from gittrack.capture.code import LIVE, Invocation
from gittrack.config import Config
from gittrack.errors import UsageError
from gittrack.finish import recover
from gittrack.journal import Journal, StoredJournal
from gittrack.ledger import Ledger
from gittrack.record import EXPERIMENT, RUN_ID, BaseModel, clean_text, format_time, to_dict
from gittrack.repository import Repository
from gittrack.values import MAX_TEXT, check_name, to_value
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
    exclude: Sequence[str] = ()
    """Outputs and metrics files that the run will write, from the top of the work tree."""


def begin(repo: Repository, config: Config, request: Request, invocation: Invocation) -> Journal:
    """Check, capture, and put the run on disk. Nothing has been run when this raises."""
    started = datetime.now(UTC)
    run_id = f"{started:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
    experiment = choose_experiment(request.experiment, config)
    stated = _stated(request)
    who = repo.identity()
    ledger = Ledger(repo, config.ledger.branch)
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
            exclude=request.exclude,
            image=request.image,
        )
    record = {
        "id": run_id,
        "experiment": experiment,
        "started": format_time(started),
        "author": {"name": clean_text(who.name), "email": clean_text(who.email)},
        **stated,
        "code": to_dict(captured.code),
        "locks": [to_dict(lock) for lock in captured.locks],
        "environment": to_dict(captured.summary),
        "protocol": captured.protocol,
        "tool": {"version": VERSION},
    }
    start = {
        "ledger": config.ledger.branch,
        "dvc_config": _dvc_config(repo).decode(),
        "given": sorted(
            k for k in ("experiment", "name", "hypothesis", "seed") if getattr(request, k) is not None
        ),
        "metrics": declared_metrics(config, experiment),
        "top": str(repo.top),
        "params": to_value(request.params, "params"),
        "record": record,
    }
    journal = Journal.create(repo.state_dir, run_id, start, captured.environment)
    for kind, values in (
        ("p", to_value(request.params, "params")),
        ("t", {check_name(k, "tag"): to_value(str(v), "tag") for k, v in request.tags.items()}),
        ("s", check_seeds(request.seeds)),
        ("d", captured.determinism),
    ):
        if values:
            journal.event(kind, values)
    return journal


def abandon(repo: Repository, journal: Journal) -> None:
    """Take back a run that could not start: nothing was run, so there is nothing to record."""
    journal.close()
    StoredJournal(journal.folder).remove()
    repo.update_refs([(LIVE + journal.folder.name, None, None)])


def _stated(request: Request) -> dict[str, Any]:
    """What the caller said, checked while it can still be said better."""
    for what in ("parent", "reproduces"):
        value = getattr(request, what)
        if value is not None and not RUN_ID.match(value):
            raise UsageError(f"{what} must be a full run id such as 20261122-142233-7f3a2c, not {value!r}")
    if request.seed is not None:
        check_seeds({"seed": request.seed})
    to_value(request.params, "params")
    return {
        "name": check_text(request.name, "name", 250),
        "hypothesis": check_text(request.hypothesis, "hypothesis", MAX_TEXT),
        "seed": request.seed,
        "parent": request.parent,
        "reproduces": request.reproduces,
        "base_models": [
            to_dict(BaseModel(**({"name": m} if isinstance(m, str) else dict(m))))
            for m in request.base_models
        ],
    }


def check_text(text: str | None, what: str, limit: int) -> str | None:
    if text is not None and not 1 <= len(text) <= limit:
        raise UsageError(f"{what} must have 1 to {limit} characters, not {len(text)}")
    return None if text is None else clean_text(text)


def check_seeds(seeds: Mapping[str, int]) -> dict[str, int]:
    """Seeds by library; whole numbers."""
    checked = {}
    for name, seed in seeds.items():
        number = seed.item() if hasattr(seed, "item") else seed
        if not isinstance(number, int) or isinstance(number, bool):
            raise UsageError(f"seed {name!r} must be a whole number, not {seed!r}")
        checked[check_name(name, "seed")] = number
    return checked


def choose_experiment(given: str | None, config: Config) -> str:
    """The experiment's name: as given, GITTRACK_EXPERIMENT, gittrack.yaml's, or ``default``."""
    name = given or os.environ.get("GITTRACK_EXPERIMENT") or config.experiment or DEFAULT_EXPERIMENT
    if not EXPERIMENT.match(name):
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
    from gittrack.pointers import ledger_config

    return ledger_config(repo.worktree)


def _recover_others(repo: Repository) -> None:
    """Runs that were killed are committed by whoever comes next; what fails waits for `gittrack recover`."""
    for recovery in recover(repo):
        if recovery.record is not None:
            log.warning("run %s had been killed; it is on the ledger now", recovery.run_id)
        elif recovery.failed:
            log.warning("run %s could not be recovered: %s", recovery.run_id, recovery.why)

"""What a caller wants recorded about a run, checked while it can still be said better."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.config import Config, named_experiment
from gittrack.formats.experiments import experiment_of
from gittrack.formats.masks import without_masked
from gittrack.formats.plain import to_dict
from gittrack.formats.record import RUN_ID, BaseModel, clean_text
from gittrack.formats.scrub import scrub_text
from gittrack.formats.sources import COMMAND_LINE, REPRODUCED, START_RUN, Layer, resolve
from gittrack.formats.values import MAX_TEXT, check_name, to_number, to_params, to_tags


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a caller wants recorded about a run that is about to start."""

    experiment: str | None = None
    name: str | None = None
    hypothesis: str | None = None
    seed: int | None = None
    seed_source: str | None = None
    seeds: Mapping[str, int] = field(default_factory=dict)
    layers: Sequence[Layer] = ()
    """Parameters that others than the program itself say, by source."""
    losses: Sequence[tuple[str, str]] = ()
    """What the record will not hold, and why."""
    params: Mapping[str, Any] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    continues: str | None = None
    """The run on the ledger that this one takes up."""
    resume: str | None = None
    """A name of the run to go on with, or ``auto``; None: a new run begins."""
    reproduces: str | None = None
    base_models: Sequence[Mapping[str, Any] | str] = ()
    dirty: str | None = None
    """``snapshot`` or ``refuse``; None takes what gittrack.yaml says."""
    image: str | None = None
    propose: str | None = None
    """Name of the proposal that the run goes to, empty for any; None takes the mode of gittrack.yaml."""
    exclude: Sequence[str] = ()
    """Outputs and metrics files that the run will write, from the top of the work tree."""
    inputs: Sequence[str] = ()
    """Files and folders that the run will read, likewise: a snapshot of the code may hold them."""
    run_id: str | None = None
    """Chosen by the caller, where a run that is tried again has to be the same run; None: a new one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A request whose every word a record can hold. `check` makes it."""

    request: Request
    experiment: str
    facts: Mapping[str, Any]
    """Fields of the record, see `stated`."""
    layers: tuple[Layer, ...]
    """Parameters by source, plain, credentials among them. The record has them `without_secrets`."""
    tags: Mapping[str, str]
    seeds: Mapping[str, int]

    @property
    def offered(self) -> dict[str, Any]:
        """Parameters for the program, but for those on its command line, which it has, and masked ones."""
        known = [
            replace(layer, params=without_masked(layer.params)) if layer.source == REPRODUCED else layer
            for layer in self.layers
            if layer.source != COMMAND_LINE
        ]
        return resolve(known).params


def check(request: Request, config: Config) -> Checked:
    """The request as a run can be begun with it. UsageError names what a record cannot hold."""
    own = Layer(START_RUN, to_params(request.params))
    layers = [replace(layer, params=to_params(layer.params)) for layer in request.layers]
    named = named_experiment(request.experiment, config)
    experiment = experiment_of(named)
    return Checked(
        request=request,
        experiment=experiment,
        facts={**stated(request), "experiment_name": named if named != experiment else None},
        layers=(*layers, *([own] if own.params else [])),
        tags=to_tags(request.tags),
        seeds=check_seeds(request.seeds),
    )


def stated(request: Request) -> dict[str, Any]:
    """What the caller said, checked while it can still be said better."""
    for what in ("parent", "continues", "reproduces", "run_id"):
        value = getattr(request, what)
        if value is not None and not (isinstance(value, str) and RUN_ID.match(value)):
            raise UsageError(f"{what} must be a full run id such as 20261122-142233-7f3a2c, not {value!r}")
    if request.dirty not in (None, "snapshot", "refuse"):
        raise UsageError(f"dirty must be snapshot or refuse, not {request.dirty!r}")
    return {
        "name": _text(request.name, "name", 250),
        "hypothesis": _text(request.hypothesis, "hypothesis", MAX_TEXT),
        "seed": None if request.seed is None else check_seeds({"seed": request.seed})["seed"],
        "seed_source": None if request.seed is None else request.seed_source,
        "parent": request.parent,
        "continues": request.continues,
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
    if not isinstance(seeds, Mapping):
        raise UsageError(f"seeds must be a dict such as {{'torch': 1}}, not {type(seeds).__name__}")
    checked: dict[str, int] = {}
    for name, seed in seeds.items():
        number = to_number(seed)
        if not isinstance(number, int) or isinstance(number, bool) or number.bit_length() > 128:
            raise UsageError(
                f"seed {name!r} must be a whole number of at most 128 bits, not {str(seed)[:80]}"
            )
        text = check_name(name, "seed")
        if text in checked:
            raise UsageError(f"two seeds read {text!r}")
        checked[text] = int(number)
    return checked

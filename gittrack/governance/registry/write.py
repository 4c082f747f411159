"""Registering a version and putting it into a stage: one annotated tag each, never moved, never deleted."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gittrack.errors import NotFoundError, UsageError
from gittrack.formats.record import clean_text
from gittrack.formats.scrub import scrub_text
from gittrack.git.repository import Repository
from gittrack.governance.registry import Registry, Version, names, parse_reference
from gittrack.governance.registry.state import Model
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256, Tag, adding_commit, make_tag, write_path
from gittrack.reading.index import Index, Row

ROLE = "model"
_AHEAD_S = 3600
"""A date further in the future is a wrong clock."""
_LONGEST = 20_000


@dataclass(frozen=True, slots=True)
class Made:
    """A tag that was made, and what it is about."""

    tag: str
    model: str
    version: str
    row: Row
    warnings: tuple[str, ...] = ()


def register(
    repository: Repository,
    index: Index,
    run: str,
    model: str,
    *,
    version: str | None = None,
    bump: names.Part | None = None,
    path: str | None = None,
    message: str = "",
    sign: bool = False,
    force: bool = False,
) -> Made:
    """Tag the commit that added a run as a version of a model.

    `version` is made of the newest one where none is given, as GTO does it; `force` takes one that is
    lower. `path` names the output that is the model, by default the only one of the role ``model``.
    NotFoundError and UsageError for what cannot be registered.
    """
    names.check_model(model)
    row = index.one(run)
    output = model_output(row, path)
    commit = adding_commit(repository, index.tip or "", row.path)
    known = Registry.read(repository, index, model).models.get(model)
    chosen = _version(known, model, version, bump, force)
    _require_free(known, model, commit)
    ref = names.version_tag(model, chosen)
    subject = f"Register {model} {chosen}: run {row.id} of {row.experiment}"
    trailers = {RUN: row.id, OUTPUT: write_path(output["path"]), SHA256: output["sha256"]}
    text = _message(message, subject) + "\n\n" + "\n".join(f"{k}: {v}" for k, v in trailers.items()) + "\n"
    make_tag(repository, ref, commit, text, int(time.time()), sign=sign)
    return Made(ref, model, chosen, row, _doubts(row))


def model_output(row: Row, path: str | None = None) -> Mapping[str, Any]:
    """The output of a run that is its model; one line why not otherwise."""
    if row.fault is not None:
        row.load()  # says what is wrong
    if row.status != "finished":
        ended = "has an unknown end" if row.status == "unknown" else row.status
        raise UsageError(f"run {row.id} {ended}: only a finished run has a model to register")
    output = output_of(row, path)
    if not output.get("sha256"):
        raise UsageError(
            f"run {row.id} was recorded without the bytes of {output['path']}, no tag can vouch for them: "
            "run dvc pull, then gittrack record --refresh COMMIT"
        )
    return output


def output_of(row: Row, path: str | None = None) -> Mapping[str, Any]:
    """The output at `path`, or without one the only one of the role ``model``."""
    outputs = row.record.get("outputs", [])
    if path is not None:
        matches = [output for output in outputs if output["path"] == path]
        if not matches:
            raise NotFoundError(f"run {row.id} has no output {path!r}: it has {_listed(outputs)}")
        return matches[0]  # type: ignore[no-any-return]
    models = [output for output in outputs if output["role"] == ROLE]
    if not models:
        raise UsageError(
            f"run {row.id} has no output of the role {ROLE}: name one with --path ({_listed(outputs)})"
        )
    if len(models) > 1:
        raise UsageError(f"run {row.id} has {len(models)} models: name one with --path ({_listed(models)})")
    return models[0]  # type: ignore[no-any-return]


def _listed(outputs: Sequence[Mapping[str, Any]]) -> str:
    paths = ", ".join(output["path"] for output in outputs[:5]) or "no outputs"
    return paths + (f" and {len(outputs) - 5} more" if len(outputs) > 5 else "")


def _version(
    known: Model | None, model: str, version: str | None, bump: names.Part | None, force: bool
) -> str:
    if version is not None and bump is not None:
        raise UsageError("--version and --bump-...: choose one")
    newest = known.newest if known else None
    if version is None:
        if newest is None and bump is not None:
            raise UsageError(f"model {model} has no version yet to raise: leave --bump-{bump} out")
        version = names.FIRST if newest is None else names.bumped(newest.version, bump or "patch")
    names.check_version(version)
    if known is not None and (taken := known.find(version)) is not None:
        run = taken.tag.trailers.get(RUN, "another commit")
        raise UsageError(f"{model} {version} is registered already ({run}): a version is never changed")
    if newest is not None and names.order(version) <= names.order(newest.version) and not force:
        raise UsageError(
            f"{version} is not above {model} {newest.version}: --force registers it all the same"
        )
    return version


def _require_free(known: Model | None, model: str, commit: str) -> None:
    """GTO finds the version of a stage by its commit, and gives up on all tags where there are two."""
    for version in known.versions if known else ():
        if version.tag.commit == commit:
            raise UsageError(
                f"the commit of this run is {model} {version.version} already, and can be one version only"
            )


def promote(
    repository: Repository,
    index: Index,
    word: str,
    stage: str,
    *,
    remove: bool = False,
    message: str = "",
    sign: bool = False,
) -> Made:
    """Put the version that `word` names into a stage, or take it out; ``NAME`` is the newest version."""
    names.check_stage(stage)
    reference = parse_reference(word)
    registry = Registry.read(repository, index, reference.model)
    version = registry.version(reference)
    claim = registry.claim(version)
    if claim.row is None:
        raise NotFoundError(f"{version.tag.ref} is not a run")
    model = registry.models[reference.model]
    _check_stage(model, version, stage, remove)
    counter = 1 + max((tag.name.counter for tag in (*model.tags, *model.strays)), default=0)
    ref = names.stage_tag(model.name, stage, counter, remove=remove)
    verb = ("Unassign", "from") if remove else ("Assign", "to")
    subject = f"{verb[0]} stage {stage} {verb[1]} {model.name} {version.version}: run {claim.row.id}"
    text = f"{_message(message, subject)}\n\n{RUN}: {claim.row.id}\n"
    make_tag(
        repository,
        ref,
        version.tag.commit or "",
        text,
        _second([t for t in model.tags if t.name.stage == stage]),
        sign=sign,
    )
    return Made(ref, model.name, version.version, claim.row, () if remove else _doubts(claim.row))


def _check_stage(model: Model, version: Version, stage: str, remove: bool) -> None:
    held = _assigned(model, version, stage)
    if remove and not held:
        raise UsageError(f"{model.name} {version.version} is not in stage {stage}")
    current = model.stages.get(stage)
    if not remove and current is not None and current.version == version:
        raise UsageError(f"{model.name} {version.version} is in stage {stage} already")


def _assigned(model: Model, version: Version, stage: str) -> bool:
    """Whether it was put into the stage and not taken out, though a later one may hold it now."""
    acts = [t.name.action for t in model.tags if t.name.stage == stage and t.commit == version.tag.commit]
    return bool(acts) and acts[-1] == "assign"


def _message(message: str, subject: str) -> str:
    text = clean_text(scrub_text(message.strip(), os.environ)).replace("\0", "")
    if len(text) > _LONGEST or re.search(r"^-----BEGIN ", text, re.MULTILINE):
        raise UsageError(f"-m takes a message of at most {_LONGEST:,} characters, and no signature in it")
    return f"{subject}\n\n{text}" if text else subject


def _second(tags: Sequence[Tag]) -> int:
    """Now, but after `tags`, those of a stage: their dates, in whole seconds, are what orders them."""
    now = int(time.time())
    newest = max(tags, key=lambda tag: tag.seconds, default=None)
    if newest is None or newest.seconds < now:
        return now
    if newest.seconds > now + _AHEAD_S:
        raise UsageError(
            f"the tag {newest.ref} has a date in the future, which nothing can come after: "
            f"check this machine's clock, or delete the tag with git tag -d"
        )
    return newest.seconds + 1


def _doubts(row: Row) -> tuple[str, ...]:
    if row.outcome == "rejected":
        return (f"run {row.id} was rejected: gittrack show {row.id} says why",)
    if row.outcome != "selected":
        return (f"no decision selected run {row.id}: gittrack decide {row.id} --outcome selected -m WHY",)
    return ()

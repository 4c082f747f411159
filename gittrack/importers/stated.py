"""What a foreign run says of itself, within what a record holds: what does not fit is a loss, by name."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.masks import is_masked
from gittrack.formats.record import (
    OID,
    Author,
    Code,
    Dataset,
    Failure,
    Imported,
    Status,
    Value,
    clean_text,
    format_time,
)
from gittrack.formats.scrub import scrub_text, strip_url
from gittrack.formats.values import MAX_LONG, to_params, to_tags, to_value, without_secrets
from gittrack.importers.foreign import ForeignCode, ForeignRun
from gittrack.importers.losses import Losses

_LABEL = 500
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_LATEST = 253_402_300_799
_SEED = re.compile(r"-?[0-9]{1,38}\Z", re.ASCII)
_LOCAL = re.compile(r"(?:file:)?(?:/|[A-Za-z]:[\\/]|\\\\|~)")
"""How a place on one machine begins."""

STATUS: Mapping[str, Status] = {
    "finished": "finished",
    "failed": "failed",
    "killed": "killed",
    "running": "killed",
    "unknown": "unknown",
}
"""A run that a source has as running has no end there: nobody ended it, as far as that knows."""


def label(text: str, what: str, losses: Losses) -> str | None:
    """`text` as one line of at most 500 characters; None where it is empty."""
    line = _CONTROL.sub(" ", clean_text(text)).strip()
    if len(line) > _LABEL:
        losses.add(what, f"its {len(line):,} characters are cut to {_LABEL}")
    return line[:_LABEL] or None


def long_text(text: str | None, what: str, losses: Losses) -> str | None:
    """`text` without credentials, of at most 100,000 characters."""
    if not text:
        return None
    safe = str(without_secrets(clean_text(text)))
    if len(text) > MAX_LONG:
        losses.add(what, f"its {len(text):,} characters are cut to {MAX_LONG:,}")
    return safe[:MAX_LONG]


def moment(seconds: float | None, what: str, losses: Losses) -> float | None:
    """A moment that a record can state."""
    if seconds is None:
        return None
    if not 0 <= seconds <= _LATEST:
        losses.add(what, f"{seconds!r} is no moment since 1970")
        return None
    return round(float(seconds), 6)


def started_text(seconds: float | None) -> str | None:
    return None if seconds is None else format_time(datetime.fromtimestamp(seconds, UTC))


def duration(began: float | None, ended: float | None, losses: Losses) -> float | None:
    if began is None or ended is None:
        return None
    if ended < began:
        losses.add("end", "the source has it before the start")
        return None
    return round(ended - began, 6)


def failure(run: ForeignRun, losses: Losses) -> Failure | None:
    if STATUS[run.status] != "failed":
        return None
    if run.failure is None:
        return Failure(type="failed", message=f"{run.system} says so, and no more")
    message = long_text(scrub_text(run.failure.message, {}), "failure", losses) or ""
    return Failure(type=label(run.failure.type, "failure", losses) or "failed", message=message)


def imported(run: ForeignRun, digest: str, losses: Losses) -> Imported:
    run_id = clean_text(run.id)
    if not 1 <= len(run_id) <= _LABEL or _CONTROL.search(run_id):
        raise ValueError(f"its id has not 1 to {_LABEL} characters of one line")
    return Imported(
        system=run.system,
        version=long_text(run.system_version, "version", losses),
        id=run_id,
        digest=digest,
        status=run.status if run.status != STATUS[run.status] else None,
        deleted=run.deleted,
        parent=label(run.parent, "parent", losses) if run.parent else None,
        note=long_text(run.note, "note", losses),
        group=long_text(run.group, "group", losses),
        job_type=long_text(run.job_type, "job type", losses),
        labels=tuple(filter(None, (long_text(text, "label", losses) for text in run.labels))),
    )


def params(run: ForeignRun, losses: Losses) -> tuple[dict[str, Value], dict[str, str]]:
    """Parameters without credentials; and, by dotted name, texts that are too long for a record."""
    long: dict[str, str] = {}
    try:
        plain = to_params(run.params)
    except UsageError:
        plain = _fitting(run.params, "", long, losses)
    safe: dict[str, Value] = without_secrets(plain)
    return safe, long


def _fitting(stated: Mapping[str, Any], above: str, long: dict[str, str], losses: Losses) -> dict[str, Value]:
    """Those that a record can have, at any depth; in place of a text that is too long, where it is."""
    plain: dict[str, Value] = {}
    for name, value in stated.items():
        dotted = f"{above}{name}"
        if isinstance(value, str) and len(value) > MAX_LONG:
            long[dotted] = value
            output, _ = long_param(dotted, "")
            value = f"{len(value):,} characters, kept as the output {output}"
        try:
            if isinstance(value, Mapping):
                value = _whole_or_fitting(name, value, f"{dotted}.", long, losses)
            plain = to_params({**plain, **to_params({name: value})})
        except UsageError as error:
            losses.add(f"param {dotted}", str(error))
    return plain


def _whole_or_fitting(
    name: str, value: Mapping[str, Any], above: str, long: dict[str, str], losses: Losses
) -> Mapping[str, Any]:
    try:
        to_params({name: value})
    except UsageError:
        return _fitting(value, above, long, losses)
    return value


def seed_of(plain: Mapping[str, Value]) -> int | None:
    """The parameter ``seed``, where it is a number or the text of one."""
    seed = plain.get("seed")
    if isinstance(seed, str) and _SEED.match(seed) and not is_masked(seed):
        seed = int(seed)
    return seed if type(seed) is int and seed.bit_length() <= 128 else None


def tags(run: ForeignRun, losses: Losses) -> dict[str, str]:
    try:
        return to_tags(run.tags)
    except UsageError:
        plain: dict[str, str] = {}
        for name, value in run.tags.items():
            try:
                plain |= to_tags({name: value})
            except UsageError as error:
                losses.add(f"tag {name}", str(error))
        return plain


def author(run: ForeignRun, *, people: bool) -> Author | None:
    return Author(name=clean_text(run.user), email="") if people and run.user else None


def code(stated: ForeignCode | None, losses: Losses, *, people: bool) -> Code:
    if stated is None:
        return Code(dirty=None, cwd=None)
    commit = stated.commit.lower() if stated.commit else None
    if commit is not None and not OID.match(commit):
        losses.add("code: commit", f"{commit[:60]!r} is no id of a commit")
        commit = None
    entry = stated.entry or None
    command = stated.command
    if not people:
        entry = None if entry is None else _without_folders(entry)
        command = tuple(map(_without_folders, command))
    words = without_secrets([clean_text(word).replace("\0", "") for word in command])
    return Code(
        commit=commit,
        branch=long_text(stated.branch, "code: branch", losses),
        dirty=stated.dirty,
        cwd=None,
        remote=_remote(stated.remote, people=people),
        entry=clean_text(entry).replace("\0", "")[:4096] if entry else None,
        command=tuple(words),
    )


def _remote(remote: str | None, *, people: bool) -> str | None:
    if not remote or (_LOCAL.match(remote) and not people):
        return None
    return clean_text(strip_url(remote))


def _without_folders(word: str) -> str:
    """A path of one machine without what is in front of its name; ``--out=/home/x/y`` too."""
    option, equals, value = word.rpartition("=") if word.startswith("-") else ("", "", word)
    if not _LOCAL.match(value):
        return word
    name = PureWindowsPath(value).name if "\\" in value else PurePosixPath(value).name
    return f"{option}{equals}{name}"


def dataset(stated: Dataset, losses: Losses, *, people: bool) -> Dataset:
    name = clean_text(stated.name)
    source = long_text(stated.source, f"dataset {name}: source", losses)
    if source and _LOCAL.match(source) and not people:
        losses.add(f"dataset {name}: source", "a path of another machine: asked for by --keep-people")
        source = None
    details: Value = {}
    try:
        details = without_secrets(to_value(dict(stated.details), "details"))
    except UsageError as error:
        losses.add(f"dataset {name}: details", str(error))
    return Dataset(
        name=name,
        digest=stated.digest,
        source=strip_url(source) if source else None,
        context=stated.context,
        details=details,
    )


def long_param(name: str, text: str) -> tuple[str, bytes]:
    """Of a parameter that is too long for a record: the name of the output, and the bytes."""
    like = re.sub(r"[^A-Za-z0-9_.-]", "_", name)[:100].strip(".")
    same = hashlib.sha256(name.encode(errors="replace")).hexdigest()[:8]
    return (f"params/{like}.txt" if like == name else f"params/{like}-{same}.txt"), text.encode()


def environment(run: ForeignRun, requirements: str | None, *, people: bool) -> dict[str, Any] | None:
    """What environment.yaml says, by what the source states; None where that is nothing."""
    stated = run.environment
    packages = dict(stated.packages or {}) if stated else {}
    packages = packages or pinned(requirements or "")
    found: dict[str, Any] = {}
    if stated is not None:
        if stated.python:
            found["python"] = {"version": stated.python}
        if stated.os:
            found["os"] = {"name": stated.os}
        if stated.gpus:
            found["gpus"] = [{"name": name[:500]} for name in stated.gpus]
        if stated.cpu:
            found["cpu"] = {"model": stated.cpu}
    if packages:
        found["packages"] = {_normal(name): version for name, version in packages.items()}
    return {"schema": "gittrack/environment/1", **found} if found else None


_PIN = re.compile(
    r"(?m)^([A-Za-z0-9][A-Za-z0-9._-]{0,200})(?:\[[^\]\n]{0,200}\])?[ ]?==[ ]?([^\s;#,]{1,200})"
)


def pinned(requirements: str) -> dict[str, str]:
    """Versions by name in the text of a requirements file."""
    return dict(_PIN.findall(requirements))


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()[:250]

"""The spec of a run: what was run, the seed apart. Runs of one spec are replicates of each other."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence

from gittrack.formats.record import Code, DataInput, Dataset, Lock, Record, Value

SEED_NAMES = frozenset({"seed", "random_seed", "random_state"})

SeedKey = tuple[int | None, tuple[tuple[str, int], ...]]
UNSEEDED: SeedKey = (None, ())
"""Of a run that states no seed: which others it is like is not known."""


def seed_key(run: Record) -> SeedKey:
    """What makes a run a replicate of its own: its seeds. Two runs with the same are not independent."""
    return run.seed, tuple(sorted(run.seeds.items()))


def spec_digest(
    code: Code,
    params: Mapping[str, Value],
    data: Sequence[DataInput],
    locks: Sequence[Lock],
    masked: Mapping[str, str] | None = None,
    datasets: Sequence[Dataset] = (),
) -> str:
    """SHA-256 of what was run, the seed apart: runs of one spec are replicates of each other.

    The digest is of the JSON text (sorted keys, no spaces, UTF-8) of ``{"code": tree, "command":
    [...], "cwd": ..., "data": [[path, role, digest]...], "locks": [[path, sha256]...],
    "params": {...}}``, and, where the record has them, ``"masked": {path: digest}`` and ``"datasets":
    [[name, digest, context]...]``. Of an imported run whose source knows no tree, ``code`` is the commit, or
    null, and ``"entry"`` is added. Left out are, anywhere in params, entries named seed, random_seed or
    random_state that hold a number, and from the command ``--seed N``, ``--seed=N`` and ``seed=N``, with any
    of these names, and with names in front (``--model.seed 1``, ``+model.seed=1``).
    """
    stated: dict[str, Value] = {
        "code": code.tree or code.commit,
        "command": without_seed_arguments(code.command),
        "cwd": code.cwd,
        "data": sorted([d.path, d.role or "", d.sha256 or d.md5 or d.blob or ""] for d in data),
        "locks": sorted([lock.path, lock.sha256] for lock in locks),
        "params": _without_seeds(params),
    }
    if code.tree is None:
        stated["entry"] = code.entry
    if datasets:
        stated["datasets"] = sorted([d.name, d.digest or "", d.context or ""] for d in datasets)
    if masked:
        stated["masked"] = dict(masked)
    text = json.dumps(stated, sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def spec_of(record: Record) -> str:
    """`spec_digest` of what a record says."""
    return spec_digest(record.code, record.params, record.data, record.locks, record.masked, record.datasets)


_SCALARS = frozenset({str, int, float, bool, type(None)})


def _without_seeds(value: Value) -> Value:
    if type(value) in _SCALARS:
        return value
    if isinstance(value, Mapping):
        return {key: _without_seeds(entry) for key, entry in value.items() if not _is_seed(key, entry)}
    if isinstance(value, (list, tuple)):
        return [_without_seeds(entry) for entry in value]
    return value


_SEED_NAME = r"(?:[\w-]{1,100}\.){0,20}(?:seed|random[-_]seed|random[-_]state)"
_SEED_ARGUMENT = re.compile(rf"(?:--?|\+{{1,2}})?{_SEED_NAME}=-?[0-9]+\Z")
_SEED_OPTION = re.compile(rf"--?{_SEED_NAME}\Z")


def without_seed_arguments(command: Sequence[str]) -> list[str]:
    """`command` without what makes its runs replicates of each other."""
    arguments: list[str] = []
    skip = False
    for argument, following in zip(command, [*command[1:], ""], strict=False):
        if skip:
            skip = False
        elif _SEED_OPTION.match(argument) and re.fullmatch(r"-?[0-9]+", following):
            skip = True
        elif not _SEED_ARGUMENT.match(argument):
            arguments.append(argument)
    return arguments


def with_seed(command: Sequence[str], params: Mapping[str, Value], seed: int) -> tuple[list[str], Value]:
    """Command and params of a replicate: what `spec_digest` leaves out holds `seed` in place of its own."""
    changed: list[str] = []
    for before, argument in zip(["", *command], command, strict=False):
        if _SEED_ARGUMENT.match(argument):
            changed.append(f"{argument.partition('=')[0]}={seed}")
        elif _SEED_OPTION.match(before) and re.fullmatch(r"-?[0-9]+", argument):
            changed.append(str(seed))
        else:
            changed.append(argument)
    return changed, _seeded(params, seed)


def _seeded(value: Value, seed: int) -> Value:
    if isinstance(value, Mapping):
        return {
            key: _like(entry, seed) if _is_seed(key, entry) else _seeded(entry, seed)
            for key, entry in value.items()
        }
    return [_seeded(entry, seed) for entry in value] if isinstance(value, (list, tuple)) else value


def _like(entry: Value, seed: int) -> Value:
    return str(seed) if isinstance(entry, str) else seed


def has_seed(params: Value) -> bool:
    """Whether a seed is among the params, however deep."""
    if isinstance(params, Mapping):
        return any(_is_seed(key, entry) or has_seed(entry) for key, entry in params.items())
    return isinstance(params, (list, tuple)) and any(map(has_seed, params))


def _is_seed(key: str, entry: Value) -> bool:
    if isinstance(entry, str):  # of a tracker that keeps all parameters as text
        return key in SEED_NAMES and re.fullmatch(r"-?[0-9]{1,39}", entry, re.ASCII) is not None
    return key in SEED_NAMES and isinstance(entry, (int, float)) and not isinstance(entry, bool)

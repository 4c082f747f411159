"""Check 9. What gittrack.yaml of the trusted base asks of every run, beyond the truth of its record."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from gittrack.formats.config import PolicyConfig
from gittrack.formats.plain import to_dict
from gittrack.formats.record import Lock, Record
from gittrack.formats.spec import UNSEEDED, seed_key
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding

PYTHON_LOCKS = frozenset(
    {"uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock", "requirements.txt"}
    | {"conda-lock.yml", "conda-explicit", "pixi.lock"}
)

Fault = tuple[str, str, str | None, str | None]
"""Code, what it says, expected and found."""


def check_policy(context: Context, run: RunFiles) -> Iterator[Finding]:
    """The run has what the policy asks for."""
    record, policy = context.records.get(run.folder), context.config.policy
    if record is None or policy == PolicyConfig():
        return
    faults = [*_asked(record, policy), *(_annex_iv(record) if policy.preset == "ai-act" else ())]
    for code, says, expected, value in faults:
        yield run.finding(code, says, expected=expected, found=value)


def _asked(record: Record, policy: PolicyConfig) -> Iterator[Fault]:
    plain = to_dict(record) if policy.required else {}
    for name in policy.required:
        if _at(plain, name) in (None, "", [], {}):
            yield "policy-required", f"the policy requires {name}, which the record leaves out", name, None
    used = {data.shown_role for data in record.data}
    for role in policy.data_roles:
        if role not in used:
            roles = ", ".join(sorted(used)) or "no data"
            yield "policy-data-role", f"the policy requires data with the role {role}", role, roles
    if policy.clean_tree and (record.code.dirty is not False or record.code.commit is None):
        had = "the run had uncommitted changes" if record.code.dirty else "that the run had is not known"
        says = f"the policy allows committed code only, and {had}"
        yield "policy-clean-tree", says, "a clean work tree", record.code.snapshot
    if policy.hashed_locks:
        yield from _hashed(record.locks)
    if policy.seed and seed_key(record) == UNSEEDED:
        yield "policy-seed", "the policy requires a seed, and the record states none", None, None
    if policy.image and record.surroundings.image is None:
        yield "policy-image", "the policy requires the digest of the container image", "an image digest", None


def _at(plain: Mapping[str, Any], name: str) -> Any:
    """The value at a dotted name; a key that holds dots itself is found as well."""
    if name in plain:
        return plain[name]
    head, _, tail = name.partition(".")
    inner = plain.get(head)
    return _at(inner, tail) if isinstance(inner, Mapping) and tail else None


def _hashed(locks: tuple[Lock, ...]) -> Iterator[Fault]:
    python = [lock for lock in locks if lock.kind in PYTHON_LOCKS]
    if not python:
        yield "policy-locks", "the policy requires a lock of the Python packages", "a lock", "none"
    for lock in python:
        if lock.pins != "hashed":
            says = f"the policy requires a digest for every package of {lock.path}"
            yield "policy-locks", says, "pins hashed", f"pins {lock.pins}"


def _annex_iv(record: Record) -> Iterator[Fault]:
    """Annex IV of Regulation (EU) 2024/1689, as far as the record of one run can serve it."""
    for item, what, fulfilled in _needs(record):
        if not fulfilled:
            yield "policy-ai-act", f"Annex IV {item} needs {what}", what, None


def _needs(record: Record) -> Iterator[tuple[str, str, bool]]:
    code, roles = record.code, {data.role for data in record.data}
    is_whole = (
        code.tree is not None and not code.left_out and not any(module.dirty for module in code.submodules)
    )
    python = [lock for lock in record.locks if lock.kind in PYTHON_LOCKS]
    hashed = bool(python) and all(lock.pins == "hashed" for lock in python)
    metrics = record.metrics.values()
    yield "1(a)", "the code whole: a commit, or a snapshot that leaves nothing out", is_whole
    yield "1(c)", "the versions of the software: locks with a digest for every package", hashed
    yield "1(e) and 2(c)", "the hardware: at least the processor", record.surroundings.cpu is not None
    yield "2(a)", "a revision or digest of every base model", _base_models(record)
    yield "2(b)", "a hypothesis: what the run was to show, and why", bool(record.hypothesis)
    yield "2(b) and 4", "the direction of every metric", _all(m.direction for m in metrics)
    yield "2(d)", "data with the role train", "train" in roles
    yield "2(g)", "data with the role test, validation or holdout", bool(roles & _EVALUATED)
    yield "2(g)", "a digest of every input", all(data.sha256 or data.md5 or data.blob for data in record.data)
    yield "2(g)", "the split that every metric was measured on", _all(m.split for m in metrics)
    yield "2(g)", "a seed, for the test to be repeated", seed_key(record) != UNSEEDED
    yield "2(g) and 4", "metrics defined beforehand: gittrack.yaml in the code", record.protocol is not None
    yield "3", "the model: an output with the role model", any(o.role == "model" for o in record.outputs)


_EVALUATED = {"test", "validation", "holdout"}


def _all(stated: Iterable[str | None]) -> bool:
    """Whether there is one, and none is left out."""
    values = list(stated)
    return bool(values) and all(values)


def _base_models(record: Record) -> bool:
    return all(model.name and (model.revision or model.digest) for model in record.base_models)

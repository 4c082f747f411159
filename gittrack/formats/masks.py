"""Values of which a record shows ``***``: told apart by a digest under a key that never leaves the clone.

A digest is ``<key id>:<HMAC-SHA256>``. Without the key nothing can be guessed from it. Equal digests mean
equal values, digests of one key that differ mean different ones; digests of two keys mean nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

from gittrack.formats.flat import flatten
from gittrack.formats.record import Record
from gittrack.formats.scrub import MASK
from gittrack.formats.values import without_secrets

Likeness = Literal["same", "differs", "not known"]

COMMAND = "code.command"
PARAMS = "params."

Key = Callable[[], str]
"""The key, ``<id>:<hex>``; asked only where something is masked."""


def digest(key: Key, value: Any) -> str:
    """That of a plain value."""
    name, _, secret = key().partition(":")
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    made = hmac.new(bytes.fromhex(secret), text.encode("utf-8", "backslashreplace"), hashlib.sha256)
    return f"{name}:{made.hexdigest()}"


_BARE = re.compile(r"\*{3,}")


def masked_params(plain: Mapping[str, Any], key: Key) -> tuple[dict[str, Any], dict[str, str]]:
    """`plain` without credentials, and the digests of the values that changed, by dotted name.

    What came masked, as pydantic's SecretStr does, has none: it is not known.
    """
    safe: dict[str, Any] = without_secrets(dict(plain))
    if safe == plain and MASK not in repr(plain):
        return safe, {}
    shown = flatten(safe)
    digests = {
        name: digest(key, value)
        for name, value in flatten(plain).items()
        if (shown[name] != value or is_masked(shown[name])) and not _BARE.fullmatch(str(value))
    }
    return safe, digests


def is_masked(value: Any) -> bool:
    """Whether a value, or a part of it, is hidden."""
    if isinstance(value, str):
        return MASK in value
    if isinstance(value, Mapping):
        return any(map(is_masked, value.values()))
    return isinstance(value, (list, tuple)) and any(map(is_masked, value))


def without_masked(params: Mapping[str, Any]) -> dict[str, Any]:
    """`params` but for the values that are ``***``: what they stand for is not known."""
    plain = {name: without_masked(v) if isinstance(v, Mapping) and v else v for name, v in params.items()}
    return {name: value for name, value in plain.items() if not is_masked(value)}


def likeness(first: str | None, second: str | None) -> Likeness:
    """What two digests say of the values; None for one that is not recorded."""
    if first is None or second is None:
        return "not known"
    if first == second:
        return "same"
    return "differs" if first.partition(":")[0] == second.partition(":")[0] else "not known"


def pool_of(record: Record) -> str:
    """Equal for replicates; of a run that masks a value without a digest, like no other's."""
    return f"{record.spec} {record.id}" if unknown_masks(record) else record.spec


def shown_params(record: Record) -> dict[str, Any]:
    """Parameters by dotted name as they are to be compared: see `likeness_name`."""
    return {name: likeness_name(record, name, value) for name, value in flatten(record.params).items()}


def likeness_name(record: Record, name: str, value: Any) -> Any:
    """A parameter as it is to be compared: a masked one by the beginning of its digest, ``***9f86d081``."""
    made = record.masked.get(f"{PARAMS}{name}")
    return digest_name(made) if made is not None else value


def digest_name(made: str) -> str:
    """The beginning of a digest, in the place of the value."""
    return f"{MASK}{made.rpartition(':')[2][:8]}"


def unknown_masks(record: Record) -> list[str]:
    """What the record masks without a digest: whether it is what another run had is not known."""
    names = [
        f"{PARAMS}{name}"
        for name, value in flatten(record.params).items()
        if is_masked(value) and f"{PARAMS}{name}" not in record.masked
    ]
    hidden = COMMAND not in record.masked and is_masked(record.code.command)
    return [*names, COMMAND] if hidden else names

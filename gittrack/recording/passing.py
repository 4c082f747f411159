"""How what ``-S`` and ``--seed`` say reaches the program: what does not reach it is not recorded of it.

    {lr} in the command    is replaced by the value
    --pass flags           --lr 0.5 behind the command
    --pass hydra           lr=0.5 behind the command
    --pass env             GITTRACK_PARAMS and GITTRACK_SEED, for a program that reads them

The last one is said of the program by whoever starts it: the record says that no more than that is known.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from gittrack.errors import UsageError
from gittrack.formats.config import Way
from gittrack.formats.record import Value
from gittrack.formats.sources import COMMAND_LINE, OFFERED, SEED_OFFERED, SEED_OPTION, SETTING, Layer
from gittrack.recording.arguments import fitting, is_shell_text, program_arguments, read_arguments
from gittrack.recording.settings import set_param, set_value

SEED = "seed"


@dataclass(frozen=True, slots=True)
class Passed:
    """A command with all that it is given, and what is recorded of that."""

    command: tuple[str, ...]
    layers: tuple[Layer, ...]
    seed_source: str | None
    losses: tuple[tuple[str, str], ...] = ()
    """Arguments that a record cannot hold, and why."""


def checked_way(text: str | None) -> Way | None:
    """UsageError for what is none."""
    if text not in (None, *get_args(Way)):
        raise UsageError(f"--pass takes {', '.join(get_args(Way))}, not {text!r}")
    return text  # type: ignore[return-value]


def setting_of(text: str) -> tuple[str, Value]:
    """Key and value of one ``-S key=value``."""
    params: dict[str, Any] = {}
    key = set_param(params, text)
    node: Any = params
    for name in key.split("."):
        node = node[name]
    return key, node


def pass_on(
    command: Sequence[str], settings: Mapping[str, Value], seed: int | None, way: Way | None
) -> Passed:
    """`command` as it is to be started, for the values of ``-S`` by their dotted keys and a seed."""
    values = dict(settings)
    if seed is not None:
        values.setdefault(SEED, seed)
    placed = {key for key in values if any(f"{{{key}}}" in word for word in command)}
    apart = {key: value for key, value in settings.items() if key not in placed}
    by_word = way in ("flags", "hydra")
    lone = seed is not None and SEED not in settings and SEED not in placed
    if (apart or lone) and way is None:
        raise _unreached(apart, seed if lone else None)
    own_seed = {SEED: seed} if lone else {}
    added: list[str] = []
    if by_word:
        added = [word for key, value in {**apart, **own_seed}.items() for word in _words(key, value, way)]
    offered = {} if by_word else apart
    written, losses = _written(command, values)
    layers = [
        Layer(OFFERED, nested(offered)),
        Layer(COMMAND_LINE, written),
        Layer(SETTING, nested({key: value for key, value in settings.items() if key not in offered})),
    ]
    seed_source = None if seed is None else SEED_OFFERED if lone and not by_word else SEED_OPTION
    filled = with_words(fill(command, values), added, way, [*apart, *own_seed])
    return Passed(filled, tuple(layer for layer in layers if layer.params), seed_source, tuple(losses))


def with_words(
    command: Sequence[str], words: Sequence[str], way: Way | None, keys: Sequence[str]
) -> tuple[str, ...]:
    """`command` with the words for `keys` where its program takes them; UsageError where it would not.

    Behind a ``--`` of the program a flag would be one of its arguments.
    """
    if words and any(is_shell_text(command[at:]) for at in range(len(command))):
        names = ", ".join(f"{{{key}}}" for key in keys)
        raise UsageError(f"a shell does not pass on what stands behind its -c: put {names} into its text")
    arguments = program_arguments(command)
    at = len(command)
    if way == "flags" and words and "--" in arguments:
        at -= len(arguments) - arguments.index("--")
    return (*command[:at], *words, *command[at:])


def _unreached(settings: Mapping[str, Value], seed: int | None) -> UsageError:
    if settings:
        key, value = next(iter(settings.items()))
        given, variable = f"-S {key}={shown(value)}", "GITTRACK_PARAMS"
    else:
        key, value, given, variable = SEED, seed, f"--seed {seed}", "GITTRACK_SEED"
    flag, override = " ".join(_words(key, value, "flags")), "".join(_words(key, value, "hydra"))
    return UsageError(
        f"{given} would not reach the program: put {{{key}}} into the command where the value belongs, "
        f"or say --pass flags ({flag}), --pass hydra ({override}), or --pass env if it reads {variable}; "
        "gittrack.yaml keeps the choice as run: {pass: flags}"
    )


# --- words ---------------------------------------------------------------------------------------


def shown(value: Value, *, quoted: bool = False) -> str:
    """A value as one would write it: text as it is, or `quoted`; else JSON, which is YAML as well."""
    return value if isinstance(value, str) and not quoted else json.dumps(value, ensure_ascii=False)


def fill(command: Sequence[str], values: Mapping[str, Value]) -> tuple[str, ...]:
    """`command` with ``{key}`` replaced, for the keys of `values` and no other, in one pass."""
    if not values:
        return tuple(command)
    pattern = re.compile("|".join(re.escape(f"{{{key}}}") for key in values))
    return tuple(pattern.sub(lambda match: shown(values[match[0][1:-1]]), word) for word in command)


def seed_words(seed: int, way: Way) -> list[str]:
    """What stands behind a command for a seed."""
    return [] if way == "env" else _words(SEED, seed, way)


def _words(key: str, value: Value, way: Way | None) -> list[str]:
    if way == "hydra":
        return [f"{key}={_hydra(value)}"]
    if isinstance(value, bool):
        parent, dot, name = key.rpartition(".")
        return [f"--{key}" if value else f"--{parent}{dot}no-{name}"]
    if isinstance(value, list) and value and not any(isinstance(item, (list, dict)) for item in value):
        return [f"--{key}", *map(shown, value)]
    text = shown(value)
    dashed = text.startswith("-") and isinstance(value, str)
    return [f"--{key}={text}"] if dashed or not text else [f"--{key}", text]


_HYDRA_TEXT = re.compile(r"[A-Za-z_][\w./@+-]*(?:[ :][\w./@+-]+)*")
_HYDRA_WORDS = frozenset({"true", "false", "null", "inf", "nan"})


def _hydra(value: Value) -> str:
    """A value in Hydra's grammar of overrides."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{_hydra(name)}:{_hydra(item)}" for name, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_hydra, value)) + "]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _HYDRA_TEXT.fullmatch(value) and value.lower() not in _HYDRA_WORDS:
        return value
    escaped = re.sub(r"(\\*)'", lambda match: match[1] * 2 + "\\'", value)
    return f"'{escaped}'"


# --- what is recorded ----------------------------------------------------------------------------

_MARK = "\ue000"
"""Stands for what a placeholder is replaced by, which is recorded under its own name."""


def _written(
    command: Sequence[str], values: Mapping[str, Value]
) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The parameters on a command line, but for those that a placeholder stands for."""
    marked = fill(command, dict.fromkeys(values, _MARK))
    params, losses = fitting(read_arguments(program_arguments(marked)))
    return _unmarked(params), losses


def _unmarked(params: Mapping[str, Any]) -> dict[str, Any]:
    own: dict[str, Any] = {}
    for name, value in params.items():
        if isinstance(value, dict):
            value = _unmarked(value)
        elif isinstance(value, list):
            value = [item for item in value if not (isinstance(item, str) and _MARK in item)]
        if value not in ([], {}) and not (isinstance(value, str) and _MARK in value):
            own[name] = value
    return own


def nested(values: Mapping[str, Value]) -> dict[str, Any]:
    """Values by dotted key as parameters. UsageError where one would lie below another."""
    params: dict[str, Any] = {}
    for key in sorted(values, key=lambda key: key.count(".")):  # what lies below comes later, and is refused
        set_value(params, key, values[key], f"-S {key}")
    return {name: params[name] for name in dict.fromkeys(key.partition(".")[0] for key in values)}

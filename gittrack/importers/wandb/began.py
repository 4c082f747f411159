"""What a client's own log says of a run whose records it had not written yet when it was killed."""

from __future__ import annotations

import ast
import math
import re
from typing import Any

from gittrack.importers import folders, values
from gittrack.importers.foreign import Moment
from gittrack.importers.wandb import facts
from gittrack.importers.wandb.folder import Part
from gittrack.importers.wandb.state import State

_LARGEST = 1024 * 1024
_CONFIG = re.compile(r"^config: (\{.*\})$", re.MULTILINE)
_VERSION = re.compile(r"Current SDK version is ([0-9][0-9A-Za-z.+-]{0,40})$", re.MULTILINE)
_NUMBERS = {"nan": math.nan, "inf": math.inf}


def take(state: State, part: Part) -> None:
    """Times, version and configuration as the run began, where the run's records do not have them."""
    _times(state, part)
    path, _ = folders.find(part.folder, "logs/debug.log")
    data = folders.read_small(path, _LARGEST) if path is not None else None
    if data is None:
        return
    text = data.decode("utf-8", "replace")
    if state.version is None and (version := _VERSION.search(text)):
        state.version = version[1]
    config = _CONFIG.search(text)
    if state.config or config is None:
        return
    try:
        found = _value(ast.parse(config[1], mode="eval").body)
        values.check_depth(found)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        state.losses["configuration in logs/debug.log", "it has values that are not plain data"] += 1
        return
    found.pop("_wandb", None)
    if found:
        state.config = found
        state.losses["configuration", "as the run began; what was added later was not written"] += 1


def _times(state: State, part: Part) -> None:
    """From the first and the last line of its service's log, which are JSON with a time in UTC."""
    path, _ = folders.find(part.folder, "logs/debug-internal.log")
    data = folders.read_small(path, _LARGEST) if path is not None else None
    moments = [moment for line in (data or b"").splitlines() if (moment := _moment(line)) is not None]
    if moments:
        state.started = moments[0] if state.started is None else state.started
        state.live(moments[-1])


def _moment(line: bytes) -> Moment | None:
    try:
        found = values.load(line)
    except values.NotRead:
        return None
    return values.utc(facts.text_in(found, "time")) if isinstance(found, dict) else None


def _value(node: ast.expr) -> Any:
    """The plain data that the text stands for; nothing of it is run."""
    match node:
        case ast.Constant(value=None | bool() | int() | float() | str() as value):
            return value
        case ast.Name(id="nan" | "inf" as name):
            return _NUMBERS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            value = _value(operand)
            if isinstance(value, (int, float)) and not isinstance(value, bool):
                return -value
        case ast.List(elts=inner) | ast.Tuple(elts=inner):
            return [_value(one) for one in inner]
        case ast.Dict(keys=keys, values=inner):
            names = [_value(key) if key is not None else None for key in keys]
            if all(isinstance(name, str) for name in names):
                return dict(zip(names, map(_value, inner), strict=True))
    raise ValueError("no plain data")

"""live.json: what a run that still goes on says of itself to others, within a few kilobytes.

It is made of what a record would say, and read as what it is: bytes that anybody may have put on a remote.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gittrack.errors import RecordError
from gittrack.text.json_text import json_compact

FILE = "live.json"
SCHEMA = "gittrack/live/1"
MOST = 16_000
"""Bytes that are sent at most."""
LARGEST = 1 << 16
"""Bytes that are read at most."""
POINTS = 64
"""Points of one curve that are sent at most."""
METRICS = 100
"""Metrics that are sent where not all have room."""

Curves = Mapping[str, Sequence[Sequence[Any]]]


def dump(record: Mapping[str, Any], curves: Curves, *, sent: str, every: float) -> bytes:
    """The snapshot of a run: what `record` says, less whom and where it is of, and its curves.

    Where that is too much, curves are thinned, then left out, then parameters, then metrics.
    """
    code, said = record["code"], {**record, **record["live"]}
    names = ("id", "experiment", "name", "status", "started")
    facts = {name: said[name] for name in names if said.get(name) is not None}
    facts |= {"sent": sent, "every": every}
    facts |= {name: said[name] for name in ("last_point",) if said.get(name) is not None}
    facts |= {name: code[name] for name in ("commit", "dirty") if code.get(name)}
    facts |= {"seed": said["seed"]} if said.get("seed") is not None else {}
    whole = {"schema": SCHEMA, **facts, "params": record["params"], "metrics": record["metrics"]}
    for shorten in _ways(curves):
        data = json_compact(shorten(whole)).encode()
        if len(data) <= MOST:
            break
    return data


def _ways(curves: Curves) -> list[Callable[[dict[str, Any]], dict[str, Any]]]:
    """Less and less, so that something has room."""

    def thinned(most: int) -> Callable[[dict[str, Any]], dict[str, Any]]:
        thinner = {name: thin(points, most) for name, points in curves.items()}
        return lambda facts: {**facts, "curves": thinner}

    def without(*names: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        def shortened(facts: dict[str, Any]) -> dict[str, Any]:
            metrics = dict([*facts["metrics"].items()][:METRICS]) if "metrics" in names else facts["metrics"]
            params = {} if "params" in names else facts["params"]
            less = {"params": params, "metrics": metrics, "curves": {}, "left_out": list(names)}
            return {**facts, **less}

        return shortened

    less = [without("curves"), without("curves", "params"), without("curves", "params", "metrics")]
    return [*map(thinned, (POINTS, 32, 16, 8, 4)), *less]


def thin(points: Sequence[Sequence[Any]], most: int) -> list[Sequence[Any]]:
    """Every point, or every second, third, ..., and the last: at most `most`."""
    stride = -(-len(points) // max(most - 1, 1))
    kept = list(points[:: max(stride, 1)])
    return kept if not points or kept[-1] is points[-1] else [*kept, points[-1]]


def load(data: bytes, where: str) -> dict[str, Any]:
    """The snapshot in `data`, checked by its schema; RecordError for anything else."""
    from gittrack.formats.codec import validate

    if len(data) > LARGEST:
        raise RecordError(f"{where}: {len(data):,} bytes are more than a snapshot has")
    try:
        snapshot = json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: no snapshot of a run: {error}") from error
    validate(snapshot, "live", where)
    plain: dict[str, Any] = snapshot
    return plain


def _refuse(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


def record_of(snapshot: Mapping[str, Any], status: str) -> dict[str, Any]:
    """What a snapshot says in the form of a record, with ``live``; see `reading.live.state`."""
    facts = {
        name: snapshot[name] for name in ("id", "experiment", "name", "started", "seed") if name in snapshot
    }
    code = {name: snapshot[name] for name in ("commit", "dirty") if name in snapshot}
    names = ("last_point", "sent", "every", "curves", "left_out")
    live = {name: snapshot[name] for name in names if name in snapshot}
    said = {"params": snapshot["params"], "metrics": snapshot["metrics"]}
    return {**facts, "status": status, **said, "code": code, "live": live}

"""What the records of a run say of it as a whole: read once through, points counted and not kept."""

from __future__ import annotations

import fnmatch
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.importers import protobuf, values
from gittrack.importers.foreign import Moment
from gittrack.importers.protobuf import Message
from gittrack.importers.wandb import rows

SUMMARY_RULES = {1: "min", 2: "max", 3: "mean", 4: "best", 5: "last", 6: "none", 7: "copy", 8: "first"}
MOST_EMBEDDED = 1000
"""Values of a run that are files each; more of them are one file."""
_GOALS = {1: "min", 2: "max"}


@dataclass(slots=True)
class Definition:
    """What ``define_metric`` said of a metric, or of those whose names match a pattern."""

    axis: str | None = None
    rules: tuple[str, ...] = ()
    goal: str | None = None


@dataclass(slots=True)
class Seen:
    """A metric's points in short."""

    last: float
    low: float
    high: float


@dataclass(slots=True)
class MediaValue:
    """A value of history that stands for a file, or is one."""

    name: str
    step: int | float | None
    value: dict[str, Any]
    log: Path | None
    places: list[int]


@dataclass(slots=True)
class State:
    """Everything of a run but its points, from the records of one or several logs in order."""

    run: Message = field(default_factory=dict)
    version: str | None = None
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    environment: Message = field(default_factory=dict)
    exit_code: int | None = None
    preempting: bool = False
    started: Moment | None = None
    latest: Moment | None = None
    names: dict[str, Definition] = field(default_factory=dict)
    globs: dict[str, Definition] = field(default_factory=dict)
    seen: dict[str, Seen] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    media: list[MediaValue] = field(default_factory=list)
    embedded: int = 0
    artifacts: list[Message] = field(default_factory=list)
    used: list[Message] = field(default_factory=list)
    console: bool = False
    records: int = 0
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)

    def definition(self, name: str) -> Definition:
        """What holds for a metric: its own definition, else that of the first pattern that fits."""
        if name in self.names:
            return self.names[name]
        for pattern, found in self.globs.items():
            if fnmatch.fnmatchcase(name, pattern):
                return found
        return Definition()

    def live(self, time: Moment | None) -> None:
        if time is not None and 0 < time < math.inf:
            self.latest = time if self.latest is None else max(self.latest, time)


def read_log(state: State, log: Path) -> None:
    """Adds what the records of `log` say."""
    bad: list[str] = []
    unread: list[str] = []
    held: rows.Row | None = None
    state.exit_code, state.preempting = None, False
    for place, record in rows.decoded(log, bad):
        state.records += 1
        try:
            if rows.HISTORY in record:
                new = rows.row(record, place)
                joined = list(rows.merged(iter([new] if held is None else [held, new])))
                held = joined[-1]
                if len(joined) > 1:
                    take_row(state, joined[0], log)
            else:
                _take(state, record, unread)
        except (protobuf.WireError, OverflowError) as error:
            bad.append(f"record at byte {place}: {error}")
    if held is not None:
        take_row(state, held, log)
    for name in unread:
        state.losses[name, "its value could not be read"] += 1
    for why in bad:
        state.losses[log.name, why] += 1


def _take(state: State, record: Message, unread: list[str]) -> None:
    for number in record.keys() & _TAKERS.keys():
        for found in protobuf.messages(record, number):
            _TAKERS[number](state, found, unread)
    if rows.STATS in record:
        found_sample = rows.sample(record)
        state.live(found_sample.time)
        for name, value in values.flat(found_sample.tree):
            if values.number(value) is None:
                state.losses[f"system metric {name}", "its value is no number"] += 1
    state.console |= 4 in record or 13 in record


def _alert(state: State, found: Message, _: list[str]) -> None:
    state.losses[f"alert {protobuf.text(found, 1) or ''}", "a record has no place for alerts"] += 1


def _events(state: State, found: Message, _: list[str]) -> None:
    state.losses[
        "TensorBoard's events", "they lie where the program wrote them, outside the run's folder"
    ] += 1


def _header(state: State, found: Message, _: list[str]) -> None:
    producer = protobuf.text(protobuf.message(found, 1), 1)
    state.version = producer.partition("+")[0] if producer else state.version


def _telemetry(state: State, found: Message, _: list[str]) -> None:
    state.version = state.version or protobuf.text(found, 5)


def _run(state: State, found: Message, unread: list[str]) -> None:
    for inner in protobuf.messages(found, 19):
        _telemetry(state, inner, unread)
    protobuf.message(found, 21)
    state.run = {**state.run, **found}
    time = protobuf.moment(found, 17)
    if time and state.started is None:
        state.started = time
    state.live(time)
    for inner in protobuf.messages(found, 4):
        _config(state, inner, unread)
    for inner in protobuf.messages(found, 5):
        _summary(state, inner, unread)


def _config(state: State, found: Message, unread: list[str]) -> None:
    _update(state.config, found, unread)


def _summary(state: State, found: Message, unread: list[str]) -> None:
    _update(state.summary, found, unread)


def _update(tree: dict[str, Any], found: Message, unread: list[str]) -> None:
    for path, value in rows.items(protobuf.messages(found, 1), unread):
        values.put(tree, path, value)
    for item in protobuf.messages(found, 2):
        path = tuple(protobuf.texts(item, 2)) or tuple(protobuf.texts(item, 1))[-1:]
        if path:
            values.remove(tree, path)


def _metric(state: State, found: Message, _: list[str]) -> None:
    name, glob = protobuf.text(found, 1), protobuf.text(found, 2)
    table, key = (state.names, name) if name else (state.globs, glob)
    if not key:
        return
    summary = protobuf.message(found, 7)
    new = Definition(
        protobuf.text(found, 4),
        tuple(rule for number, rule in SUMMARY_RULES.items() if protobuf.integer(summary, number)),
        _GOALS.get(protobuf.integer(found, 8)),
    )
    old = Definition() if protobuf.integer(protobuf.message(found, 9), 1) else table.get(key, Definition())
    table[key] = Definition(new.axis or old.axis, new.rules or old.rules, new.goal or old.goal)


def _exit(state: State, found: Message, _: list[str]) -> None:
    state.exit_code = protobuf.integer(found, 1)


def _preempting(state: State, _: Message, __: list[str]) -> None:
    state.preempting = True


def _environment(state: State, found: Message, _: list[str]) -> None:
    for number in (3, 9, 22, 24):
        protobuf.messages(found, number)
    state.environment = {**state.environment, **found}


def _artifact(state: State, found: Message, _: list[str]) -> None:
    state.artifacts.append(found)


def _used(state: State, found: Message, _: list[str]) -> None:
    state.used.append(found)


def _output(state: State, found: Message, _: list[str]) -> None:
    state.live(protobuf.moment(found, 2))


_TAKERS = {
    21: _header,
    11: _telemetry,
    17: _run,
    5: _config,
    3: _summary,
    12: _metric,
    18: _exit,
    23: _preempting,
    26: _environment,
    8: _artifact,
    9: _events,
    10: _alert,
    25: _used,
    4: _output,
    13: _output,
}


def take_row(state: State, row: rows.Row, log: Path | None) -> None:
    """Counts what a row has, and keeps its media."""
    state.live(row.time)
    for name in row.unread:
        state.losses[name, "a value could not be read"] += 1
    for name, value in values.flat(row.tree):
        number = values.number(value)
        if number is not None:
            if isinstance(value, bool):
                state.losses[name, "True and False become 1 and 0"] += 1
            old = state.seen.get(name)
            if old is None:
                state.seen[name] = Seen(number, number, number)
                continue
            old.last = number
            old.low = number if math.isnan(number) else min(old.low, number)
            old.high = number if math.isnan(number) else max(old.high, number)
        elif isinstance(value, dict) and value:
            state.embedded += is_embedded(value)
            if not is_embedded(value) or state.embedded <= MOST_EMBEDDED:
                state.media.append(MediaValue(name, row.step, media_head(value), log, row.places))
        elif value is None:
            state.losses[name, "a point without a value"] += 1
        elif isinstance(value, int):
            state.losses[name, "a whole number too large for a float"] += 1
        else:
            state.texts[name] = text_of(value)


def media_head(value: dict[str, Any]) -> dict[str, Any]:
    """What names a file; of a value that is its own content, such as a histogram, only its type."""
    return {"_type": value.get("_type")} if is_embedded(value) else value


def is_embedded(value: dict[str, Any]) -> bool:
    """Whether the value is its own content, such as a histogram."""
    return "path" not in value and "filenames" not in value


def text_of(value: Any) -> str:
    """A text, or a list as JSON."""
    import json

    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""Events of a session: lines of JSON lists, read once for what they are, and anew for points and plots."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.importers import values
from gittrack.importers.archives import UNPACKING
from gittrack.importers.clearml.session import LARGEST, LOG, METRICS, Session
from gittrack.importers.foreign import Curve, Final, Loss, Moment

SINGLE = -(1 << 31)
"""The iteration of a single value."""
PLOTS = frozenset({"plot", "training_stats_vector"})
MOST_PLOTS = 1000
"""Plots of a run that are files each; more of them are one file."""
_MOST_BYTES = 16 << 30
"""Of a file of events: what unpacks to more is refused."""
_MACHINE = ":monitor:"
"""How the titles begin under which the client samples the machine."""
_SUBSTITUTE = re.compile(r"(?:NaN|inf) value encountered\. Reporting it as '([^']{1,40})'")
_NOT_WRITTEN = re.compile(r"Parameters must be of builtin type \(([^\n]{1,10000}?)\)(?:\n|\Z)")
_LATEST = 253_402_300_799_000
"""Milliseconds since 1970 at the end of the year 9999."""
_HELD = 50_000
"""Points in memory at a time."""

Key = tuple[str, str]
"""Title and series."""


@dataclass(slots=True)
class Event:
    """One event and where it is: the first byte of its line, and its number there."""

    fields: Mapping[str, Any]
    line: int
    number: int

    @property
    def kind(self) -> str:
        return text(self.fields.get("type"))

    @property
    def step(self) -> int | float | None:
        step = self.fields.get("iter")
        return step if isinstance(step, (int, float)) and not isinstance(step, bool) else None

    @property
    def time(self) -> Moment | None:
        milliseconds = values.number(self.fields.get("timestamp"))
        return None if milliseconds is None or not 0 < milliseconds <= _LATEST else milliseconds / 1000

    @property
    def message(self) -> str:
        return text(self.fields.get("msg"))


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def events(session: Session, name: str, faults: Counter[str] | None = None) -> Iterator[Event]:
    """Events of a file in their order; what cannot be read is counted in `faults`, by why.

    The file may grow: every reading ends where the session's listing had its end.
    """
    faults = Counter() if faults is None else faults
    member = session.members.get(name)
    if member is None:
        return
    if member.size > _MOST_BYTES:
        raise ValueError(f"{name} has more than {_MOST_BYTES >> 30} GiB")
    with session.open(name) as file:
        at = 0
        while True:
            try:
                line = file.readline(min(LARGEST + 1, member.size - at))
                size = len(line)
                while len(line) > LARGEST and not line.endswith(b"\n"):
                    line = file.readline(min(LARGEST + 1, member.size - at - size)) or b"\n"
                    size += len(line)
            except (*UNPACKING, ValueError):
                faults["the file is damaged from there on"] += 1
                return
            if not line:
                return
            if size > LARGEST:
                faults[f"a line has more than {LARGEST >> 20} MiB"] += 1
            elif not line.isspace():
                yield from _listed(line, at, faults)
            at += size


def _listed(line: bytes, at: int, faults: Counter[str]) -> Iterator[Event]:
    try:
        listed = _load(line)
    except values.NotRead as error:
        faults["a line that is cut off" if not line.endswith(b"\n") else f"a line: {error}"] += 1
        return
    for number, fields in enumerate(listed if isinstance(listed, list) else [listed]):
        if isinstance(fields, dict):
            yield Event(fields, at, number)
        else:
            faults["an event that is no mapping"] += 1


def _load(line: bytes) -> Any:
    """The value of a line, by the faster reader where that takes it: it knows no NaN."""
    import orjson

    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return values.load(line, LARGEST)


@dataclass(slots=True)
class Log:
    """What the events of a session are; of points only how many may stand for no number."""

    session: Session
    task: str
    models: Mapping[str, str]
    """Names of models by the ids under which these report."""
    names: dict[Key, str] = field(default_factory=dict)
    singles: dict[Key, float] = field(default_factory=dict)
    doubtful: Counter[Key] = field(default_factory=Counter)
    files: dict[Key, Event] = field(default_factory=dict)
    """Debug images and other media by file and address: the client uses the names of files again."""
    plots: list[Event] = field(default_factory=list)
    """Without what they show; the first `MOST_PLOTS` of `plot_count`."""
    plot_count: int = 0
    has_console: bool = False
    began: Moment | None = None
    latest: Moment | None = None
    losses: Counter[tuple[str, str]] = field(default_factory=Counter)
    _taken: set[str] = field(default_factory=set)
    _substitutes: set[float] = field(default_factory=lambda: {0.0})
    _says_so: bool = False

    def look(self) -> None:
        for name in (LOG, METRICS):
            faults: Counter[str] = Counter()
            for event in events(self.session, name, faults):
                self._look(event)
            for why, count in faults.items():
                self.losses[f"events of {name}", why] += count

    def own(self, event: Event) -> bool:
        """Whether it is of the task or of one of its models."""
        task = event.fields.get("task", self.task)
        return isinstance(task, str) and (task == self.task or task in self.models)

    def key(self, event: Event) -> Key:
        title, series = text(event.fields.get("metric")), text(event.fields.get("variant"))
        model = self.models.get(text(event.fields.get("task")))
        return (title if model is None else f"models/{model}/{title}"), series

    def _look(self, event: Event) -> None:
        if not self.own(event):
            self.losses["events of other tasks", "they are in the session, and not of its task"] += 1
            return
        if (time := event.time) is not None:
            self.began = time if self.began is None else min(self.began, time)
            self.latest = time if self.latest is None else max(self.latest, time)
        if event.kind == "training_stats_scalar":
            self._scalar(event)
        elif event.kind in PLOTS:
            self.plot_count += 1
            if self.plot_count <= MOST_PLOTS:
                self.plots.append(Event(_about(event), event.line, event.number))
        elif event.kind == "training_debug_image":
            place = text(event.fields.get("key")), text(event.fields.get("url"))
            if self.files.pop(place, None) is not None:
                what = f"media {'/'.join(self.key(event))}"
                self.losses[what, "the client wrote a later one over its file"] += 1
            self.files[place] = event
        elif event.kind == "log":
            self._message(event.message)
        else:
            self.losses[f"events of type {event.kind or 'unknown'}", "a record has no place for them"] += 1

    def _message(self, message: str) -> None:
        """What is printed, in which the client says what it does not write."""
        self.has_console = True
        for value in _SUBSTITUTE.findall(message):
            self._says_so = True
            self._substitutes.add(_as_float(value))
        for names in _NOT_WRITTEN.findall(message):
            for name in names.split(", "):
                self.losses[f"param {name}", "the client did not write it, by its type"] += 1

    def _scalar(self, event: Event) -> None:
        key, value = self.key(event), values.number(event.fields.get("value"))
        if value is None:
            self.losses[f"points of {'/'.join(key)}", "their value is no number"] += 1
            return
        if event.step == SINGLE:
            self.singles[key] = value
        elif key not in self.names:
            self.names[key] = self._free("/".join(key), key)
        if value in self._substitutes and (value or math.copysign(1, value) > 0):
            self.doubtful[key] += 1

    def _free(self, name: str, key: Key) -> str:
        """The name, or, where another title and series come to the same one, one like it."""
        joint = "/"
        while name in self._taken:
            joint += "/"
            name = joint.join(key)
        self._taken.add(name)
        return name

    def _name(self, key: Key) -> str:
        """Of a metric; of a single value that of the series, where no metric has it."""
        if key in self.names:
            return self.names[key]
        title, series = key
        return series if title == "Summary" and series and series not in self._taken else "/".join(key)

    def finals(self) -> dict[str, Final]:
        """ClearML counts the value of the greatest iteration, of several the last, and single values."""
        finals = {
            name: Final(rule="greatest-step") for key, name in self.names.items() if not of_machine(key)
        }
        singles = {self._name(key): Final(rule="given", value=value) for key, value in self.singles.items()}
        return finals | singles

    def doubts(self) -> Iterator[Loss]:
        """Values that the client writes for NaN and infinity as well."""
        words = ", ".join(map(repr, sorted(self._substitutes)))
        why = f"the client writes {words} also for NaN and infinity: these points may be such"
        if self._says_so:
            why = f"the client's log says that it wrote {words} for NaN or infinity: these points may be such"
        for key, count in self.doubtful.items():
            yield Loss(what=f"points of {self._name(key)}", why=why, count=count)


def of_machine(key: Key) -> bool:
    return key[0].startswith(_MACHINE)


def _as_float(number: str) -> float:
    try:
        return float(number)
    except ValueError:
        return 0.0


def curves(log: Log, machine: bool) -> Iterator[Curve]:
    """The points of all metrics, or of those of the machine, in stretches."""
    held: dict[Key, list[tuple[float, Any, Any]]] = {}
    count = 0
    for event in events(log.session, METRICS):
        if event.kind != "training_stats_scalar" or event.step == SINGLE or not log.own(event):
            continue
        key, value = log.key(event), values.number(event.fields.get("value"))
        if value is None or of_machine(key) is not machine:
            continue
        held.setdefault(key, []).append((value, event.step, event.time))
        count += 1
        if count >= _HELD:
            yield from (_curve(log.names[key], points) for key, points in held.items())
            held, count = {}, 0
    yield from (_curve(log.names[key], points) for key, points in held.items())


def _curve(name: str, points: list[tuple[float, Any, Any]]) -> Curve:
    numbers, steps, times = map(list, zip(*points, strict=True))
    return Curve(
        name=name,
        values=numbers,
        steps=None if all(step is None for step in steps) else steps,
        times=None if all(time is None for time in times) else times,
    )


def console(log: Log, folder: str) -> Iterator[bytes]:
    """What the program printed, line by line, without the path of the `folder` that the client names."""
    for name in (LOG, METRICS):
        for event in events(log.session, name):
            if event.kind == "log" and log.own(event):
                message = event.message.replace(folder, log.task) if folder else event.message
                yield f"{message}\n".encode("utf-8", "replace")


def _about(event: Event) -> dict[str, Any]:
    """Of a plot all but what it shows."""
    return {name: value for name, value in event.fields.items() if name not in ("plot_str", "values")}


def shown(log: Log, plot: Event) -> Iterator[bytes]:
    """What a plot shows, as JSON."""
    line = log.session.line(METRICS, plot.line)
    for event in _listed(line, plot.line, Counter()):
        if event.number == plot.number:
            yield _shown(event)


def _shown(event: Event) -> bytes:
    plot = event.fields.get("plot_str")
    if not isinstance(plot, str):
        plot = json.dumps(event.fields.get("values"), ensure_ascii=False)
    return plot.encode("utf-8", "replace")


def all_shown(log: Log) -> Iterator[bytes]:
    """All plots, a line of JSON for each."""
    for event in events(log.session, METRICS):
        if event.kind in PLOTS and log.own(event):
            fields = {
                name: value for name, value in event.fields.items() if name not in ("task", "type", "method")
            }
            yield json.dumps(fields, ensure_ascii=False).encode("utf-8", "replace") + b"\n"

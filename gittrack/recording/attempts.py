"""The attempts of a run in its journal: what each said, how each ended, what a later one has otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import floor
from typing import Any

from gittrack.formats.attempts import Attempt
from gittrack.formats.flat import flatten
from gittrack.formats.masks import digest_name
from gittrack.formats.plain import from_dict
from gittrack.formats.record import parse_time
from gittrack.formats.sources import Layer, resolve
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.endings import LOST, Ending, merged, preempted
from gittrack.recording.journal import Journal

HOST_FACTS = ("host", "python", "os", "cpu", "gpus")
_COMPARED = ("python", "os", "cpu", "gpus", "image")


@dataclass(frozen=True, slots=True)
class Past:
    """An attempt that was followed by another. `then`: the event by which that one began:

    `started`; `facts` of the later attempt, as in `Attempt`; `wrote`, seconds from the start of the run to
    what this one wrote last; and, of the first, its `own` facts.
    """

    layers: list[Layer]
    end: Ending | None
    elapsed: float
    preempted: bool
    then: dict[str, Any]

    @property
    def ending(self) -> Ending:
        return ending_with(self.end, self.preempted)

    @property
    def ended_at(self) -> float:
        """Seconds from the start of the run."""
        return self.elapsed if self.end else float(self.then["wrote"])


def ending_with(end: Ending | None, was_preempted: bool) -> Ending:
    """The ending of an attempt; `end` None: nobody has seen it."""
    return preempted(end or LOST) if was_preempted else end or LOST


def attempts_of(past: Sequence[Past], started: str, ending: Ending, elapsed: float) -> tuple[Attempt, ...]:
    """The attempts as a record has them: none for a run with one."""
    if not past:
        return ()
    begun = parse_time(started).timestamp()
    starts = [started, *(one.then["started"] for one in past)]
    facts = [past[0].then.get("own", {}), *(one.then["facts"] for one in past)]
    ends = [*((one.ending, one.ended_at) for one in past), (ending, elapsed)]
    return tuple(
        from_dict(
            Attempt,
            {
                **own,
                "started": start,
                "duration_s": round(max(0.0, ended_at - (parse_time(start).timestamp() - begun)), 3),
                "status": how.status,
                "failure": how.failure,
                "ended_by": how.ended_by,
            },
        )
        for start, own, (how, ended_at) in zip(starts, facts, ends, strict=True)
    )


# --- parameters --------------------------------------------------------------------------------


def all_layers(attempts: Sequence[Sequence[Layer]]) -> list[Layer]:
    """The layers of all attempts: what a later one says of a parameter stands alone."""
    layers: list[Layer] = []
    for own in attempts:
        names = {name for layer in own for name in flatten(layer.params)}
        layers = [_without(layer, names) for layer in layers] if names else layers
        layers = [*(layer for layer in layers if layer.params), *own]
    return layers


def _without(layer: Layer, names: set[str], above: str = "") -> Layer:
    return Layer(layer.source, _left(layer.params, names, above), layer.masked, layer.program)


def _left(params: Mapping[str, Any], names: set[str], above: str) -> dict[str, Any]:
    left: dict[str, Any] = {}
    for name, value in params.items():
        path = f"{above}{name}"
        if path in names:
            continue
        if isinstance(value, Mapping) and value:
            if below := _left(value, names, f"{path}."):
                left[name] = below
        else:
            left[name] = value
    return left


def param_changes(attempts: Sequence[Sequence[Layer]]) -> Iterator[tuple[str, Any, Any]]:
    """Parameters of which a later attempt says something else than the first that named them."""
    first: dict[str, Any] = {}
    last: dict[str, Any] = {}
    for own in attempts if len(attempts) > 1 else ():
        said = resolve(own)
        for name, value in flatten(said.params).items():
            known = digest_name(said.masked[name]) if name in said.masked else value
            first.setdefault(name, known)
            last[name] = known
    for name, value in last.items():
        if repr(first[name]) != repr(value):
            yield f"param {name}", _shown(first[name]), _shown(value)


def _shown(value: Any) -> Any:
    return "null" if value is None else value


# --- one journal -------------------------------------------------------------------------------


def ending_of(journal: StoredJournal) -> Ending | None:
    """How the last attempt ended; None where nobody has said so."""
    end: Ending | None = None
    told = False
    for kind, *content in journal.own_events():
        if kind == Kind.END:
            status, failure, _, *by = content
            ending = Ending(status, failure, by[0] if by else None)
            end = ending if end is None else merged(end, ending)
        told = told or kind == Kind.PREEMPTED
    return None if end is None else ending_with(end, told)


def has_finished(journal: StoredJournal) -> bool:
    """Whether nothing is left to do of the run but to commit it."""
    ending = ending_of(journal)
    return ending is not None and ending.status == "finished"


def facts_of(journal: StoredJournal) -> dict[str, Any]:
    """The facts of the record as they stand."""
    facts: dict[str, Any] = dict(journal.start["record"])
    for event in journal.events():
        if event[0] == Kind.FACTS:
            facts.update(event[1])
    return facts


def last_step_of(journal: StoredJournal) -> int | None:
    """The greatest step of the points on disk, of a fraction the whole number below."""
    steps = (step for event in journal.events() if event[0] == Kind.METRICS for _, step, _ in event[1])
    last = max((step for step in steps if step is not None), default=None)
    return None if last is None else floor(last)


def say_again(
    journal: Journal, facts: Mapping[str, Any], here: tuple[bytes, Mapping[str, Any]] | None = None
) -> None:
    """What a later attempt states of the run: new facts are taken, others are said to have changed.

    `here`: environment.yaml of this attempt with what it changes in a record, as `capture_here` has it;
    taken only where no Python of the run is known yet.
    """
    known = facts_of(StoredJournal(journal.folder))
    fresh: dict[str, Any] = {}
    for name, value in facts.items():
        if value is None or value == []:
            continue
        if known.get(name) in (None, []):
            fresh[name] = value
        elif known[name] != value and name not in ("seed_source", "param_conflicts"):
            journal.event(Kind.CHANGED, name.replace("_", " "), known[name], value)
    if here is not None:
        environment, changed = here
        if known["environment"].get("python") is None:
            journal.replace_environment(environment)
            fresh |= changed
        else:
            note_environment(journal, known["environment"], changed["environment"])
    if fresh:
        journal.event(Kind.FACTS, fresh)


def note_environment(journal: Journal, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
    """Say what of the machine and the system is another; what is not known cannot differ."""
    for name in _COMPARED:
        old, new = before.get(name), after.get(name)
        if old and new and old != new:
            journal.event(Kind.CHANGED, f"environment {name}", old, new)

"""Scalars and texts of a run, read anew, a bounded number of points at a time."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from gittrack.importers.foreign import Curve, Loss, Moment, TextPoint
from gittrack.importers.protobuf import WireError
from gittrack.importers.tensorboard import events
from gittrack.importers.tensorboard.events import Plugin
from gittrack.importers.tensorboard.log import OVERTAKEN, Log

HELD = 50_000
"""Points in memory at a time."""
_SUFFIX = "/text_summary"
_NO_PLUGIN = Plugin()


@dataclass(slots=True)
class _Stretch:
    values: list[float] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    times: list[Moment] = field(default_factory=list)

    def curve(self, name: str) -> Curve:
        return Curve(name=name, values=self.values, steps=self.steps, times=self.times)


def curves(log: Log, lost: list[Loss]) -> Iterator[Curve]:
    """Scalars by their tags; what a restart has overtaken is left out and, once, named in `lost`."""
    held: dict[str, _Stretch] = {}
    gone: Counter[str] = Counter()
    count = 0
    for number, event, value in log.values_again():
        tag = value.tag
        try:
            if events.kind_of(value, log.plugins.get(tag, _NO_PLUGIN)) != "scalar":
                continue
            point = events.scalar(value)
        except WireError:
            continue
        if log.restarts.takes(number, tag, event.step):
            gone[tag] += 1
            continue
        stretch = held.setdefault(tag, _Stretch())
        stretch.values.append(point)
        stretch.steps.append(event.step)
        stretch.times.append(event.time)
        count += 1
        if count >= HELD:
            yield from (stretch.curve(name) for name, stretch in held.items())
            held, count = {}, 0
    yield from (stretch.curve(name) for name, stretch in held.items())
    for tag, times in gone.items():
        loss = Loss(what=f"points of {tag}", why=OVERTAKEN, count=times)
        if loss not in lost:
            lost.append(loss)


def texts(log: Log) -> Iterator[TextPoint]:
    """Texts by their tags, without the end that writers give these; several at a point as a JSON list."""
    for place, tag, _ in log.texts:
        event, value = log.at(place)
        found = events.texts(value)
        text = found[0] if len(found) == 1 else json.dumps(found, ensure_ascii=False)
        yield TextPoint(name=tag.removesuffix(_SUFFIX) or "text", text=text, step=event.step, time=event.time)

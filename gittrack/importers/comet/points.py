"""Metrics of an experiment, read anew, a bounded number of points at a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from gittrack.importers.comet.facts import named, number
from gittrack.importers.comet.messages import Message
from gittrack.importers.foreign import Curve, Loss, Moment, TextPoint

HELD = 50_000
"""Points in memory at a time."""
EPOCH = "epoch"
OF_MACHINE = "sys."
"""What names begin with that the client gives to what it samples of the machine."""
ONLY = b'"metric"'
"""What the line of each metric has."""

Read = Callable[[], Iterator[Message]]


@dataclass(slots=True)
class _Stretch:
    values: list[float] = field(default_factory=list)
    steps: list[Any] = field(default_factory=list)
    times: list[Any] = field(default_factory=list)

    def add(self, value: float, point: Point) -> None:
        self.values.append(value)
        self.steps.append(point.step)
        self.times.append(point.time)

    def curve(self, name: str) -> Curve:
        return Curve(name=name, values=self.values, steps=_or_none(self.steps), times=_or_none(self.times))


def _or_none(numbers: list[Any]) -> Sequence[float] | None:
    """None where no point has one."""
    return cast("Sequence[float]", numbers) if any(n is not None for n in numbers) else None


@dataclass(frozen=True, slots=True)
class Point:
    name: str
    value: Any
    step: int | float | None
    epoch: int | float | None
    time: Moment | None


def points(messages: Iterator[Message]) -> Iterator[Point]:
    for message in messages:
        metric = message.mapping("metric") if message.kind == "metric_msg" else {}
        name = metric.get("metricName")
        if not isinstance(name, str):
            continue
        time = _number(message.payload.get("local_timestamp"))
        yield Point(
            name=named(name, message.payload.get("context")),
            value=metric.get("metricValue"),
            step=_number(metric.get("step")),
            epoch=_number(metric.get("epoch")),
            time=None if time is None else time / 1000,
        )


def _number(value: Any) -> int | float | None:
    found = None if isinstance(value, bool) else number(value)
    return None if found is None or found != found else found


def curves(read: Read, *, has_epoch: bool, lost: list[Loss]) -> Iterator[Curve]:
    """Metrics, and the epochs in which they were logged, as one more where there is none of that name."""
    unsaid: Counter[str] = Counter()
    yield from _curves(_measured(read, unsaid, has_epoch=has_epoch))
    for why, count in unsaid.items():
        loss = Loss(what="epochs of points", why=why, count=count)
        if loss not in lost:
            lost.append(loss)


def system_curves(read: Read) -> Iterator[Curve]:
    """What the client sampled of the machine."""
    sampled = (point for point in points(read()) if point.name.startswith(OF_MACHINE))
    yield from _curves((p.name, value, p) for p in sampled if (value := number(p.value)) is not None)


def _measured(
    read: Read, unsaid: Counter[str], *, has_epoch: bool
) -> Iterator[tuple[str, int | float, Point]]:
    place: tuple[Any, Any] | None = None
    for point in points(read()):
        if point.name.startswith(OF_MACHINE):
            continue
        value = number(point.value)
        if value is not None:
            yield point.name, value, point
        if point.epoch is None:
            continue
        if has_epoch:
            unsaid["a metric of that name is there"] += 1
        elif (point.step, point.epoch) != place:
            place = (point.step, point.epoch)
            yield EPOCH, point.epoch, point


def _curves(measured: Iterator[tuple[str, int | float, Point]]) -> Iterator[Curve]:
    held: dict[str, _Stretch] = {}
    for count, (name, value, point) in enumerate(measured, 1):
        held.setdefault(name, _Stretch()).add(value, point)
        if count % HELD == 0:
            yield from (stretch.curve(name) for name, stretch in held.items())
            held = {}
    yield from (stretch.curve(name) for name, stretch in held.items())


def words(read: Read) -> Iterator[TextPoint]:
    """What was logged as a metric and is no number."""
    for point in points(read()):
        if number(point.value) is None:
            text = point.value if isinstance(point.value, str) else repr(point.value)
            yield TextPoint(name=point.name, text=text, step=point.step, time=point.time)

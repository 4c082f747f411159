"""What other trackers have otherwise of a run's points: their steps are whole, their numbers floats."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from operator import gt

from gittrack.exporters.source import Source
from gittrack.formats.tables import Step

_EXACT = 1 << 53
_NAMED = 20


def whole(step: Step | None, at: int) -> int:
    """A step as others have it; counted where there is none."""
    return at if step is None else int(step)


def of_points(source: Source, *, texts: bool) -> dict[str, Collection[str]]:
    """By what is not as it is in the record, which metrics, and texts where others keep `texts`."""
    curves = source.series.curves if source.series else {}
    steps = {name: curve.steps for name, curve in curves.items()}
    times = {name: curve.times for name, curve in curves.items()}
    for item in source.texts if texts else ():
        steps[item.name] = (*steps.get(item.name, ()), item.step)
        times[item.name] = (*times.get(item.name, ()), item.time)
    record = source.record
    samples = [what for what, kept in (("series", record.series), ("texts", record.texts)) if kept]
    sampled = [what for what in samples if getattr(record, what).pointer is not None]
    return {
        "a sample of the whole is there": [what for what in sampled if texts or what != "texts"],
        "of fractional steps the whole part is there": [
            name for name, own in steps.items() if any(step is not None and int(step) != step for step in own)
        ],
        "points without a step are counted": [name for name, own in steps.items() if None in own],
        "points without a time have that of the start": [name for name, own in times.items() if None in own],
        "whole numbers beyond 53 bits are rounded": [
            name
            for name, curve in curves.items()
            if any(isinstance(value, int) and abs(value) > _EXACT for value in curve.values)
        ],
        "texts at steps are not there": [] if texts else [item.name for item in source.texts],
    }


def of_order(points: Mapping[str, Sequence[tuple[int, int, str]]]) -> dict[str, Collection[str]]:
    """Likewise of who sorts points, of step, time and value, and keeps equal ones once."""
    return {
        "equal points of one moment are one": [n for n, own in points.items() if len({*own}) < len(own)],
        "points are in the order of their steps": [
            name for name, own in points.items() if any(map(gt, own, own[1:]))
        ],
    }


def sentences(source: Source, losses: Mapping[str, Collection[str]]) -> Iterator[str]:
    """One for each thing that is not as it was, with the first names."""
    for why, found in losses.items():
        names = [*dict.fromkeys(found)]
        if names:
            more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
            yield f"run {source.record.id}: {why}: {', '.join(names[:_NAMED])}{more}"

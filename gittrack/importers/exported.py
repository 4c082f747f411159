"""Runs that gittrack itself has exported: what it had to rename there, or to add, is taken back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import cast, get_args

from gittrack.formats.exported import EXPERIMENT, RUN_ID, Back, back_in
from gittrack.importers.foreign import Curve, Final, ForeignRun, Rule


def restored(run: ForeignRun) -> ForeignRun:
    """`run` as it was before the export; any other run as it is."""
    if RUN_ID not in run.tags:
        return run
    if run.name == run.tags[RUN_ID]:
        run.name = None
    run.experiment = run.tags.get(EXPERIMENT) or run.experiment
    back, tags = back_in(run.tags)
    if back is None:
        return run
    run.tags = {back.tags.get(name, name): text for name, text in tags.items()}
    run.params = {back.params.get(name, name): value for name, value in run.params.items()}
    run.name = back.name or run.name
    run.curves = partial(_curves, run.curves, back)
    run.finals = {back.metrics.get(name, name): final for name, final in _finals(run, back).items()}
    return run


def _finals(run: ForeignRun, back: Back) -> dict[str, Final]:
    finals = {name: final for name, final in run.finals.items() if name not in back.values}
    for name, rule in back.rules.items():
        if rule in get_args(Rule) and rule != "given":
            finals[name] = Final(rule=cast("Rule", rule))
    return finals | {name: Final(rule="given", value=float(value)) for name, value in back.values.items()}


def _curves(curves: Callable[[], Iterable[Curve]], back: Back) -> Iterator[Curve]:
    """Under their names here, without the points that were added."""
    held: dict[str, Curve] = {}
    for curve in curves():
        here = replace(curve, name=back.metrics.get(curve.name, curve.name))
        if curve.name not in back.added:
            yield here
            continue
        if curve.name in held:
            yield held[curve.name]
        held[curve.name] = here
    for curve in held.values():
        if len(curve.values) > 1:
            yield replace(
                curve,
                values=curve.values[:-1],
                steps=curve.steps and curve.steps[:-1],
                times=curve.times and curve.times[:-1],
            )

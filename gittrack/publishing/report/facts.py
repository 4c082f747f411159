"""Facts that are summed up over many runs: time spent, data read, figures by group."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from gittrack.formats.record import DataInput, Record
from gittrack.governance.criteria import figure_of
from gittrack.publishing.report.model import DataUse, Place, Slice, Spent
from gittrack.stats.replicates import Group, final_value

JUDGED = ("validation", "test", "holdout")
"""Roles of data that results are judged on."""

_SLICE = re.compile(r"(.+)/([^/=]+=[^/]+)")


def time_spent(runs: Iterable[Record], outcomes: Mapping[str, str]) -> list[Spent]:
    """Hours by what became of the runs and by machine: every run once, none left out."""
    totals: dict[tuple[str, str], Spent] = {}
    runs = list(runs)
    known = {run.id for run in runs}
    for run in runs:
        around = run.surroundings
        machine = ", ".join([around.cpu or around.os or "machine not recorded", *around.gpus])
        kind: str = run.status
        if run.status == "finished":
            kind = "reruns" if run.reproduces else "rejected" if outcomes.get(run.id) == "rejected" else kind
        none = Spent(what=kind, machine=machine, runs=0, timed=0, hours=0.0, device_hours=0.0)
        total = _with(totals.get((machine, kind), none), run)
        totals[machine, kind] = replace(total, nested=total.nested + (run.parent in known))
    return [total for _, total in sorted(totals.items())]


def _with(total: Spent, run: Record) -> Spent:
    """`total` with one more run in it."""
    hours = None if run.duration_s is None else run.duration_s / 3600
    used = run.system_use
    gpu_hours, kwh = (None, None) if used is None else (used.gpu_hours, used.energy_kwh)
    return replace(
        total,
        runs=total.runs + 1,
        timed=total.timed + (hours is not None),
        hours=total.hours + (hours or 0.0),
        device_hours=total.device_hours + (hours or 0.0) * len(run.surroundings.gpus),
        gpu_runs=total.gpu_runs + (gpu_hours is not None),
        gpu_hours=total.gpu_hours + (gpu_hours or 0.0),
        energy_runs=total.energy_runs + (kwh is not None),
        energy_kwh=total.energy_kwh + (kwh or 0.0),
    )


def data_read(runs: Iterable[Record], sheets: Mapping[str, Place]) -> list[DataUse]:
    """Every data set, by path, role and digest, with the number of runs that read it."""
    uses: dict[tuple[str, ...], tuple[DataInput, dict[str, None]]] = {}
    for run in runs:
        for data in run.data:
            key = (data.path, data.role or "", data.sha256 or data.md5 or data.blob or "")
            uses.setdefault(key, (data, {}))[1][run.id] = None
    return [
        DataUse(data=data, runs=len(ids), first=next(iter(ids)), sheet=sheets.get(data.path))
        for _, (data, ids) in sorted(uses.items())
    ]


def overlaps(used: Sequence[DataUse]) -> list[tuple[DataInput, DataInput]]:
    """Pairs of data to train on and data to judge by that are the same bytes. Parts in common do not show."""
    trained = [use.data for use in used if use.data.role == "train"]
    judged = [use.data for use in used if use.data.role in JUDGED]
    return [(a, b) for a in trained for b in judged if _same(a, b)]


def _same(a: DataInput, b: DataInput) -> bool:
    if a.sha256 and b.sha256:
        return a.sha256 == b.sha256
    if a.md5 and b.md5 and a.hash == b.hash:
        return a.md5 == b.md5
    return a.blob is not None and a.blob == b.blob


def slice_of(metric: str) -> tuple[str, str] | None:
    """``accuracy/sex=female`` is accuracy for the group sex=female; None for other names."""
    match = _SLICE.fullmatch(metric)
    return (match[1], match[2]) if match else None


def slices_of(subject: Record | None, group: Group | None) -> list[Slice]:
    """The subject's metrics by group of cases, by metric and then by group."""
    if subject is None:
        return []
    slices = []
    for name, final in subject.metrics.items():
        parts = slice_of(name)
        value = final.status or final.value
        if parts is None or value is None:
            continue
        slices.append(
            Slice(
                metric=parts[0],
                group=parts[1],
                value=value,
                whole=final_value(subject, parts[0]),
                figure=None if group is None else figure_of(group, name),
            )
        )
    return sorted(slices, key=lambda part: (part.metric, part.group))

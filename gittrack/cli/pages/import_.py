"""What `gittrack import` brought, or would bring: for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from gittrack.importers.bringing import Brought
from gittrack.text.text import Paint, one_line

_MOST = 20
"""Runs, losses and what was skipped, of each, that people are shown."""


def lines(brought: Brought, paint: Paint) -> Iterator[str]:
    """The report, a line after the other."""
    counts = brought.counts
    for run_id, made in brought.runs[:_MOST]:
        name = one_line(made.name or "")
        facts = [
            made.status,
            "deleted there" if made.deleted else "",
            "changed" if made.state == "changed" else "",
        ]
        yield "  ".join(
            filter(None, (run_id or "would come", made.experiment, one_line(made.source), name, *facts))
        )
    listed = counts["new"] + counts["changed"]
    if listed > _MOST:
        yield (
            f"... {listed - _MOST:,} more; gittrack log lists them"
            if not brought.dry
            else f"... {listed - _MOST:,} more"
        )
    yield from _lost(brought, paint)
    yield from _skipped(brought, paint)
    yield _sum(brought)


def _lost(brought: Brought, paint: Paint) -> Iterator[str]:
    if not brought.lost:
        return
    yield paint("yellow", "not in the records" if not brought.dry else "would not be in the records") + ":"
    order = sorted(brought.lost.items(), key=lambda item: -item[1][0])
    for (what, why), (runs, times) in order[:_MOST]:
        often = f" ({_runs(runs)}{f', {times:,} times' if times > runs else ''})"
        yield f"  {one_line(what)}: {one_line(why)}{often}"
    if len(order) > _MOST:
        yield f"  ... {len(order) - _MOST:,} more: --json lists them"


def _skipped(brought: Brought, paint: Paint) -> Iterator[str]:
    if not brought.skipped:
        return
    yield paint("red", "skipped") + ":"
    for item in brought.skipped[:_MOST]:
        yield f"  {one_line(item.what)}: {one_line(item.why)}"
    more = brought.counts["skipped"] - _MOST
    if more > 0:
        yield f"  ... {more:,} more: --json lists the first 1,000"


def _sum(brought: Brought) -> str:
    counts = brought.counts
    would = "would be " if brought.dry else ""
    parts = [f"{_runs(counts['new'])} of {brought.system} {would}imported"]
    if counts["changed"]:
        parts.append(f"{counts['changed']:,} changed since and {would}taken anew")
    if counts["there"]:
        parts.append(f"{counts['there']:,} here already")
    if counts["skipped"]:
        parts.append(f"{counts['skipped']:,} skipped")
    if not counts["new"] + counts["changed"] and counts["there"]:
        parts.append("nothing to add")
    return ", ".join(parts)


def _runs(count: int) -> str:
    return f"{count:,} run{'' if count == 1 else 's'}"


def as_plain(brought: Brought) -> dict[str, Any]:
    """The report as plain values."""
    counts = brought.counts
    return {
        "system": brought.system,
        "dry_run": brought.dry,
        "new": counts["new"],
        "changed": counts["changed"],
        "there": counts["there"],
        "deleted": counts["deleted"],
        "rows": counts["points"],
        "outputs": counts["outputs"],
        "bytes": counts["size"],
        "statuses": dict(sorted(brought.statuses.items())),
        "experiments": dict(sorted(brought.experiments.items())),
        "runs": [
            {
                "id": run_id,
                "source": made.source,
                "name": made.name,
                "experiment": made.experiment,
                "status": made.status,
                "state": made.state,
            }
            for run_id, made in brought.runs
        ],
        "lost": [
            {"what": what, "why": why, "runs": runs, "count": count}
            for (what, why), (runs, count) in brought.lost.items()
        ],
        "skipped": [{"what": item.what, "why": item.why} for item in brought.skipped],
        "skipped_in_all": counts["skipped"],
        "could_not_be_read": brought.faults,
    }

"""A reproduction as terminal text and Markdown: the plan before it, the verdict after it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gittrack.formats.plain import to_dict
from gittrack.formats.reproduction import Agreement, Reproduction
from gittrack.running.reproduce.plan import ReproducePlan
from gittrack.text.table import Cell, Line, layout, markdown, markdown_cell
from gittrack.text.text import Paint, number, one_line, size, value

MOST = 12
_WHERE = {
    "code": "in the code",
    "cache": "in the DVC cache",
    "remote": "on the DVC remote",
    "disk": "on this disk, as it was",
    "nowhere": "nowhere to be had",
}
_COLOURS = {"not-reproduced": "red", "statistical": "yellow"}


def plan_lines(plan: ReproducePlan, paint: Paint) -> list[str]:
    """What would be run, for a person who is to agree to it."""
    return [f"{paint('bold', title)}{text}" for title, text in _plan(plan)]


def _plan(plan: ReproducePlan) -> Iterator[tuple[str, str]]:
    record, code = plan.original, plan.original.code
    yield (
        f"{'run':<12}",
        f"{record.id}  {record.experiment}, by {one_line(record.author_name or 'not known')}"
        + (", recorded by this clone" if plan.own else ""),
    )
    yield f"{'command':<12}", one_line(shlex.join(plan.tasks[0].launch or plan.tasks[0].command))
    is_current = plan.environment.kind == "current" and plan.options.executor == "local"
    if plan.program is not None or is_current:
        yield f"{'program':<12}", one_line(plan.program or "not found on PATH")
    what = f"snapshot {code.snapshot[:12]}, uncommitted changes of" if code.snapshot else "commit"
    yield f"{'code':<12}", f"{what} {(code.commit or 'nothing')[:12]}, in {one_line(code.cwd or '.')}"
    for item in plan.data[:MOST]:
        data = item.data
        yield (
            f"{'data':<12}",
            f"{one_line(data.path)} ({data.shown_role}, {size(data.size)}) {_WHERE[item.where]}",
        )
    yield from _more("data", len(plan.data) - MOST)
    options = plan.options
    yield f"{'environment':<12}", _built(plan) + _different(plan)
    for pair in [*plan.machine, *plan.packages][:MOST]:
        yield " " * 12, f"{one_line(pair.name)}: {_short(pair.a)} when it ran, {_short(pair.b)} here"
    yield from _more("", len(plan.machine) + len(plan.packages) - MOST)
    for command in _commands(plan):
        yield " " * 12, one_line(shlex.join(command))
    for name, text in plan.tasks[0].surroundings.variables.items():
        yield f"{'variable':<12}", one_line(f"{name}={text}")
    seeds = ", ".join("none recorded" if t.seed is None else str(t.seed) for t in plan.tasks[:MOST])
    where = f"{options.jobs or 1} at a time" if options.executor == "local" else f"by {options.executor}"
    yield f"{'reruns':<12}", f"{len(plan.tasks)} ({where}), seeds {seeds}"
    for warning in plan.warnings[:MOST]:
        yield f"{'note':<12}", one_line(warning)


def _built(plan: ReproducePlan) -> str:
    made = plan.environment
    notes = "; ".join(one_line(note) for note in made.notes if note != made.kind)
    return made.kind + (f": {notes}" if notes and made.kind != "current" else "")


def _commands(plan: ReproducePlan) -> list[list[str]]:
    """What builds the environment, with names for the folders that are only made then."""
    return plan.environment.commands(Path("TREE"), Path("ENV"))


def _different(plan: ReproducePlan) -> str:
    unknown = f"; {one_line(plan.unknown)}" if plan.unknown else ""
    if not plan.packages and not plan.machine:
        return unknown
    facts = f"{len(plan.machine)} facts of the machine differ from the record"
    return f": {facts}{unknown}" if unknown else f": {len(plan.packages)} packages and {facts}"


def _more(title: str, count: int) -> Iterator[tuple[str, str]]:
    if count > 0:
        yield f"{title:<12}", f"and {count} more"


def _short(item: Any) -> str:
    return "none" if item is None else value(item)[:60]


def plan_dict(plan: ReproducePlan) -> dict[str, Any]:
    """The plan as plain values."""
    return {
        "run": plan.original.id,
        "own": plan.own,
        "command": list(plan.tasks[0].launch or plan.tasks[0].command),
        "program": plan.program,
        "commit": plan.original.code.commit,
        "snapshot": plan.original.code.snapshot,
        "cwd": plan.original.code.cwd,
        "data": [
            {"path": f.data.path, "role": f.data.role, "md5": f.data.md5, "where": f.where} for f in plan.data
        ],
        "environment": plan.environment.kind,
        "lock": plan.environment.lock.path if plan.environment.lock else None,
        "build": _commands(plan),
        "packages": {p.name: {"recorded": p.a, "here": p.b} for p in plan.packages},
        "packages_unknown": plan.unknown or None,
        "machine": {p.name: {"recorded": p.a, "here": p.b} for p in plan.machine},
        "variables": dict(plan.tasks[0].surroundings.variables),
        "seeds": [task.seed for task in plan.tasks],
        "executor": plan.options.executor,
        "claim": plan.protocol.reproducibility.level,
        "warnings": list(plan.warnings),
    }


# --- the verdict -------------------------------------------------------------------------------


def headline(statement: Reproduction) -> str:
    """``bitwise-same-host: same outputs, series and metrics in all 3 reruns``."""
    return f"{statement.verdict.level}: {one_line(statement.verdict.why)}"


def claimed(statement: Reproduction) -> str:
    """Whether gittrack.yaml's claim is borne out; empty where it claims nothing."""
    if statement.claim == "none":
        return ""
    return (
        f"gittrack.yaml claims {statement.claim}: {'reached' if statement.claim_reached else 'NOT reached'}"
    )


def terminal(statement: Reproduction, paint: Paint, columns: int | None = None) -> list[str]:
    """The verdict, then what it rests on."""
    verdict = statement.verdict
    lines = [paint(_COLOURS.get(verdict.level, "green"), headline(statement))]
    if claim := claimed(statement):
        lines.append(paint("green" if statement.claim_reached else "red", claim))
    lines += ["", f"Varied: {verdict.varied}. Environment: {one_line(statement.environment)}."]
    header, rows = ["rerun", "seed", "status", "host", "level", "differs"], []
    for rerun in verdict.reruns:
        seed = "" if rerun.seed is None else str(rerun.seed)
        words = "; ".join(one_line(text) for text in rerun.differs[:3])
        rows.append(
            Line([Cell(text) for text in (rerun.run, seed, rerun.status, rerun.host, rerun.level, words)])
        )
    lines += ["", *layout(header, rows, paint, columns=columns, fixed=5)[0]]
    if verdict.metrics:
        lines += ["", *layout(_METRICS, [Line(_cells(n, a)) for n, a in verdict.metrics.items()], paint)[0]]
        lines.append(f"Joint confidence of the prediction intervals: {verdict.confidence:.0%}.")
    if verdict.factors:
        lines += ["", "What can make runs differ:"]
        lines += [f"  {one_line(factor)}" for factor in verdict.factors]
    return lines


_METRICS = ["metric", "original", "n", "mean", "sd", "one more run", "inside", "max difference", "tolerance"]


def _cells(name: str, agreement: Agreement) -> list[Cell]:
    return [Cell(text, right=at > 0) for at, text in enumerate(_row(name, agreement))]


def _row(name: str, agreement: Agreement) -> list[str]:
    def shown(item: float | None) -> str:
        return "" if item is None else number(item, 5)

    between = (
        ""
        if agreement.low is None or agreement.high is None
        else f"{shown(agreement.low)} to {shown(agreement.high)}"
    )
    return [
        one_line(name),
        value(agreement.original, 5),
        str(agreement.n),
        shown(agreement.mean),
        shown(agreement.sd),
        between or ("all alike" if agreement.sd == 0 else ""),
        "yes" if agreement.inside else "no",
        shown(agreement.largest_difference),
        shown(agreement.tolerance),
    ]


def as_markdown(statement: Reproduction) -> str:
    """The verdict as a document, for a comment or a file."""
    verdict = statement.verdict
    parts = [
        f"## Reproduction of {statement.run}: {verdict.level}",
        f"{markdown_cell(verdict.why)}. Varied: {verdict.varied}.",
        markdown(
            ["Rerun", "Seed", "Status", "Host", "Level", "Differs"],
            [[r.run, r.seed, r.status, r.host, r.level, "; ".join(r.differs[:3])] for r in verdict.reruns],
            5,
        ),
    ]
    if claim := claimed(statement):
        parts.insert(2, markdown_cell(claim))
    if verdict.metrics:
        parts.append(
            markdown([t.capitalize() for t in _METRICS], [_row(n, a) for n, a in verdict.metrics.items()], 5)
        )
    if verdict.factors:
        parts.append(
            "What can make runs differ:\n\n"
            + "\n".join(f"- {markdown_cell(text)}" for text in verdict.factors)
        )
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def as_dict(statement: Reproduction) -> dict[str, Any]:
    """The statement as plain values, with whether the claim is reached."""
    return {**to_dict(statement), "claim_reached": statement.claim_reached}

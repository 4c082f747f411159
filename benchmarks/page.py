"""What was found, as JSON and as the tables of docs/benchmarks.md."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from benchmarks.measure import Outcome, Settings
from benchmarks.peers import environment as peers

BEGIN, END = "<!-- figures -->", "<!-- end of figures -->"
OWN = ("gittrack", "gitpython", "dvc", "pyyaml", "jsonschema-rs", "orjson", "typer")

Document = dict[str, dict[str, Any]]
"""By name of the benchmark: ``machine``, ``figures``, ``goals``, ``notes``."""


def machine(settings: Settings) -> dict[str, Any]:
    """Where, when and with which versions it was measured."""
    git = subprocess.run(["git", "version"], capture_output=True, text=True, check=True).stdout.split()[2]
    versions = {name: metadata.version(name) for name in OWN} | {
        "python": platform.python_version(),
        "git": git,
    }
    if settings.peers:
        versions |= peers.drive(Path.cwd(), "sacred", "versions")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "rounds": settings.rounds,
        "versions": versions,
    }


def _cpu() -> str:
    try:
        found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    except OSError:
        found = None
    return found[1] if found else platform.processor()


def document(machine: Mapping[str, Any], found: Mapping[str, Outcome]) -> Document:
    return {
        name: {
            "machine": dict(machine),
            "figures": [asdict(figure) for figure in outcome.figures],
            "goals": [{**asdict(goal), "met": goal.met} for goal in outcome.goals],
            "notes": outcome.notes,
        }
        for name, outcome in found.items()
    }


def keep(file: Path, machine: Mapping[str, Any], found: Mapping[str, Outcome]) -> None:
    """Put what was measured into `file`; benchmarks that were not measured now stay as they are."""
    known = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(known | document(machine, found), indent=1, ensure_ascii=False) + "\n")


def markdown(measured: Document) -> str:
    """A table of the goals, and one of the figures for each benchmark: a row a figure, a column a program."""
    parts = ["| goal | measured | asked for | |", "|---|---|---|---|"]
    for name, one in measured.items():
        for goal in one["goals"]:
            sign = "at least" if goal["at_least"] else "at most"
            met = "reached" if goal["met"] else "**missed**"
            limit = number(goal["limit"])
            parts.append(f"| {name}: {goal['what']} | {number(goal['value'])} | {sign} {limit} | {met} |")
    for name, one in measured.items():
        described = (import_module(f"benchmarks.{name}").measure.__doc__ or "").split("\n")
        parts += ["", f"### {name}", "", " ".join(line.strip() for line in described if line.strip()), ""]
        parts += [
            *_table(one["figures"]),
            "",
            *(f"- {note}" for note in one["notes"]),
            _where(one["machine"]),
        ]
    return "\n".join(parts)


def _table(figures: list[dict[str, Any]]) -> list[str]:
    programs = list(dict.fromkeys(figure["who"] for figure in figures))
    rows: dict[str, dict[str, float]] = {}
    for figure in figures:
        label = f"{figure['what']} ({figure['unit']})" if figure["unit"] else figure["what"]
        rows.setdefault(label, {})[figure["who"]] = figure["value"]
    lines = ["| | " + " | ".join(programs) + " |", "|---" * (len(programs) + 1) + "|"]
    for label, values in rows.items():
        cells = [number(values[who]) if who in values else "" for who in programs]
        lines.append(f"| {label} | " + " | ".join(cells) + " |")
    return lines


def _where(machine: Mapping[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return (
        f"\n{machine['date']}, {machine['cores']} cores of {machine['cpu']}, {machine['memory_gb']} GB, "
        f"{machine['system']}, {machine['rounds']} rounds; {versions}."
    )


def number(value: float) -> str:
    """Three digits, and no more zeros than needed."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def put_into(file: Path, figures: Path) -> None:
    """Replace the tables of the page by those of the figures."""
    text = file.read_text()
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    tables = markdown(json.loads(figures.read_text()))
    file.write_text(f"{head}{BEGIN}\n{tables}\n{END}{tail}")

"""Which Python of a job is the one that the record is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gittrack.recording.interpreters.reports import Report

_NO_FILE = ("", "-c")


def main_report(reports: Sequence[Report], entry: Path | None, top: Path) -> Report | None:
    """That of the entry point, else the last to start of the project's own scripts, of its code, of all.

    One that started further ones of the same kind, as a launcher does, gives way to these; and one that
    became another by exec, to that.
    `entry`: the file that the command names, if one is known; `top`: of the work tree.
    """
    own = [report for report in reports if is_own_code(report, top)]
    started = [report for report in own if entry is not None and _same(report.script, entry)]
    scripts = [report for report in own if report.ran not in _NO_FILE]
    for candidates in (started, scripts, own, reports):
        if candidates:
            parents = _ancestors(candidates, reports)
            return _became([report for report in candidates if report.name not in parents][-1], own)
    return None


def _became(report: Report, own: Sequence[Report]) -> Report:
    """What its process ran in the end."""
    later = [other for other in own if other.pid == report.pid and other.parent == report.name]
    return _became(later[-1], own) if later and later[-1] is not report else report


def is_own_code(report: Report, top: Path) -> bool:
    """Whether it ran code of the work tree or of the command line, and no tool that is installed."""
    if report.ran in _NO_FILE:
        return True
    script = report.script
    if script is None:
        return False
    script = script.resolve()
    return script.is_relative_to(top.resolve()) and not script.is_relative_to(Path(report.prefix).resolve())


def _same(script: Path | None, entry: Path) -> bool:
    return script is not None and script.resolve() == entry.resolve()


def _ancestors(candidates: Sequence[Report], reports: Sequence[Report]) -> set[str]:
    """Names of all that started one of the candidates, itself or by others."""
    parents = {report.name: report.parent for report in reports}
    names: set[str] = set()
    for report in candidates:
        name = report.parent
        while name and name not in names:
            names.add(name)
            name = parents.get(name, "")
    return names

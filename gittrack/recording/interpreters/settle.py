"""What a record says of the Pythons of a job, once these have ended: environment.yaml, and what follows."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.plain import to_dict
from gittrack.git.repository import Repository
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.capture.environment import origins_of, variables_of, versions_of, writable
from gittrack.recording.interpreters.choice import is_own_code, main_report
from gittrack.recording.interpreters.imports import imported
from gittrack.recording.interpreters.reports import Installed, Report, read_reports
from gittrack.recording.interpreters.startup import sitecustomize
from gittrack.recording.journal import JOINED, Journal

SETTLED = "settled"
MOST_INTERPRETERS = 1000
MOST_RAN = 20
_OF_PROGRAM = ("python", "packages", "origins", "imported", "interpreters", "blas", "drift")


@dataclass(slots=True)
class _Group:
    """Processes of one interpreter with the same packages."""

    facts: dict[str, Any]
    """``python`` of environment.yaml, with ``packages`` and ``origins``."""
    reports: list[Report] = field(default_factory=list)

    def described(self, top: Path) -> dict[str, Any]:
        names = dict.fromkeys(name for report in self.reports if (name := _ran(report, top)))
        installed = _installed(self.facts)
        python = {k: v for k, v in self.facts.items() if k not in installed}
        return {**python, **({"ran": [*names][:MOST_RAN]} if names else {}), **installed}


def is_open(journal: StoredJournal) -> bool:
    """Whether the Pythons of that job have still to be put into its record."""
    folder = journal.folder / sitecustomize.FOLDER
    return folder.is_dir() and not (folder / SETTLED).exists()


def settle(
    repo: Repository,
    journal: Journal,
    reports: Sequence[Report] | None = None,
    installed: Installed | None = None,
) -> None:
    """Put into `journal` what is known of the Pythons; `reports` None: as they reported it themselves.

    Where none is known the record stays without interpreter and packages. It raises nothing.
    Of a run that goes on the Pythons of the first attempt stay.
    """
    if (journal.folder / sitecustomize.FOLDER / SETTLED).exists():
        return
    try:
        reports = read_reports(journal.folder) if reports is None else reports
        _settle(repo, journal, reports, installed or Installed())
        (journal.folder / sitecustomize.FOLDER / SETTLED).touch()
    except (GittrackError, OSError, ValueError) as error:
        journal.not_recorded("environment: which Python ran", str(error))


def _settle(repo: Repository, journal: Journal, reports: Sequence[Report], installed: Installed) -> None:
    stored = StoredJournal(journal.folder)
    start = stored.start
    code, top = start["record"]["code"], Path(start["top"])
    if len(reports) >= sitecustomize.MOST:
        journal.not_recorded("interpreters", f"{len(reports)} Pythons ran or more; later ones were not asked")
    reports = [r for r in reports if r.said or is_own_code(r, top)] or reports
    joined = _joined(journal, reports)
    main = joined or main_report(reports, _entry(code, top), top)
    environment = _environment(stored)
    groups = _grouped(reports, main, installed)
    if "python" in environment:  # the program called gittrack itself, which said what it runs in
        facts = {**environment["python"], **_installed(environment)}
        if joined is None:
            groups.insert(0, _Group(facts))
        else:
            groups[0].facts = facts
            environment |= _imported(groups[0], installed)
    elif main is not None:
        environment = _replaced(environment, groups[0].facts, main) | _imported(groups[0], installed)
        _note_variables(journal, main)
    if len(groups) > 1:
        listed = [group.described(top) for group in groups[:MOST_INTERPRETERS]]
        environment["interpreters"] = writable(listed)
    if main is not None or len(groups) > 1:
        _write(repo, journal, environment, start["record"])


def _imported(group: _Group, installed: Installed) -> dict[str, Any]:
    """``imported`` of environment.yaml, where a process of the program's interpreter said so at its end."""
    modules = {name for report in group.reports for name in report.modules or ()}
    if all(report.modules is None for report in group.reports):
        return {}
    return {"imported": imported(sorted(modules), installed.of(group.reports[0]))}


def _installed(facts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: facts[name] for name in ("packages", "origins") if name in facts}


def _environment(journal: StoredJournal) -> dict[str, Any]:
    """The sections of environment.yaml: those of the start, unless the program has called gittrack since."""
    if not (journal.folder / JOINED).exists():
        return dict(journal.start["surroundings"])
    from gittrack.formats import codec

    environment = codec.read_yaml(journal.environment, "environment.yaml")
    return environment if isinstance(environment, dict) else {}


def _entry(code: Mapping[str, Any], top: Path) -> Path | None:
    """The file of the entry point, which may be a module."""
    if not code.get("entry"):
        return None
    module = code["entry"].replace(".", "/")
    folder = top / code["cwd"]
    candidates = (top / code["entry"], folder / f"{module}.py", folder / module / "__main__.py")
    return next((file for file in candidates if file.is_file()), None)


def _joined(journal: Journal, reports: Sequence[Report]) -> Report | None:
    """The Python that called gittrack itself: what it says of itself is the most that can be known.

    Its process may have become another one since, by exec.
    """
    try:
        pid = int((journal.folder / JOINED).read_text())
        moment = (journal.folder / JOINED).stat().st_mtime
    except (OSError, ValueError):
        return None
    of_process = [report for report in reports if report.pid == pid]
    earlier = [report for report in of_process if report.when <= moment]
    return next(iter([*reversed(earlier), *of_process]), None)


def _grouped(reports: Sequence[Report], main: Report | None, installed: Installed) -> list[_Group]:
    """By interpreter and packages; that of `main` first."""
    groups: list[_Group] = []
    by_place: dict[tuple[object, ...], _Group] = {}
    for report in sorted(reports, key=lambda report: report is not main):
        place = (report.version, os.path.realpath(report.prefix), *report.folders())
        if place not in by_place:
            packages = installed.of(report)
            origins = origins_of(packages)
            facts = {**report.describe(), "packages": versions_of(packages)}
            facts |= {"origins": origins} if origins else {}
            group = next((group for group in groups if group.facts == facts), None)
            if group is None:
                group = _Group(facts)
                groups.append(group)
            by_place[place] = group
        by_place[place].reports.append(report)
    return groups


def _ran(report: Report, top: Path) -> str:
    """A script by its path from the top of the work tree, elsewhere by its name alone."""
    script = report.script
    if report.ran == "-c" or report.ran.startswith("-m ") or script is None:
        return report.ran
    path, top = script.resolve(), top.resolve()
    is_tool = path.is_relative_to(Path(report.prefix).resolve())
    return path.relative_to(top).as_posix() if path.is_relative_to(top) and not is_tool else path.name


def _replaced(environment: Mapping[str, Any], facts: Mapping[str, Any], main: Report) -> dict[str, Any]:
    """The sections with those of `main` in place of what was known of the program at the start."""
    known = {name: section for name, section in environment.items() if name not in _OF_PROGRAM}
    installed = _installed(facts)
    python = {name: fact for name, fact in facts.items() if name not in installed}
    variables = variables_of(main.variables)
    sections: dict[str, Any] = writable({**known, "python": python, "variables": variables, **installed})
    return sections


def _note_variables(journal: Journal, main: Report) -> None:
    """The switches that `main` had in its environment, and that it lacked those which we have."""
    from gittrack.recording.capture.determinism import variable_flags

    flags = variable_flags(main.variables)
    unset = {name: None for name in variable_flags(os.environ) if name not in flags}
    if flags or unset:
        journal.event(Kind.DETERMINISM, {**flags, **unset})


def _write(
    repo: Repository, journal: Journal, environment: dict[str, Any], record: Mapping[str, Any]
) -> None:
    """environment.yaml, with the locks compared where that has not been done with these packages."""
    from gittrack.recording.capture import write_environment

    facts: dict[str, Any] = {}
    drift = environment.pop("drift", {})
    if not (journal.folder / JOINED).exists():
        facts["locks"], drift = _compared(repo, environment, record)
    written, summary = write_environment(environment, drift)
    journal.replace_environment(written)
    journal.event(Kind.FACTS, {"environment": to_dict(summary), **facts})


def _compared(
    repo: Repository, environment: dict[str, Any], record: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The locks of the start with how they compare, and the drift from them."""
    from gittrack.recording.capture import compare_locks

    stated: list[dict[str, Any]] = record["locks"]
    paths = [lock["path"] for lock in stated if (repo.top / lock["path"]).is_file() or lock.get("blob")]
    with repo.objects() as objects:
        locks, drift = compare_locks(repo, objects, paths, record["code"]["tree"], environment)
    read = {lock.path: to_dict(lock) for lock in locks}
    compared = [_unless_changed(lock, read.get(lock["path"])) for lock in stated]
    counted = {lock["path"] for lock in compared if "installed" in lock}
    return compared, {path: packages for path, packages in drift.items() if path in counted}


def _unless_changed(lock: dict[str, Any], again: dict[str, Any] | None) -> dict[str, Any]:
    """The lock compared with the packages, if its bytes are those that were there at the start."""
    return again if again is not None and again["sha256"] == lock["sha256"] else lock

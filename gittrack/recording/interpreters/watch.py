"""A job's Pythons while they run: the hook in its environment, and a thread that looks at its processes."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from gittrack.recording.interpreters.processes import Sighting, ask, below, executable_of, look_at
from gittrack.recording.interpreters.reports import Installed, Report, make_folder, read_reports
from gittrack.recording.interpreters.startup import sitecustomize

log = logging.getLogger("gittrack")

NO_HOOK = "GITTRACK_NO_HOOK"
FIRST_LOOK_S = 0.005
LAST_LOOK_S = 0.25
"""Between looks at the processes: short at first, twice as long each time."""
_HOOK = str(Path(sitecustomize.__file__).parent)


class Watch:
    """From before a program starts until it has ended."""

    def __init__(self, journal: Path, *, hook: bool) -> None:
        """With `hook` its Pythons are asked to report; all are looked at while they run."""
        self._journal = journal
        self._hook = hook and os.environ.get(NO_HOOK, "") in ("", "0")
        self._sightings: dict[tuple[int, str], Sighting] = {}
        self._whole: set[tuple[int, str]] = set()
        self._answers: dict[tuple[str, ...], Report | None] = {}
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._read: set[str] = set()
        self.installed = Installed()
        try:
            make_folder(journal)
        except OSError as error:
            log.warning("which Python runs cannot be noted: %s", error.strerror)

    def environment(self, variables: Mapping[str, str]) -> dict[str, str]:
        """`variables` for the program, with the hook in front of its PYTHONPATH."""
        known = {name: value for name, value in variables.items() if name != sitecustomize.PARENT}
        if not self._hook:
            return known
        path = variables.get("PYTHONPATH")
        return {**known, "PYTHONPATH": f"{_HOOK}{os.pathsep}{path}" if path else _HOOK}

    def follow(self, pid: int) -> None:
        """Look at the process and those below it, in a thread, until `end`."""
        if Path("/proc/self/task").is_dir():
            self._look(pid)
            self._thread = threading.Thread(
                target=self._keep_looking, args=(pid,), name="gittrack-interpreters", daemon=True
            )
            self._thread.start()

    def _keep_looking(self, pid: int) -> None:
        pause = FIRST_LOOK_S
        while not self._over.wait(pause):
            pause = min(2 * pause, LAST_LOOK_S)
            self._look(pid)

    def _look(self, pid: int) -> None:
        for number in below(pid):
            executable = executable_of(number)
            if executable is not None and (number, executable) not in self._whole:
                self._see(number, executable)
        for report in read_reports(self._journal, self._read):
            self._read.add(report.name)
            self.installed.note(report)

    def _see(self, number: int, executable: str) -> None:
        """While the kernel starts a program, its words and variables are empty: it is looked at again."""
        sighting = look_at(number, executable)
        if sighting is None:
            return
        was_seen = (number, executable) in self._sightings
        self._sightings[number, executable] = sighting
        if sighting.environment or was_seen:
            self._whole.add((number, executable))
            if self._says_nothing(sighting):
                self._ask(sighting)

    def _says_nothing(self, sighting: Sighting) -> bool:
        """Whether that process cannot run the hook."""
        path = sighting.environment.get("PYTHONPATH", "").split(os.pathsep)
        return not self._hook or sighting.is_isolated or _HOOK not in path

    def _ask(self, sighting: Sighting) -> Report | None:
        """One answer for all that are started alike."""
        options, ran = sitecustomize.started_with(sighting.argv)
        around = (
            sighting.environment.get(name, "") for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONUSERBASE")
        )
        key = (sighting.program, sighting.cwd, *options, ran, *around)
        if key not in self._answers and len(self._answers) < sitecustomize.MOST:
            answer = ask(sighting, f"~{len(self._answers):06}")
            self._answers[key] = answer
            if answer is not None:
                self.installed.note(answer)
        return self._answers.get(key)

    def end(self) -> list[Report]:
        """Stop looking; all Pythons that are known, in the order of their starts."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        reports = read_reports(self._journal)
        said = {(report.pid, report.file) for report in reports}
        executables = {executable for _, executable in said}
        for key, sighting in self._sightings.items():
            is_said = (sighting.pid, sighting.executable) in said
            if sighting.executable not in executables or (key not in self._whole and not is_said):
                self._ask(sighting)
        silent = [answer for answer in self._answers.values() if answer is not None]
        silent = [r for r in silent if (r.pid, r.file) not in said]
        return sorted([*reports, *silent], key=lambda report: report.when)

"""What the Pythons of a job said of themselves, and what was seen of those that said nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.recording.capture.environment import (
    VARIABLES,
    Distribution,
    distributions_on,
    prefix_kind,
)
from gittrack.recording.interpreters.startup import sitecustomize

MAX_REPORT_BYTES = 1 << 20
_IMPLEMENTATIONS = {"cpython": "CPython", "pypy": "PyPy", "graalpy": "GraalVM"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One Python process: what it is, what it ran, and where it imported from."""

    name: str
    """Of its file; in the order of starts."""
    when: float
    """Seconds since 1970 at its start."""
    pid: int
    parent: str = ""
    """Name of the report of the Python that started it, if only by a shell."""
    executable: str
    file: str
    """The executable behind all links."""
    version: str
    """``sys.version``."""
    implementation: str
    prefix: str
    base_prefix: str
    cwd: str
    ran: str
    """Script, ``-m NAME``, ``-c``, or empty."""
    path: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    """Those of `VARIABLES` that were set."""
    modules: tuple[str, ...] | None = None
    """What it had imported when it ended, by top name; None: it did not say."""
    said: bool = True
    """False: it was seen running, and asked or a like one in its place."""

    @property
    def script(self) -> Path | None:
        """The file that it ran, if that is known."""
        if self.ran.startswith("-m "):
            module = Path(self.cwd, *self.ran[3:].split("."))
            return next(
                (file for file in (module.with_suffix(".py"), module / "__main__.py") if file.is_file()), None
            )
        return Path(self.cwd, self.ran) if self.ran and self.ran != "-c" else None

    def folders(self) -> list[str]:
        """Where it imported from, absolute."""
        return [os.path.normpath(os.path.join(self.cwd, folder)) for folder in self.path]  # noqa: PTH118

    def describe(self) -> dict[str, Any]:
        """``python`` of environment.yaml."""
        built = re.search(r"\(([^()]*)\)\s*\[([^\[\]]+)\]\s*\Z", self.version)
        facts = {
            "version": self.version.split(maxsplit=1)[0].rstrip("+"),
            "implementation": _IMPLEMENTATIONS.get(self.implementation, self.implementation),
            "compiler": built[2] if built else None,
            "build": " ".join(built[1].split(", ")) if built else None,
            "executable": Path(self.executable).name or None,
            "prefix": prefix_kind(Path(self.prefix), Path(self.base_prefix)),
        }
        return {name: value for name, value in facts.items() if value}


def make_folder(journal: Path) -> Path:
    """The folder that Pythons of the job report to; it is what switches their hook on."""
    folder = journal / sitecustomize.FOLDER
    folder.mkdir(exist_ok=True)
    (folder / sitecustomize.VARIABLES).write_text("\n".join(VARIABLES))
    return folder


def read_reports(journal: Path, known: Collection[str] = ()) -> list[Report]:
    """Of the journal's folder, those named in `known` and damaged ones left out."""
    files = (file for file in _files(journal) if file.name not in known)
    return [report for report in map(_read, files) if report is not None]


def _files(journal: Path) -> Iterator[Path]:
    folder = journal / sitecustomize.FOLDER
    if folder.is_dir():
        names = sorted(name for name in os.listdir(folder) if re.fullmatch(r"[0-9]{8,}-[0-9]+", name))  # noqa: PTH208
        yield from (folder / name for name in names)


def _read(file: Path) -> Report | None:
    fields = _fields(file)
    end = _fields(file.with_name(f"{file.name}.end"))
    single = {name: values[-1] for name, values in fields.items()}
    try:
        return Report(
            name=file.name,
            when=float(single["when"]),
            pid=int(single["pid"]),
            parent=single.get("parent", ""),
            path=tuple(end.get("path") or fields.get("path") or ()),
            variables=dict(text.split("=", 1) for text in fields.get("env", ())),
            modules=tuple(end["module"]) if "module" in end else None,
            executable=single["executable"],
            file=single["file"],
            version=single["version"],
            implementation=single["implementation"],
            prefix=single["prefix"],
            base_prefix=single["base_prefix"],
            cwd=single["cwd"],
            ran=single["ran"],
        )
    except (KeyError, ValueError):
        return None  # cut off where a disk was full, or written by somebody else


def _fields(file: Path) -> dict[str, list[str]]:
    try:
        with file.open("rb") as stream:
            text = os.fsdecode(stream.read(MAX_REPORT_BYTES))
    except OSError:
        return {}
    fields: dict[str, list[str]] = {}
    for line in text.split("\0")[:-1]:
        name, _, value = line.partition("=")
        fields.setdefault(name, []).append(value)
    return fields


class Installed:
    """What is installed in folders, read as soon as a Python names them: some are gone when it ends."""

    def __init__(self) -> None:
        self._folders: dict[str, dict[str, Distribution]] = {}

    def note(self, report: Report) -> None:
        """Read the folders of `report` that are new."""
        for folder in report.folders():
            if folder not in self._folders:
                self._folders[folder] = distributions_on([folder])

    def of(self, report: Report) -> dict[str, Distribution]:
        """What it could import, by name; of a folder that is gone, as it was."""
        installed: dict[str, Distribution] = {}
        for folder in report.folders():
            is_here = os.path.isdir(folder)  # noqa: PTH112
            for name, item in (
                distributions_on([folder]) if is_here else self._folders.get(folder, {})
            ).items():
                installed.setdefault(name, item)
        return installed

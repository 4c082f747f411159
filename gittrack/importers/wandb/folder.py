"""Folders of runs: which there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from gittrack.importers.folders import entries, is_folder, is_regular

RUN = re.compile(r"(?:offline-)?(?:run|dryrun)-(?P<at>\d{8}_\d{6})-(?P<id>.+)", re.DOTALL)
_RENAMED = re.compile(r"(?:offline-)?(?:run|dryrun)-(?P<id>.+)", re.DOTALL)
_OWN_FILES = ("wandb-metadata.json", "wandb-summary.json")


@dataclass(frozen=True, slots=True)
class Part:
    """One process's share of a run: its log, where there is one, and its folder."""

    id: str
    at: str
    folder: Path | None
    log: Path | None
    around: Path | None = None
    """The ``wandb`` folder that has it, where that belongs to the source."""

    @property
    def files(self) -> Path | None:
        """Where the run's files are: ``files``, or the folder itself in old ones."""
        if self.folder is None:
            return None
        inner = self.folder / "files"
        return inner if is_folder(inner) else self.folder

    @property
    def name(self) -> str:
        return (self.folder or self.log or Path(self.id)).name


def parts(source: Path) -> Iterator[Part]:
    """The parts at `source`: a log, a run's folder, a ``wandb`` folder, or what has one."""
    if source.is_file():
        inside = RUN.fullmatch(source.parent.name)
        folder = source.parent if inside else None
        stem = source.name.removesuffix(".wandb").removeprefix("run-")
        yield Part(stem, inside["at"] if inside else "", folder, source)
        return
    if is_run(source) or _logs(source):
        yield _part(source)
        return
    for folder in _folders(source):
        if is_run(folder):
            yield replace(_part(folder), around=source)
    if source.name != "wandb" and is_folder(source / "wandb"):
        yield from parts(source / "wandb")


def is_run(folder: Path) -> bool:
    """By the name that the client gives, or by one that people gave it, with the client's files in it."""
    if RUN.fullmatch(folder.name):
        return True
    inside = (folder / place / name for place in ("files", ".") for name in _OWN_FILES)
    return _RENAMED.fullmatch(folder.name) is not None and (
        any(map(is_regular, inside)) or bool(_logs(folder))
    )


def _part(folder: Path) -> Part:
    named = RUN.fullmatch(folder.name)
    logs = _logs(folder)
    log = logs[0] if logs else None
    if named is not None:
        return Part(named["id"], named["at"], folder, log)
    renamed = _RENAMED.fullmatch(folder.name)
    stem = renamed["id"] if renamed else folder.name
    stem = log.name.removesuffix(".wandb").removeprefix("run-") if log else stem
    return Part(stem, "", folder, log)


def _folders(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if is_folder(path)]


def _logs(folder: Path) -> list[Path]:
    return [path for path in entries(folder) if path.name.endswith(".wandb") and is_regular(path)]

"""Archives of Comet at a source, packed or not: which there are, and of which experiment each is a part."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.importers import folders, values
from gittrack.importers.archives import Archive
from gittrack.importers.comet import messages
from gittrack.importers.foreign import Moment, Skipped
from gittrack.importers.reading import why

EXPERIMENT, MESSAGES = "experiment.json", messages.FILE
_ARCHIVE = re.compile(r"[0-9A-Za-z]{32,50}(?:-[0-9A-Za-z]+)?\.zip")
"""How the client names its archives."""
_EMPTY_ZIP = 22
"""Bytes of a zip file with nothing in it."""
_DEEPEST = 5


@dataclass(frozen=True, slots=True)
class Part:
    """One process's share of an experiment: an archive, or a folder of one that holds several."""

    path: Path
    """The zip file, or the folder."""
    below: str
    """What its members begin with, in the archive."""
    name: str
    id: str
    stated: dict[str, Any] | None = field(repr=False)
    """What the client wrote at the end; None where it did not come to that."""
    digest: str

    @property
    def started(self) -> Moment | None:
        return moment(self.stated, "start_time")

    @property
    def ended(self) -> Moment | None:
        return moment(self.stated, "stop_time")

    @property
    def is_continued(self) -> bool:
        """Whether it goes on with what an earlier process began."""
        stated = self.stated or {}
        return "get" in (stated.get("resume_strategy"), {"append": "get"}.get(str(stated.get("mode"))))


def moment(stated: dict[str, Any] | None, name: str) -> Moment | None:
    found = (stated or {}).get(name)
    number = None if isinstance(found, bool) else values.number(found)
    return None if number is None else number / 1000


def find(source: Path) -> Iterator[Part | Skipped]:
    """The parts at a zip file, in the folder of an unpacked one, or in the folders below."""
    if source.is_file():
        yield from _of(source, source.name, is_named=True)
        return
    found = False
    waiting = [(source, 0)]
    while waiting:
        folder, depth = waiting.pop()
        if any(folders.is_regular(folder / name) for name in (EXPERIMENT, MESSAGES)):
            name = folder.relative_to(source).as_posix() if folder != source else source.name
            items = [*_of(folder, name, is_named=False)]
            yield from items
            if items:
                found = True
                continue
        for path in folders.entries(folder):
            if folders.is_folder(path) and depth < _DEEPEST and path.name != ".git":
                waiting.append((path, depth + 1))
            elif path.suffix == ".zip":
                found = True
                name = path.relative_to(source).as_posix()
                if folders.is_regular(path):
                    yield from _of(path, name, is_named=False)
                else:
                    yield Skipped(what=name, why="a link, which is not followed, or no regular file")
    if not found:
        yield Skipped(what=source.name, why=f"no archive of Comet, a zip with {EXPERIMENT}, lies in it")


def _of(path: Path, name: str, *, is_named: bool) -> Iterator[Part | Skipped]:
    """`is_named` where the user named this very file."""
    try:
        archive = Archive(path)
        parts = [part for top in _tops(archive) if (part := _part(archive, top, name)) is not None]
    except (OSError, ValueError) as error:
        yield Skipped(what=name, why=why(error))
        return
    yield from parts
    if parts or not path.is_file():
        return
    is_fault = is_named or _ARCHIVE.fullmatch(path.name) is not None
    reason = f"no archive of Comet: it has no {EXPERIMENT} and no {MESSAGES}"
    if is_fault and path.stat().st_size == _EMPTY_ZIP:
        reason = (
            "an empty archive: the run still goes on, or was killed. What it wrote lies in a folder of the "
            f"temporary directory of its machine, which has {MESSAGES}: import that"
        )
    yield Skipped(what=name, why=reason, fault=is_fault)


def _tops(archive: Archive) -> list[str]:
    """What is in front of the names of the files of an experiment: of a zip that has several, each."""
    if folders.is_folder(archive.path):
        return [""]
    split = (member.rpartition("/") for member in archive.names())
    files = (EXPERIMENT, MESSAGES)
    tops = {top for top, _, name in split if name in files and "__MACOSX" not in top}
    return sorted(f"{top}/" if top else "" for top in tops)


def _part(archive: Archive, top: str, name: str) -> Part | None:
    """None where the files of these names are of something else."""
    data = archive.small(top + EXPERIMENT)
    stated: dict[str, Any] | None = None
    if data is None and archive.find(top + EXPERIMENT)[0] is not None:
        raise ValueError(f"{EXPERIMENT} is damaged, or has more than 16 MiB")
    if data is not None:
        try:
            loaded = values.load(data)
        except values.NotRead as error:
            raise ValueError(f"{EXPERIMENT}: {error}") from error
        if not isinstance(loaded, dict) or not {"offline_id", "start_time", "project_name"} & loaded.keys():
            return None
        stated = loaded
    first = next(messages.read(archive, top, only=b'"local_timestamp"'), None)
    if stated is None and first is None:
        return None
    key = (stated or {}).get("offline_id")
    digest = hashlib.sha256((data or b"") + (first.line if first else b"")).hexdigest()
    known = key if isinstance(key, str) and key else digest[:32]
    return Part(archive.path, top, f"{name}/{top}".rstrip("/") if top else name, known, stated, digest)

"""The logs of the client ``neptune``: operations as lines of JSON that wait on disk to be sent."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from gittrack.importers import folders, values
from gittrack.importers.neptune.attributes import Lost

NAME = re.compile(r"data-([0-9]{1,18})\.log")
_LONGEST = 64 << 20
"""Bytes of a line: the client begins another file after as many."""
_METADATA = "metadata.json"
_BEGINNING = b'{"obj"'


class Place(NamedTuple):
    """Where a line begins."""

    file: Path
    at: int


class Operation(NamedTuple):
    number: int
    """Of its line, over all files."""
    fields: dict[str, Any]
    at: float | None
    """When the client took it; old ones do not say it."""
    place: Place


@dataclass(frozen=True, slots=True)
class Log:
    """The folder of one process that logged to a run."""

    folder: Path
    container: str
    """The id of the run, or of what else it logged to."""
    kind: str
    """``run``, ``project``, ``model`` or ``model_version``."""
    metadata: dict[str, Any]

    def files(self) -> list[Path]:
        """Its logs in the order in which they were written."""
        found = [(int(match[1]), path) for path in folders.entries(self.folder) if (match := _log(path))]
        return [path for _, path in sorted(found)]

    def operations(self, lost: Lost, mark: bytes = b"") -> Iterator[Operation]:
        """All that can be read, in order; what is missing or damaged is counted in `lost`.

        With `mark` only those in whose lines it is.
        """
        name = self.folder.name
        latest = number = 0
        for file in self.files():
            for place, line in _lines(file, lost):
                number += 1
                if mark not in line:
                    continue
                try:
                    row = values.load(line.decode(), _LONGEST)
                except UnicodeDecodeError:
                    lost[f"a line of {name}/{file.name}", "it is no UTF-8"] += 1
                    continue
                except values.NotRead as error:
                    lost[f"a line of {name}/{file.name}", str(error)] += 1
                    continue
                if not isinstance(row, dict) or not isinstance(row.get("obj"), dict):
                    lost[f"a line of {name}/{file.name}", "it is no operation"] += 1
                    continue
                version = row.get("version")
                if isinstance(version, int) and not mark:
                    if version > latest + 1:
                        lost[f"operations of {name}", _absent(latest)] += version - latest - 1
                    latest = max(latest, version)
                yield Operation(number, row["obj"], values.number(row.get("at")), place)
        put = _number(self.folder / "last_put_version")
        if put is not None and put > latest and not mark:
            lost[f"operations of {name}", "the last ones are not in its files"] += put - latest

    def again(self, place: Place) -> dict[str, Any]:
        """The operation at `place`; ValueError where it is no longer there."""
        with place.file.open("rb") as stream:
            stream.seek(place.at)
            row = values.load(stream.readline(_LONGEST), _LONGEST)
        operation = row.get("obj") if isinstance(row, dict) else None
        if not isinstance(operation, dict):
            raise ValueError(f"{place.file.name} was written to while it was read")
        return operation


def log_of(folder: Path) -> Log | None:
    """The log in `folder`, if one lies there; which run it is of say a file beside it and the names."""
    if not any(_log(path) for path in folders.entries(folder)):
        return None
    metadata = _metadata(folder / _METADATA)
    name = folder.parent.name if folder.name.startswith("exec-") else folder.name
    parts = name.split("__")
    kind, container = ("run", name) if len(parts) == 1 else (parts[0], parts[1])
    stated, of = metadata.get("containerId"), metadata.get("containerType")
    return Log(
        folder,
        stated if isinstance(stated, str) and stated else container,
        of if isinstance(of, str) and of else kind,
        metadata,
    )


def is_queue(path: Path) -> bool:
    """Whether it begins as a log does."""
    if _log(path) is None:
        return False
    with path.open("rb") as stream:
        return stream.read(len(_BEGINNING)) == _BEGINNING


def _log(path: Path) -> re.Match[str] | None:
    return NAME.fullmatch(path.name) if folders.is_regular(path) else None


def _absent(latest: int) -> str:
    return "they are not in its files" if latest else "they were sent to neptune.ai and are no longer here"


def _metadata(path: Path) -> dict[str, Any]:
    data = folders.read_small(path)
    if data is None:
        return {}
    try:
        stated = values.load(data)
    except values.NotRead:
        return {}
    return stated if isinstance(stated, dict) else {}


def _number(path: Path) -> int | None:
    data = folders.read_small(path, 64)
    return int(data) if data and re.fullmatch(rb"[0-9]{1,18}\s*", data) else None


def _lines(file: Path, lost: Lost) -> Iterator[tuple[Place, bytes]]:
    with file.open("rb") as stream:
        at = 0
        while line := stream.readline(_LONGEST):
            place, at = Place(file, at), at + len(line)
            if line.endswith(b"\n"):
                if line.strip():
                    yield place, line
                continue
            lost[f"a line of {file.parent.name}/{file.name}", "it is cut off, or too long"] += 1
            while line and not line.endswith(b"\n"):
                line = stream.readline(_LONGEST)
                at += len(line)

"""What a committed dvc.yaml declares: the one reading that selection, records and hooks share."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gittrack.dvc.documents import read_document
from gittrack.dvc.templates import Read, resolve
from gittrack.errors import RecordError

YAML = "dvc.yaml"
DEFAULT_PARAMS = "params.yaml"

DOCUMENTS = (".json", ".yaml", ".yml", ".toml")
_TABLES = (".csv", ".tsv")
_PARAMS_FILE = re.compile(r"\.(?:ya?ml|json|toml|py)\Z")

Loss = tuple[str, str]
"""What could not be read or represented, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Declared:
    """What dvc.yaml says of files: literal paths from the top of the repository."""

    metrics: tuple[str, ...] = ()
    plots: tuple[str, ...] = ()
    params: tuple[str, ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    """``type`` of ``artifacts``, by path."""
    artifacts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """What is said of each artifact, and its ``name``, by path."""
    stages: frozenset[str] = frozenset()
    """Their generated names, such as ``train@a``."""
    wdirs: Mapping[str, str] = field(default_factory=dict)
    """Of stages that have one, by their generated name."""
    losses: tuple[Loss, ...] = ()


def read_declared(data: bytes | None, folder: str, read: Read = lambda path: None) -> Declared:
    """What the dvc.yaml of `folder` with these bytes declares. `read` gives the files that templates use."""
    where = posixpath.join(folder, YAML)
    try:
        document, faults = resolve(read_document(data, where), folder, read)
    except RecordError as error:
        return Declared(losses=((where, str(error)),))
    losses: list[Loss] = [
        (f"{where}: {fault.partition(': ')[0]}", fault.partition(": ")[2]) for fault in faults
    ]
    paths: dict[str, list[str]] = {"metrics": [], "plots": [], "params": []}
    wdirs = {}
    for name, body in document["stages"].items():
        wdir = body.get("wdir")
        if isinstance(wdir, str):
            wdirs[name] = wdir
        where = posixpath.join(folder, wdirs.get(name, "."))
        for kind, listed in paths.items():
            listed += _inside(where, (*_entries(body.get(kind), kind), *_live(body, kind)), kind, losses)
    for kind, listed in paths.items():
        listed += _inside(folder, _entries(document[kind], kind), kind, losses)
    artifacts = {
        path: {**stated, "name": name}
        for name, stated in document["artifacts"].items()
        if isinstance(stated, dict) and stated.get("path")
        for path in _inside(folder, [str(stated["path"])], "artifact", losses)
    }
    return Declared(
        **{kind: tuple(dict.fromkeys(listed)) for kind, listed in paths.items()},
        roles={path: str(stated["type"]) for path, stated in artifacts.items() if stated.get("type")},
        artifacts=artifacts,
        stages=frozenset(document["stages"]),
        wdirs=wdirs,
        losses=tuple(dict.fromkeys(losses)),
    )


def lying_in(declared: Iterable[str], paths: Iterable[str]) -> list[str]:
    """Those of the paths that are declared, or lie in a declared folder."""
    names = {path.rstrip("/") for path in declared}
    return [path for path in paths if path in names or any(folder in names for folder in folders_above(path))]


def metrics_among(declared: Sequence[str], paths: Iterable[str]) -> list[str]:
    """Metrics files: those declared, and in declared folders those whose kind can be one."""
    names = {path.rstrip("/") for path in declared}
    return [p for p in lying_in(names, paths) if p in names or is_value_file(p)]


def is_value_file(path: str) -> bool:
    """Whether the file's name is that of a kind that metrics come in."""
    return path.lower().endswith((*DOCUMENTS, *_TABLES))


def folders_above(path: str) -> Iterator[str]:
    """The folders that the path lies in, nearest first, without the top."""
    folder = posixpath.dirname(path)
    while folder:
        yield folder
        folder = posixpath.dirname(folder)


def _entries(listed: Any, kind: str) -> Iterator[str]:
    """Paths in a list of dvc.yaml: text, or a mapping from the path to how it is to be treated."""
    for entry in listed if isinstance(listed, list) else [listed]:
        if isinstance(entry, str):
            yield _params_file(entry) if kind == "params" else entry
        for path, how in entry.items() if isinstance(entry, dict) else ():
            columns = how.get("y") if isinstance(how, dict) and kind == "plots" else None
            yield from map(str, columns if isinstance(columns, dict) else [path])


def _live(body: dict[str, Any], kind: str) -> Iterator[str]:
    """What DVC 2 knew of DVCLive: a folder of series, with the last values in a file beside it."""
    stated = body.get("live")
    for path, how in stated.items() if isinstance(stated, dict) else ():
        if kind == "plots":
            yield str(path)
        elif kind == "metrics" and not (isinstance(how, dict) and how.get("summary") is False):
            yield f"{path}.json"


def _params_file(entry: str) -> str:
    """A parameter is given by name alone where it is in the default file; a whole file with a colon."""
    name, colon, _ = entry.partition(":")
    if colon and _PARAMS_FILE.search(name):
        return name
    return entry if _PARAMS_FILE.search(entry) else DEFAULT_PARAMS


def _inside(folder: str, paths: Iterable[str], kind: str, losses: list[Loss]) -> list[str]:
    """Paths resolved from `folder`; those that leave the repository are losses."""
    joined = []
    for path in paths:
        full = posixpath.normpath(posixpath.join(folder, path)) if path else "."
        if full == "." or "\0" in full or "\n" in full:
            continue
        if full.startswith("/") or "://" in path or full.split("/")[0] == "..":
            losses.append((f"{kind} {path}", "lies outside the repository"))
        else:
            joined.append(full)
    return joined

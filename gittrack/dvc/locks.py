"""What a dvc.lock says of each stage. One entry that cannot be represented costs that entry."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gittrack.dvc.documents import read_document
from gittrack.dvc.files import Out
from gittrack.errors import RecordError

# What DVC's releases, pushes and a file's mode change in an entry whose content stays the same.
_ABOUT = frozenset(
    {"size", "nfiles", "isexec", "hash", "cloud", "desc", "type", "labels", "meta", "remote", "push"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """One stage as it was run. Paths are from the top of the repository."""

    name: str
    command: str
    deps: tuple[Out, ...]
    outs: tuple[Out, ...]
    params: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Values by dotted name, by file."""
    identity: str
    """Digest of command, deps, params and outs: equal where nothing was run anew, whatever the name."""


@dataclass(frozen=True, slots=True)
class LockFile:
    """A dvc.lock, with what of it could not be represented: (what, why)."""

    stages: tuple[Stage, ...] = ()
    faults: tuple[tuple[str, str], ...] = ()


def read_lock(data: bytes | None, where: str, *, wdirs: Mapping[str, str] | None = None) -> LockFile:
    """The stages of the dvc.lock at `where`, from its top. RecordError where it is no dvc.lock at all.

    `wdirs`: working folder of stages that have one, relative to the lock's, by name or group.
    """
    document = read_document(data, where)
    stages = document.get("stages") or {} if "schema" in document or "stages" in document else document
    if not isinstance(stages, dict):
        raise RecordError(f"{where}: its stages are no mapping: restore the file")
    if str(document.get("schema", "2.0")) not in ("1.0", "2.0"):
        raise RecordError(f"{where}: not a dvc.lock of schema 2.0: run `dvc repro` with DVC 3")
    folder = posixpath.dirname(where)
    faults: list[tuple[str, str]] = []
    bodies = {str(name): body for name, body in stages.items() if isinstance(body, dict)}
    faults += [(f"stage {name} of {where}", "is no mapping") for name in stages.keys() - bodies.keys()]
    read = []
    for name, body in bodies.items():
        wdir = (wdirs or {}).get(name) or (wdirs or {}).get(name.partition("@")[0]) or "."
        read.append(_stage(name, body, where, posixpath.join(folder, wdir), faults))
    return LockFile(tuple(read), tuple(faults))


def _stage(name: str, body: dict[str, Any], where: str, folder: str, faults: list[tuple[str, str]]) -> Stage:
    listed = {
        kind: list(_fields(body.get(kind), f"{kind} of stage {name} in {where}", faults))
        for kind in ("deps", "outs")
    }
    params = {
        posixpath.normpath(posixpath.join(folder, str(file))): values
        for file, values in _mapping(body.get("params")).items()
        if isinstance(values, dict)
    }
    stated = {
        kind: sorted((str(f["path"]), _content(f)) for f in entries) for kind, entries in listed.items()
    }
    identity = json.dumps(
        [_command(body.get("cmd")), stated, body.get("params")], sort_keys=True, default=str
    )
    return Stage(
        name=name,
        command=_command(body.get("cmd")),
        deps=tuple(_inside(listed["deps"], "data", where, folder, faults)),
        outs=tuple(_inside(listed["outs"], "output", where, folder, faults)),
        params=params,
        identity=hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest(),
    )


def _fields(listed: Any, what: str, faults: list[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """The entries, those of a version-aware remote with the digest of the folder that they list."""
    for fields in listed if isinstance(listed, list) else []:
        path = fields.get("path") if isinstance(fields, dict) else None
        if not isinstance(path, str) or not path or "\0" in path:
            faults.append((what, "an entry has no path"))
        else:
            yield _with_md5(fields)


def _with_md5(fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` with the md5 of the folder, where its files are listed in its place."""
    files = fields.get("files")
    if "md5" in fields or not isinstance(files, list) or not files:
        return fields
    try:
        rows = sorted(
            ({"md5": f["md5"], "relpath": f["relpath"]} for f in files), key=lambda row: row["relpath"]
        )
        sizes = [f.get("size") for f in files]
        md5 = hashlib.md5(json.dumps(rows, sort_keys=True).encode(), usedforsecurity=False).hexdigest()
    except (KeyError, TypeError, AttributeError):
        return fields
    known = {"size": sum(sizes)} if all(type(size) is int for size in sizes) else {}
    return {**fields, "md5": f"{md5}.dir", "hash": "md5", "nfiles": len(rows), **known}


def _content(fields: Mapping[str, Any]) -> str:
    """What says which bytes an entry names."""
    md5 = fields.get("md5")
    told = md5 if md5 is not None else {k: v for k, v in fields.items() if k not in _ABOUT and k != "path"}
    return json.dumps(told, sort_keys=True, default=str)


def _inside(
    entries: list[dict[str, Any]], what: str, where: str, folder: str, faults: list[tuple[str, str]]
) -> Iterator[Out]:
    for fields in entries:
        path = fields["path"]
        joined = posixpath.normpath(posixpath.join(folder, path))
        if "://" in path or joined.startswith("/") or joined.split("/")[0] == "..":
            digest = ", ".join(
                f"{k} {fields[k]}" for k in ("md5", "etag", "checksum", "version_id") if k in fields
            )
            faults.append(
                (f"{what} {path}", f"lies outside the repository{f' ({digest})' if digest else ''}")
            )
        else:
            yield Out(joined, fields, where)


def _command(value: Any) -> str:
    return " && ".join(map(str, value)) if isinstance(value, list) else str(value or "")


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}

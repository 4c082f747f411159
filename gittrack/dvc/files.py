"""Pointer files as plain YAML: ``.dvc`` files read and written. `locks.py` reads dvc.lock."""

from __future__ import annotations

import io
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gittrack.dvc.hashing import Digest, Kind
from gittrack.errors import RecordError
from gittrack.formats.codec import read_yaml

MD5 = re.compile(r"[0-9a-f]{32}(?:\.dir)?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointer:
    """Content named by its digest. `path` is relative to the pointer file's folder, with ``/``."""

    path: str
    md5: str
    """Ends in ``.dir`` for a folder."""
    hash: Kind = "md5"
    """DVC 3.x, or ``md5-dos2unix`` for 2.x."""
    size: int | None = None
    nfiles: int | None = None
    isexec: bool = False


@dataclass(frozen=True, slots=True)
class Out:
    """One entry of a pointer file, its path resolved, the rest unread."""

    path: str
    fields: Mapping[str, Any]
    where: str

    def pointer(self) -> Pointer:
        """RecordError if it is not tracked by md5."""
        fields = self.fields
        md5, kind = fields.get("md5"), fields.get("hash", "md5-dos2unix")
        if md5 is None or kind not in ("md5", "md5-dos2unix"):
            others = kind if md5 is not None else ", ".join(fields.keys() & {"etag", "checksum", "files"})
            raise RecordError(
                f"{self.where}: {self.path} is not tracked by md5 but by {others or 'nothing'}: "
                "only content with an md5 can be fetched again; `dvc add` or `dvc repro` it"
            )
        if not isinstance(md5, str) or not MD5.match(md5):
            raise RecordError(f"{self.where}: the md5 of {self.path} is not one: restore the file")
        size, nfiles = self._count("size"), self._count("nfiles")
        isexec = fields.get("isexec") is True
        return Pointer(path=self.path, md5=md5, hash=kind, size=size, nfiles=nfiles, isexec=isexec)

    def _count(self, name: str) -> int | None:
        value = self.fields.get(name)
        if value is not None and (type(value) is not int or value < 0):
            raise RecordError(
                f"{self.where}: {name} of {self.path} is not a number from 0 up: restore the file"
            )
        return value


def parse_pointer(data: bytes, where: str) -> list[Pointer]:
    """What the ``.dvc`` file `where` with these bytes tracks; RecordError if it is none."""
    return [out.pointer() for out in outs_of_pointer(data, where)]


def write_pointer(name: str, digest: Digest | Pointer) -> bytes:
    """The ``.dvc`` file that ``dvc add`` would write for `name` with this content."""
    from ruamel.yaml import YAML

    out: dict[str, Any] = {"md5": digest.md5, "size": digest.size}
    if digest.nfiles is not None:
        out["nfiles"] = digest.nfiles
    if digest.isexec:
        out["isexec"] = True
    if digest.hash == "md5":
        out["hash"] = "md5"  # DVC 2.x wrote no such line, and DVC 3.x reads that as md5-dos2unix
    out["path"] = name
    yaml, stream = YAML(), io.BytesIO()
    yaml.default_flow_style = False
    yaml.dump({"outs": [{key: value for key, value in out.items() if value is not None}]}, stream)
    return stream.getvalue()


def outs_of_pointer(data: bytes, where: str) -> list[Out]:
    """The entries of a ``.dvc`` file; paths relative to its folder."""
    document = _mapping(read_yaml(data, where), where)
    wdir = _text(document.get("wdir") or ".", where)
    return list(_outs(document.get("outs"), where, wdir))


def _outs(listed: Any, where: str, folder: str) -> Iterator[Out]:
    if not isinstance(listed, list | None):
        raise RecordError(f"{where}: its outs are not a list: restore the file")
    for fields in listed or ():
        path = _text(_mapping(fields, where).get("path"), where)
        if path.startswith("/") or "://" in path:
            raise RecordError(f"{where}: {path} is not a relative path: track the data inside the repository")
        yield Out(posixpath.normpath(posixpath.join(folder, path)), fields, where)


def _mapping(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise RecordError(f"{where}: not a DVC file, as a mapping is missing: restore it")
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        raise RecordError(f"{where}: a path is missing or not text: restore the file")
    return value

"""Whether files that are added to the ledger are what they have to be. Nothing of them is trusted."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gittrack.dvc.files import parse_pointer
from gittrack.errors import RecordError
from gittrack.formats import codec, decision, reproduction
from gittrack.formats.media import FILE as MEDIA
from gittrack.formats.record import EXPERIMENT, RUN_ID, SERIES, Record, run_path
from gittrack.formats.system import FILE as SYSTEM
from gittrack.formats.texts import FILE as TEXTS
from gittrack.git.repository import ObjectReader

MAX_FILES_A_RUN = 20_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_DECISION = re.compile(r"decisions/([^/]+)/([^/]+)/[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}\.yaml\Z")

BESIDE = ("environment.yaml", SERIES, SYSTEM, "console.txt", TEXTS, MEDIA)
"""What may lie beside run.yaml, pointers apart."""
LIMITS = {"run.yaml": codec.MAX_BYTES, **dict.fromkeys(BESIDE[1:], 8 << 20)}
POINTER_LIMIT = 1 << 20
"""Bytes of a pointer, of environment.yaml and of a decision."""


@dataclass(frozen=True, slots=True)
class Added:
    """A file that an update adds: git's mode and blob."""

    path: str
    mode: str
    oid: str

    @property
    def limit(self) -> int:
        """The most bytes that a file of this name may have."""
        return LIMITS.get(posixpath.basename(self.path), POINTER_LIMIT)


def run_folder(path: str) -> str | None:
    """``runs/<experiment>/<day>/<id>`` of a path below it; None if it is no such path."""
    parts = path.split("/")
    if len(parts) < 5 or parts[0] != "runs" or not EXPERIMENT.match(parts[1]):
        return None
    if not RUN_ID.match(parts[3]) or run_path(parts[1], parts[3]) != "/".join(parts[:4]):
        return None
    return "/".join(parts[:4])


def is_statement(path: str) -> bool:
    """Whether a decision or a reproduction may lie at this path."""
    match = _DECISION.match(path)
    if match:
        return bool(EXPERIMENT.match(match[1]) and _DAY.match(match[2]))
    parts = path.split("/")
    folder = run_folder("/".join(["runs", *parts[1:]])) if parts[0] == reproduction.ROOT else None
    return bool(folder and len(parts) == 6 and RUN_ID.match(parts[4]) and parts[5] == reproduction.FILE)


def check_statement(objects: ObjectReader, added: Added) -> Iterator[str]:
    """What is wrong with the file of a decision or a reproduction."""
    blob = objects.get(added.oid)
    data = b"" if blob is None else blob.data
    try:
        if added.path.startswith(f"{reproduction.ROOT}/"):
            statement = reproduction.load(data, added.path)
            if added.path != f"{statement.path}/{reproduction.FILE}":
                yield f"{added.path}: belongs to {statement.path}"
        else:
            made = decision.load(data, added.path)
            if added.path != made.path:
                yield f"{added.path}: belongs to {made.path}"
    except RecordError as error:
        yield str(error)


def check_run(objects: ObjectReader, folder: str, files: Mapping[str, Added]) -> Iterator[str]:
    """What is wrong with a run that is added; `files` by path relative to its folder."""
    if "run.yaml" not in files:
        yield f"{folder}: has no run.yaml"
        return
    if len(files) > MAX_FILES_A_RUN:
        yield f"{folder}: has {len(files)} files, more than {MAX_FILES_A_RUN}"
        return
    where = f"{folder}/run.yaml"
    data = _data(objects, files, "run.yaml")
    try:
        record, canonical = codec.judge_record(data, where)
        if not canonical:
            yield f"{where}: is not in canonical form: let gittrack write it"
    except RecordError as error:
        yield str(error)
        return
    if record.path != folder:
        yield f"{where}: belongs to {record.path}"
    yield from _digests(objects, folder, record, files)
    yield from _pointers(objects, folder, record, files)


def _data(objects: ObjectReader, files: Mapping[str, Added], name: str) -> bytes:
    blob = objects.get(files[name].oid)
    return blob.data if blob is not None else b""


def _digests(objects: ObjectReader, folder: str, record: Record, files: Mapping[str, Added]) -> Iterator[str]:
    expected = {}
    if record.environment is not None:
        expected["environment.yaml"] = record.environment.sha256
    for name, series in record.tables.items():
        expected[name] = series.sampled_sha256 or series.sha256
    if record.console is not None:
        expected["console.txt"] = record.console.sha256
    if record.texts is not None:
        expected[TEXTS] = record.texts.sha256
    if record.media is not None:
        expected[MEDIA] = record.media.sha256
    for name, sha256 in expected.items():
        if name not in files:
            yield f"{folder}/{name}: is missing, and the record gives its digest"
        elif hashlib.sha256(_data(objects, files, name)).hexdigest() != sha256:
            yield f"{folder}/{name}: is not the file whose digest the record gives"
    for name in BESIDE:
        if name in files and name not in expected:
            yield f"{folder}/{name}: the record says nothing of it"


def _pointers(
    objects: ObjectReader, folder: str, record: Record, files: Mapping[str, Added]
) -> Iterator[str]:
    stated = {d.pointer: d.md5 for d in record.data if d.pointer}
    stated |= {o.pointer: o.md5 for o in record.outputs}
    stated |= {series.pointer: series.md5 for series in record.tables.values() if series.pointer}
    if record.texts is not None and record.texts.pointer:
        stated[record.texts.pointer] = record.texts.md5 or ""
    for name, md5 in stated.items():
        if name not in files:
            yield f"{folder}/{name}: is missing, and the record names it"
            continue
        try:
            pointers = parse_pointer(_data(objects, files, name), f"{folder}/{name}")
        except RecordError as error:
            yield str(error)
            continue
        if [p.md5 for p in pointers] != [md5]:
            yield f"{folder}/{name}: does not point to what the record names"
    for name in files:
        if name.startswith(("inputs/", "outputs/")):
            if name not in stated:
                yield f"{folder}/{name}: the record does not name it"
        elif name not in ("run.yaml", *BESIDE):
            yield f"{folder}/{name}: is no file of a run"

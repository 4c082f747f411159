"""Whether a staged training result agrees with itself: dvc.lock with parameters, pointers and git's files."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Iterator
from typing import Any

from gittrack.dvc.documents import read_document
from gittrack.dvc.files import Out, parse_pointer
from gittrack.errors import RecordError
from gittrack.git.repository import Repository
from gittrack.recording.commits.pipeline import LOCK, CommitFiles, Pipeline, read_pipeline

_MOST = 20


def disagreements(repo: Repository, tree: str) -> list[str]:
    """What in the tree (of an index, or of a commit) contradicts its dvc.lock files; empty if all agrees."""
    with repo.objects() as objects:
        files = CommitFiles.of(repo, objects, tree)
        faults: list[str] = []
        for lock in sorted(n for n in files.names if posixpath.basename(n) == LOCK):
            try:
                faults += [f"{lock}: {fault}" for fault in _of_lock(files, lock)]
            except RecordError as error:
                faults.append(str(error))
        return faults[:_MOST] + (["and more"] if len(faults) > _MOST else [])


def _of_lock(files: CommitFiles, lock: str) -> Iterator[str]:
    pipeline = read_pipeline(files, posixpath.dirname(lock))
    yield from (f"{what}: {why}" for what, why in pipeline.losses if what == lock)
    yield from _params(files, pipeline)
    outs = {out.path: out for out in pipeline.outs}
    for out in pipeline.outs:
        yield from _file(files, out, "was made as")
    for dep in pipeline.deps:
        made = outs.get(dep.path)
        if made is None:
            yield from _file(files, dep, "was read as")
            yield from _pointer(files, dep)
        elif "md5" in dep.fields and dep.fields.get("md5") != made.fields.get("md5"):
            yield (
                f"{dep.path} was read as md5 {dep.fields['md5']}, but the stage that makes it wrote "
                f"{made.fields.get('md5')}"
            )


def _file(files: CommitFiles, out: Out, how: str) -> Iterator[str]:
    """A file that git keeps has to be the one that the stage read or made."""
    if out.path not in files.names or "md5" not in out.fields:
        return
    pointer = out.pointer()
    data = files.read(out.path)
    if data is not None and pointer.md5 not in _md5s(data):
        yield f"{out.path} {how} md5 {pointer.md5}, but what is staged is {_md5s(data)[0]}"


def _md5s(data: bytes) -> list[str]:
    """As DVC 3 counts, and as DVC 2 did; a file of Windows may be staged with other line ends."""
    forms = (data, data.replace(b"\r\n", b"\n"), data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n"))
    return [hashlib.md5(form, usedforsecurity=False).hexdigest() for form in forms]


def _pointer(files: CommitFiles, dep: Out) -> Iterator[str]:
    name = f"{dep.path}.dvc"
    if name not in files.names or "md5" not in dep.fields:
        return
    for pointer in parse_pointer(files.read(name) or b"", name):
        if pointer.path == posixpath.basename(dep.path) and pointer.md5 != dep.fields["md5"]:
            yield f"{dep.path} was read as md5 {dep.fields['md5']}, but {name} names {pointer.md5}"


def _params(files: CommitFiles, pipeline: Pipeline) -> Iterator[str]:
    for stage in pipeline.stages:
        for path, values in stage.params.items():
            data = files.read(path) if path.endswith((".yaml", ".yml")) else None
            if data is None:
                continue
            stated = read_document(data, path)
            for key, value in values.items():
                now = _at(stated, key)
                if now != value or isinstance(now, bool) != isinstance(value, bool):
                    yield (
                        f"stage {stage.name} ran with {key}: {value!r}, but {path} has {now!r}: run dvc repro"
                    )


def _at(stated: Any, dotted: str) -> Any:
    """The value of a dotted name; a key may have dots of its own."""
    if isinstance(stated, dict) and dotted in stated:
        return stated[dotted]
    head, dot, tail = dotted.partition(".")
    while dot and isinstance(stated, dict):
        if head in stated:
            return _at(stated[head], tail)
        more, dot, tail = tail.partition(".")
        head = f"{head}.{more}"
    return None

"""``${...}``, foreach and matrix of a dvc.yaml, resolved by DVC's own resolver. No code is run.

The files that it asks for are those of a commit, read from git. A stage or entry that cannot be
resolved costs that stage or entry, and is named.
"""

from __future__ import annotations

import functools
import io
import math
import posixpath
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from gittrack.dvc.documents import read_document

Read = Callable[[str], bytes | None]
"""The bytes of a file by its path from the top; None if there is none."""

SECTIONS = ("metrics", "plots", "params")
_KEYS = ("wdir", "vars", "params", "metrics", "plots", "live")
"""What is needed of a stage. Its command may hold a shell's ``${...}``, which is nobody's business here."""
_MOST_STAGES = 10_000


def resolve(document: Mapping[str, Any], folder: str, read: Read) -> tuple[dict[str, Any], list[str]]:
    """The dvc.yaml of `folder` without templates: stages, metrics, plots, params, artifacts; and what failed.

    Stages have their generated names, such as ``train@a``.
    """
    faults: list[str] = []
    plain = _Plain(document, folder, read, faults)
    stages = dict(plain.stages())
    sections = {name: plain.entries(name) for name in SECTIONS}
    return {"stages": stages, **sections, "artifacts": plain.artifacts()}, faults


def is_template(value: Any) -> bool:
    """Whether ``${`` stands anywhere in it."""
    if isinstance(value, str):
        return "${" in value
    if isinstance(value, Mapping):
        return any(is_template(item) for pair in value.items() for item in pair)
    return isinstance(value, list) and any(map(is_template, value))


class _Plain:
    """One document on its way. DVC is imported at the first template."""

    def __init__(self, document: Mapping[str, Any], folder: str, read: Read, faults: list[str]) -> None:
        self._document = document
        self._folder = folder
        self._read = read
        self._faults = faults
        self._made: Any = None

    @property
    def _resolver(self) -> Any:
        if self._made is None:
            from dvc.parsing import DataResolver

            files = _Repository(self._read)
            self._made = DataResolver(files, self._folder, {"vars": self._document.get("vars") or []})
        return self._made

    def stages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        stages = self._document.get("stages")
        for name, body in stages.items() if isinstance(stages, dict) else ():
            if not isinstance(body, dict):
                continue
            many = next((key for key in ("matrix", "foreach") if key in body), None)
            wanted = body.get("do") if many == "foreach" else body
            wanted = {key: wanted[key] for key in _KEYS if key in wanted} if isinstance(wanted, dict) else {}
            if many is None and not is_template(wanted):
                yield name, wanted
                continue
            data = {} if many is None else {many: body[many]}
            yield from self._stages_of(
                name, {**data, "do": wanted} if many == "foreach" else {**data, **wanted}
            )

    def _stages_of(self, name: str, body: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
        stages = self._attempt(f"stage {name}", lambda: self._resolve_stage(name, body))
        if stages is None and "do" not in body and "matrix" not in body:
            stages = {name: dict(self._key_by_key(name, body))}
        yield from (stages or {}).items()

    def _key_by_key(self, name: str, body: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """What can be resolved of a stage of which something cannot: that costs its key."""
        around: dict[str, Any] = {key: body[key] for key in ("wdir", "vars") if key in body}
        for key in (*SECTIONS, "live"):
            if key in body:
                resolve_part = functools.partial(self._resolve_stage, name, around | {key: body[key]})
                made = self._attempt(f"{key} of stage {name}", resolve_part)
                yield from made[name].items() if made else ()

    def _resolve_stage(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        from dvc.parsing import EntryDefinition, MatrixDefinition, make_definition

        definition = make_definition(self._resolver, name, body)
        if isinstance(definition, EntryDefinition):
            return dict(definition.resolve())
        if isinstance(definition, MatrixDefinition):
            count = math.prod(len(values) for values in definition.resolved_iterable.values())
        else:
            count = len(definition.resolved_iterable)
        if count > _MOST_STAGES:
            raise ValueError(f"{count} stages, more than {_MOST_STAGES}")
        return dict(definition.resolve_all())

    def entries(self, section: str) -> list[Any]:
        listed = self._document.get(section)
        listed = listed if isinstance(listed, list) else [] if listed is None else [listed]
        return [e for e in (self._entry(section, entry) for entry in listed) if e is not None]

    def artifacts(self) -> dict[str, Any]:
        stated = self._document.get("artifacts")
        named = stated.items() if isinstance(stated, dict) else ()
        return {name: e for name, entry in named if (e := self._entry("artifacts", entry)) is not None}

    def _entry(self, section: str, entry: Any) -> Any:
        if not is_template(entry):
            return entry
        return self._attempt(f"{section} {entry}", lambda: self._resolver.context.resolve(entry))

    def _attempt(self, what: str, make: Callable[[], Any]) -> Any:
        try:
            return make()
        except Exception as error:  # DVC's parser lets errors of every kind through on odd input
            self._faults.append(f"{what}: {' '.join(str(error).split()) or type(error).__name__}"[:500])
            return None


class _Repository:
    """As much of DVC's Repo as the resolver asks for."""

    def __init__(self, read: Read) -> None:
        self.fs = _Files(read)
        self.config: dict[str, Any] = {}


class _Files:
    """As much of DVC's file system as the resolver asks for, on files of a commit."""

    join = staticmethod(posixpath.join)
    normpath = staticmethod(posixpath.normpath)

    def __init__(self, read: Read) -> None:
        self._read = read

    def exists(self, path: str) -> bool:
        return self._read(posixpath.normpath(path)) is not None

    def suffix(self, path: str) -> str:
        return posixpath.splitext(path)[1]

    def isdir(self, path: str) -> bool:
        return False

    def open(self, path: str, mode: str = "r", encoding: str = "utf-8") -> io.StringIO:
        data = self._read(posixpath.normpath(path))
        if data is None:
            raise FileNotFoundError(path)
        if b"&" in data:
            read_document(data, path)  # refuses aliases that stand for too much: the resolver copies each
        return io.StringIO(data.decode(encoding))

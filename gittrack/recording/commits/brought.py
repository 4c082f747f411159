"""What results a commit brings: stages of dvc.lock and files of metrics that no parent of it has.

A deletion brings nothing, nor does a change of mode, of DVC's own remarks in dvc.lock, of a name, or of how a
file of metrics writes the same values.
"""

from __future__ import annotations

import hashlib
import json
import os
import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from gittrack.dvc.locks import read_lock
from gittrack.errors import RecordError, UsageError
from gittrack.formats.config import Config
from gittrack.git.repository import ObjectReader, Repository
from gittrack.recording.commits.declared import (
    DEFAULT_PARAMS,
    DOCUMENTS,
    YAML,
    Declared,
    folders_above,
    is_value_file,
    lying_in,
    metrics_among,
    read_declared,
)
from gittrack.recording.commits.pipeline import LOCK, CommitFiles
from gittrack.recording.results.documents import parse
from gittrack.recording.results.losses import Losses


class Change(NamedTuple):
    """A path that differs from all parents: its blob in each parent that has it, and now, if it is a file."""

    path: str
    before: tuple[str, ...]
    now: str | None


class Item(NamedTuple):
    """One result: a stage of the dvc.lock at `path` by its identity, or a file by content and parameters."""

    path: str
    identity: str
    parameters: tuple[tuple[str, str | None], ...] = ()
    """A value may come back with other parameters: then it is another result."""


def changes(
    repo: Repository, commits: Sequence[str], paths: Sequence[str] = ()
) -> Iterator[tuple[str, list[Change]]]:
    """What each of the commits changes, in `paths` or anywhere. One process."""
    out = repo.git(
        "diff-tree", "--stdin", "--always", "-r", "-c", "--root", "--no-renames", "--raw", "--no-abbrev",
        "-z", "--", *paths, doing="look at commits", data="".join(f"{oid}\n" for oid in commits).encode(),
    )  # fmt: skip
    fields = iter(os.fsdecode(out).split("\0")[:-1])
    changed: list[Change] = []
    commit = None
    for entry in fields:
        if entry.startswith(":"):
            changed.append(_change(entry, next(fields)))
            continue
        if commit is not None:
            yield commit, changed
        commit, changed = entry.strip(), []
    if commit is not None:
        yield commit, changed


def _change(meta: str, path: str) -> Change:
    parents = len(meta) - len(meta.lstrip(":"))
    words = meta.lstrip(":").split(" ")
    modes, oids = words[: parents + 1], words[parents + 1 : 2 * parents + 2]
    files = [oid if mode.startswith("100") else None for mode, oid in zip(modes, oids, strict=True)]
    return Change(path, tuple(oid for oid in files[:-1] if oid), files[-1])


@dataclass(slots=True)
class Reading:
    """Reads the results that commits bring. Each dvc.lock is parsed once."""

    objects: ObjectReader
    config: Config
    declaring: dict[str, set[str]] = field(default_factory=dict)
    """Folders whose dvc.yaml declares a path as a metric, in some commit of the range."""
    templated: set[str] = field(default_factory=set)
    """Folders whose dvc.yaml has templates, so that what it declares is not known before a commit is read."""
    complaints: list[str] = field(default_factory=list)
    """Which dvc.lock could not be read."""
    _stages: dict[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    _content: dict[tuple[str, str], str] = field(default_factory=dict)
    _resolved: dict[tuple[str, str | None], list[tuple[dict[str, str | None], Declared]]] = field(
        default_factory=dict
    )

    def learn(self, path: str, data: bytes | None) -> None:
        """Take in what a dvc.yaml at `path` declares in some commit."""
        folder = posixpath.dirname(path)
        if data is not None and b"${" in data:
            self.templated.add(folder)
            return
        for metric in read_declared(data, folder).metrics:
            self.declaring.setdefault(metric.rstrip("/"), set()).add(folder)

    def brought(self, commit: str, changed: Sequence[Change]) -> frozenset[Item]:
        """The results of the commit that no parent of it has."""
        gone = {oid for change in changed if change.now is None for oid in change.before}
        candidates = [c for c in changed if c.now is not None and c.now not in c.before and c.now not in gone]
        locks = [c for c in candidates if posixpath.basename(c.path) == LOCK]
        files = [c for c in candidates if posixpath.basename(c.path) != LOCK and self._may_be_result(c.path)]
        items = set(self._of_locks(locks, changed)) if locks else set()
        if files:
            items |= set(self._of_files(commit, files))
        return frozenset(items)

    def _of_locks(self, locks: Sequence[Change], changed: Sequence[Change]) -> Iterator[Item]:
        before: Counter[str] = Counter()
        for change in changed:
            if posixpath.basename(change.path) == LOCK:
                before.update({stage for oid in change.before for stage in self.stages(oid, change.path)})
        for lock in locks:
            for stage in self.stages(lock.now or "", lock.path):
                before[stage] -= 1
                if before[stage] < 0:
                    yield Item(lock.path, stage)

    def _of_files(self, commit: str, files: Sequence[Change]) -> Iterator[Item]:
        tree = CommitFiles(commit, self.objects)
        paths = [change.path for change in files]
        folders = self.templated | {f for path in paths for f in self._declared_in(path)}
        declared = {folder: self._declared(tree, folder) for folder in sorted(folders)}
        metrics = [m for d in declared.values() for m in d.metrics]
        stated = self.config.training_commit
        results = {*metrics_among(metrics, paths), *lying_in([*stated.paths, *stated.metrics], paths)}
        for change in files:
            if change.path not in results:
                continue
            content = self.content(change.now or "", change.path)
            if all(self.content(oid, change.path) != content for oid in change.before):
                yield Item(change.path, content, self._parameters(tree, declared, change.path))

    def _declared(self, tree: CommitFiles, folder: str) -> Declared:
        """What the dvc.yaml of a folder declares; resolved anew only where a file that it uses changed."""
        where = posixpath.join(folder, YAML)
        for used, declared in self._resolved.setdefault((where, tree.oid(where)), []):
            if all(tree.oid(path) == oid for path, oid in used.items()):
                return declared
        used = {}

        def read(path: str) -> bytes | None:
            used[path] = tree.oid(path)
            return tree.read(path)

        declared = read_declared(tree.read(where), folder, read)
        self._resolved[where, tree.oid(where)].append((used, declared))
        return declared

    def _parameters(
        self, tree: CommitFiles, declared: Mapping[str, Declared], path: str
    ) -> tuple[tuple[str, str | None], ...]:
        """The blobs of the parameter files that go with a metrics file."""
        own = {f: d for f, d in declared.items() if lying_in(d.metrics, [path])}
        named = {p for f, d in own.items() for p in d.params or (posixpath.join(f, DEFAULT_PARAMS),)}
        named |= (
            {*self.config.training_commit.params}
            if own
            else {*self.config.training_commit.params, DEFAULT_PARAMS}
        )
        return tuple((name, tree.oid(name)) for name in sorted(named))

    def _may_be_result(self, path: str) -> bool:
        stated = self.config.training_commit
        named = self._declared_in(path) or lying_in([*stated.paths, *stated.metrics], [path])
        return bool(named or (self.templated and is_value_file(path)))

    def _declared_in(self, path: str) -> set[str]:
        return {f for name in (path, *folders_above(path)) for f in self.declaring.get(name, ())}

    def content(self, oid: str, path: str) -> str:
        """What a file of metrics says, whatever its layout and ends of lines; else the blob."""
        if not is_value_file(path):
            return oid
        if (oid, path) not in self._content:
            blob = self.objects.get(oid)
            self._content[oid, path] = oid if blob is None else _said(blob.data, path)
        return self._content[oid, path]

    def holds(self, tree: CommitFiles, item: Item) -> bool:
        """Whether a commit has this result, whoever brought it."""
        oid = tree.oid(item.path)
        if oid is None or any(tree.oid(name) != blob for name, blob in item.parameters):
            return False
        if posixpath.basename(item.path) == LOCK:
            return item.identity in self.stages(oid, item.path)
        return item.identity == self.content(oid, item.path)

    def stages(self, oid: str, path: str) -> frozenset[str]:
        """The identities of the stages in the dvc.lock with this blob; none where it cannot be read."""
        if (oid, path) not in self._stages:
            blob = self.objects.get(oid)
            try:
                lock = read_lock(None if blob is None else blob.data, path)
                self._stages[oid, path] = frozenset(stage.identity for stage in lock.stages)
            except RecordError as error:
                self._stages[oid, path] = frozenset()
                self.complaints.append(f"nothing is known of the stages in {error}")
        return self._stages[oid, path]


def _said(data: bytes, path: str) -> str:
    """A digest of the values of a document that was read without loss, or of the text."""
    losses = Losses()
    text = data.replace(b"\r\n", b"\n").rstrip()
    suffix = posixpath.splitext(path)[1]
    if suffix.lower() in DOCUMENTS:
        try:
            values = parse(data, suffix, path, losses)
            if not any(losses.stated()):
                text = json.dumps(values, sort_keys=True, default=repr).encode()
        except (UsageError, TypeError, ValueError):
            pass
    return hashlib.sha256(text).hexdigest()

"""What was read at the start of a run, compared again when the program reads it or ends.

Each thing is known by its stamp on the disk; its content is looked at only where that is another.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.flat import flatten
from gittrack.formats.masks import digest_name, masked_params
from gittrack.formats.record import DataInput, clean_text
from gittrack.formats.sources import Layer
from gittrack.git.repository import Repository, Status
from gittrack.reading.journal.events import Kind
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.identity import stamp_of, stamps
from gittrack.recording.journal import Journal
from gittrack.recording.masking import key_of
from gittrack.recording.params import source_of_file, write_layer
from gittrack.recording.touched import CODE, is_touched, note_code_touched, say_code_touched, say_touched

log = logging.getLogger("gittrack")

MOST = 200
"""Changed files of the code that are named one by one."""
_PARAMS = "params.json"


class _Missing:
    """In the place of a value that was not there."""


# --- parameters --------------------------------------------------------------------------------


def watch_params(
    journal: Journal, params: Mapping[str, Any], files: Sequence[Path], usual: Sequence[Path] = ()
) -> None:
    """Keep what the parameter files hold beside the run's `params`; those that are `usual` may come later."""
    watched = {}
    for file in dict.fromkeys([*files, *usual]):
        plain = _params(file, journal) if file.exists() else _NOTHING
        watched[str(file)] = [stamp_of(os.fspath(file)), *plain]
    if watched:
        (journal.folder / _PARAMS).write_text(json.dumps({"params": params, "files": watched}))


def note_params(journal: Journal, *, take: bool = True) -> list[Layer]:
    """Say which values of the watched files are others now; those of the run that become others by that.

    With `take` the run has these from now on. Names that had another value than the file at the start,
    from ``-S`` say, keep it.
    """
    try:
        watched = json.loads((journal.folder / _PARAMS).read_text())
    except FileNotFoundError:
        return []
    params, files = watched["params"], watched["files"]
    current = deepcopy(params)
    layers: list[Layer] = []
    for name, (stamp, before, digests) in files.items():
        now = stamp_of(name)
        if (None if now is None else [*now]) == stamp:
            continue
        try:
            after, masked = _params(Path(name), journal) if now is not None else _NOTHING
        except GittrackError as error:
            journal.not_recorded(f"params file {name}", f"it changed, and cannot be read any more: {error}")
            continue
        files[name] = [now, after, masked]
        fresh: dict[str, Any] = {}
        differences = [*_differences(_named(before, digests), _named(after, masked))]
        if stamp is not None and not differences:
            say_touched(journal, f"params file {source_of_file(journal, Path(name))}")
        for path, old, new in differences:
            value = _at(after, path)
            if _at(params, path) == _at(before, path):
                journal.event(Kind.CHANGED, f"param {'.'.join(path)}", _shown(old), _shown(new))
                _put(current, path, value)
                _put(fresh, path, value)
        if fresh:
            hidden = {key: masked[key] for key in flatten(fresh) if key in masked}
            layers.append(Layer(source_of_file(journal, Path(name)), fresh, hidden))
    for layer in layers if take else []:
        write_layer(journal, layer)
    (journal.folder / _PARAMS).write_text(json.dumps({"params": current, "files": files}))
    return layers


_NOTHING: tuple[dict[str, Any], dict[str, str]] = ({}, {})


def _params(file: Path, journal: Journal) -> tuple[dict[str, Any], dict[str, str]]:
    """What a record may hold of a file, and the digests of what it masks."""
    from gittrack.recording.result_files import Losses, read_params

    plain = read_params(file, Losses())  # what is left out was said
    return masked_params(plain, key_of(journal.state_dir))


def _named(params: Mapping[str, Any], digests: Mapping[str, str], above: str = "") -> dict[str, Any]:
    """`params` with the beginnings of the digests in the place of what is masked."""
    named: dict[str, Any] = {}
    for name, value in params.items():
        path = f"{above}{name}"
        if isinstance(value, Mapping):
            named[name] = _named(value, digests, f"{path}.")
        else:
            named[name] = digest_name(digests[path]) if path in digests else value
    return named


def _differences(
    before: Mapping[str, Any], after: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    for name in {**before, **after}:
        old, new = before.get(name, _Missing), after.get(name, _Missing)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from _differences(old, new, (*path, name))
        elif old != new or type(old) is not type(new):
            yield (*path, name), old, new


def _at(params: Any, path: Sequence[str]) -> Any:
    for name in path:
        params = params.get(name, _Missing) if isinstance(params, Mapping) else _Missing
    return params


def _put(params: dict[str, Any], path: Sequence[str], value: Any) -> None:
    *parents, last = path
    for name in parents:
        if not isinstance(params.get(name), dict):
            params[name] = {}
        params = params[name]
    if value is not _Missing:
        params[last] = value


def _shown(value: Any) -> Any:
    return None if value is _Missing else "null" if value is None else value


# --- inputs ------------------------------------------------------------------------------------


class Inputs:
    """Inputs as they stood when they were logged."""

    def __init__(self) -> None:
        self._inputs: dict[str, tuple[Path, DataInput, int, int]] = {}

    def watch(self, path: Path, stated: DataInput, fingerprint: int, settled: int) -> None:
        """`fingerprint`: of the path before it was read; `settled`: once we had stored and linked it."""
        self._inputs[stated.path] = (path, stated, fingerprint, settled)

    def note(self, journal: Journal, repository: Repository) -> None:
        """Say which hold other bytes now, or none."""
        for path, stated, fingerprint, settled in self._inputs.values():
            current = fingerprint_of(path)
            if current == fingerprint:
                continue
            before, after = stated.sha256, _sha256(path, stated, repository)
            if before != after:
                journal.event(Kind.CHANGED, f"input {stated.path}", before, after)
            elif current != settled:
                say_touched(journal, f"input {stated.path}")


def fingerprint_of(path: Path) -> int:
    """Of the stamps of all files: equal where nothing has touched any of them."""
    top = os.fspath(path)
    return hash(frozenset((name.removeprefix(top), stamp) for name, stamp in stamps(path)))


def _sha256(path: Path, stated: DataInput, repository: Repository) -> str | None:
    from gittrack.dvc.hashing import HashState, hash_path
    from gittrack.dvc.settings import ignore_rules

    if not path.exists():
        return None
    return hash_path(
        path,
        state=HashState(repository.state_dir),
        dos2unix=stated.hash == "md5-dos2unix",
        ignore=ignore_rules(repository.top, path),
    ).sha256


# --- code --------------------------------------------------------------------------------------


class Modules:
    """The project's own modules that this process has loaded, as they stood then, and that it loads later."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._names = frozenset(sys.modules)
        self._stamps = {file: stamp_of(file) for file in self._files(self._names)}

    def _files(self, names: Iterable[str]) -> Iterator[str]:
        top, own = f"{self._repository.top}{os.sep}", f"{sys.prefix}{os.sep}"
        files = (getattr(sys.modules.get(name), "__file__", None) for name in names)
        for file in map(os.path.abspath, filter(None, files)):
            if file.startswith(top) and not file.startswith(own):
                yield file

    def note(self, journal: Journal, tree: str) -> None:
        """Say which of them were edited since."""
        changed = [file for file, stamp in self._stamps.items() if stamp_of(file) != stamp]
        begun = (journal.folder / "start.json").stat()
        for file in self._files(sys.modules.keys() - self._names):
            stamp = stamp_of(file)
            if stamp is None or stamp.device != begun.st_dev or stamp.ctime_ns >= begun.st_ctime_ns:
                changed.append(file)
        if changed:
            paths = {os.path.relpath(file, self._repository.top): file for file in changed}
            others = _note_files(journal, self._repository, tree, list(paths))
            same = [path for path in paths if path not in others]
            say_code_touched(
                journal, [p for p in same if paths[p] in self._stamps or is_touched(journal, paths[p])]
            )


def note_code(
    journal: Journal, repository: Repository, leave: Collection[str], *, in_between: bool = False
) -> None:
    """Say which files of the code tree of the run are others now, and whether HEAD has moved.

    `leave`: paths from the top that are no code, with all that lies below them. With `in_between`, also
    what was touched since the start and is as it was.
    """
    if repository.worktree is None:
        return
    code = StoredJournal(journal.folder).start["record"]["code"]
    status = repository.status()
    if status.commit not in (code.get("commit"), code.get("snapshot")):
        journal.event(Kind.CHANGED, "code commit", code.get("commit"), status.commit)
    left_out = {item["path"] for item in code.get("left_out", [])}

    def is_no_code(path: str) -> bool:
        return clean_text(path) in left_out or any(path == n or path.startswith(f"{n}/") for n in leave)

    paths = [path for path in _candidates(repository, code, status) if not is_no_code(path)]
    changed = set(_note_files(journal, repository, code["tree"], paths))
    if in_between:
        note_code_touched(
            journal,
            repository,
            [change.path for change in status.changes if change.state == "?"],
            lambda path: path in changed or is_no_code(path),
            is_same_commit=status.commit in (code.get("commit"), code.get("snapshot")),
        )


def _candidates(repository: Repository, code: Mapping[str, Any], status: Status) -> list[str]:
    paths = [change.path for change in status.changes if change.submodule is None]
    is_as_committed = code.get("snapshot") is None and status.commit == code.get("commit")
    if status.commit is not None and status.commit != code.get("snapshot") and not is_as_committed:
        # What the snapshot had changed and what is as committed now; what HEAD's moving has brought.
        paths += [path for _, _, _, path in repository.diff_tree(code["tree"], f"{status.commit}^{{tree}}")]
    return sorted(set(paths))


def _note_files(journal: Journal, repository: Repository, tree: str, paths: Sequence[str]) -> list[str]:
    """Those that are others, or are gone."""
    with repository.objects() as objects:
        items = ((path, objects.get(f"{tree}:{path}")) for path in paths)
        before = {path: item.oid if item else None for path, item in items}
    named = {path: oid for path, oid in before.items() if oid or CODE.fullmatch(path)}
    after = _blobs(repository, list(named))
    changed = [path for path, oid in named.items() if after.get(path) != oid]
    for path in changed[:MOST]:
        journal.event(Kind.CHANGED, f"code {clean_text(path)}", named[path], after.get(path))
    if len(changed) > MOST:
        journal.not_recorded("changed", f"{len(changed) - MOST:,} more files of the code changed as well")
    return changed


def _blobs(repository: Repository, paths: Sequence[str]) -> dict[str, str]:
    """The ids that git would give the files that are there, and the links."""
    from gittrack.git.objects import make

    blobs, files = {}, []
    for path in paths:
        full = repository.top / path
        if full.is_symlink():
            blobs[path] = make("blob", os.fsencode(full.readlink()), repository.object_format).oid
        elif full.is_file() and "\n" not in path and path[0] != '"':
            files.append(path)
    if files:
        listed = b"".join(os.fsencode(path) + b"\n" for path in files)
        ids = repository.git_filtering(
            "hash-object", "--stdin-paths", data=listed, doing="compare the code again"
        )
        blobs |= dict(zip(files, ids.decode().split(), strict=True))
    return blobs

"""Which attribute of neptune.ai is what of a run; single values without a meaning are parameters."""

from __future__ import annotations

import json
import mimetypes
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from gittrack.formats.record import Value
from gittrack.formats.values import MAX_DEPTH, MAX_LONG, MAX_NAME
from gittrack.importers import values
from gittrack.importers.foreign import (
    Dataset,
    ForeignCode,
    ForeignEnvironment,
    ForeignFile,
    ForeignRun,
    Loss,
    Moment,
    Options,
)
from gittrack.importers.neptune.attributes import VALUES, Lost, State
from gittrack.importers.neptune.points import Changes, History

NO_PROJECT = "uncategorized"
_PRINTED = re.compile(r"monitoring/(?:[^/]+/)?std(?:out|err)")
"""Series of what the client ``neptune`` took of the console, piece by piece."""
_LINES = re.compile(r"runtime/std(?:out|err)")
"""The same of ``neptune-scale``, line by line."""
_OF_PROCESS = re.compile(r"monitoring/(?:[^/]+/)?(pid|tid|hostname)")
_CODE = "source_code"
_DIFF = re.compile(r"source_code/(?:diff|upstream_diff_[0-9a-f]+|diff/.+)")
_NO_PLACE = "a record has no place for it"
_IN_COMMIT = "the commit itself says it"


@dataclass(slots=True, kw_only=True)
class Origin:
    """What is known of a run beside its attributes."""

    id: str
    changes: Changes
    project: str | None = None
    version: str | None = None
    name: str | None = None
    """Where it has no other."""
    started: Moment | None = None
    environment: ForeignEnvironment | None = None
    changed: Moment | None = None
    tags: dict[str, str] = field(default_factory=dict)
    lost: Lost = field(default_factory=Counter)


def foreign_run(origin: Origin, options: Options) -> ForeignRun:
    """Reads all changes once; ValueError where there are none."""
    state = State(origin.lost)
    first: Moment | None = None
    is_empty = True
    for change in origin.changes(origin.lost, None):
        if change.time is not None and (first is None or change.time < first):
            first = change.time
        state.take(change)
        is_empty = False
    if is_empty:
        whys = "; ".join(f"{what}: {why}" for what, why in origin.lost) or "nothing was logged to it"
        raise ValueError(f"nothing of it can be read: {whys[:500]}")
    for path, attribute in state.attributes.items():
        if attribute.previews:
            what = f"which points of {path} are previews"
            origin.lost[what, _NO_PLACE] += len(attribute.previews)
    history = History(origin.changes, state.attributes)
    machine = _machine(state)
    created = _moment(state.pop("sys/creation_time", "datetime"))
    labels, groups = state.members("sys/tags"), state.members("sys/group_tags")
    tags = origin.tags
    if len(groups) > 1:
        tags["neptune.group_tags"] = json.dumps(groups, ensure_ascii=False)
    user, host = state.text("sys/owner"), state.text("sys/hostname")
    run = ForeignRun(
        system="neptune",
        system_version=origin.version,
        id=origin.id,
        experiment=origin.project or NO_PROJECT,
        name=state.text("sys/name") or origin.name,
        status="failed" if state.pop("sys/failed", "bool") is True else "unknown",
        deleted=True in [state.pop(f"sys/{name}", "bool") for name in ("trashed", "archived")],
        started=next((time for time in (created, origin.started, first) if time is not None), None),
        user=user if options.people else None,
        note=state.text("sys/description"),
        labels=tuple(labels),
        group=groups[0] if len(groups) == 1 else None,
        code=_code(state),
        environment=_environment(origin.environment, (host or machine) if options.people else None),
        curves=partial(history.curves, lambda path: not _is_of_machine(path)),
        system_curves=partial(history.curves, _is_of_machine),
        texts=partial(history.texts, lambda path: not _is_console(path)),
        datasets=[*_datasets(state)],
        files=[*_files(state, history)],
        changed=origin.changed,
    )
    run.tags = tags | _rest_of_sys(state)
    run.params = _params(state)
    run.lost = [Loss(what=what, why=why, count=count) for (what, why), count in origin.lost.items()]
    return run


def _is_of_machine(path: str) -> bool:
    return path.startswith("monitoring/")


def _is_console(path: str) -> bool:
    return _PRINTED.fullmatch(path) is not None or _LINES.fullmatch(path) is not None


def _moment(text: Value) -> Moment | None:
    return datetime.fromisoformat(text).timestamp() if isinstance(text, str) else None


def _machine(state: State) -> str | None:
    """The host, as the monitoring of a process says it; ids of processes go nowhere."""
    host: str | None = None
    for path in [*state.attributes]:
        found = _OF_PROCESS.fullmatch(path)
        if found is None or state.attributes[path].kind != "string":
            continue
        text = state.text(path)
        if found[1] == "hostname":
            host = text or host
        else:
            state.lost[f"monitoring: {found[1]}", _NO_PLACE] += 1
    return host


def _environment(known: ForeignEnvironment | None, host: str | None) -> ForeignEnvironment | None:
    if known is None and host is None:
        return None
    known = known or ForeignEnvironment()
    return ForeignEnvironment(python=known.python, os=known.os, host=host)


def _code(state: State) -> ForeignCode | None:
    commit, branch = state.text(f"{_CODE}/commit/commit_id"), state.text(f"{_CODE}/branch")
    dirty = state.pop(f"{_CODE}/dirty", "bool")
    command, entry = state.text(f"{_CODE}/run_command"), state.text(f"{_CODE}/entrypoint")
    for name in ("message", "author_name", "author_email"):
        if state.text(f"{_CODE}/commit/{name}"):
            state.lost[f"commit: {name}", _IN_COMMIT] += 1
    if state.pop(f"{_CODE}/commit/commit_date", "datetime"):
        state.lost["commit: commit_date", _IN_COMMIT] += 1
    prefix = f"{_CODE}/remote/"
    remotes = {path.removeprefix(prefix): path for path in state.attributes if path.startswith(prefix)}
    urls = {name: url for name, path in remotes.items() if (url := state.text(path))}
    remote = "origin" if "origin" in urls else next(iter(sorted(urls)), None)
    for name in urls.keys() - {remote}:
        state.lost[f"remote {name}", "a record has room for one"] += 1
    if not any((commit, branch, command, entry, remote, dirty is not None)):
        return None
    return ForeignCode(
        commit=commit,
        branch=branch,
        remote=urls[remote] if remote else None,
        dirty=dirty if isinstance(dirty, bool) else None,
        entry=entry,
        command=tuple(command.split(" ")) if command else (),
    )


def _datasets(state: State) -> Iterator[Dataset]:
    """Artifacts: neptune.ai knows where they lie, and has no bytes of them."""
    for path, attribute in sorted(state.attributes.items()):
        for tracked in attribute.tracked if attribute.kind == "artifact" else ():
            yield Dataset(name=path, digest=tracked.digest, source=tracked.source)


def _files(state: State, history: History) -> Iterator[ForeignFile]:
    attributes = sorted(state.attributes.items())
    for path, attribute in attributes:
        for index, found in enumerate(attribute.files):
            step = found.step if found.step is not None else index
            place = f"/{step}" if attribute.kind == "file_series" else ""
            name = f"{path.strip('/')}{place}{found.below}"
            yield ForeignFile(
                path=name,
                kind=_kind(path, name, found.is_media),
                content=found.content,
                missing=found.missing,
                name=path if attribute.kind in ("file_series", "file_set") else None,
                step=found.step,
                caption=found.caption,
            )
        if attribute.kind == "histogram_series" and attribute.count:
            content = partial(history.histograms, path)
            yield ForeignFile(path=f"histograms/{path}.jsonl", kind="table", content=content, name=path)
    printed = [
        path for path, attribute in attributes if attribute.kind == "string_series" and attribute.count
    ]
    for form, end in ((_PRINTED, ""), (_LINES, "\n")):
        if any(form.fullmatch(path) for path in printed):
            content = partial(history.printed, form.fullmatch, end)
            yield ForeignFile(path="console.txt", kind="console", content=content)


def _kind(path: str, name: str, is_media: bool) -> Any:
    if path == f"{_CODE}/requirements":
        return "requirements"
    if _DIFF.fullmatch(path):
        return "patch"
    is_picture = (mimetypes.guess_type(name)[0] or "").startswith(("image/", "audio/", "video/"))
    return "media" if is_media or is_picture else "artifact"


def _rest_of_sys(state: State) -> dict[str, str]:
    """What neptune.ai itself says of the run, as tags."""
    tags: dict[str, str] = {}
    for path in sorted(state.attributes):
        attribute = state.attributes[path]
        if path.startswith("sys/") and attribute.kind in VALUES:
            value = state.attributes.pop(path).value
            if value not in (None, ""):
                tags[f"neptune.{path.removeprefix('sys/').replace('/', '.')}"] = _text(value)
    return tags


def _text(value: Value) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _params(state: State) -> dict[str, Value]:
    """All single values and sets that are left, nested by the parts of their paths."""
    tree: dict[str, Any] = {}
    for path, attribute in sorted(state.attributes.items()):
        if attribute.kind in VALUES:
            value: Value = attribute.value
        elif attribute.kind == "string_set":
            value = sorted(attribute.members)
        else:
            continue
        parts = tuple(path.split("/"))
        is_nested = _is_nested(parts, value) and _is_free(tree, parts)
        values.put(tree, parts if is_nested else (path,), value)
    return tree


def _is_nested(parts: tuple[str, ...], value: Value) -> bool:
    """Whether a record can nest it so; else it stands alone, and costs no other if it cannot be held."""
    texts = value if isinstance(value, list) else [value]
    is_long = any(isinstance(text, str) and len(text) > MAX_LONG for text in texts)
    return len(parts) <= MAX_DEPTH and all(0 < len(part) <= MAX_NAME for part in parts) and not is_long


def _is_free(tree: dict[str, Any], parts: tuple[str, ...]) -> bool:
    """Whether no value lies where a part would be: ``a`` may be a value beside ``a/b``."""
    for part in parts[:-1]:
        if part not in tree:
            return True
        if not isinstance(tree[part], dict):
            return False
        tree = tree[part]
    return not isinstance(tree.get(parts[-1]), dict)

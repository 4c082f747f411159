"""What both kinds of MLflow store have of a run, and what it means."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

from gittrack.formats.record import Value
from gittrack.importers.foreign import Dataset, ForeignCode, ForeignRun, Loss, Moment, Options, Status

RUN_ID = re.compile(r"[A-Za-z0-9][\w-]{0,255}", re.ASCII)
_STATUS: dict[str, Status] = {
    "FINISHED": "finished", "FAILED": "failed", "KILLED": "killed", "RUNNING": "running",
    "SCHEDULED": "running", "1": "running", "2": "running", "3": "finished", "4": "failed", "5": "killed",
}  # fmt: skip
"""Words of the database, numbers of the file store."""
_CODE = {
    "commit": "mlflow.source.git.commit",
    "branch": "mlflow.source.git.branch",
    "remote": "mlflow.source.git.repoURL",
    "dirty": "mlflow.source.git.dirty",
}
_OLD = {"mlflow.gitBranchName": _CODE["branch"], "mlflow.gitRepoURL": _CODE["remote"]}
_SAID = frozenset(
    {*_CODE.values(), *_OLD, "mlflow.runName", "mlflow.parentRunId", "mlflow.note.content", "mlflow.user"}
    | {"mlflow.source.name", "mlflow.log-model.history", "mlflow.loggedArtifacts", "mlflow.loggedImages"}
    | {"mlflow.source.git.diff"}
)
"""Tags that are fields of a run, or that its files say."""


@dataclass(slots=True, kw_only=True)
class Row:
    """A run as its store has it. Texts are empty, numbers None, where it says nothing."""

    id: str
    experiment: str
    name: str = ""
    status: str = ""
    deleted: bool = False
    start: int | None = None
    end: int | None = None
    user: str = ""
    source_name: str = ""
    source_version: str = ""
    entry_point: str = ""
    artifact_uri: str = ""
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    lost: list[Loss] = field(default_factory=list)


def foreign_run(row: Row, options: Options) -> ForeignRun:
    """The run without its curves and files."""
    tags = row.tags
    history = models_logged(tags)
    versions = [str(model["mlflow_version"]) for model in history if "mlflow_version" in model]
    return ForeignRun(
        system="mlflow",
        system_version=versions[-1] if versions else None,
        id=row.id,
        experiment=row.experiment,
        name=tags.get("mlflow.runName") or row.name or None,
        status=_STATUS.get(row.status.upper(), "unknown"),
        deleted=row.deleted,
        started=moment(row.start),
        ended=moment(row.end),
        user=(tags.get("mlflow.user") or row.user or None) if options.people else None,
        note=tags.get("mlflow.note.content") or None,
        tags={name: text for name, text in sorted(tags.items()) if _is_tag(name, text)},
        params=dict(sorted(row.params.items())),
        params_as_text=True,
        parent=tags.get("mlflow.parentRunId") or None,
        code=_code(row, options),
        lost=row.lost,
    )


def _is_tag(name: str, text: str) -> bool:
    return name not in _SAID and (name, text) != ("mlflow.source.type", "LOCAL")


def _code(row: Row, options: Options) -> ForeignCode | None:
    tags = {new: row.tags[old] for old, new in _OLD.items() if old in row.tags} | row.tags
    dirty = tags.get(_CODE["dirty"], "").lower()
    entry = tags.get("mlflow.source.name") or row.source_name
    code = ForeignCode(
        commit=tags.get(_CODE["commit"]) or row.source_version or None,
        branch=tags.get(_CODE["branch"]) or None,
        remote=tags.get(_CODE["remote"]) or None,
        dirty={"true": True, "false": False}.get(dirty),
        entry=shown_path(entry, options) or None,
    )
    return None if code == ForeignCode() else code


def moment(milliseconds: int | None) -> Moment | None:
    return None if milliseconds is None else milliseconds / 1000


def whole(value: Any) -> int | None:
    """A number of milliseconds or a step, as a store has it; None if it is none."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    return value if isinstance(value, int) and abs(value) < 1 << 63 else None


def shown_path(path: str, options: Options) -> str:
    """`path`, of an absolute one only its last part unless people's places are asked for."""
    local = path.removeprefix("file://")
    if options.people or "://" in local:
        return path
    if PurePosixPath(local).is_absolute():
        return PurePosixPath(local).name
    return PureWindowsPath(local).name if PureWindowsPath(local).is_absolute() else path


def _json(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def models_logged(tags: Mapping[str, str]) -> list[dict[str, Any]]:
    """What the tag of logged models lists."""
    models = _json(tags.get("mlflow.log-model.history"))
    return [model for model in models if isinstance(model, dict)] if isinstance(models, list) else []


def tables_logged(tags: Mapping[str, str]) -> frozenset[str]:
    """Paths of artifacts that were logged as tables."""
    items = _json(tags.get("mlflow.loggedArtifacts"))
    items = [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
    return frozenset(str(item.get("path")) for item in items if item.get("type") == "table")


def dataset(kept: Mapping[str, Any], tags: Mapping[str, str], options: Options) -> Dataset:
    """A dataset by its columns or keys: name, digest, source_type, source, schema, profile."""
    tags = dict(tags)
    context = tags.pop("mlflow.data.context", None)
    details: dict[str, Value] = {
        key: value if isinstance(value := _json(kept[key]), (dict, list)) else kept[key]
        for key in ("schema", "profile")
        if kept.get(key)
    }
    if kept.get("source_type"):
        details["source_type"] = kept["source_type"]
    if tags:
        details["tags"] = tags
    return Dataset(
        name=str(kept.get("name") or ""),
        digest=kept.get("digest") or None,
        source=_source(kept.get("source") or "", options) or None,
        context=context,
        details=details,
    )


def _source(text: str, options: Options) -> str:
    """Where a dataset came from; of code that made it only its name, for the rest says who ran it."""
    source = _json(text)
    if not isinstance(source, dict):
        return shown_path(text, options)
    for key in ("uri", "url", "path"):
        if isinstance(source.get(key), str):
            return shown_path(source[key], options)
    if isinstance(tags := source.get("tags"), dict):
        return shown_path(str(tags.get("mlflow.source.name") or ""), options)
    return text

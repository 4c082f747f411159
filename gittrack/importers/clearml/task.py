"""What ``task.json`` says of a run: parameters with their types, code, environment, status."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from gittrack.formats.record import Value
from gittrack.importers import values
from gittrack.importers.clearml.events import text
from gittrack.importers.foreign import ForeignCode, ForeignEnvironment, Loss, Status

Task = Mapping[str, Any]

_STATUS: Mapping[str, Status] = {
    "completed": "finished",
    "published": "finished",
    "failed": "failed",
    "stopped": "killed",
    "in_progress": "running",
}
"""A session that was written offline has none of these: its client never knows how a task ends."""
PROPERTIES = "properties"
"""The section of what the client calls user properties."""
_MADE_BY_CLIENT = re.compile(r"Auto-generated (?:at|on) [^\n]{1,40} by [^\n]*@[^\n]*")
_PYTHON = re.compile(r"\A\s*# Python ([0-9][^\s]{0,40})")
_WHOLE = re.compile(r"[-+]?[0-9]{1,4000}")
_NUMBER = re.compile(r"[-+]?(?:[0-9]{1,400}\.?[0-9]{0,400}|\.[0-9]{1,400})(?:[eE][-+]?[0-9]{1,9})?")
_NO_NUMBER = re.compile(r"[-+]?(?:nan|inf)")
_LONGEST_LITERAL = 100_000
_READ = frozenset(
    {
        "id", "name", "project_name", "comment", "tags", "type", "parent", "status", "started", "completed",
        "user", "hyperparams", "configuration", "execution", "script", "offline_folder",
        "offline_output_models",
    }
)  # fmt: skip
_OF_SERVER = frozenset(
    {
        "project", "company", "created", "last_update", "last_updated", "last_change", "last_changed_by",
        "last_worker", "last_worker_report", "last_iteration", "last_metrics", "unique_metrics",
        "metric_stats", "active_duration", "status_changed",
    }
)  # fmt: skip
"""What the server keeps of its own account, or works out of the rest."""
_OF_EXECUTION = frozenset({"artifacts", "model_labels", "parameters"})


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def status(task: Task) -> Status:
    return _STATUS.get(text(task.get("status")), "unknown")


def note(task: Task, *, people: bool) -> str | None:
    comment = text(task.get("comment"))
    return None if not people and _MADE_BY_CLIENT.fullmatch(comment) else comment or None


def labels(task: Task) -> tuple[str, ...]:
    return tuple(filter(None, map(text, listed(task.get("tags")))))


def properties(task: Task) -> dict[str, str]:
    section = mapping(mapping(task.get("hyperparams")).get(PROPERTIES))
    return {name: text(mapping(item).get("value")) for name, item in section.items()}


def params(task: Task, lost: list[Loss]) -> dict[str, Value]:
    """By section and name; a ``/`` in a name is where the client nested it."""
    tree: dict[str, Any] = {}
    described = 0
    for section, items in mapping(task.get("hyperparams")).items():
        for name, item in mapping(items).items():
            described += bool(mapping(item).get("description"))
            if section != PROPERTIES:
                _put(tree, f"{section}/{name}", _typed(f"{section}/{name}", mapping(item), lost))
    for name, value in mapping(mapping(task.get("execution")).get("parameters")).items():
        _put(tree, name, value)
    if described:
        lost.append(
            Loss(what="descriptions of params", why="a record has no place for them", count=described)
        )
    return tree


def _put(tree: dict[str, Any], name: str, value: Value) -> None:
    """At its nested key; whole, where a value is in the way, or an empty part."""
    *above, last = name.split("/")
    inner: Any = tree
    for key in above:
        inner = inner.get(key, {}) if isinstance(inner, dict) else None
    if not isinstance(inner, dict) or last in inner or not all(above) or not last:
        tree[name] = value
    else:
        values.put(tree, (*above, last), value)


def _typed(name: str, item: Mapping[str, Any], lost: list[Loss]) -> Value:
    """The value of a parameter by its text and the type beside it."""
    value, kind = item.get("value"), text(item.get("type"))
    if not isinstance(value, str):
        return value
    base = kind.partition("/")[0]
    if value == "" and base != "str":
        return None
    if base in ("", "str", "legacy"):
        return value
    try:
        return _cast(base, value)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        lost.append(Loss(what=f"type of param {name}", why=f"{kind[:100]}: it is kept as text"))
        return value


def _cast(base: str, value: str) -> Value:
    if base == "bool" and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if base == "int" and _WHOLE.fullmatch(value):
        return int(value)
    if base == "float" and _NO_NUMBER.fullmatch(value):
        return float(value)
    if base == "float" and _NUMBER.fullmatch(value) and math.isfinite(float(value)):
        return float(value)
    if base in ("list", "tuple", "dict"):
        return _nested(base, value)
    raise ValueError(base)


def _nested(base: str, value: str) -> Value:
    """JSON, or, of older clients, a literal of Python."""
    try:
        inner: Any = values.load(value)
    except values.NotRead:
        if len(value) > _LONGEST_LITERAL:
            raise
        inner = ast.literal_eval(value)
    if not isinstance(inner, dict if base == "dict" else (list, tuple)):
        raise ValueError(base)
    return list(inner) if isinstance(inner, tuple) else inner


def code(task: Task) -> ForeignCode | None:
    script = mapping(task.get("script"))
    entry, folder = text(script.get("entry_point")), text(script.get("working_dir"))
    if entry and not entry.startswith("-") and folder not in ("", "."):
        entry = str(PurePosixPath(folder) / entry)
    stated = ForeignCode(
        commit=text(script.get("version_num")) or None,
        branch=text(script.get("branch")) or None,
        remote=text(script.get("repository")) or None,
        dirty=True if has_diff(task) else None,
        entry=entry or None,
    )
    return None if stated == ForeignCode() else stated


def has_diff(task: Task) -> bool:
    """Whether what the client calls the diff is one: of a script outside of a repository it is the script."""
    script = mapping(task.get("script"))
    return bool(text(script.get("diff")) and (script.get("repository") or script.get("version_num")))


def requirements(task: Task) -> Iterator[tuple[str, str]]:
    """By the name of the package manager, what the client found."""
    for name, value in mapping(mapping(task.get("script")).get("requirements")).items():
        lines = "\n".join(map(text, value)) if isinstance(value, list) else text(value)
        if lines.strip():
            yield name, lines


def environment(task: Task) -> ForeignEnvironment | None:
    python = _PYTHON.match(dict(requirements(task)).get("pip", ""))
    return ForeignEnvironment(python=python[1]) if python else None


def unread(task: Task) -> Iterator[Loss]:
    """What else the task has."""
    fields = {name: value for name, value in task.items() if name not in _READ | _OF_SERVER}
    if fields.get("status_message") == "offline":
        del fields["status_message"]
    fields |= {
        f"execution: {name}": value
        for name, value in mapping(task.get("execution")).items()
        if name not in _OF_EXECUTION
    }
    for name, value in fields.items():
        if value not in (None, "", [], {}):
            yield Loss(what=name, why="a record has no place for it")

"""Code, environment, configuration and end of a run, by its records or by files of older clients."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.codec.reader import read_yaml
from gittrack.importers import folders, protobuf, values
from gittrack.importers.foreign import ForeignCode, ForeignEnvironment, Moment, Options, Status
from gittrack.importers.wandb.folder import Part
from gittrack.importers.wandb.state import State

_LARGEST = 16 * 1024 * 1024
_FRESH = 300
"""Seconds without a sign of life after which W&B takes a run for crashed."""


def text_in(data: Mapping[str, Any], *names: str) -> str | None:
    """The first text under one of the names."""
    return next((found for name in names if isinstance(found := data.get(name), str) and found), None)


def mapping_in(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = data.get(name)
    return found if isinstance(found, dict) else {}


def json_of(part: Part, name: str, state: State) -> dict[str, Any]:
    """The mapping in a JSON file of the run, an empty one where there is none."""
    path = part.files / name if part.files else None
    if path is None or not folders.is_regular(path):
        return {}
    data = folders.read_small(path, _LARGEST)
    try:
        if data is None:
            raise values.NotRead(f"it is larger than {_LARGEST} bytes, or cannot be opened")
        found = values.load(data)
        if isinstance(found, dict):
            return found
        raise values.NotRead("it is no mapping")
    except values.NotRead as error:
        state.losses[name, str(error)] += 1
        return {}


def config_of(part: Part, state: State) -> dict[str, Any]:
    """The configuration in ``config.yaml``."""
    path = part.files / "config.yaml" if part.files else None
    data = folders.read_small(path, _LARGEST) if path is not None else None
    if data is None:
        return {}
    try:
        found = read_yaml(data, "config.yaml", max_bytes=_LARGEST)
    except GittrackError as error:
        state.losses["config.yaml", str(error)] += 1
        return {}
    if not isinstance(found, dict):
        state.losses["config.yaml", "it is no mapping"] += 1
        return {}
    found.pop("wandb_version", None)
    return {
        key: value["value"] if isinstance(value, dict) and "value" in value else value
        for key, value in found.items()
    }


def code(state: State, metadata: dict[str, Any], parts: list[Part], options: Options) -> ForeignCode | None:
    """The commit, the program and its arguments."""
    git = mapping_in(metadata, "git")
    records = [protobuf.message(state.run, 21), protobuf.message(state.environment, 9)]
    commit = next((found for one in records if (found := protobuf.text(one, 2))), None) or text_in(
        git, "commit"
    )
    remote = next((found for one in records if (found := protobuf.text(one, 1))), None) or text_in(
        git, "remote"
    )
    program = protobuf.text(state.environment, 7) or text_in(metadata, "codePath")
    program = program or protobuf.text(state.environment, 6) or text_in(metadata, "program")
    arguments = protobuf.texts(state.environment, 5) or metadata.get("args") or []
    command = [item for item in arguments if isinstance(item, str)] if isinstance(arguments, list) else []
    if not options.people:
        command = [_relative(item) for item in command]
        program = _relative(program) if program else None
    patched = any(part.files and folders.is_regular(part.files / "diff.patch") for part in parts)
    if not (commit or remote or program or command or patched):
        return None
    return ForeignCode(
        commit=commit,
        remote=remote,
        entry=program,
        dirty=True if patched else None,
        command=(program, *command) if program else tuple(command),
    )


def _relative(item: str) -> str:
    """Without the folders of an absolute path, also behind ``--option=``."""
    before, equals, after = item.rpartition("=")
    path = PurePosixPath(after.replace("\\", "/"))
    absolute = path.is_absolute() or (len(after) > 2 and after[1:3] in (":\\", ":/"))
    return f"{before}{equals}{path.name}" if absolute else item


def environment(
    state: State, metadata: dict[str, Any], parts: list[Part], options: Options
) -> ForeignEnvironment | None:
    """Python, system, processor, GPUs and packages."""
    record = state.environment
    python = protobuf.text(record, 2) or text_in(metadata, "python")
    gpus = [name for one in protobuf.messages(record, 24) if (name := protobuf.text(one, 1))]
    if not gpus:
        kind = protobuf.text(record, 18) or text_in(metadata, "gpu")
        count = protobuf.integer(record, 19) or metadata.get("gpu_count") or 1
        gpus = [kind] * min(max(count, 1) if isinstance(count, int) else 1, 1024) if kind else []
    host = protobuf.text(record, 12) or protobuf.text(state.run, 13) or text_in(metadata, "host")
    found = ForeignEnvironment(
        python=python.removeprefix("CPython ") if python else None,
        os=protobuf.text(record, 1) or text_in(metadata, "os"),
        cpu=protobuf.text(protobuf.message(record, 22), 3),
        gpus=tuple(gpus),
        packages=_packages(parts),
        host=host if options.people else None,
    )
    return found if found != ForeignEnvironment() else None


def _packages(parts: list[Part]) -> dict[str, str] | None:
    for part in reversed(parts):
        data = folders.read_small(part.files / "requirements.txt") if part.files else None
        if data is not None:
            lines = (line.strip().partition("==") for line in data.decode("utf-8", "replace").splitlines())
            return {name: version for name, equals, version in lines if equals and name and version}
    return None


def user(state: State, metadata: dict[str, Any], options: Options) -> str | None:
    if not options.people:
        return None
    record = state.environment
    return protobuf.text(record, 10) or protobuf.text(record, 13) or text_in(metadata, "email", "username")


def status(state: State, metadata: dict[str, Any], parts: list[Part], changed: Moment | None) -> Status:
    """By the exit code. Without one: running where a process has the log open, else killed.

    A log that changed in these minutes may be written to from another machine: then it is not known.
    """
    code = state.exit_code if state.exit_code is not None else metadata.get("exitcode")
    if isinstance(code, int):
        return "failed" if code else "finished"
    stated = metadata.get("state")
    if stated in ("finished", "failed", "killed"):
        return "finished" if stated == "finished" else "failed" if stated == "failed" else "killed"
    if not state.records and (metadata or state.summary or changed is None):
        return "unknown"
    log = parts[-1].log
    if changed is None or log is None or time.time() - changed >= _FRESH:
        return "killed"
    if _is_open(log):
        return "running"
    host = protobuf.text(state.environment, 12) or protobuf.text(state.run, 13) or text_in(metadata, "host")
    return "killed" if host == socket.gethostname() and Path("/proc/self/fd").is_dir() else "unknown"


def _is_open(log: Path) -> bool:
    """Whether a process of this machine that we may look at has the file open."""
    for opened in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            if opened.samefile(log):
                return True
        except OSError:
            continue
    return False


def started(state: State, metadata: dict[str, Any]) -> Moment | None:
    if state.started is not None:
        return state.started
    return _utc(metadata, "startedAt") or protobuf.moment(state.environment, 3)


def live(state: State, metadata: dict[str, Any]) -> None:
    """The signs of life that lie beside the log."""
    state.live(_utc(metadata, "heartbeatAt"))
    state.live(values.number(state.summary.get("_timestamp")))


def _utc(metadata: dict[str, Any], name: str) -> Moment | None:
    return values.utc(text_in(metadata, name))


class Nothing(ValueError):
    """A folder in which nothing of its run is left."""

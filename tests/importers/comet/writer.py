"""Archives of Comet, message by message."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

KEY = "0123456789abcdef0123456789abcdef"
START = 1_700_000_000_000
EXPERIMENT = {
    "offline_id": KEY, "project_name": "probe é", "start_time": START, "stop_time": START + 5000,
    "tags": ["b", "ä"], "workspace": "team", "resume_strategy": "create", "customer_error_reported": False,
    "customer_error_message": None,
}  # fmt: skip


def metric(name: str, value: Any, step: Any = None, epoch: Any = None, **more: Any) -> dict[str, Any]:
    stated = {"metricName": name, "metricValue": value, "step": step, "epoch": epoch}
    payload = {"local_timestamp": START + 1500, "metric": stated, **more}
    return {"payload": payload, "type": "metric_msg"}


def param(name: str, value: Any, source: str = "manual", **more: Any) -> dict[str, Any]:
    key = "params" if isinstance(value, list) else "param"
    stated = {"paramName": name, "paramValue": value, "source": source, "step": None}
    return {"payload": {"local_timestamp": START, key: stated, **more}, "type": "parameter_msg"}


def other(key: str, value: Any) -> dict[str, Any]:
    return {"payload": {"key": key, "value": value}, "type": "log_other"}


def upload(path: str, kind: str = "asset", **stated: Any) -> dict[str, Any]:
    payload = {"additional_params": stated, "file_path": path, "upload_type": kind, "metadata": {}}
    return {"payload": payload, "type": "file_upload"}


def message(kind: str, **payload: Any) -> dict[str, Any]:
    return {"payload": payload, "type": kind}


def members(
    messages: Sequence[Any], files: Mapping[str, bytes] | None = None, **stated: Any
) -> dict[str, bytes]:
    lines = (line if isinstance(line, str) else json.dumps(line) for line in messages)
    return {
        "experiment.json": json.dumps({**EXPERIMENT, **stated}).encode(),
        "messages.json": "".join(f"{line}\n" for line in lines).encode(),
        **(files or {}),
    }


def pack(path: Path, listed: Mapping[str, bytes]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in listed.items():
            archive.writestr(name, data)
    return path


def unpack(folder: Path, listed: Mapping[str, bytes]) -> Path:
    for name, data in listed.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder

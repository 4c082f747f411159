"""A small writer of ClearML's offline sessions, by what its client writes; shares nothing with the reader."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

ID = "offline-" + "0a" * 16
START = 1_700_000_000_000
ELSEWHERE = f"/home/ada/.clearml/cache/offline/{ID}"
"""Where the client had the session."""
DATA = f"data/p/t.{ID}"


def param(value: str | None, kind: str | None = None, **more: str) -> dict[str, Any]:
    return {"value": value, **({"type": kind} if kind else {}), **more}


def scalar(title: str, series: str, value: Any, step: Any = 0, ms: Any = 0, **more: Any) -> dict[str, Any]:
    event = {"type": "training_stats_scalar", "metric": title, "variant": series, "value": value}
    return {**event, "iter": step, "timestamp": START + ms, "task": ID, "method": "get", **more}


def image(name: str, step: int, **more: Any) -> dict[str, Any]:
    """A debug image in the file `name`."""
    key = f"{DATA.removeprefix('data/')}/metrics/im/s/{name}"
    event = {"type": "training_debug_image", "metric": "im", "variant": "s", "iter": step, "key": key}
    return {**event, "url": f"{ELSEWHERE}/data/{key}", "timestamp": START, "task": ID, **more}


def plot(title: str, step: int, shown: str) -> dict[str, Any]:
    event = {"type": "plot", "metric": title, "variant": "s", "iter": step, "plot_str": shown}
    return {**event, "timestamp": START, "task": ID}


def says(message: str, ms: int = 0) -> dict[str, Any]:
    return {
        "type": "log",
        "msg": message,
        "level": "info",
        "worker": "vm",
        "timestamp": START + ms,
        "task": ID,
    }


def task(**changes: Any) -> dict[str, Any]:
    stated = {
        "id": ID, "name": "t", "project_name": "p", "type": "training", "offline_folder": ELSEWHERE,
        "offline_output_models": [], "output": {}, "script": {},
        "execution": {"artifacts": [], "docker_cmd": "", "model_desc": {}, "parameters": {}},
    }  # fmt: skip
    return {**stated, **changes}


def lines(*batches: list[Any]) -> str:
    return "".join(f"{json.dumps(batch)}\n" for batch in batches)


def write(
    folder: Path,
    *events: dict[str, Any],
    log: tuple[dict[str, Any], ...] = (),
    files: dict[str, str] | None = None,
    **changes: Any,
) -> Path:
    """A session with each event in a line of its own."""
    texts = {
        "task.json": json.dumps(task(**changes), sort_keys=True),
        "metrics.jsonl": lines(*([event] for event in events)),
        "log.jsonl": lines(*([event] for event in log)),
        **(files or {}),
    }
    for name, text in texts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, "utf-8")
    return folder


def zipped(folder: Path, archive: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as out:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                out.write(path, prefix + path.relative_to(folder).as_posix())
    return archive

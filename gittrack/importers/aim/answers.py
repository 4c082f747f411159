"""Run by a Python that has Aim, never imported: says in lines of JSON what a run of Aim has.

A request is a line of JSON on standard input. It gets lines as answers, the last of them with ``end``:

``{"open": folder, "run": hash}``   attributes, contexts and sequences of the run; `folder` is a copy of it
``{"points": [context, name]}``     steps, values, epochs and times of numbers, a stretch in each line
``{"items": [context, name]}``      texts, and what there is of pictures, sounds, distributions and figures
``{"bytes": [context, name, step, index]}``   the bytes of one of these
"""

from __future__ import annotations

import base64
import json
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    Answer = dict[str, Any]

_STRETCH = 20_000
_PART = 3 << 20
_MEMORY = 8 << 30
_DEEPEST = 64


def main() -> None:
    """Answers until the input ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what Aim prints is no answer

    def say(**stated: Any) -> None:
        answers.write(json.dumps(stated).encode() + b"\n")
        answers.flush()

    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    try:
        from aim.__version__ import __version__  # type: ignore[import-not-found]
        from aim.sdk import Run  # type: ignore[import-not-found]  # noqa: F401  (names the types)
    except Exception as error:
        say(absent=f"{type(error).__name__}: {error}", end=True)
        return
    say(version=__version__, end=True)
    run: Any = None
    for line in sys.stdin.buffer:
        request = json.loads(line)
        try:
            if "open" in request:
                run = _Run(request["open"], request["run"])
                say(**run.stated())
            elif "points" in request:
                for part in run.points(*request["points"]):
                    say(**part)
            elif "items" in request:
                for item in run.items(*request["items"]):
                    say(**item)
            elif "bytes" in request:
                data = run.data(*request["bytes"])
                for at in range(0, len(data), _PART):
                    say(bytes=base64.b64encode(data[at : at + _PART]).decode())
            say(end=True)
        except Exception as error:
            say(fault=f"{type(error).__name__}: {error}"[:500], end=True)


class _Run:
    def __init__(self, folder: str, run: str) -> None:
        self._folder, self._run = folder, run
        self._meta = self._tree("meta")[("chunks", run)]
        self._series: Any = None

    def _tree(self, kind: str) -> Any:
        from aim.storage.rockscontainer import RocksContainer  # type: ignore[import-not-found]

        path = os.path.join(self._folder, kind, "chunks", self._run)  # noqa: PTH118
        container = RocksContainer(path, read_only=True, skip_read_optimization=True)
        return container.tree().subtree(kind)

    def stated(self) -> Answer:
        told = dict(self._meta)
        artifacts = told.get("artifacts")
        return {
            "attrs": _plain(told.get("attrs") or {}),
            "end_time": told.get("end_time"),
            "contexts": {str(key): _plain(context) for key, context in (told.get("contexts") or {}).items()},
            "sequences": [
                {"context": str(context), "name": name, "dtype": str(stated.get("dtype"))}
                for context, of in (told.get("traces") or {}).items()
                for name, stated in of.items()
            ],
            "artifacts": [
                {key: _plain(artifact.storage.get(key, None)) for key in ("name", "path", "uri")}
                for artifact in (artifacts or {}).values()
            ],
        }

    def _arrays(self, context: str, name: str) -> tuple[int, Any]:
        if self._series is None:
            self._series = self._tree("seqs")
        version = self._meta["traces"][int(context)][name].get("version", 1)
        chunks = ("chunks", self._run) if version == 1 else (f"v{version}", "chunks", self._run)
        return version, self._series.subtree(chunks).subtree((int(context), name))

    def _column(self, series: Any, column: str) -> dict[Any, Any]:
        with suppress(KeyError):
            return dict(series.array(column).items())
        return {}

    def points(self, context: str, name: str) -> Iterator[Answer]:
        version, series = self._arrays(context, name)
        columns = {column: self._column(series, column) for column in ("val", "step", "epoch", "time")}
        steps = {key: key for key in columns["val"]} if version == 1 else columns["step"]
        order = sorted(columns["val"], key=lambda key: (steps.get(key) is None, steps.get(key) or 0))
        for at in range(0, len(order), _STRETCH):
            keys = order[at : at + _STRETCH]
            yield {
                "steps": [_number(steps.get(key)) for key in keys],
                "values": [_number(columns["val"][key]) for key in keys],
                "epochs": [_number(columns["epoch"].get(key)) for key in keys],
                "times": [_number(columns["time"].get(key)) for key in keys],
            }

    def items(self, context: str, name: str) -> Iterator[Answer]:
        _, series = self._arrays(context, name)
        times = self._column(series, "time")
        epochs = self._column(series, "epoch")
        for step, value in series.array("val").items():
            for index, item in enumerate(value if isinstance(value, (list, tuple)) else [value]):
                stated = {"step": step, "index": index, "time": _number(times.get(step))}
                yield {**stated, "epoch": _number(epochs.get(step)), **_item(item)}

    def data(self, context: str, name: str, step: Any, index: int) -> bytes:
        _, series = self._arrays(context, name)
        value = series.array("val")[step]
        item = value[index] if isinstance(value, (list, tuple)) else value
        data = item.storage["data"].load()
        return data.encode() if isinstance(data, str) else bytes(data)


def _item(item: Any) -> Answer:
    kind = getattr(item, "AIM_NAME", None)
    if kind in ("aim.text", "aim.log_line"):
        return {"kind": kind, "text": item.data}
    if kind == "aim.log_record":
        return {"kind": kind, **_plain(item.json())}
    if kind == "aim.distribution":
        return {"kind": kind, "range": _plain(item.range), "weights": _plain(item.weights.tolist())}
    if kind is None:
        return {"kind": type(item).__name__, "value": _plain(item)}
    keys = ("format", "caption", "source")
    return {"kind": kind, **{key: _plain(item.storage.get(key, None)) for key in keys}}


def _number(value: Any) -> Any:
    if value is None or isinstance(value, (int, float, str)):
        return value
    with suppress(AttributeError, ValueError):
        return value.item()  # of numpy
    return None


def _plain(value: Any, depth: int = _DEEPEST) -> Any:
    """What JSON can say; of anything else its type."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if depth and isinstance(value, dict):
        return {str(key): _plain(inner, depth - 1) for key, inner in value.items()}
    if depth and isinstance(value, (list, tuple)):
        return [_plain(inner, depth - 1) for inner in value]
    return {"_type": getattr(value, "AIM_NAME", type(value).__name__)}


if __name__ == "__main__":
    main()

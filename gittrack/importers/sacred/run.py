"""One run of Sacred, by the files of its folder."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from itertools import islice
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from gittrack.formats.attempts import Failure
from gittrack.formats.datasets import Dataset
from gittrack.importers import folders, values
from gittrack.importers.foreign import (
    Curve,
    Final,
    ForeignCode,
    ForeignEnvironment,
    ForeignFile,
    ForeignRun,
    Loss,
    Moment,
    Options,
    Status,
    TextPoint,
)
from gittrack.importers.sacred.plain import parts, plain, text

RUN, CONFIG, METRICS, INFO, CONSOLE = "run.json", "config.json", "metrics.json", "info.json", "cout.txt"
_LARGEST_SERIES = 256 << 20
_NO_PLACE = "a record has no place for it"
_STATUSES: Mapping[str, Status] = {
    "COMPLETED": "finished", "FAILED": "failed", "INTERRUPTED": "killed", "RUNNING": "running",
    "TIMEOUT": "killed", "QUEUED": "unknown",
}  # fmt: skip
_HOST = frozenset({"ENV", "cpu", "gpus", "hostname", "os", "python_version"})
_SAID = frozenset({"UPDATE", "COMMAND", "with", "help", "--help", "--comment", "--file_storage"})
"""Options whose meaning is in the record otherwise."""
_STORED = re.compile(r"(.+)_([0-9a-f]{32})(\.[^.]*)?", re.DOTALL)
"""How the observer names a file that it keeps by its digest."""
_DIGEST = re.compile(r"[0-9a-f]{32}")


_Row = tuple[Any, int | float | None, Moment | None]


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _word(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _named(path: str) -> str:
    """The name at the end of a path of any machine."""
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name


class Run:
    """A folder of the observer. `top` is the source, out of which nothing leads."""

    def __init__(self, top: Path, folder: Path, name: str, stated: dict[str, Any], options: Options) -> None:
        self._top = top
        self._folder = folder
        self._name = name
        self._stated = stated
        self._options = options
        self._experiment = _mapping(stated.get("experiment"))
        self._host = _mapping(stated.get("host"))
        self._meta = _mapping(stated.get("meta"))
        self._lost: list[Loss] = []

    def read(self) -> ForeignRun:
        started, ended = (values.utc(_word(self._stated.get(key))) for key in ("start_time", "stop_time"))
        word = _word(self._stated.get("status"))
        status = _STATUSES.get(word, "killed") if word else "unknown"
        files = [*self._files()]
        finals, self._words = self._result()
        self._say()
        return ForeignRun(
            system="sacred",
            id=self._id(),
            experiment=_word(self._experiment.get("name")) or "sacred",
            name=self._folder.name,
            status=status,
            failure=self._failure(),
            started=started,
            ended=ended,
            note=_word(self._meta.get("comment")),
            tags=self._tags(word),
            params=self._params(),
            finals=finals,
            curves=self._curves,
            texts=self._texts,
            code=self._code(),
            environment=self._environment(),
            datasets=[*self._resources(files)],
            files=files,
            lost=self._lost,
            changed=values.utc(_word(self._stated.get("heartbeat"))),
        )

    def _id(self) -> str:
        """Of what does not change: the number of a run is another one's in another folder."""
        names = self._experiment.get("name"), self._host.get("hostname")
        told = [*names, self._stated.get("start_time"), self._stated.get("command")]
        if told[2] is None:
            told.append(self._config)
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _lose(self, what: str, why: str = _NO_PLACE, count: int = 1) -> None:
        loss = Loss(what=what, why=why, count=count)
        if loss not in self._lost:
            self._lost.append(loss)

    def _json(self, name: str, largest: int = values.LONGEST) -> dict[str, Any] | None:
        """The mapping of a file, None where there is none such."""
        path = self._folder / name
        if not folders.is_regular(path):
            return None
        data = folders.read_small(path, largest)
        try:
            if data is None:
                raise values.NotRead(f"it has more than {largest >> 20} MiB, or cannot be read")
            loaded = values.load(data, largest)
        except values.NotRead as error:
            self._lose(name, str(error))
            return None
        if not isinstance(loaded, dict):
            self._lose(name, "it is no mapping")
            return None
        return loaded

    # --- what is said of the run ------------------------------------------------------------

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = self._json(CONFIG)
        if config is None:
            self._lose("params", f"there is no {CONFIG} that can be read")
        return config or {}

    def _params(self) -> dict[str, Any]:
        params: dict[str, Any] = {}
        for name, value in self._config.items():
            objects: Counter[str] = Counter()
            params |= plain({name: value}, objects) if not name.startswith("py/") else {name: value}
            for kind, count in objects.items():
                why = "it is not made again: what was written of it is kept as it is"
                if kind == "py/id":
                    why = "it stands for another value of the run, by a number"
                self._lose(f"param {name}: the Python object {kind}", why, count)
        return params

    def _failure(self) -> Failure | None:
        trace = "".join(line for line in _list(self._stated.get("fail_trace")) if isinstance(line, str))
        last = trace.strip().rpartition("\n")[2]
        kind, colon, message = last.partition(": ")
        if not last:
            return None
        is_named = bool(colon) and re.fullmatch(r"[\w.]{1,200}", kind) is not None
        return Failure(type=kind, message=message) if is_named else Failure(type="exception", message=last)

    def _tags(self, status: str | None) -> dict[str, str]:
        found = {
            "sacred.command": _word(self._stated.get("command")),
            "sacred.config_updates": self._meta.get("config_updates") or None,
            "sacred.named_configs": self._meta.get("named_configs") or None,
            "sacred.status": status if _STATUSES.get(status or "COMPLETED") in (None, "unknown") else None,
        }
        return {name: text(plain(value, Counter())) for name, value in found.items() if value is not None}

    def _result(self) -> tuple[dict[str, Final], list[TextPoint]]:
        """What the run returned: numbers are final values, all else a text."""
        objects: Counter[str] = Counter()
        result = plain(self._stated.get("result"), objects)
        for kind, count in objects.items():
            why = "it is kept as the text that was written of it"
            self._lose(f"result: the Python object {kind}", why, count)
        if result is None:
            return {}, []
        series = folders.read_small(self._folder / METRICS, _LARGEST_SERIES) or b""
        named = dict(parts("returned" if b'"result' in series else "result", result))
        numbers = {name: number for name, value in named.items() if (number := _number(value)) is not None}
        words = [TextPoint(name=n, text=text(v)) for n, v in named.items() if n not in numbers]
        return {name: Final(rule="given", value=number) for name, number in numbers.items()}, words

    def _code(self) -> ForeignCode | None:
        repositories = [_mapping(entry) for entry in _list(self._experiment.get("repositories"))]
        first = repositories[0] if repositories else {}
        for other in repositories[1:]:
            self._lose(f"repository {_named(str(other.get('url')))} at commit {other.get('commit')}")
        dirty = first.get("dirty")
        code = ForeignCode(
            commit=_word(first.get("commit")),
            remote=_word(first.get("url")),
            dirty=dirty if isinstance(dirty, bool) else None,
            entry=_word(self._experiment.get("mainfile")),
        )
        return None if code == ForeignCode() else code

    def _environment(self) -> ForeignEnvironment | None:
        host = self._host
        system = host.get("os")
        listed = _list(_mapping(host.get("gpus")).get("gpus"))
        pairs = [str(entry).partition("==") for entry in _list(self._experiment.get("dependencies"))]
        return ForeignEnvironment(
            python=_word(host.get("python_version")),
            os=_word(_list(system)[-1] if _list(system) else system),
            cpu=_word(host.get("cpu")),
            gpus=tuple(name for gpu in listed if (name := _word(_mapping(gpu).get("model")))),
            packages={name: version for name, _, version in pairs if version and version != "<unknown>"}
            or None,
            host=_word(host.get("hostname")) if self._options.people else None,
        )

    def _say(self) -> None:
        """What is not in the record."""
        if self._host.get("ENV"):
            self._lose("environment variables", "they can hold credentials")
        for name in sorted(self._host.keys() - _HOST):
            self._lose(f"host information {name}")
        options = _mapping(self._meta.get("options"))
        for name in sorted(options.keys() - _SAID):
            if options[name] not in (None, False):
                self._lose(f"option {name} of the command line")
        if self._stated.get("fail_trace") and not self._options.people:
            self._lose("fail_trace", "it has paths of the machine: asked for by --keep-people")

    # --- points -----------------------------------------------------------------------------

    @cached_property
    def _metrics(self) -> dict[str, list[_Row]]:
        """By name, its points: value, step and time."""
        found: dict[str, list[_Row]] = {}
        for name, entry in (self._json(METRICS, _LARGEST_SERIES) or {}).items():
            lists = [_mapping(entry).get(key) for key in ("values", "steps", "timestamps")]
            if not isinstance(lists[0], list):
                self._lose(f"metric {name}", "it has no list of values")
                continue
            longest = len(lists[0])
            columns = [_list(column)[:longest] for column in lists]
            short = [
                key
                for key, column in zip(("steps", "times"), columns[1:], strict=True)
                if len(column) < longest
            ]
            if short:
                self._lose(f"{' and '.join(short)} of {name}", "there are fewer of them than values")
            columns = [column + [None] * (longest - len(column)) for column in columns]
            found[name] = [
                (_reading(value), _number(step), _moment(at))
                for value, step, at in zip(*columns, strict=True)
            ]
            for key, place in (("steps", 1), ("times", 2)):
                odd = sum(row[place] is None for row in found[name]) - columns[place].count(None)
                if odd:
                    self._lose(f"{key} of {name}", "they are none", odd)
        return found

    def _curves(self) -> Iterator[Curve]:
        for name, points in self._metrics.items():
            rows = [row for row in points if _number(row[0]) is not None]
            if rows:
                numbers, steps, times = zip(*rows, strict=True)
                yield Curve(name=name, values=numbers, steps=_or_none(steps), times=_or_none(times))

    def _texts(self) -> Iterator[TextPoint]:
        yield from self._words
        for name, points in self._metrics.items():
            for value, step, at in points:
                if _number(value) is None:
                    yield TextPoint(name=name, text=text(value), step=step, time=at)

    # --- files ------------------------------------------------------------------------------

    def _files(self) -> Iterator[ForeignFile]:
        listed = {name for name in _list(self._stated.get("artifacts")) if isinstance(name, str)}
        taken = {RUN, CONFIG, METRICS}
        for name, path, is_regular in islice(folders.walk(self._folder), folders.MOST_FILES):
            if name in taken:
                continue
            taken.add(name)
            kind: Any = "console" if name == CONSOLE else "artifact" if name in listed else "other"
            missing = None if is_regular else "a link, which is not followed, or no regular file"
            yield ForeignFile(path=name, kind=kind, content=path if is_regular else None, missing=missing)
        for name in sorted(listed - taken):
            _, missing = folders.find(self._folder, name)
            yield ForeignFile(path=folders.logical(name) or _named(name), kind="artifact", missing=missing)
        if INFO not in taken and self._stated.get("info"):
            data = json.dumps(self._stated["info"], indent=2).encode()
            yield ForeignFile(path=INFO, kind="other", content=data)
        trace = [line for line in _list(self._stated.get("fail_trace")) if isinstance(line, str)]
        if trace and self._options.people:
            yield ForeignFile(
                path="fail_trace.txt", kind="other", content="".join(trace).encode("utf-8", "replace")
            )
        for entry in _list(self._experiment.get("sources")):
            yield from self._stored(entry, "sources")

    def _resources(self, files: list[ForeignFile]) -> Iterator[Dataset]:
        """Files that the run opened: of each name, digest and where it was; the copy is a file."""
        for entry in _list(self._stated.get("resources")):
            for file in self._stored(entry, "resources"):
                files.append(file)
                yield Dataset(
                    name=_named(str(entry[0])), digest=file.digest, source=str(entry[0]), context="resource"
                )

    def _stored(self, entry: Any, kind: str) -> Iterator[ForeignFile]:
        """A file that the observer keeps beside the runs by its digest; of a run that waits, in it."""
        entry = plain(entry, Counter())
        if not (isinstance(entry, list) and len(entry) == 2 and all(isinstance(part, str) for part in entry)):
            self._lose(f"{kind} {entry!r:.100}", "it is not told how it is stored")
            return
        name, stored = entry[0], _named(entry[1])
        if _DIGEST.fullmatch(stored) and folders.is_regular(self._folder / _named(name)):
            return
        digest = found[2] if (found := _STORED.fullmatch(stored)) else None
        content, missing = folders.find(self._folder.parent, f"_{kind}/{stored}")
        if not self._folder.parent.is_relative_to(self._top):
            content, missing = None, "it lies beside the run: import the folder that has the runs"
        if content is not None and digest is not None and _md5(content) != digest:
            content, missing = None, "the file there is another one by now"
        path = folders.logical(name) or _named(name) or kind
        yield ForeignFile(
            path=f"{kind}/{path}", kind="other", content=content, missing=missing,
            digest=f"md5:{digest}" if digest else None,
        )  # fmt: skip


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False)).hexdigest()


def _reading(value: Any) -> Any:
    """What was measured; of a NumPy number that was saved twice only its parts are left."""
    if isinstance(value, dict) and value.keys() == {"dtype", "value"}:
        value = value["value"]
    return plain(value, Counter())


def _moment(at: Any) -> Moment | None:
    return values.utc(at) if isinstance(at, str) else None


def _number(value: Any) -> int | float | None:
    """What a metric can be; whole numbers stay so."""
    return value if isinstance(value, int | float) else None


def _or_none(numbers: tuple[Any, ...]) -> Any:
    """None where no point has one."""
    return numbers if any(number is not None for number in numbers) else None

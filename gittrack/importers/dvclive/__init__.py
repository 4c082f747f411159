"""DVCLive: the folder that its client keeps in a DVC project: series, parameters, plots and artifacts."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gittrack.errors import GittrackError
from gittrack.formats.codec.reader import read_yaml
from gittrack.importers import folders, values
from gittrack.importers.dvclive.artifacts import artifacts
from gittrack.importers.dvclive.series import OF_MACHINE, Series, curves, finals, texts
from gittrack.importers.foreign import ForeignFile, ForeignRun, Loss, Moment, Options, Skipped

_METRICS, _PARAMS = "metrics.json", "params.yaml"
_SERIES = "plots/metrics"
_REPORTS = frozenset({"report.md", "report.html", "report.ipynb", "report.png"})
_SUFFIX = ".tsv"
_DEEPEST = 5
"""Folders below the source in which a run is looked for."""
_LARGEST = 16 << 20


def read(source: Path, options: Options) -> Iterator[ForeignRun | Skipped]:
    """Runs at `source`: a folder of DVCLive, or a project that has such folders."""
    source = source.resolve()
    known: set[str] = set()
    found = False
    for folder in sorted(_folders(source)):
        found = True
        name = folder.relative_to(source).as_posix() if folder != source else source.name
        try:
            run = _Folder(source, folder, name).run()
        except OSError as error:
            yield Skipped(what=name, why=error.strerror or "it cannot be read")
            continue
        if run.id in known:
            run.id += f":{hashlib.sha256(name.encode('utf-8', 'surrogateescape')).hexdigest()[:8]}"
        known.add(run.id)
        yield run
    if not found:
        yield Skipped(what=source.name, why=f"no folder of DVCLive: none has {_METRICS} and plots")


def _folders(source: Path) -> Iterator[Path]:
    if not source.is_dir():
        return
    if _is_run(source):
        yield source
        return
    waiting = [(source, 0)]
    while waiting:
        folder, depth = waiting.pop()
        for path in reversed(folders.entries(folder)):
            if path.name.startswith(".") or not folders.is_folder(path):
                continue
            if _is_run(path):
                yield path
            elif depth < _DEEPEST:
                waiting.append((path, depth + 1))


def _is_run(folder: Path) -> bool:
    """Whether it has what the client writes: its series, or the last values beside plots or in its folder."""
    if folders.is_folder(folder / "plots") and folders.is_folder(folder / _SERIES):
        return True
    named = folder.name == "dvclive" or folders.is_folder(folder / "plots")
    return named and folders.is_regular(folder / _METRICS)


class _Folder:
    """One folder of DVCLive. `top` is the source, out of which nothing leads."""

    def __init__(self, top: Path, folder: Path, name: str) -> None:
        self._top = top
        self._folder = folder
        self._name = name
        self._lost: list[Loss] = []
        self._files: list[ForeignFile] = []
        self._series: list[Series] = []

    def run(self) -> ForeignRun:
        self._walk()
        for series in self._series:
            series.look()
            for why, count in series.faults.items():
                self._lost.append(Loss(what=f"points of {series.name}", why=why, count=count))
        stated = self._stated()
        params, digest = self._params()
        self._files += artifacts(self._top, self._folder, self._lost)
        metrics = [series for series in self._series if not OF_MACHINE.fullmatch(series.name)]
        machine = [series for series in self._series if OF_MACHINE.fullmatch(series.name)]
        times = [s.first.time for s in self._series if s.first and s.first.time is not None]
        given, words = finals(stated, metrics)
        return ForeignRun(
            system="dvclive",
            id=self._id(digest, stated),
            experiment=(self._folder.parent if self._folder == self._top else self._top).name or "dvclive",
            name=self._name,
            status="unknown",
            started=min(times, default=None),
            params=params,
            finals=given,
            curves=partial(curves, metrics),
            texts=partial(texts, metrics, words),
            system_curves=partial(curves, machine),
            files=self._files,
            lost=self._lost,
            changed=self._changed(),
        )

    def _found(self) -> Iterator[tuple[str, Path, bool]]:
        """Files of the run; of a folder that is a whole project, those that the client alone writes."""
        if not any(folders.is_folder(self._folder / name) for name in (".git", ".dvc")):
            yield from folders.walk(self._folder)
            return
        for path in folders.entries(self._folder):
            if path.name in _REPORTS:
                yield path.name, path, folders.is_regular(path)
        for name, path, is_regular in folders.walk(self._folder / "plots"):
            yield f"plots/{name}", path, is_regular

    def _walk(self) -> None:
        """Which file is what; those that none of the rules names come as they are."""
        for count, (name, path, is_regular) in enumerate(self._found()):
            if count >= folders.MOST_FILES:
                self._lost.append(Loss(what="files", why=f"more than {folders.MOST_FILES:,} lie there"))
                return
            if not is_regular:
                self._lost.append(
                    Loss(what=f"file {name}", why="a link, which is not followed, or no regular file")
                )
            elif name.startswith(f"{_SERIES}/") and name.endswith(_SUFFIX):
                metric = name.removeprefix(f"{_SERIES}/").removesuffix(_SUFFIX)
                self._series.append(Series(path, metric))
            elif name.startswith("plots/images/"):
                image = name.removeprefix("plots/images/")
                self._files.append(ForeignFile(path=name, kind="media", content=path, name=image))
            elif name not in (_METRICS, _PARAMS):
                is_table = name.startswith("plots/") and name.endswith(".json")
                self._files.append(
                    ForeignFile(path=name, kind="table" if is_table else "other", content=path)
                )
        self._series.sort(key=lambda series: series.name)

    def _read(self, path: Path) -> bytes | None:
        """A small file of the source; None where there is none."""
        if not folders.is_regular(path):
            return None
        data = folders.read_small(path, _LARGEST)
        if data is None:
            self._lost.append(
                Loss(what=path.name, why=f"it has more than {_LARGEST >> 20} MiB, or cannot be read")
            )
        return data

    def _stated(self) -> dict[str, Any]:
        """The last values by metric, as ``metrics.json`` has them."""
        data = self._read(self._folder / _METRICS)
        if data is None:
            return {}
        try:
            stated = values.load(data)
        except values.NotRead as error:
            self._lost.append(Loss(what=_METRICS, why=str(error)))
            return {}
        if not isinstance(stated, dict):
            self._lost.append(Loss(what=_METRICS, why="it is no mapping"))
            return {}
        if not any(series.name == "step" for series in self._series):
            stated.pop("step", None)
        return dict(values.flat(stated, joint="/"))

    def _params(self) -> tuple[dict[str, Any], bytes]:
        data = self._read(self._folder / _PARAMS)
        if data is None or not data.strip():
            return {}, b""
        try:
            params = read_yaml(data, _PARAMS, max_bytes=_LARGEST, endless=True)
        except GittrackError as error:
            try:
                params = read_yaml(data, _PARAMS, max_bytes=_LARGEST, as_text=True)
            except GittrackError:
                self._lost.append(Loss(what="params", why=str(error)))
                return {}, data
            self._lost.append(Loss(what="types of params", why=f"they are kept as text: {error}"))
        if not isinstance(params, dict):
            self._lost.append(Loss(what="params", why=f"{_PARAMS} is no mapping"))
            return {}, data
        return params, data

    def _id(self, params: bytes, stated: Mapping[str, Any]) -> str:
        """DVCLive has none: of the parameters and of the first points, which stay as the run grows."""
        firsts = [(s.name, s.first) for s in self._series if s.first is not None]
        steps = [row.step for _, row in firsts if row.step is not None]
        begin = min(steps, default=None)
        told = [(name, row.step, row.time, row.cell) for name, row in firsts if row.step == begin]
        digest = hashlib.sha256(params)
        digest.update(
            repr(told or sorted(stated.items(), key=lambda item: item[0])).encode("utf-8", "replace")
        )
        return digest.hexdigest()[:32]

    def _changed(self) -> Moment | None:
        paths = [self._folder / _METRICS, *(series.path for series in self._series)]
        return max((path.stat().st_mtime for path in paths if folders.is_regular(path)), default=None)

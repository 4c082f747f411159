"""Parameters, metrics and series in the files of a commit, or in the DVC cache that dvc.lock points to."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Out
from gittrack.errors import GittrackError
from gittrack.recording import result_files
from gittrack.recording.commits.declared import DEFAULT_PARAMS, Loss, lying_in, metrics_among
from gittrack.recording.commits.names import (
    leaves_of,
    meeting_names,
    merge_params,
    metric_name,
    path_of,
    put,
    take_out,
)
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline
from gittrack.recording.results.rows import AXES, plain_name

NOT_AT_HAND = "is neither in git nor in the DVC cache"
_SERIES = (".csv", ".tsv")
_LARGEST = result_files.MAX_BYTES


@dataclass(slots=True)
class Results:
    """What the result files of a commit say, and what of them could not be read."""

    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    rows: list[result_files.Row] = field(default_factory=list)
    metrics_files: list[str] = field(default_factory=list)
    """Files of metrics and DVCLive folders that were read."""
    tables: list[str] = field(default_factory=list)
    """Those that DVCLive folders keep for each metric."""
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Taken:
    """Final values and series of one file, before names are compared."""

    file: str
    final: dict[str, Any]
    rows: list[result_files.Row]
    is_plot: bool = False

    @property
    def names(self) -> set[str]:
        return {*self.final, *(name for _, values in self.rows for name in values)}


@dataclass(frozen=True, slots=True)
class ResultReader:
    """Reads what one commit says into `results`. `folder` is a temporary one."""

    files: CommitFiles
    pipelines: Sequence[Pipeline]
    cache: Callable[[str], Path]
    """The DVC cache for a path."""
    folder: Path
    results: Results

    # --- parameters ----------------------------------------------------------------------

    def read_params(self, more: Sequence[str]) -> None:
        """Whole files first, then what dvc.lock says was used: it may be older, and it is what ran."""
        named = [path for p in self.pipelines for path in p.declared.params]
        by_default = [
            posixpath.join(p.folder, DEFAULT_PARAMS) for p in self.pipelines if not p.declared.params
        ]
        sources: dict[str, dict[str, Any]] = {}
        for path in dict.fromkeys(
            [*named, *by_default, *([] if self.pipelines else [DEFAULT_PARAMS]), *more]
        ):
            if self.files.read(path) is not None or path in more:
                self._try("params", path, lambda at, path=path: self._take_params(at, path, sources))
        for pipeline in self.pipelines:
            self._overlay(pipeline, sources)
        for path in named:
            if path not in sources and path not in {
                what.partition(" ")[2] for what, _ in self.results.losses
            }:
                self.results.losses.append(
                    (f"params {path}", "is named by dvc.yaml, and the commit does not have it")
                )
        self.results.params = merge_params(sources)

    def _overlay(self, pipeline: Pipeline, sources: dict[str, dict[str, Any]]) -> None:
        """What the stages of a dvc.lock ran with. Where two ran with different values, each has its own."""
        ran: dict[str, dict[tuple[str, ...], dict[str, Any]]] = {}
        for stage in pipeline.stages:
            for file, values in stage.params.items():
                stated = sources.setdefault(file, {})
                for dotted, value in values.items():
                    path = path_of(stated, dotted)
                    leaves = leaves_of(value, path) if isinstance(value, dict) and value else [(path, value)]
                    for leaf, given in leaves:
                        ran.setdefault(file, {}).setdefault(leaf, {})[stage.name] = given
        for file, by_leaf in ran.items():
            for leaf, by_stage in by_leaf.items():
                if len({json.dumps(value, sort_keys=True, default=str) for value in by_stage.values()}) == 1:
                    put(sources[file], leaf, next(iter(by_stage.values())))
                    continue
                take_out(sources[file], leaf)
                for name, value in by_stage.items():
                    put(sources.setdefault(posixpath.join(pipeline.folder, name), {}), leaf, value)

    # --- metrics and series --------------------------------------------------------------

    def read_metrics(self, more: Sequence[str]) -> None:
        """Final values from metrics files, series from DVCLive folders and from plots that are tables."""
        declared = [path for p in self.pipelines for path in p.declared.metrics]
        metrics = self._there("metrics", [*declared, *more], metrics_among)
        if not declared and not more:
            metrics = [path for path in ("metrics.json", "dvclive/metrics.json") if path in self.files.names]
        live = {path: folder for path in metrics if (folder := self._live_folder(path)) is not None}
        below = tuple(_plots_of(path, folder) for path, folder in live.items())
        taken: list[_Taken] = []
        for path in metrics:
            if path in live:
                self._read_dvclive(path, live[path], taken)
            elif not path.startswith(below):
                self._try("metrics", path, lambda at, path=path: taken.append(self._metrics_in(at, path)))
        plots = [path for p in self.pipelines for path in p.declared.plots]
        for path in self._there("plot", plots, lying_in):
            if path not in metrics and not path.startswith(below) and path.lower().endswith(_SERIES):
                self._try("plot", path, lambda at, path=path: taken.extend(self._plot_in(at, path)))
        self._name(taken)

    def _there(
        self, what: str, declared: Sequence[str], among: Callable[[list[str], list[str]], list[str]]
    ) -> list[str]:
        """The declared files and those in declared folders, in git or in the cache."""
        names = among(list(declared), sorted(self.files.names))
        kept = [path for path in declared if path not in names and self._out_of(path) is not None]
        found = list(dict.fromkeys([*names, *kept]))
        for path in dict.fromkeys(declared):
            if what == "metrics" and not lying_in([path], found):
                self.results.losses.append((f"{what} {path}", "is declared, and the commit does not have it"))
        return found

    def _name(self, taken: Sequence[_Taken]) -> None:
        """Names that meet keep their file; a metric's name goes before a plot's."""
        finals = {t.file: t.names for t in taken if not t.is_plot}
        plots = {t.file: t.names for t in taken if t.is_plot}
        meeting = meeting_names(finals)
        of_metrics = {name for names in finals.values() for name in names}
        meeting_plots = meeting_names(plots) | of_metrics
        for part in taken:
            meets = meeting_plots if part.is_plot else meeting
            named = {name: metric_name(part.file, name) if name in meets else name for name in part.names}
            self.results.metrics |= {named[name]: value for name, value in part.final.items()}
            self.results.rows += [
                (step, {named[n]: v for n, v in values.items()}) for step, values in part.rows
            ]
            self.results.metrics_files.append(part.file)

    def _live_folder(self, metrics: str) -> str | None:
        """The DVCLive folder whose last values a metrics file has: it lies in it, or (DVC 2) beside it."""
        stem, suffix = posixpath.splitext(metrics)
        if suffix != ".json":
            return None
        inside = posixpath.basename(metrics) == "metrics.json"
        folder = posixpath.dirname(metrics) if inside else stem
        tables = posixpath.join(folder, "plots/metrics/" if inside else "")
        is_live = any(n.startswith(tables) and n.endswith(".tsv") for n in self.files.names)
        return folder if is_live else None

    def _read_dvclive(self, metrics: str, folder: str, taken: list[_Taken]) -> None:
        top = self.folder / f"{len(list(self.folder.iterdir()))}"
        self._place("metrics", metrics, top / "metrics.json")
        prefix = _plots_of(metrics, folder)
        for name in sorted(n for n in self.files.names if n.startswith(prefix) and n.endswith(".tsv")):
            self._place("metrics", name, top / name.removeprefix(f"{folder}/" if folder else ""))
            self.results.tables.append(name)
        self._guarded("metrics", metrics, lambda: taken.append(self._metrics_in(top, metrics, folder)))

    def _metrics_in(self, at: Path, path: str, name: str | None = None) -> _Taken:
        losses = result_files.Losses()
        final, rows = result_files.read_metrics(at, losses, name=path if name is None else name or ".")
        self.results.losses += losses.stated()
        return _Taken(path, dict(final), list(rows))

    def _plot_in(self, at: Path, path: str) -> Iterator[_Taken]:
        """The series of a table by steps. Another one, such as a ROC curve, has no final value."""
        header = re.split(r"[,;|\t]", at.read_bytes().partition(b"\n")[0].decode("utf-8-sig", "replace"))
        if {plain_name(name.strip('\r" ')) for name in header} & {
            name for names in AXES.values() for name in names
        }:
            losses = result_files.Losses()
            rows = result_files.read_table(at, losses, name=path, silent=("timestamp",))
            self.results.losses += losses.stated()
            yield _Taken(path, {}, list(rows), is_plot=True)

    def _take_params(self, at: Path, path: str, sources: dict[str, dict[str, Any]]) -> None:
        losses = result_files.Losses()
        sources[path] = result_files.read_params(at, losses, name=path, by_dvc=bool(self.pipelines))
        self.results.losses += losses.stated()

    # --- files ---------------------------------------------------------------------------

    def _try(self, what: str, path: str, use: Any) -> None:
        def read() -> None:
            at = self.folder / f"{len(list(self.folder.iterdir()))}" / posixpath.basename(path)
            if self._place(what, path, at):
                use(at)

        self._guarded(what, path, read)

    def _guarded(self, what: str, path: str, read: Any) -> None:
        try:
            read()
        except GittrackError as error:
            message = str(error).replace(f"{self.folder}/", "")
            self.results.losses.append((f"{what} {path}", f"was not read: {message}"))

    def _place(self, what: str, path: str, at: Path) -> bool:
        """The content of `path` as a file at `at`; False, and said so, where it is not to be had."""
        data = self.content(path)
        if data is None:
            self.results.losses.append((f"{what} {path}", NOT_AT_HAND))
            return False
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
        return True

    def content(self, path: str) -> bytes | None:
        """The bytes of a file that git has, or that dvc.lock names and the DVC cache has."""
        data = self.files.read(path)
        if data is not None:
            return data
        out = self._out_of(path)
        cached = None if out is None else self._cached(out, path)
        if cached is None or not cached.is_file() or cached.stat().st_size > _LARGEST:
            return None
        return cached.read_bytes()

    def _out_of(self, path: str) -> Out | None:
        """The out that `path` is, or lies in."""
        return next(
            (o for p in self.pipelines for o in p.outs if path == o.path or path.startswith(f"{o.path}/")),
            None,
        )

    def _cached(self, out: Out, path: str) -> Path | None:
        pointer, cache = out.pointer(), self.cache(path)
        if not pointer.md5.endswith(".dir"):
            return object_path(cache, pointer.md5, pointer.hash) if path == out.path else None
        if not object_path(cache, pointer.md5, pointer.hash).is_file():
            return None
        inside = path.removeprefix(f"{out.path}/")
        listed = dict(read_dir_object(cache, pointer.md5, pointer.hash))
        return object_path(cache, listed[inside], pointer.hash) if inside in listed else None


def _plots_of(metrics: str, folder: str) -> str:
    """What the paths of a DVCLive folder's plots begin with."""
    return posixpath.join(folder, "plots/" if posixpath.dirname(metrics) == folder else "")

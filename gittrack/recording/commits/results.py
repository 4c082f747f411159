"""Parameters, metrics and series in the files of a commit, or in the DVC cache that dvc.lock points to."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gittrack.dvc.cache import object_path
from gittrack.errors import GittrackError
from gittrack.recording import result_files
from gittrack.recording.commits.pipeline import CommitFiles, Pipeline, matching

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
    complaints: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class ResultReader:
    """Reads what one commit says into `results`. `folder` is a temporary one."""

    files: CommitFiles
    pipelines: Sequence[Pipeline]
    cache: Path
    folder: Path
    results: Results

    def read_params(self, more: Sequence[str]) -> None:
        """Whole files first, then what dvc.lock says was used: it may be older, and it is what ran."""
        named = [path for p in self.pipelines for path in p.declared.params]
        for path in dict.fromkeys([*(named or ["params.yaml"]), *more]):
            if not path.endswith(".py") and self.files.read(path) is not None:
                self._try(path, lambda at: self.results.params.update(result_files.read_params(at)))
        for pipeline in self.pipelines:
            for name, value in pipeline.params.items():
                _put(self.results.params, name, value)

    def read_metrics(self, more: Sequence[str]) -> None:
        """Final values from metrics files, series from DVCLive folders and from plots that are tables."""
        known = [*self.files.names, *(o.path for p in self.pipelines for o in p.outs)]
        declared = [path for p in self.pipelines for path in p.declared.metrics]
        metrics = matching([*declared, *more], sorted(set(known)))
        if not metrics and not declared and not more:
            metrics = matching(["metrics.json", "dvclive/metrics.json"], self.files.names)
        live = {posixpath.dirname(m) for m in metrics if self._is_dvclive(m)}
        for path in metrics:
            folder = posixpath.dirname(path)
            if folder in live and posixpath.basename(path) == "metrics.json":
                self._read_dvclive(folder)
            elif not any(path.startswith(f"{f}/plots/") for f in live):
                self._try(path, lambda at, path=path: self._take_metrics(at, path))
        plots = matching([path for p in self.pipelines for path in p.declared.plots], sorted(set(known)))
        for path in plots:
            if path not in metrics and not any(path.startswith(f"{f}/plots/") for f in live):
                self._read_plot(path)

    def _is_dvclive(self, metrics: str) -> bool:
        below = posixpath.dirname(metrics) + "/plots/metrics/"
        return posixpath.basename(metrics) == "metrics.json" and any(
            name.startswith(below) for name in self.files.names
        )

    def _read_dvclive(self, folder: str) -> None:
        top = self.folder / "dvclive"
        for name in sorted(n for n in self.files.names if n.startswith(folder + "/")):
            inside = name.removeprefix(folder + "/")
            if inside == "metrics.json" or inside.startswith("plots/metrics/"):
                self._place(name, top / inside)
        self._guarded(folder, lambda: self._take_metrics(top, folder))

    def _read_plot(self, path: str) -> None:
        if posixpath.splitext(path)[1].lower() in _SERIES:
            self._try(path, lambda at: self._take_rows(path, result_files.read_table(at)))

    def _take_metrics(self, at: Path, path: str) -> None:
        final, rows = result_files.read_metrics(at)
        self.results.metrics_files.append(path)
        self.results.metrics.update(final)
        self.results.rows += list(rows)

    def _take_rows(self, path: str, rows: Iterable[result_files.Row]) -> None:
        """The columns of a plot; under the file's name where another file has such a column."""
        taken = {name for _, values in self.results.rows for name in values} | set(self.results.metrics)
        stem = posixpath.splitext(posixpath.basename(path))[0].replace(",", "_").replace('"', "_").strip()
        for step, values in rows:
            named = {f"{stem}.{name}" if name in taken else name: v for name, v in values.items()}
            if named:
                self.results.rows.append((step, named))
        self.results.metrics_files.append(path)

    def _try(self, path: str, use: Any) -> None:
        def read() -> None:
            at = self.folder / f"{len(list(self.folder.iterdir()))}" / posixpath.basename(path)
            if self._place(path, at):
                use(at)

        self._guarded(path, read)

    def _guarded(self, path: str, read: Any) -> None:
        try:
            read()
        except GittrackError as error:
            message = str(error).replace(f"{self.folder}/", "")
            self.results.complaints.append(f"{path} of {self.files.commit[:10]} was not read: {message}")

    def _place(self, path: str, at: Path) -> bool:
        """The content of `path` as a file at `at`; False, and said so, where it is not to be had."""
        data = self.content(path)
        if data is None:
            self.results.complaints.append(
                f"{path} of {self.files.commit[:10]} is neither in git nor in the DVC cache: left out"
            )
            return False
        at.parent.mkdir(parents=True, exist_ok=True)
        at.write_bytes(data)
        return True

    def content(self, path: str) -> bytes | None:
        """The bytes of a file that git has, or that dvc.lock names and the DVC cache has."""
        data = self.files.read(path)
        if data is not None:
            return data
        for out in (out for p in self.pipelines for out in p.outs if out.path == path):
            pointer = out.pointer()
            cached = object_path(self.cache, pointer.md5, pointer.hash)
            if cached.is_file() and cached.stat().st_size <= _LARGEST and not pointer.md5.endswith(".dir"):
                return cached.read_bytes()
        return None


def _put(params: dict[str, Any], dotted: str, value: Any) -> None:
    """Set a value by its dotted name; DVC's own files nest, its lock does not."""
    *parents, last = dotted.split(".")
    node = params
    for name in parents:
        child = node.get(name)
        if not isinstance(child, dict):
            child = node[name] = {}
        node = child
    node[last] = {**node[last], **value} if _both_map(node.get(last), value) else value


def _both_map(old: Any, new: Any) -> bool:
    return isinstance(old, Mapping) and isinstance(new, Mapping)

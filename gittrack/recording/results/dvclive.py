"""Folders of DVCLive, of its versions from 0.x to 3.x."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from gittrack.errors import UsageError
from gittrack.formats.series import by_step
from gittrack.recording.results.losses import Losses
from gittrack.recording.results.rows import Row, metric_name
from gittrack.recording.results.tables import read_table

_SERIES = ("plots/metrics", "plots/scalars", "scalars", "data/scalars", "")
"""Where the versions keep a table for each metric, newest first."""
_ITS_OWN = frozenset({"plots", "params.yaml", "dvc.yaml", "report.html", "report.md", "artifacts", "images"})
_FINAL = ("metrics.json", "summary.json")


def read_folder(
    folder: Path,
    name: str,
    losses: Losses,
    read_final: Callable[..., dict[str, Any]],
    stale: Collection[str] = (),
) -> tuple[dict[str, Any], list[Row]]:
    """``metrics.json`` with the last values, ``plots/metrics/**/<name>.tsv`` with timestamp, step, value.

    Nothing where it has neither; a file of it that cannot be read costs that file.
    """
    final = _final(folder)
    home = _series(folder)
    summary: dict[str, Any] = {}
    if final is not None and final.name not in stale:
        place = f"{name}/{final.name}"
        summary = _guarded(partial(read_final, final, place, losses, "step"), place, losses) or {}
    rows: list[Row] = []
    for path in [] if home is None else _tables(home):
        inside = path.relative_to(folder).as_posix()
        if inside in stale:
            continue
        place = f"{name}/{inside}"
        # A name such as train/loss is a folder and a file; a dot in it is none of a suffix.
        given = path.relative_to(home or folder).as_posix().removesuffix(".tsv")
        metric = metric_name(given, place, losses, "value")
        table = partial(read_table, path, losses, name=place, silent=("timestamp",))
        for step, values in _guarded(table, place, losses) or []:
            if values and metric:
                rows.append((step, {metric: list(values.values())[-1]}))
    return _without_series(summary, rows), by_step(rows)


def check_folder(folder: Path, name: str) -> None:
    """UsageError for a folder that holds files, and none as DVCLive writes them."""
    if _final(folder) is not None or _series(folder) is not None:
        return
    names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if names and not names & _ITS_OWN:
        raise UsageError(f"{name}: no DVCLive folder: name the file in it that holds metrics")


def _final(folder: Path) -> Path | None:
    return next((folder / name for name in _FINAL if (folder / name).is_file()), None)


def _series(folder: Path) -> Path | None:
    return next((folder / home for home in _SERIES if _tables(folder / home)), None)


def _tables(home: Path) -> list[Path]:
    """The tables below `home`, each of which names a step before its metric."""
    paths = home.rglob("*.tsv") if home.is_dir() else ()
    return sorted(path for path in paths if path.is_file() and _names_step(path))


def _names_step(path: Path) -> bool:
    with path.open("rb") as table:
        return b"step" in table.readline(1000).split(b"\t")[:2]


def _guarded(read: Callable[[], Any], name: str, losses: Losses) -> Any:
    """One file that cannot be read costs that file."""
    try:
        return read()
    except UsageError as error:
        losses.add(name, "file", "all of it", str(error).removeprefix(f"{name}: "))
        return None


def _without_series(summary: Mapping[str, Any], rows: Iterable[Row]) -> dict[str, Any]:
    """metrics.json nests ``train/loss`` as train: loss: one metric keeps one name, and its step."""
    series = {name for _, values in rows for name in values}
    nested = {name.replace("/", ".") for name in series}
    return {name: value for name, value in summary.items() if name not in series | nested}

"""The systems that runs can be imported from, and how a source shows which one it is of."""

from __future__ import annotations

import re
import sqlite3
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

from gittrack.errors import NotFoundError, UsageError
from gittrack.importers.foreign import ForeignRun, Options, Skipped

Read = Callable[[Path, Options], Iterator[ForeignRun | Skipped]]

AUTO = "auto"
_MOST_NAMES = 2000
"""Names of a folder that are looked at."""
_MOST_ZIPS = 200


@dataclass(frozen=True, slots=True)
class System:
    """A system: the name also of the module that reads it, and whether a source looks like one of it."""

    name: str
    title: str
    is_source: Callable[[Path], bool]


def _names(folder: Path) -> list[str]:
    with suppress(OSError):
        return [entry.name for entry in islice(folder.iterdir(), _MOST_NAMES)]
    return []


def _matching(folder: Path, pattern: str, depth: int = 0) -> Iterator[Path]:
    """What lies in `folder`, or up to `depth` folders below, under a name that matches."""
    paths = [folder / name for name in _names(folder)]
    yield from (path for path in paths if re.fullmatch(pattern, path.name))
    for path in paths if depth else ():
        if path.is_dir() and not path.is_symlink():
            yield from _matching(path, pattern, depth - 1)


def _has(folder: Path, pattern: str, depth: int = 0) -> bool:
    """Whether a name in `folder`, or up to `depth` folders below, matches."""
    return next(_matching(folder, pattern, depth), None) is not None


def _holds(folder: Path, name: str) -> bool:
    """Whether a file `name` lies in `folder`, or in a folder of it."""
    return (folder / name).is_file() or any((folder / below / name).is_file() for below in _names(folder))


def _begins(file: Path, with_one_of: tuple[bytes, ...]) -> bool:
    """Whether it is a file that begins with one of these."""
    with suppress(OSError), file.open("rb") as stream:
        return stream.read(64).startswith(with_one_of)
    return False


def _tables(file: Path) -> set[str]:
    """Names of the tables of a SQLite file; none where it is no such file."""
    try:
        with file.open("rb") as stream:
            if stream.read(16) != b"SQLite format 3\0":
                return set()
        with closing(sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as base:
            return {name for (name,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    except (OSError, sqlite3.Error):
        return set()


def _zipped(file: Path) -> set[str]:
    try:
        with zipfile.ZipFile(file) as archive:
            return {name.rpartition("/")[2] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, ValueError):
        return set()


def _is_mlflow(path: Path) -> bool:
    if path.is_file():
        return {"runs", "experiments", "latest_metrics"} <= _tables(path) or {
            "runs", "experiments", "metrics", "params",
        } <= _tables(path)  # fmt: skip
    stores = (path, path / "mlruns")
    return any(_holds(store, "meta.yaml") for store in stores) or (path / "mlflow.db").is_file()


def _is_wandb(path: Path) -> bool:
    if path.is_file():
        return path.suffix == ".wandb"
    from gittrack.importers.wandb.folder import parts

    return next(parts(path), None) is not None


def _is_neptune(path: Path) -> bool:
    from gittrack.importers.neptune.log import is_queue
    from gittrack.importers.neptune.parquet import is_exported

    if path.is_file():
        return is_exported(path) if path.suffix == ".parquet" else "run_operations" in _tables(path)
    if path.name == ".neptune" or _has(path, r"\.neptune|run_operations\.sqlite3", 3):
        return True
    files = islice(_matching(path, r"data-\d+\.log|.+\.parquet", 3), 20)
    return any(is_exported(file) if file.suffix == ".parquet" else is_queue(file) for file in files)


_SESSION = r"offline-[0-9a-f]{32}(?:\.zip)?"


def _is_clearml(path: Path) -> bool:
    """Whether it is a session, or has some below it, by their names or by what lies in them."""
    if path.is_file():
        return _is_session(_zipped(path))
    names = set(_names(path))
    if _is_session(names) or ("task.json" in names and re.fullmatch(_SESSION, path.name)):
        return True
    if _has(path, _SESSION, 2):
        return True
    below = [path / name for name in names]
    if any(_is_session(set(_names(folder))) for folder in below if folder.is_dir()):
        return True
    return any(_is_session(_zipped(file)) for file in islice(_zips(path), _MOST_ZIPS))


def _is_session(names: set[str]) -> bool:
    return "task.json" in names and not names.isdisjoint(("metrics.jsonl", "log.jsonl"))


def _zips(path: Path) -> Iterator[Path]:
    return (path / name for name in _names(path) if name.endswith(".zip"))


def _is_comet(path: Path) -> bool:
    if path.is_file():
        return {"experiment.json", "messages.json"} <= _zipped(path)
    folders = [path, *(path / name for name in _names(path))]
    if any(_begins(folder / "messages.json", (b'{"payload"', b'{"type"')) for folder in folders):
        return True
    zips = (file for at in (path, path / ".cometml-runs") for file in _zips(at))
    return any({"experiment.json", "messages.json"} <= _zipped(file) for file in islice(zips, _MOST_ZIPS))


def _is_tensorboard(path: Path) -> bool:
    pattern = r".*tfevents.*"
    return "tfevents" in path.name if path.is_file() else _has(path, pattern, 3)


def _is_dvclive(path: Path) -> bool:
    if path.is_file():
        return False
    found = (at for at in (path, path / "dvclive") if (at / "metrics.json").is_file())
    return any(at.name == "dvclive" or (at / "plots").is_dir() for at in found)


def _is_sacred(path: Path, depth: int = 4) -> bool:
    """Whether the folder, or one up to `depth` folders below, is what its observer writes of a run."""
    if not path.is_dir() or path.is_symlink():
        return False
    if {"run.json", "config.json", "cout.txt"} <= {*_names(path)}:
        return True
    return depth > 0 and any(_is_sacred(path / name, depth - 1) for name in _names(path))


def _is_trackio(path: Path) -> bool:
    if path.is_file():
        return {"metrics", "configs"} <= _tables(path)
    names = _names(path)
    if any(name.endswith("_configs.parquet") for name in names) or {"metrics.parquet", "aux"} <= {*names}:
        return True
    databases = (path / name for name in names if name.endswith(".db"))
    return any({"metrics", "configs"} <= _tables(file) for file in islice(databases, 20))


def _is_aim(path: Path) -> bool:
    return path.is_dir() and (path.name == ".aim" or (path / ".aim").is_dir())


def _is_table(path: Path) -> bool:
    pattern = r".+\.(?:csv|tsv|jsonl|ndjson)"
    return re.fullmatch(pattern, path.name) is not None if path.is_file() else _has(path, pattern)


def _is_dvc(path: Path) -> bool:
    """A repository of a project may well have the folder of another tracker too: it is asked for last."""
    from gittrack.importers.dvc.refs import has_experiments

    return path.is_dir() and has_experiments(path)


_ALL = (
    System("mlflow", "MLflow", _is_mlflow),
    System("wandb", "Weights & Biases", _is_wandb),
    System("neptune", "neptune.ai", _is_neptune),
    System("clearml", "ClearML", _is_clearml),
    System("comet", "Comet", _is_comet),
    System("tensorboard", "TensorBoard", _is_tensorboard),
    System("dvclive", "DVCLive", _is_dvclive),
    System("sacred", "Sacred", _is_sacred),
    System("trackio", "Trackio", _is_trackio),
    System("aim", "Aim", _is_aim),
    System("table", "CSV or JSON lines", _is_table),
    System("dvc", "DVC experiments", _is_dvc),
)
"""In the order in which a source is tried."""


@cache
def systems() -> dict[str, System]:
    """By name."""
    return {s.name: s for s in _ALL if find_spec(f"gittrack.importers.{s.name}") is not None}


def reader(name: str) -> Read:
    """What reads the sources of a system."""
    read: Read = import_module(f"gittrack.importers.{name}").read
    return read


def choose(name: str, path: Path) -> str:
    """The system called `name`; of ``auto`` the one that the source at `path` is of."""
    if not path.exists():
        raise NotFoundError(f"{path} does not exist: name the folder or the file that has the runs")
    known = systems()
    if name != AUTO:
        if name not in known:
            raise UsageError(f"no system {name!r}: runs come from {', '.join(known)}")
        return name
    found = next((system.name for system in known.values() if system.is_source(path)), None)
    if found is None:
        raise UsageError(
            f"{path} looks like the runs of no system: say which one, of {', '.join(known)}, "
            "as in gittrack import table results.csv"
        )
    return found


def others(name: str, path: Path) -> list[str]:
    """Further systems that the source seems to be of. Tables lie in many a project, and do not count."""
    return [
        other.name
        for other in systems().values()
        if other.name not in (name, "table") and other.is_source(path)
    ]

"""Files of a run: its artifacts, logged models and registered versions, where they are on this machine."""

from __future__ import annotations

import os
import re
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath, PureWindowsPath
from urllib.parse import unquote, urlsplit

from gittrack.formats.codec.plain import MAX_BYTES
from gittrack.importers.foreign import ForeignFile, ForeignRun, Loss
from gittrack.importers.mlflow.fields import Row, models_logged, tables_logged
from gittrack.importers.mlflow.values import read_bytes, shown

_IMAGE = re.compile(r"images/(?P<key>.+?)([%+])step\2(?P<step>-?\d+)\2timestamp\2.*")
"""As MLflow before 3.11 wrote it, with ``#`` for a slash in the key, and as it does since, with ``~``."""
_BESIDE = ("", "mlruns", "mlartifacts")
"""Folders in which stores keep artifacts, beside their database."""
_MLFLOW_VERSION = re.compile(rb"^mlflow_version: '?([0-9A-Za-z.+]{1,40})'?$", re.MULTILINE)
_DEPTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A logged model of MLflow 3, which lies beside the runs."""

    id: str
    name: str
    uri: str
    run: str
    params: Mapping[str, str] = field(default_factory=dict)
    deleted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A version of a registered model. `aliases` has its stage, too."""

    name: str
    version: str
    run: str
    source: str
    aliases: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        return f"version {self.version} of the registered model {self.name}"


class Beside:
    """Models and versions of a store by run; `left` are those that no run has taken."""

    def __init__(self, models: Iterable[Model], versions: Iterable[Version]) -> None:
        self.models = {model.id: model for model in models}
        self.versions: dict[str, list[Version]] = defaultdict(list)
        self._of_run: dict[str, list[str]] = defaultdict(list)
        self._taken: set[str] = set()
        for model in self.models.values():
            self._of_run[model.run].append(model.id)
        for version in versions:
            of_model = (self.models[part].run for part in _parts(version.source) if part in self.models)
            self.versions[version.run or next(of_model, "")].append(version)

    def take(self, run: str, steps: dict[str, int | None]) -> list[tuple[Model, int | None]]:
        """Models of `run` and the step of each: those that it made, and its outputs, as `steps` has them."""
        ids = [*dict.fromkeys([*self._of_run.pop(run, []), *(id for id in steps if id in self.models)])]
        self._taken.update(ids)
        return [(self.models[id], steps.get(id)) for id in ids]

    def left(self) -> Iterator[str]:
        yield from (
            f"logged model {model.id}" for model in self.models.values() if model.id not in self._taken
        )
        yield from (version.title for versions in self.versions.values() for version in versions)


def _parts(uri: str) -> tuple[str, ...]:
    """Parts of the path that a URI has; none for one on another kind of store."""
    if PureWindowsPath(uri).drive:
        return PureWindowsPath(uri).parts[1:]
    try:
        parted = urlsplit(uri)
    except ValueError:
        return ()
    if parted.scheme not in ("", "file", "mlflow-artifacts", "models", "runs"):
        return ()
    path = unquote(parted.path) if parted.scheme else uri
    return tuple(part for part in PurePosixPath(path).parts if part not in ("/", "."))


def is_remote(uri: str) -> bool:
    return "://" in uri and not uri.startswith("file://") and not uri.startswith("mlflow-artifacts:")


def find_folder(uri: str, anchor: str, bases: Iterable[Path]) -> Path | None:
    """The folder that `uri` names, found below one of `bases` by the end of its path from `anchor` on.

    So it is found although the store was moved, or comes from another machine.
    """
    parts = _parts(uri)
    if anchor not in parts or ".." in parts or any("\0" in part for part in parts):
        return None
    last = parts.index(anchor)
    for base in bases:
        for first in range(last + 1):
            for beside in _BESIDE:
                folder = base.joinpath(beside, *parts[first:])
                if is_plain_folder(folder, base):
                    return folder
    return None


def _is_elsewhere(uri: str, bases: Iterable[Path]) -> bool:
    """Whether the folder of a run's artifacts lies in one that is not in the source: so they may be there."""
    above = _parts(uri)[:-2]
    return bool(above) and find_folder("/".join(above), above[-1], bases) is None


def is_own(uri: str, run: Path) -> bool:
    """Whether `uri` is that of the folder in the run's own, wherever the store was; or there is none."""
    return not uri or _parts(uri)[-3:] == (run.parent.name, run.name, "artifacts")


def is_plain_folder(folder: Path, base: Path) -> bool:
    """Whether `folder` is one below `base`, which has no links in it, with no link on the way."""
    try:
        return folder.is_dir() and folder.resolve() == folder and folder.is_relative_to(base)
    except (OSError, RuntimeError, ValueError):
        return False


def add_files(
    run: ForeignRun, row: Row, folder: Path | None, beside: Beside, steps: dict[str, int | None],
    bases: tuple[Path, ...],
) -> None:  # fmt: skip
    """Give `run` the files in `folder`, of its models, and what they are called in the registry."""
    files = [*_listed(folder, run.lost)] if folder is not None else []
    if folder is None and is_remote(row.artifact_uri):
        why = "they are kept there, and this machine has no copy in the source"
        run.lost.append(Loss(what=f"artifacts at {row.artifact_uri}", why=why))
    elif folder is None and _is_elsewhere(row.artifact_uri, bases):
        why = "the folder that the store names for them is not in the source"
        run.lost.append(Loss(what="artifacts, if there are any", why=why))
    files = _titled(files, tables_logged(row.tags))
    for model in models_logged(row.tags):
        path = model.get("artifact_path")
        if isinstance(path, str) and not any(f.path.startswith(f"{path}/") for f in files) and _is_safe(path):
            files.append(
                ForeignFile(path=path, kind="model", name=path, missing="its files are not in the source")
            )
    for found, step in beside.take(row.id, steps):
        files += _model_files(found, step, bases, row)
    files = _registered(files, row, beside.versions.pop(row.id, []), run.lost)
    if patch := row.tags.get("mlflow.source.git.diff"):
        files.append(ForeignFile(path="source.patch", kind="patch", content=patch.encode()))
    run.files = files
    run.system_version = run.system_version or _version(files)


def _version(files: list[ForeignFile]) -> str | None:
    """The version of MLflow that wrote the first of the models."""
    for file in files:
        if f"/{file.path}".endswith("/MLmodel") and isinstance(file.content, Path):
            try:
                found = _MLFLOW_VERSION.search(read_bytes(str(file.content), MAX_BYTES))
            except (OSError, ValueError):
                continue
            if found:
                return found[1].decode()
    return None


def _is_safe(path: str) -> bool:
    return bool(path) and not path.startswith("/") and ".." not in path.split("/") and "\0" not in path


def _listed(folder: Path, lost: list[Loss], prefix: str = "", depth: int = _DEPTH) -> Iterator[ForeignFile]:
    """Regular files below `folder` by name; links and what is no file are named as lost."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        lost.append(
            Loss(what=f"artifacts below {shown(prefix) or '.'}", why=error.strerror or "cannot be read")
        )
        return
    for entry in entries:
        path = prefix + entry.name
        mode = entry.stat(follow_symlinks=False).st_mode
        if stat.S_ISDIR(mode) and depth:
            yield from _listed(Path(entry.path), lost, f"{path}/", depth - 1)
        elif not stat.S_ISREG(mode):
            why = "a link is not followed" if stat.S_ISLNK(mode) else "no regular file, or too deep"
            lost.append(Loss(what=f"artifact {shown(path)}", why=why))
        elif path != shown(path):
            lost.append(Loss(what=f"artifact {shown(path)}", why="its name is not UTF-8"))
        else:
            yield ForeignFile(path=path, kind="artifact", content=Path(entry.path))


def _titled(files: list[ForeignFile], tables: frozenset[str]) -> list[ForeignFile]:
    """Files with their kind: below a folder with an MLmodel file, tables, images of a step."""
    models = [file.path.removesuffix("MLmodel") for file in files if f"/{file.path}".endswith("/MLmodel")]
    return [_with_kind(file, models, tables) for file in files]


def _with_kind(file: ForeignFile, models: list[str], tables: frozenset[str]) -> ForeignFile:
    model = next((model for model in models if file.path.startswith(model)), None)
    if model is not None:
        return replace(file, kind="model", name=model.rstrip("/") or None)
    if file.path in tables:
        return replace(file, kind="table")
    if image := _IMAGE.fullmatch(file.path):
        return replace(file, kind="media", name=re.sub("[#~]", "/", image["key"]), step=int(image["step"]))
    return file


def _model_files(model: Model, step: int | None, bases: tuple[Path, ...], row: Row) -> Iterator[ForeignFile]:
    path, lost = f"models/{model.id}", row.lost
    folder = find_folder(model.uri, model.id, bases)
    own = [name for name, text in model.params.items() if row.params.get(name) != text]
    if own:
        what = f"parameters of the logged model {model.id}: {', '.join(own)}"
        lost.append(Loss(what=what, why="the run has them not"))
    if model.deleted:
        lost.append(
            Loss(what=f"that the logged model {model.id} is deleted", why="a file is there or is not")
        )
    files = [] if folder is None else [*_listed(folder, lost, f"{path}/")]
    for file in files:
        yield replace(file, kind="model", name=model.name, step=step)
    if not files:
        place = f"kept at {model.uri}" if is_remote(model.uri) else "its files are not in the source"
        yield ForeignFile(path=path, kind="model", name=model.name, step=step, missing=place)


def _registered(
    files: list[ForeignFile], row: Row, versions: list[Version], lost: list[Loss]
) -> list[ForeignFile]:
    """Files with the name, version and aliases that the registry has for them: of several, the last."""
    for version in versions:
        own = [
            n
            for n, file in enumerate(files)
            if file.kind in ("model", "artifact") and _is_of(file, version, row)
        ]
        if not own:
            lost.append(Loss(what=version.title, why="its files are not in the source"))
            continue
        if (before := files[own[0]]).version is not None:
            lost.append(
                Loss(what=f"version {before.version} of {before.name}", why=f"is also {version.title}")
            )
        for n in own:
            files[n] = replace(files[n], name=version.name, version=version.version, aliases=version.aliases)
    return files


def _is_of(file: ForeignFile, version: Version, row: Row) -> bool:
    parts = _parts(version.source) or tuple(version.source.split("/"))
    if file.path.startswith("models/m-"):
        return file.path.split("/")[1] in parts
    if row.id not in parts:
        return False
    path = [part for part in parts[parts.index(row.id) + 1 :] if part]
    path = path[1:] if path[:1] == ["artifacts"] else path
    return bool(path) and f"{file.path}/".startswith(f"{'/'.join(path)}/")

"""Bytes between the cache and a DVC remote, by DVC in this process."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from gittrack.dvc.cache import object_path, read_dir_object
from gittrack.dvc.files import Pointer
from gittrack.dvc.hashing import Kind
from gittrack.dvc.settings import project_of
from gittrack.errors import DvcError, GittrackError

Told = Callable[[int, int], None]
"""Called with how many objects are done and how many there are; may be called from a thread."""


def transfer(
    top: Path,
    pointers: Sequence[Pointer],
    *,
    cache: Path,
    remote: str | None,
    direction: Literal["push", "pull"],
    jobs: int | None = None,
    progress: Told | None = None,
) -> int:
    """Copies exactly what `pointers` name between the cache and the DVC remote; says how many objects moved.

    The remote (None: the default one) is that of DVC's configuration at `top`, config.local with its
    credentials included. What is there already is not copied again. A folder arrives with its list first,
    and on the remote its list last. DvcError if something is missing on both sides or fails.
    """
    project = project_of(top)
    if project is None:
        raise DvcError(f"{top} has no DVC remote: run `dvc init` and `dvc remote add -d <name> <url>`")
    moved = 0
    with _quiet() as complaints:
        try:
            for kind in ("md5", "md5-dos2unix"):
                names = {pointer.md5: pointer.path for pointer in pointers if pointer.hash == kind}
                if names:
                    move = _Move(project, cache, remote, kind, jobs, progress, complaints)
                    moved += move.push(names) if direction == "push" else move.pull(names)
        except GittrackError:
            raise
        except Exception as error:  # whatever a storage plug-in raises
            raise DvcError(f"dvc {direction} failed: {_one_line(error)}") from error
    return moved


def missing_on_remote(top: Path, names: set[str], kind: Kind, remote: str | None = None) -> set[str]:
    """Those of the md5 `names` that the DVC remote (None: the default one) does not hold. Copies nothing.

    DvcError where there is no remote, or it cannot be asked.
    """
    project = project_of(top)
    if project is None:
        raise DvcError(f"{top} has no DVC remote: run `dvc init` and `dvc remote add -d <name> <url>`")
    with _quiet():
        try:
            store = _remote_store(project, remote, kind)
            return names.difference(store.oids_exist(sorted(names)))
        except GittrackError:
            raise
        except Exception as error:  # whatever a storage plug-in raises
            raise DvcError(f"the DVC remote could not be asked: {_one_line(error)}") from error


class _Move:
    """One hash kind's two stores."""

    def __init__(
        self,
        top: Path,
        cache: Path,
        remote: str | None,
        kind: Kind,
        jobs: int | None,
        progress: Told | None,
        complaints: list[str],
    ) -> None:
        from dvc_data.hashfile.db.local import LocalHashFileDB
        from dvc_objects.fs.local import localfs

        self.root = cache
        self.kind, self.jobs, self.progress, self.complaints = kind, jobs, progress, complaints
        folder = cache / "files" / "md5" if kind == "md5" else cache
        self.cache = LocalHashFileDB(localfs, str(folder), hash_name=kind)  # type: ignore[no-untyped-call]
        self.remote = _remote_store(top, remote, kind)

    def push(self, names: dict[str, str]) -> int:
        objects = set(names)
        for md5 in names:
            if md5.endswith(".dir") and object_path(self.root, md5, self.kind).is_file():
                objects.update(entry for _, entry in read_dir_object(self.root, md5, self.kind))
        return self._transfer(self.cache, self.remote, objects, names, verify=False)

    def pull(self, names: dict[str, str]) -> int:
        folders = [md5 for md5 in names if md5.endswith(".dir")]
        fetched = self._fetch_lists(folders, names)
        objects = set(names).difference(folders)
        for md5 in folders:
            objects.update(entry for _, entry in read_dir_object(self.root, md5, self.kind))
        return fetched + self._transfer(self.remote, self.cache, objects, names, verify=True)

    def _fetch_lists(self, folders: list[str], names: dict[str, str]) -> int:
        absent = [md5 for md5 in folders if not object_path(self.root, md5, self.kind).is_file()]
        if not absent:
            return 0
        failed: dict[str, BaseException] = {}
        paths = [self.remote.oid_to_path(md5) for md5 in absent]
        self.cache.add(
            paths, self.remote.fs, absent, verify=True, on_error=failed.__setitem__, jobs=self.jobs
        )
        self._require(absent, names)
        return len(absent)

    def _transfer(
        self, source: Any, target: Any, objects: Iterable[str], names: dict[str, str], *, verify: bool
    ) -> int:
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer as move

        missing: list[str] = []
        result = move(
            source,
            target,
            {HashInfo(self.kind, md5) for md5 in objects},
            jobs=self.jobs,
            verify=verify,
            validate_status=lambda status: missing.extend(_names(status.missing)),
            cache_odb=self.cache,
            callback=_callback(self.progress),
        )
        missing += _names(result.failed)
        if missing:
            raise self._lost(missing, names)
        if verify:
            self._require(_names(result.transferred), names)
        return len(result.transferred)

    def _require(self, objects: Iterable[str], names: dict[str, str]) -> None:
        """DVC deletes what arrives with other bytes than its name says, and says nothing."""
        lost = [md5 for md5 in objects if not object_path(self.root, md5, self.kind).is_file()]
        if lost:
            raise self._lost(lost, names)

    def _lost(self, missing: list[str], names: dict[str, str]) -> DvcError:
        paths = ", ".join(names.get(md5, md5) for md5 in sorted(missing)[:3])
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        why = self.complaints[-1] if self.complaints else "neither cache nor remote holds it with these bytes"
        return DvcError(f"{paths}{more} could not be copied: {why}")


def _names(infos: Iterable[Any]) -> list[str]:
    return [info.value for info in infos]


def _remote_store(top: Path, name: str | None, kind: Kind) -> Any:
    from dvc.config import Config
    from dvc.fs import get_cloud_fs
    from dvc_data.hashfile.db import get_odb

    config = Config(dvc_dir=str(top / ".dvc"))
    name = name or config["core"].get("remote")
    if not name:
        raise DvcError("no DVC remote is chosen: run `dvc remote add -d <name> <url>` or name one")
    filesystem, options, path = get_cloud_fs(config, name=name)
    if options.get("version_aware") or options.get("worktree"):
        raise DvcError(
            f"the DVC remote {name} is cloud-versioned, which has no md5 names: use an ordinary remote"
        )
    fs = filesystem(**options)
    folder = fs.join(path, "files", "md5") if kind == "md5" else path
    return get_odb(fs, folder, hash_name=kind, **options)  # type: ignore[no-untyped-call]


def _callback(progress: Told | None) -> Any:
    from fsspec.callbacks import Callback  # type: ignore[import-untyped]

    class Forward(Callback):  # type: ignore[misc]
        def set_size(self, size: int) -> None:
            """DVC states the size of all, and then again that of each part."""
            super().set_size(max(size, self.size or 0))

        def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
            if progress and self.size:
                progress(self.value, self.size)

    return Forward()


class _Listener(logging.Handler):
    def __init__(self, complaints: list[str]) -> None:
        super().__init__(logging.ERROR)
        self.complaints = complaints

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.complaints.append(_one_line(error) if error else record.getMessage())


@contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keeps DVC's log messages and progress bars off the terminal; yields the errors it logs."""
    complaints: list[str] = []
    listener = _Listener(complaints)
    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    bars = logging.getLogger("dvc_data.callbacks")  # shows none above ERROR
    before = [(logger, logger.propagate) for logger in loggers]
    level = bars.level
    try:
        bars.setLevel(logging.CRITICAL)
        for logger in loggers:
            logger.addHandler(listener)
            logger.propagate = False
        yield complaints
    finally:
        bars.setLevel(level)
        for logger, propagate in before:
            logger.removeHandler(listener)
            logger.propagate = propagate


def _one_line(error: BaseException) -> str:
    from gittrack.formats.scrub import scrub_text

    return scrub_text(" ".join(str(error).split()), os.environ) or type(error).__name__

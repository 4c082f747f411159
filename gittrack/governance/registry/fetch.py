"""The bytes of a model, from the cache or a DVC remote: checked and whole, or nothing is put anywhere."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from gittrack.dvc.bring import bring
from gittrack.dvc.cache import checkout, object_path, read_dir_object
from gittrack.dvc.files import Pointer
from gittrack.dvc.hashing import file_md5, hash_path
from gittrack.errors import DvcError, GittrackError, RepositoryError, UsageError
from gittrack.git.repository import Repository
from gittrack.governance.registry import Registry, parse_reference
from gittrack.governance.registry.write import output_of
from gittrack.reading.index import Index, Row
from gittrack.reading.names import means_a_run

Progress = Callable[[int, int], None]


class WrongBytes(GittrackError):
    """What lies in the cache is not what was recorded."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """An output of a run, and the tag that vouches for it, if it was asked for by a model's name."""

    row: Row
    output: Mapping[str, Any]
    tag: str | None = None

    @property
    def pointer(self) -> Pointer:
        output = self.output
        return Pointer(
            path=output["path"], md5=output["md5"], size=output.get("size"), nfiles=output.get("nfiles")
        )


def find(repository: Repository, index: Index, word: str, path: str | None = None) -> Wanted:
    """What `word` names: ``NAME@v1.2.0``, ``NAME@prod``, ``NAME#prod``, ``NAME`` for the newest, or a run."""
    registry = Registry.read(repository, index)
    is_run = means_a_run(word) or word not in registry.models
    if "@" not in word and "#" not in word and is_run:
        row = index.one(word)
        if row.fault is not None:
            row.load()  # says what is wrong
        return Wanted(row, output_of(row, path))
    if path is not None:
        raise UsageError(f"{word} names one output already: leave --path out, or name the run")
    version = registry.version(parse_reference(word))
    claim = registry.claim(version)
    if claim.row is None or claim.output is None:
        raise UsageError(f"{version.tag.ref} is not a run")
    return Wanted(claim.row, claim.output, version.tag.ref)


def target_of(output: Mapping[str, Any], wish: Path | None) -> Path:
    """Where the bytes go: at `wish`, in it if it is a folder, else here under the name of the output."""
    if wish is not None and not wish.is_dir():
        return wish
    name = PurePosixPath(output["path"]).name
    if not name or not name.isprintable() or name.startswith(".") or "\\" in name:
        raise UsageError(f"the output {output['path']!r} has no name that is safe here: say where with -o")
    return (wish or Path()) / name


def fetch(
    repository: Repository,
    wanted: Wanted,
    target: Path,
    *,
    force: bool = False,
    dvc_remote: str | None = None,
    progress: Progress | None = None,
) -> bool:
    """Put the bytes at `target`; False where they were there already.

    Every byte is read again: md5 and sha256 have to be those of the record, which are those of the tag.
    WrongBytes where they are not, UsageError where something else is at `target` and `force` is not given.
    """
    target = target.absolute()
    if os.path.lexists(target):
        if not target.is_symlink() and _is(target, wanted.output):
            return False
        if not force:
            raise UsageError(f"{target} is there already and is something else: --force replaces it")
    cache = bring(repository, wanted.pointer, dvc_remote, progress)
    temporary = target.parent / f".{secrets.token_urlsafe(12)}.part"
    try:
        try:
            checkout(wanted.pointer, cache, temporary)
        except DvcError:
            _blame(wanted.pointer, cache)
            raise
        if not _is(temporary, wanted.output):
            raise WrongBytes(_wrong(wanted.output["path"]))
        _replace(temporary, target)
    except OSError as error:
        raise RepositoryError(f"{target} cannot be written: {error.strerror or error}") from error
    finally:
        _remove(temporary)
    return True


def _is(path: Path, output: Mapping[str, Any]) -> bool:
    if path.is_dir() != output["md5"].endswith(".dir"):
        return False
    digest = hash_path(path)
    return (digest.md5, digest.sha256) == (output["md5"], output.get("sha256", digest.sha256))


def _blame(pointer: Pointer, cache: Path) -> None:
    """WrongBytes where it is the cache that holds something else."""
    names = [pointer.md5]
    if pointer.md5.endswith(".dir"):
        try:
            names = [md5 for _, md5 in read_dir_object(cache, pointer.md5)]
        except DvcError as error:
            raise WrongBytes(str(error)) from error
    for md5 in names:
        file = object_path(cache, md5)
        if file.is_file() and file_md5(file) != md5:
            raise WrongBytes(f"{_wrong(pointer.path)}: delete {file} and fetch it again")


def _wrong(path: str) -> str:
    return f"the bytes of {path} are not those that were recorded, and were not put anywhere"


def _replace(temporary: Path, target: Path) -> None:
    """The new one in, then the old one gone: never neither."""
    if not os.path.lexists(target):
        temporary.rename(target)
        return
    old = target.parent / f".{secrets.token_urlsafe(12)}.old"
    target.rename(old)
    temporary.rename(target)
    _remove(old)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)

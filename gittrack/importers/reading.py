"""The runs of a source as records, in parts: here, or in processes that each read the source for themselves.

What a reader gives holds open files and cannot go from one process to another. So each process walks the
source, and makes the runs of the parts that it is asked for; those of others cost it their beginnings alone.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from gittrack.errors import GittrackError, RepositoryError
from gittrack.git.repository import Repository
from gittrack.importers.foreign import ForeignRun, Options, Skipped
from gittrack.importers.making import Made, Maker, Setting
from gittrack.importers.systems import reader
from gittrack.workers import cores, in_parts

PART = 50
_ALONE = 100
"""Runs that are made before further processes are started."""
_OURS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""What a system call says where the source is not to blame."""

Item = Made | Skipped


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What is to be read, and how."""

    system: str
    path: Path
    options: Options
    setting: Setting
    repository: Path


@dataclass(frozen=True, slots=True)
class Part:
    """The runs of a part; `ended` when there are no others."""

    items: list[Item]
    ended: bool


def read_all(source: Source) -> Iterator[Item]:
    """What becomes of each run of `source`, in its order."""
    make = elsewhere(source)
    first = make(range(_ALONE))
    yield from first.items
    if first.ended:
        return
    ranges = (range(at, at + PART) for at in count(_ALONE, PART))
    if cores() == 1:
        parts: Iterator[Part] = map(make, ranges)
    else:
        parts = in_parts("gittrack.importers.reading:elsewhere", source, ranges)
    for part in parts:
        yield from part.items
        if part.ended:
            return


def elsewhere(source: Source) -> Callable[[range], Part]:
    """Makes the runs of a part by their numbers, which rise from part to part."""
    return _Reading(source).part


class _Reading:
    """One walk through the source."""

    def __init__(self, source: Source) -> None:
        from gittrack.recording.finish import file_store

        self._source = source
        store = file_store(Repository.discover(source.repository))
        self._maker = Maker(source.setting, store)
        self._items = reader(source.system)(source.path, source.options)
        self._at = 0
        self._ended = False

    def part(self, numbers: range) -> Part:
        items: list[Item] = []
        while self._at < numbers.stop and not self._ended:
            item = self._next()
            if item is not None and self._at >= numbers.start:
                items.append(item if isinstance(item, Skipped) else self._made(item))
            self._at += 1
        return Part(items, self._ended)

    def _next(self) -> ForeignRun | Skipped | None:
        try:
            return next(self._items)
        except StopIteration:
            self._ended = True
            return None
        except Exception as error:  # a source can be damaged in any way
            refuse_ours(error)
            self._ended = True
            return Skipped(what=self._source.path.name, why=f"it could not be read to its end: {why(error)}")

    def _made(self, run: ForeignRun) -> Item:
        try:
            return self._maker.make(run)
        except Exception as error:  # the others are to come
            refuse_ours(error)
            return Skipped(what=f"run {run.id}", why=why(error))


def why(error: Exception) -> str:
    """In one line, for a person."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    if isinstance(error, (GittrackError, ValueError)) and str(error):
        return str(error)
    return f"damaged, or not understood: {type(error).__name__} {error}"


def refuse_ours(error: Exception) -> None:
    """Raise what is no fault of the source: a full disk, DVC's cache, git."""
    if isinstance(error, RepositoryError | MemoryError) or (
        isinstance(error, OSError) and error.errno in _OURS
    ):
        raise error

"""Where the media of a run in progress lie, and how many: of a name with too many every second call goes."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from gittrack.errors import RepositoryError, UsageError
from gittrack.formats.media import TYPES, Kind, Medium
from gittrack.formats.plain import to_dict
from gittrack.git.shared import as_folder
from gittrack.reading.journal.events import Kind as Event
from gittrack.reading.journal.media import FOLDER, media_of
from gittrack.reading.journal.stored import StoredJournal
from gittrack.recording.journal import Journal
from gittrack.recording.turns import say


class Amount(NamedTuple):
    files: int = 0
    size: int = 0

    def plus(self, more: Amount) -> Amount:
        return Amount(self.files + more.files, self.size + more.size)

    def fits(self, most: Amount) -> bool:
        return self.files <= most.files and self.size <= most.size

    def __str__(self) -> str:
        return f"{self.files:,} files, {self.size >> 20:,} MiB"


CALL, NAME, RUN = Amount(100, 64 << 20), Amount(400, 256 << 20), Amount(2_000, 1 << 30)
"""The most that is kept of one call, one name, one run. A name has room for its first call and its last."""

_LONGEST = 80
_UNSAFE = re.compile(r"[^\w.+=-]")
_LIKE_A_FILE = re.compile(r"(?:step|call)-.*\.", re.I)
"""Parts of a name that a file of another name may have: a folder cannot be called so."""


class Content(NamedTuple):
    """The bytes of a file, and what they are."""

    data: bytes
    suffix: str
    """One of `formats.media.TYPES`."""
    caption: str | None = None


@dataclass(slots=True)
class _Row:
    """What is kept of one name: by number of the call, its files."""

    calls: dict[int, list[Medium]] = field(default_factory=dict)
    count: int = 0
    """Calls so far."""
    every: int = 1

    def amount(self, numbers: Iterable[int] | None = None) -> Amount:
        wanted = self.calls if numbers is None else numbers
        sizes = [medium.size for number in wanted for medium in self.calls[number]]
        return Amount(len(sizes), sum(sizes))

    @property
    def ends(self) -> set[int]:
        """The first call and the last."""
        return {min(self.calls), max(self.calls)} if self.calls else set()

    def take_out(self, last: int) -> dict[int, list[Medium]]:
        """The calls that are neither one of every so many nor the last."""
        numbers = [number for number in self.calls if number % self.every and number != last]
        return {number: self.calls.pop(number) for number in numbers}


class Shelf:
    """The media of one run, in its journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._folder = journal.folder / FOLDER
        self._lock = threading.Lock()
        self._rows: dict[str, _Row] = {}
        self._taken: set[str] = set()
        self._is_known = False

    def _recall(self) -> None:
        """What an earlier attempt has left in the journal."""
        logged = media_of(StoredJournal(self._journal.folder))
        for (name, number), media in logged.calls.items():
            row = self._rows.setdefault(name, _Row())
            row.calls[number], row.count = media, number + 1
            self._taken.update(medium.file.casefold() for medium in media)
        for name, thinned in logged.thinned.items():
            self._rows.setdefault(name, _Row()).every = thinned.every
        self._is_known = True

    def put(
        self, name: str, kind: Kind, contents: Sequence[Content], step: int | float | None, elapsed: float
    ) -> None:
        """Keep `contents` under a name. UsageError: too much. RepositoryError: a full disk."""
        new = Amount(len(contents), sum(len(content.data) for content in contents))
        if not new.fits(CALL):
            raise UsageError(
                f"one call keeps at most {CALL}: make it smaller, or keep it with log_artifact()"
            )
        with self._lock:
            if not self._is_known:
                self._recall()
            row = self._rows.setdefault(name, _Row())
            media = self._write(name, kind, contents, step, row.count)
            try:
                gone = self._make_room(name, new)
                numbers = {of: [self._rows[of].every, sorted(calls)] for of, calls in gone.items()}
                plain = [to_dict(medium) for medium in media]
                self._journal.event(Event.MEDIA, elapsed, step, plain, row.count, numbers)
            except BaseException:
                self._unlink(media)
                raise
            row.calls[row.count] = media
            row.count += 1
            for calls in gone.values():
                for old in calls.values():
                    self._unlink(old)

    def _write(
        self, name: str, kind: Kind, contents: Sequence[Content], step: int | float | None, number: int
    ) -> list[Medium]:
        media: list[Medium] = []
        for content in contents:
            file = self._free(
                name, kind, f"call-{number}" if step is None else f"step-{step}", content.suffix
            )
            path = self._folder / file
            medium = Medium(
                name=name,
                kind=kind,
                file=file,
                mime=TYPES[content.suffix][1],
                size=len(content.data),
                md5=hashlib.md5(content.data, usedforsecurity=False).hexdigest(),
                sha256=hashlib.sha256(content.data).hexdigest(),
                caption=content.caption,
            )
            media.append(medium)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content.data)
                as_folder(path)
            except OSError as error:
                self._unlink(media)
                raise RepositoryError(f"it cannot be kept: {error.strerror or error}") from error
        return media

    def _free(self, name: str, kind: str, stem: str, suffix: str) -> str:
        """A path that no other file has, also where case does not count."""
        base = f"{kind.replace(' ', '_')}/{path_of(name)}/{stem}"
        file, number = f"{base}.{suffix}", 1
        while file.casefold() in self._taken:
            number += 1
            file = f"{base}-{number}.{suffix}"
        self._taken.add(file.casefold())
        return file

    def _unlink(self, media: Iterable[Medium]) -> None:
        for medium in media:
            with suppress(OSError):  # no part of the run any more, it goes with the journal
                (self._folder / medium.file).unlink()
            self._taken.discard(medium.file.casefold())

    def _make_room(self, name: str, new: Amount) -> dict[str, dict[int, list[Medium]]]:
        """Take out what is too much beside `new`, by name. UsageError, and nothing goes, if it cannot be."""
        kept = Amount()
        for row in self._rows.values():
            kept = kept.plus(row.amount(row.ends))
        if not kept.plus(new).fits(RUN):
            raise UsageError(f"the run's media are full ({RUN}): keep more with log_artifact()")
        gone: dict[str, dict[int, list[Medium]]] = {}
        own = self._rows[name]
        self._take_out(name, own.count, gone)  # the last one until now
        while not own.amount().plus(new).fits(NAME):
            self._thin(name, own.count, gone)
        while not self._amount().plus(new).fits(RUN):
            of = max(self._rows, key=self._surplus)
            self._thin(of, self._rows[of].count - (of != name), gone)
        return gone

    def _amount(self) -> Amount:
        total = Amount()
        for row in self._rows.values():
            total = total.plus(row.amount())
        return total

    def _surplus(self, name: str) -> float:
        """How much could go of a name, as a share of what a run may have."""
        row = self._rows[name]
        amount = row.amount(row.calls.keys() - row.ends)
        return amount.files / RUN.files + amount.size / RUN.size

    def _thin(self, name: str, last: int, gone: dict[str, dict[int, list[Medium]]]) -> None:
        row = self._rows[name]
        if row.every == 1:
            most = f"a name has room for {NAME}, a run for {RUN}"
            say("media %s: %s: the first, the last, and every 2nd, 4th, ... are kept", name, most)
        row.every *= 2
        self._take_out(name, last, gone)

    def _take_out(self, name: str, last: int, gone: dict[str, dict[int, list[Medium]]]) -> None:
        calls = self._rows[name].take_out(last)
        if calls:
            gone.setdefault(name, {}).update(calls)


def path_of(name: str) -> str:
    """A name as a path that every file system, git and DVC take; no two names have the same."""
    parts = [_UNSAFE.sub("_", part).strip(".") for part in unicodedata.normalize("NFC", name).split("/")[:8]]
    parts = [part.replace(".", "_") if _LIKE_A_FILE.match(part) else part for part in parts]
    path = "/".join(part.encode()[:_LONGEST].decode(errors="ignore") or "_" for part in parts)
    same = hashlib.sha256(name.encode()).hexdigest()[:8]
    return path if path == name else f"{path}-{same}"

"""A run on the ledger with the files beside its record. What the commands and the Python API read through."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from gittrack.errors import NotFoundError
from gittrack.formats.record import Record
from gittrack.git.repository import Repository
from gittrack.reading.index import Index, Row, open_index
from gittrack.reading.journal.stored import StoredJournal, journals_dir
from gittrack.reading.series import MAX_SERIES_BYTES, Series, parse_series

if TYPE_CHECKING:
    import git

    from gittrack.formats.media import Medium
    from gittrack.formats.texts import Text

__all__ = ["MAX_SERIES_BYTES", "Entry", "Series", "entry_of", "open_index", "parse_series"]


@dataclass(frozen=True)
class Entry:
    """A run on the ledger: what the index knows of it, its record, and the files beside that."""

    row: Row
    commit: str
    """The ledger commit that this was read at."""
    repository: Repository = field(repr=False)

    @property
    def id(self) -> str:
        return self.row.id

    @property
    def path(self) -> str:
        """Folder of the run on the ledger."""
        return self.row.folder

    @cached_property
    def record(self) -> Record:
        """RecordError if the record is damaged."""
        return self.row.load()

    def file(self, name: str) -> bytes | None:
        """The bytes of a file beside the record, such as ``environment.yaml``; None if there is none."""
        if self.row.is_live:
            return self.journal.beside(name)
        with self.repository.objects() as objects:
            blob = objects.get(f"{self.commit}:{self.path}/{name}")
        return blob.data if blob is not None and blob.kind == "blob" else None

    def yaml(self) -> bytes:
        """The bytes of run.yaml."""
        if self.row.is_live:
            raise NotFoundError(f"run {self.id} has no record yet: it is {self.row.status}")
        with self.repository.objects() as objects:
            blob = objects.get(self.row.blob)
        if blob is None:
            raise NotFoundError(f"{self.row.path}: its content is not in this clone; run git fetch")
        return blob.data

    @property
    def _names(self) -> Mapping[str, str]:
        """The metrics in columns of the series that are called otherwise."""
        names: Mapping[str, str] = self.row.record.get("series", {}).get("names", {})
        return names

    @property
    def journal(self) -> StoredJournal:
        """Of a run without a record."""
        return StoredJournal(journals_dir(self.repository.state_dir) / self.id)

    def code(self) -> git.Commit:
        """The commit that ran (the snapshot, if the tree was dirty) as GitPython's object.

        ``entry.code().tree / "train.py"`` is the script as it was. NotFoundError where this
        clone does not have the commit.
        """
        oid = self.record.code.snapshot or self.record.code.commit
        if oid is None or self.repository.resolve(oid) is None:
            raise NotFoundError(
                f"run {self.id}: its code {oid} is not in this clone; run git fetch or gittrack pull"
            )
        return self.repository.gitpython().commit(oid)

    def series(self) -> Series | None:
        """The per-step series (a sample of it where it is large); None if there is none.

        Of a run that continues others it is one of all: from its first step on, a later run's points stand
        alone, and times are from the start of the first. `own_series` is that of this run.
        """
        if self.row.is_live or self.row.continues is None:
            return self.own_series()
        from gittrack.reading.chain import chained

        with self.repository.objects() as objects:
            return chained(objects, self.commit, self.record)

    def own_series(self) -> Series | None:
        """`series` without what the runs before have logged."""
        if self.row.is_live:
            from gittrack.reading.live.curves import series_in, series_of

            sent = self.row.record["live"].get("curves")
            return series_of(self.journal.folder) if sent is None else series_in(sent)
        data = self.file("metrics.csv")
        return None if data is None else parse_series(data, f"{self.path}/metrics.csv", self._names)

    def texts(self) -> list[Text]:
        """Texts that were logged at steps: all of them, or the first and the last where there are many."""
        from gittrack.formats.texts import FILE, read_texts

        data = self.file(FILE)
        return [] if data is None else read_texts(data, f"{self.path}/{FILE}")

    def manifest(self) -> list[Medium]:
        """What was logged of images, sounds, tables and the like, in that order."""
        from gittrack.formats.media import FILE, read_media

        if self.row.is_live:
            from gittrack.reading.journal.media import media_of

            return list(media_of(self.journal))
        data = self.file(FILE)
        return [] if data is None else read_media(data, f"{self.path}/{FILE}")

    def environment(self) -> dict[str, Any]:
        """environment.yaml as plain values; empty if there is none."""
        from gittrack.formats.codec import read_yaml

        data = self.file("environment.yaml")
        value = None if data is None else read_yaml(data, f"{self.path}/environment.yaml")
        return value if isinstance(value, dict) else {}

    def further_interpreters(self) -> list[tuple[str, str]]:
        """Version, and what they ran, of the Pythons of the job beside that which the record names."""
        if b"\ninterpreters:" not in (self.file("environment.yaml") or b""):
            return []  # as in most runs, and a list of packages takes long to parse
        pythons = self.environment().get("interpreters", [])
        return [(str(p["version"]), ", ".join(p.get("ran", [])) or "not known") for p in pythons[1:]]

    def console(self) -> str | None:
        """The end of what the command printed, None if it was not kept."""
        data = self.file("console.txt")
        return None if data is None else data.decode("utf-8", "replace")


def entry_of(index: Index, row: Row) -> Entry:
    """A row that `index` gave, with access to what lies beside it."""
    return Entry(row, index.tip or "", index.repository)

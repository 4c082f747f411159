"""The records that the checks have read, however many: the last ones kept, the others read again."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from gittrack.formats.record import Record

KEPT = 1000


class Start(NamedTuple):
    """What is remembered of every record."""

    spec: str
    started: str
    """Empty where it is not known, as of an imported run."""
    supersedes: str | None = None
    continues: str | None = None


class Records(Mapping[str, Record]):
    """Records that could be read, by folder. `load` reads one again; what it read once cannot fail."""

    def __init__(self, load: Callable[[str], Record]) -> None:
        self._load = load
        self._kept: OrderedDict[str, Record] = OrderedDict()
        self.starts: dict[str, Start] = {}
        """By folder."""

    def note(self, folder: str, record: Record) -> None:
        """The record of `folder` was read."""
        self.starts[folder] = Start(record.spec, record.started or "", record.supersedes, record.continues)
        self._keep(folder, record)

    def _keep(self, folder: str, record: Record) -> None:
        self._kept[folder] = record
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)

    def __getitem__(self, folder: str) -> Record:
        if folder not in self.starts:
            raise KeyError(folder)
        record = self._kept.get(folder)
        if record is None:
            record = self._load(folder)
            self._keep(folder, record)
        return record

    def __iter__(self) -> Iterator[str]:
        return iter(self.starts)

    def __len__(self) -> int:
        return len(self.starts)

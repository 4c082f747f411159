"""A run of this clone while it goes on: what is new in its journal, look by look."""

from __future__ import annotations

from pathlib import Path

from gittrack.errors import NotFoundError, RecordError
from gittrack.reading.journal.follow import Following
from gittrack.reading.journal.status import UNRECORDED
from gittrack.reading.journal.stored import StoredJournal, journals_dir
from gittrack.reading.live.runs import UNREADABLE, status_of
from gittrack.reading.live.state import Point, State


class Watch:
    """One run's journal, read on from where the last look ended. Close it, or use it in a with statement."""

    def __init__(self, state_dir: Path, run_id: str) -> None:
        self._journal = StoredJournal(journals_dir(state_dir) / run_id)
        self._following = Following(self._journal.folder)
        try:
            start = self._journal.start
        except RecordError as error:
            if self._journal.folder.is_dir():
                raise
            raise NotFoundError(f"run {run_id} has no journal here any more") from error
        self.state = State(start)
        self.branch: str = start["ledger"]
        """Where its record is going to be."""
        self.status = ""
        """In place of a record's; empty once the journal is gone, because the run was committed."""

    def __enter__(self) -> Watch:
        return self

    def __exit__(self, *error: object) -> None:
        self._following.__exit__()

    def look(self) -> list[Point]:
        """The points since the last look; `status` is as of before them."""
        self.status = self._status()
        return [point for event in self._following.look() for point in self.state.take(event)]

    def is_going_on(self) -> bool:
        """Whether more may come; `status` is as of now."""
        self.status = self._status()
        return self.status not in ("", UNRECORDED)

    def _status(self) -> str:
        try:
            status = status_of(self._journal)
        except UNREADABLE:
            status = UNRECORDED
        return status if self._journal.folder.is_dir() else ""

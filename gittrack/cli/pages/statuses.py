"""The colours of what became of a run, or is going to."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from gittrack.reading.index.rows import DAMAGED
from gittrack.reading.journal.status import ELSEWHERE, RUNNING, SILENT, UNRECORDED
from gittrack.text import text

if TYPE_CHECKING:
    from gittrack.reading.index import Row

COLOURS = {
    "finished": "green", "failed": "red", "killed": "yellow", "unknown": "yellow", DAMAGED: "red",
    RUNNING: "cyan", ELSEWHERE: "yellow", UNRECORDED: "red", SILENT: "yellow",
}  # fmt: skip


def silence(row: Row) -> str:
    """Of a run that does not send any more, since when."""
    since = text.age(datetime.fromisoformat(row.record["live"]["sent"]).timestamp())
    return (
        f"gittrack: run {row.id} is silent since {since}: it was lost, or its network was; "
        "gittrack recover --live says what can be done"
    )

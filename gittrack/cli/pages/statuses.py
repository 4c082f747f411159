"""The colours of what became of a run, or is going to."""

from __future__ import annotations

from gittrack.reading.index.rows import DAMAGED, ELSEWHERE, RUNNING, SILENT, UNRECORDED

COLOURS = {
    "finished": "green", "failed": "red", "killed": "yellow", "unknown": "yellow", DAMAGED: "red",
    RUNNING: "cyan", ELSEWHERE: "yellow", UNRECORDED: "red", SILENT: "yellow",
}  # fmt: skip

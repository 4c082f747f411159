"""The letters that journals have on disk."""

from __future__ import annotations

import json

from gittrack.reading.journal.events import Kind


def test_letters_on_disk_stay() -> None:
    """A journal that an older gittrack left behind is read by these; a letter is never used again."""
    assert {kind.name: json.loads(json.dumps([kind])) for kind in Kind} == {
        "METRICS": ["m"],
        "PARAMS": ["p"],
        "TAGS": ["t"],
        "SEEDS": ["s"],
        "SUMMARY": ["z"],
        "TEXT": ["w"],
        "DATASET": ["a"],
        "DETERMINISM": ["d"],
        "INPUT": ["i"],
        "OUTPUT": ["o"],
        "FACTS": ["f"],
        "DECLARED": ["c"],
        "DEFINED": ["r"],
        "NOT_RECORDED": ["l"],
        "CHANGED": ["v"],
        "COUNTING": ["n"],
        "ATTEMPT": ["u"],
        "PREEMPTED": ["q"],
        "MEDIA": ["g"],
        "END": ["x"],
    }

"""Many runs as a JSON array of their records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from gittrack.reading.index import DAMAGED, Row
from gittrack.text.json_text import json_line


def as_json(rows: Sequence[Row], repos: Sequence[str] | None = None) -> Iterator[str]:
    """A JSON array of records as run.yaml has them, each with its ``path``; damaged ones with ``fault``.

    A run without a record has ``live`` in place of a path.

    With `repos`, ``repo`` is beside ``path``.
    """
    yield "["
    for at, row in enumerate(rows):
        extra: dict[str, Any] = {} if row.is_live else {"path": row.path}
        extra |= {"outcome": row.outcome} if row.outcome else {}
        if repos is not None:
            extra["repo"] = repos[at]
        if row.fault is not None:
            extra = {
                "id": row.id,
                "experiment": row.experiment,
                "status": DAMAGED,
                **extra,
                "fault": row.fault,
            }
        yield ("," if at else "") + "\n" + json_line({**row.record, **extra})
    yield "\n]\n" if rows else "]\n"

"""Texts that a run logged at steps: texts.jsonl beside its record."""

from __future__ import annotations

from dataclasses import dataclass

FILE = "texts.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """The texts of a run. `rows` are all that it logged; `sha256` and `size` are of texts.jsonl.

    That has all of them, unless `pointer` is set: then the complete file is DVC-tracked, and texts.jsonl
    holds the first and the last, `sampled_rows` in all.
    """

    rows: int
    sha256: str
    size: int
    pointer: str | None = None
    md5: str | None = None
    complete_size: int | None = None
    sampled_rows: int | None = None

"""What a registration says of the ledger, and whether the ledger says so too. One git process, and the index.

Not the last word: `gittrack verify` also looks at history and signatures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gittrack.formats.record import RUN_ID
from gittrack.git.repository import ObjectReader
from gittrack.governance.registry.tags import OUTPUT, RUN, SHA256, Tag, read_path
from gittrack.reading.index import Index, Row


@dataclass(frozen=True, slots=True)
class Claim:
    """A registration, held against the ledger."""

    row: Row | None = None
    """The run that it names, if that is on the ledger."""
    output: Mapping[str, Any] | None = None
    """The output that it names, as the record has it."""
    fault: str = ""
    """Why it is no registration of a run; empty where it is one."""


def claims_of(index: Index, objects: ObjectReader, tags: Sequence[Tag]) -> dict[str, Claim]:
    """What each of `tags`, which register versions, is worth; by ref."""
    ids = sorted({tag.trailers[RUN] for tag in tags if RUN_ID.match(tag.trailers.get(RUN, ""))})
    rows: dict[str, list[Row]] = {}
    for row in index.search(ids=ids) if ids else []:
        rows.setdefault(row.id, []).append(row)
    pairs = [(tag, row) for tag in tags for row in rows.get(tag.trailers.get(RUN, ""), [])]
    names = [f"{tag.commit}{side}:{row.path}" for tag, row in pairs for side in ("", "^1", "^2")]
    blobs = [None if item is None else item.oid for item in objects.get_many(names)]
    added: dict[str, Row] = {}
    for at, (tag, row) in enumerate(pairs):
        if blobs[3 * at : 3 * at + 3] == [row.blob, None, None]:
            added[tag.ref] = row
    return {tag.ref: _claim(tag, rows, added.get(tag.ref)) for tag in tags}


def _claim(tag: Tag, rows: Mapping[str, list[Row]], row: Row | None) -> Claim:
    run = tag.trailers.get(RUN)
    if tag.fault:
        return Claim(fault=tag.fault)
    if run is None:
        return Claim(fault=f"it names no run ({RUN} is missing)")
    if not RUN_ID.match(run) or run not in rows:
        return Claim(fault=f"run {run[:40]} is not on the ledger")
    if row is None:
        return Claim(fault=f"it does not point to the commit that added run {run}")
    if row.fault is not None:
        return Claim(row, fault=f"the record of run {run} is damaged")
    path = read_path(tag.trailers.get(OUTPUT, ""))
    output = next((o for o in row.record.get("outputs", []) if o.get("path") == path), None)
    if output is None:
        return Claim(row, fault=f"run {run} has no output {path[:100]!r}")
    if output.get("sha256") is None or output["sha256"] != tag.trailers.get(SHA256):
        return Claim(row, fault=f"its {SHA256} is not that of {path[:100]} in the record of run {run}")
    return Claim(row, output)

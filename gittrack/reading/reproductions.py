"""The reproductions of a run, as a ledger commit has them."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.record import Record
from gittrack.formats.reproduction import FILE, Reproduction, folder_of, load
from gittrack.git.repository import ObjectReader


def reproductions_of(objects: ObjectReader, commit: str, record: Record) -> Iterator[Reproduction]:
    """Those of a run that the ledger commit has, oldest first. RecordError for a damaged one."""
    folder = folder_of(record.experiment, record.id)
    for name in sorted(objects.tree(f"{commit}:{folder}") or ()):
        path = f"{folder}/{name}/{FILE}"
        blob = objects.get(f"{commit}:{path}")
        if blob is not None and blob.kind == "blob":
            yield load(blob.data, path)

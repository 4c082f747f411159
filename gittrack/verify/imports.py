"""Check 13. Runs of other trackers: what is claimed of them, and that their id follows from the claim."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.imported import import_id
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding
from gittrack.verify.record import RECORD


def check_import(context: Context, run: RunFiles) -> Iterator[Finding]:
    """Whatever else verify finds right of an imported run, nobody here saw it run."""
    record = context.records.get(run.folder)
    if record is None or record.imported is None:
        return
    system, source = record.imported.system, record.imported.id
    says = f"claimed by {system}, not observed here: the run repeats what {system} says"
    yield run.finding("import-claimed", says, severity="note", found=f"run {source}")
    blob = context.read(run, RECORD)
    stated = record.id if blob is None else import_id(blob.data, record.started)
    if stated != record.id:
        says = "the id of the imported run is not that of its start and of what its record says"
        yield run.finding("import-id", says, expected=stated, found=record.id)

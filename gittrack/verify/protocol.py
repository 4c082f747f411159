"""Check 7. gittrack.yaml of the code is the one recorded; the spec digest is that of the record."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.config import FILE
from gittrack.formats.spec import spec_of
from gittrack.git.objects import GITLINK_MODE
from gittrack.verify.context import Context, RunFiles
from gittrack.verify.findings import Finding
from gittrack.verify.trees import Absent, code_is_here, code_trees, unchecked


def check_protocol(context: Context, run: RunFiles) -> Iterator[Finding]:
    """The criteria in force were those of the code commit; runs of one spec are replicates."""
    record = context.records.get(run.folder)
    if record is None:
        return
    spec = spec_of(record)
    if spec != record.spec:
        says = "the spec is not the digest of code tree, command, params, data and locks of the record"
        yield run.finding("protocol-spec", says, expected=spec, found=record.spec)
    tree = record.code.tree
    if tree is None or not code_is_here(context, record):
        return
    try:
        entry = code_trees(context).entry(tree, FILE)
    except Absent as absent:
        yield unchecked("protocol-unchecked", run, absent)
        return
    blob = entry.oid if entry is not None and entry.mode != GITLINK_MODE else None
    if blob != record.protocol:
        says = f"{FILE} of the code is another than the record says was in force"
        stated = record.protocol or "none recorded"
        yield run.finding("protocol-differs", says, expected=blob or f"no {FILE}", found=stated)

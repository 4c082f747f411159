"""Records that supersede others, of the same execution, and runs that continue others."""

from __future__ import annotations

from collections.abc import Iterator

from gittrack.formats.record import Record, run_path
from gittrack.verify.context import Context
from gittrack.verify.findings import Finding, finding


def check_successors(context: Context) -> Iterator[Finding]:
    """Of the runs that were verified."""
    for folder, start in context.records.starts.items():
        if start.supersedes is None:
            continue
        record, before = context.records[folder], superseded_by(context, folder, start.supersedes)
        path = f"{folder}/run.yaml"
        if before is None:
            says = "it supersedes a run that is not on the ledger, or is of another day or experiment"
            yield finding("record-supersedes", says, path, found=start.supersedes)
        elif not record.succeeds(before):
            says = "it supersedes a run of another commit or moment: that one still counts"
            yield finding("record-supersedes", says, path, found=start.supersedes)


def check_continued(context: Context) -> Iterator[Finding]:
    """Of the runs that were verified: each continues a run that is there, and none itself in the end.

    Clocks of two machines, or one that was set back, may tell that the earlier run began later.
    """
    ending: set[str] = set()
    for folder, start in context.records.starts.items():
        if start.continues is None:
            continue
        before = context.record_at(run_path(folder.split("/")[1], start.continues))
        path = f"{folder}/run.yaml"
        if before is None:
            says = "it continues a run that is not on the ledger, or is of another experiment"
            yield finding("record-continues", says, path, "incomplete", found=start.continues)
        elif _go_round(context, before.path, ending):
            says = "the runs that it continues go round in a circle"
            yield finding("record-continues", says, path, found=start.continues)
        elif before.started and start.started and before.started >= start.started:
            says = "by their clocks it began before the run that it continues"
            yield finding(
                "record-continues", says, path, "note", expected=start.started, found=before.started
            )


def _go_round(context: Context, folder: str, ending: set[str]) -> bool:
    """Whether the runs that this one continues have no first; `ending`: those known to have one."""
    seen: set[str] = set()
    while folder not in ending:
        if folder in seen:
            return True
        seen.add(folder)
        record = context.record_at(folder)
        if record is None or record.continues is None:
            break
        folder = run_path(record.experiment, record.continues)
    ending |= seen
    return False


def superseded_by(context: Context, folder: str, run_id: str) -> Record | None:
    """The record of `run_id`, which the run in `folder` says that it supersedes."""
    return context.record_at(run_path(folder.split("/")[1], run_id))


def superseded(context: Context) -> set[str]:
    """Folders of runs whose place another record takes."""
    folders = set()
    for folder, start in context.records.starts.items():
        before = superseded_by(context, folder, start.supersedes) if start.supersedes else None
        if before is not None and context.records[folder].succeeds(before):
            folders.add(before.path)
    return folders

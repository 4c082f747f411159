"""gittrack show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.live_options import live_remote
from gittrack.cli.options import RUN, Live, LiveRemote, Md, NoPager
from gittrack.cli.pages import show as pages
from gittrack.cli.pages.statuses import silence
from gittrack.errors import UsageError
from gittrack.formats.reproduction import Reproduction
from gittrack.reading.entry import Entry, entry_of
from gittrack.reading.index import Index, Row, open_index
from gittrack.reading.journal.status import SILENT, UNRECORDED
from gittrack.reading.live.runs import in_full, open_runs
from gittrack.reading.reproductions import reproductions_of
from gittrack.text.json_text import json_compact

if TYPE_CHECKING:
    from gittrack.reading.index.parse import Decided


def command(
    run: Annotated[str | None, typer.Argument(metavar="[RUN]", help=f"{RUN} Default: latest.")] = None,
    follow: Annotated[
        bool,
        typer.Option("-f", "--follow", help="Points as they come, then the record; default the newest run."),
    ] = False,
    yaml: Annotated[bool, typer.Option("--yaml", help="The bytes of run.yaml.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
    md: Md = False,
    live: Live = False,
    remote: LiveRemote = None,
    no_pager: NoPager = False,
) -> None:
    """Show one run.

    The record in sections, small charts of its series, and the end of its console output.
    Of a run that still goes on: what it has said so far. latest is the newest that has a record.

    --follow shows the points of a run as it logs them, and its record when it has ended. With --json
    each point is a JSON object on a line, and so is the record at the end. It ends with 1 when the
    run's process is gone and nobody has recorded the run. A run that is not known here is looked for
    on the remote, and followed there for as long as it can be seen, from snapshot to snapshot.

    \b
    Examples:
      gittrack show
      gittrack show 7f3a2c
      gittrack show digits/latest~2
      gittrack show --yaml 20261122-142233-7f3a2c
      gittrack show --follow
      gittrack show --live 7f3a2c
    """
    if yaml + json_ + md > 1:
        raise UsageError("--yaml, --json and --md: choose one")
    if follow and (yaml or md):
        raise UsageError("--follow shows lines, or with --json objects: leave --yaml and --md out")
    where = live_remote(live, remote)
    if follow:
        from gittrack.cli.following import follow as follow_run

        def end(index: Index, row: Row) -> None:
            _show(index, row, form="jsonl" if json_ else "", pager=False)

        raise typer.Exit(follow_run(run, where, as_json=json_, show=end))
    with open_runs(None, lambda place: open_index(place, output.Progress("indexing runs")), where) as runs:
        row = in_full(runs.index.repository, runs.one(run or "latest"))
        _show(
            runs.index,
            row,
            form="yaml" if yaml else "json" if json_ else "md" if md else "",
            pager=not no_pager,
        )


def _show(index: Index, row: Row, *, form: str, pager: bool) -> None:
    entry = entry_of(index, row)
    decisions = index.decisions(entry.id)
    successor = index.successor(entry.id)
    continuations = index.continuations(entry.id)
    if successor is not None:
        output.note(f"gittrack: this record is superseded by {successor}, which says more of the same run")
    if continuations:
        output.note(f"gittrack: this run is continued by {', '.join(continuations)}")
    if form == "yaml":
        output.write_bytes(entry.yaml())
    elif form in ("json", "jsonl"):
        entry.row.load()
        if form == "json":
            output.write_json(entry.row.record)
        else:
            output.write(f"{json_compact(entry.row.record)}\n")
    elif form == "md":
        output.write(pages.as_markdown(entry, _reproductions(entry), decisions))
    else:
        _page(entry, decisions, pager)
    if entry.row.status == SILENT:
        output.note(silence(entry.row))
    if entry.row.status == UNRECORDED:
        output.note("gittrack: the process of this run is gone: gittrack recover records the run")


def _page(entry: Entry, decisions: Sequence[Decided], pager: bool) -> None:
    record = entry.record
    is_live = entry.row.is_live
    series = entry.series() if is_live or record.series or record.continues else None
    console = entry.console() if is_live or record.console is not None else None
    lines = pages.terminal(
        entry, series, console, output.paint(), output.columns(), _reproductions(entry), decisions
    )
    output.page(lines, pager=pager)


def _reproductions(entry: Entry) -> list[Reproduction]:
    """What is known of how far the run can be had again."""
    if entry.row.is_live:
        return []
    with entry.repository.objects() as objects:
        return list(reproductions_of(objects, entry.commit, entry.record))

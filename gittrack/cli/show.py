"""gittrack show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Md, NoPager, RunOrLatest
from gittrack.cli.pages import show as pages
from gittrack.errors import UsageError
from gittrack.formats.reproduction import Reproduction
from gittrack.reading.entry import Entry, entry_of, open_index
from gittrack.reading.reproductions import reproductions_of

if TYPE_CHECKING:
    from gittrack.reading.index.parse import Decided


def command(
    run: RunOrLatest = "latest",
    yaml: Annotated[bool, typer.Option("--yaml", help="The bytes of run.yaml.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The record as JSON.")] = False,
    md: Md = False,
    no_pager: NoPager = False,
) -> None:
    """Show one run.

    The record in sections, small charts of its series, and the end of its console output.

    \b
    Examples:
      gittrack show
      gittrack show 7f3a2c
      gittrack show digits/latest~2
      gittrack show --yaml 20261122-142233-7f3a2c
    """
    if yaml + json_ + md > 1:
        raise UsageError("--yaml, --json and --md: choose one")
    with open_index(progress=output.Progress("indexing runs")) as index:
        entry = entry_of(index, index.one(run))
        decisions = index.decisions(entry.id)
        successor = index.successor(entry.id)
        continuations = index.continuations(entry.id)
    if successor is not None:
        output.note(f"gittrack: this record is superseded by {successor}, which says more of the same run")
    if continuations:
        output.note(f"gittrack: this run is continued by {', '.join(continuations)}")
    if yaml:
        output.write_bytes(entry.yaml())
    elif json_:
        entry.row.load()
        output.write_json(entry.row.record)
    elif md:
        output.write(pages.as_markdown(entry, _reproductions(entry), decisions))
    else:
        _page(entry, decisions, not no_pager)


def _page(entry: Entry, decisions: Sequence[Decided], pager: bool) -> None:
    record = entry.record
    series = entry.series() if record.series or record.continues else None
    console = entry.console() if record.console is not None else None
    lines = pages.terminal(
        entry, series, console, output.paint(), output.columns(), _reproductions(entry), decisions
    )
    output.page(lines, pager=pager)


def _reproductions(entry: Entry) -> list[Reproduction]:
    """What is known of how far the run can be had again."""
    with entry.repository.objects() as objects:
        return list(reproductions_of(objects, entry.commit, entry.record))

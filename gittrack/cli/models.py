"""gittrack models."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import NoPager, TableFormat
from gittrack.text.tables import require_one_form


def command(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="This model only.")] = None,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="Also what was deregistered or deprecated.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="Every tag, the newest first.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="JSON, with sha256, message and commit.")] = False,
    md: Annotated[bool, typer.Option("--md", help="A Markdown table.")] = False,
    format_: TableFormat = None,
    no_pager: NoPager = False,
) -> None:
    """List the registered models: versions, runs, stages.

    Read from the tags alone, as gto show does. A tag of that grammar which does not lie on the commit
    that added its run, or does not hold the sha256 of the record, is shown as "not a run".

    \b
    Examples:
      gittrack models
      gittrack models churn --history
      gittrack models --json
      gittrack models --format html
    """
    from gittrack.cli.pages import models as pages
    from gittrack.governance.registry import Registry
    from gittrack.reading.entry import open_index

    require_one_form(format_, json=json_, md=md)
    with open_index(progress=output.Progress("indexing runs")) as index:
        registry = Registry.read(index.repository, index, name)
    if name is not None:
        every = registry.model(name).deprecated or every
    if json_:
        output.write_json(pages.as_plain(registry, every=every, events=history))
        return
    section = pages.history(registry) if history else pages.versions(registry, every=every)
    if section.rows:
        output.show_sections([section], md=md, form=format_, pager=not no_pager)
    else:
        more = "; --all shows what was given up" if registry.models else ""
        output.note(f"no models{more}: gittrack register RUN --model NAME adds one")

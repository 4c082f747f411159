"""gittrack fetch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import DvcRemote, Quiet


def command(
    what: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION|@STAGE]|RUN", help="A model, or a run of the ledger.")
    ],
    to: Annotated[
        Path | None,
        typer.Option("-o", "--out", metavar="PATH", help="Where to; default: here, under its own name."),
    ] = None,
    path: Annotated[
        str | None,
        typer.Option(metavar="OUTPUT", help="Of a run: which output; default: that of the role model."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,
    dvc_remote: DvcRemote = None,
    quiet: Quiet = False,
) -> None:
    """Bring the bytes of a model, and check them.

    From the DVC cache, or the DVC remote. Every byte is read again: md5 and sha256 have to be those of
    the record, and the sha256 that of the tag. Otherwise nothing is put anywhere, and it ends with 1.

    \b
    Examples:
      gittrack fetch churn@prod
      gittrack fetch churn@v1.2.0 -o service/model.pkl
      gittrack fetch churn#prod --force
      gittrack fetch 7f3a2c --path plots/roc.png
    """
    from gittrack.governance.registry.fetch import fetch, find, target_of
    from gittrack.reading.entry import open_index

    with open_index(progress=output.Progress("indexing runs")) as index:
        wanted = find(index.repository, index, what, path)
        target = target_of(wanted.output, to)
        told = output.Progress("fetching")
        fetched = fetch(index.repository, wanted, target, force=force, dvc_remote=dvc_remote, progress=told)
    if not quiet:
        by = f" ({wanted.tag})" if wanted.tag else ""
        state = "" if fetched else " was there already"
        digest = wanted.output.get("sha256")
        digest_note = f", sha256 {digest}" if digest else ""
        output.note(
            f"gittrack: {target}{state}: {wanted.output['path']} of run {wanted.row.id}{by}{digest_note}"
        )

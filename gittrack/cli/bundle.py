"""gittrack bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet


def command(
    target: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE|DIR", help="A .tar, .tar.gz or .tgz, or a new folder."),
    ],
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN|EXPERIMENT...]", help="Whose bytes go in; all runs by default."),
    ] = None,
    data: Annotated[bool, typer.Option("--data", help="With the bytes of inputs and outputs.")] = False,
    outputs: Annotated[bool, typer.Option("--outputs", help="With the bytes of outputs.")] = False,
    role: Annotated[
        list[str] | None,
        typer.Option(metavar="ROLE", help="With the bytes of what has this role, such as model. Repeatable."),
    ] = None,
    dvc_remote: Annotated[
        str | None,
        typer.Option("-r", "--dvc-remote", metavar="NAME", help="Fetch what the cache lacks from there."),
    ] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Leave out bytes that are nowhere, and list them.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an archive that is there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write one archive for retention: ledger, code, and data if asked, readable without gittrack.

    The whole ledger and the code of all its runs always go in, as a git bundle, with checksums, schemas
    and a page that says how to read it with git, tar and coreutils. The names choose whose bytes go in.
    gittrack verify --bundle checks it. The same content gives the same bytes.

    \b
    Examples:
      gittrack bundle -o records.tar
      gittrack bundle 7f3a2c --data -o release-2.tar
      gittrack bundle digits --role model --role test -r storage -o digits.tar.gz
    """
    from gittrack.git.repository import Repository
    from gittrack.publishing.bundle import BundleRequest, make_bundle
    from gittrack.reading.index.branch import ledger_branch
    from gittrack.text.text import size

    repo = Repository.discover()
    request = BundleRequest(
        names=tuple(names or ()),
        data=data,
        outputs=outputs,
        roles=tuple(role or ()),
        partial=partial,
        dvc_remote=dvc_remote,
    )
    progress = None if quiet else output.Progress("bytes written")
    made = make_bundle(repo, ledger_branch(repo), target, request, force=force, progress=progress)
    if quiet:
        return
    held = f"{_files(made.objects)} of data ({size(made.size)})" if made.objects else "no data"
    lacking = f", {_files(made.absent)} absent (ABSENT.txt)" if made.absent else ""
    runs = "1 run" if made.runs == 1 else f"{made.runs:,} runs"
    output.note(f"gittrack: {target}: {runs}, {held}{lacking}")
    output.note(f"gittrack: keep elsewhere: ledger {made.tip}, SHA256SUMS {made.sums}")


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"

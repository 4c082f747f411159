"""gittrack doctor."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from gittrack.cli import output

_MARKS = {"ok": ("green", "ok"), "note": ("yellow", "note"), "problem": ("red", "problem")}


def command(
    json_: Annotated[bool, typer.Option("--json", help="A JSON array of what was looked at.")] = False,
) -> None:
    """Check this set-up, and say how to mend it.

    Looks at git, identity, repository, ledger, unfinished runs, remotes, DVC and the work tree.
    Ends with 1 if there is a problem; a note is none.

    \b
    Examples:
      gittrack doctor
      gittrack doctor --json
    """
    from gittrack.cli.setup.doctor import examine
    from gittrack.git.repository import Repository
    from gittrack.text.text import one_line

    diagnoses = examine(Repository.discover())
    if json_:
        output.write_json([asdict(d) for d in diagnoses])
    else:
        paint = output.paint()
        for d in diagnoses:
            colour, mark = _MARKS[d.level]
            output.write(f"{paint(colour, f'{mark:8}')} {d.topic}: {one_line(d.says)}\n")
            if d.mend:
                output.write(f"         mend: {one_line(d.mend)}\n")
    if any(d.level == "problem" for d in diagnoses):
        raise typer.Exit(1)

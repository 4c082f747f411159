"""gittrack promote."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet


def command(
    model: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="A version; without one, the newest.")
    ],
    stage: Annotated[str, typer.Option(metavar="STAGE", help="Such as prod or staging.")],
    demote: Annotated[bool, typer.Option("--demote", help="Take it out of the stage.")] = False,
    message: Annotated[str, typer.Option("-m", "--message", metavar="TEXT", help="Kept in the tag.")] = "",
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign it, also where git's settings do not say so.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Put a version of a model into a stage, or take it out.

    The tag NAME#STAGE#N lies on the commit of the version. A stage holds the version that was put there
    last; taking it out gives it back to the one before. Putting an older version there rolls back.
    Warns when no decision selected the run, or it was rejected.

    \b
    Examples:
      gittrack promote churn@v1.2.0 --stage prod
      gittrack promote churn --stage staging -m "trial in one branch office"
      gittrack promote churn@v1.2.0 --stage prod --demote
    """
    from gittrack.governance.registry.write import promote
    from gittrack.reading.entry import open_index

    with open_index(progress=output.Progress("indexing runs")) as index:
        made = promote(index.repository, index, model, stage, remove=demote, message=message, sign=sign)
    if not quiet:
        for warning in made.warnings:
            output.note(f"gittrack: warning: {warning}")
        change = f"is out of {stage}" if demote else f"is in {stage}"
        output.note(f"gittrack: {made.model} {made.version} (run {made.row.id}) {change}: tag {made.tag}")

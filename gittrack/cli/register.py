"""gittrack register."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet, Run
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.governance.registry.names import Part


def command(
    run: Run,
    model: Annotated[str, typer.Option(metavar="NAME", help="The model that it is a version of.")],
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="v1.2.0; default: the newest with its patch raised.")
    ] = None,
    bump_major: Annotated[bool, typer.Option("--bump-major", help="v2.0.0 after v1.4.2.")] = False,
    bump_minor: Annotated[bool, typer.Option("--bump-minor", help="v1.5.0 after v1.4.2.")] = False,
    bump_patch: Annotated[bool, typer.Option("--bump-patch", help="v1.4.3 after v1.4.2.")] = False,
    path: Annotated[
        str | None,
        typer.Option(metavar="OUTPUT", help="The output that is the model; default: that of the role model."),
    ] = None,
    message: Annotated[str, typer.Option("-m", "--message", metavar="TEXT", help="Kept in the tag.")] = "",
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign it, also where git's settings do not say so.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Also a version below the newest.")] = False,
    quiet: Quiet = False,
) -> None:
    """Register the model of a run as a version: a tag that GTO reads.

    The tag NAME@VERSION is annotated, lies on the ledger commit that added the run, and holds the
    run's id and the sha256 of the model. A version is never changed; one run is one version of a model.
    Signed where git signs tags or commits. gittrack push sends it. docs/registry.md.

    \b
    Examples:
      gittrack register 7f3a2c --model churn
      gittrack register latest --model churn --bump-minor -m "with the data of October"
      gittrack register 7f3a2c --model teams/nlp/ner --version v2.0.0 --path models/ner.pt
    """
    from gittrack.governance.registry.write import register
    from gittrack.reading.entry import open_index

    with open_index(progress=output.Progress("indexing runs")) as index:
        made = register(
            index.repository, index, run, model, version=version,
            bump=_part(major=bump_major, minor=bump_minor, patch=bump_patch),
            path=path, message=message, sign=sign, force=force,
        )  # fmt: skip
    if not quiet:
        for warning in made.warnings:
            output.note(f"gittrack: warning: {warning}")
        output.note(f"gittrack: {model} {made.version} is run {made.row.id}: tag {made.tag}")


def _part(**given: bool) -> Part | None:
    chosen = [part for part, wanted in given.items() if wanted]
    if len(chosen) > 1:
        raise UsageError("--bump-major, --bump-minor and --bump-patch: choose one")
    return chosen[0] if chosen else None  # type: ignore[return-value]

"""gittrack schema."""

from __future__ import annotations

from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.formats.codec import schema_text


def command(
    name: Annotated[
        str,
        typer.Argument(
            metavar="[NAME]", help="Which one: run, config, environment, decision, reproduction, report, ..."
        ),
    ] = "run",
) -> None:
    """Print a JSON Schema.

    \b
    Examples:
      gittrack schema
      gittrack schema config > gittrack.schema.json
    """
    output.write(schema_text(name).rstrip("\n") + "\n")

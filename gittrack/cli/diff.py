"""gittrack diff."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Md, NoPager
from gittrack.cli.pages import diff as pages
from gittrack.errors import NotFoundError, UsageError
from gittrack.reading.diff import Comparison, compare, missing_tree
from gittrack.reading.entry import Entry, entry_of, open_index


def command(
    a: Annotated[str, typer.Argument(metavar="A", help="The run to compare with.")],
    b: Annotated[str, typer.Argument(metavar="[B]", help="The run to compare.")] = "latest",
    code: Annotated[
        bool, typer.Option("--code", help="The difference between their code, as git shows it.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", "-a", help="What is equal, too.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
    md: Md = False,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if anything differs.")] = False,
    no_pager: NoPager = False,
) -> None:
    """Say what differs between two runs.

    Parameters, metrics (better or worse, where their direction is known), data, locks,
    packages, environment and code files. Names of runs are those of gittrack show.

    \b
    Examples:
      gittrack diff latest~1
      gittrack diff 7f3a2c 9b21aa --md
      gittrack diff latest~1 latest --code
    """
    if json_ + md + code > 1:
        raise UsageError("--json, --md and --code: choose one")
    with open_index(progress=output.Progress("indexing runs")) as index:
        one, two = (entry_of(index, index.one(name)) for name in (a, b))
    if code:
        differ = _print_code(one, two, not no_pager)
    else:
        comparison = compare(one, two)
        differ = comparison.differ
        _print(comparison, "json" if json_ else "md" if md else "", everything, not no_pager)
    if exit_code and differ:
        raise typer.Exit(1)


def _print(comparison: Comparison, form: str, everything: bool, pager: bool) -> None:
    if form == "json":
        plain = comparison.to_dict(everything=everything)
        output.write_json(plain)
    elif form == "md":
        output.write(pages.as_markdown(comparison, everything=everything))
    else:
        output.page(pages.terminal(comparison, output.paint(), everything=everything), pager=pager)


def _print_code(one: Entry, two: Entry, pager: bool) -> bool:
    """The patch: byte for byte to a file or a pipe, escaped and coloured to a terminal."""
    missing = missing_tree(one) or missing_tree(two)
    first, second = one.record.code.tree, two.record.code.tree
    if missing is not None or first is None or second is None:
        raise NotFoundError(missing or "the code is not known")
    patch = one.repository.git(
        "diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color", "--end-of-options",
        first, second, doing="compare the code",
    )  # fmt: skip
    if sys.stdout.isatty():
        output.page(pages.code_lines(patch, output.paint()), pager=pager)
    else:
        output.write_bytes(patch)
    return bool(patch)

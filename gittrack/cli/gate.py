"""gittrack gate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Md
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.governance.gate import Judgement


def command(
    name: Annotated[
        str,
        typer.Argument(metavar="[EXPERIMENT|RUN]", help="A run, for all runs of its spec, or an experiment."),
    ] = "latest",
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="Only runs that gittrack reproduce made on seeds that are new."),
    ] = False,
    declare: Annotated[
        str | None,
        typer.Option(metavar="REASON", help="Judge although the protocol was not kept, and say why."),
    ] = None,
    json_: Annotated[bool, typer.Option("--json", help="JSON.")] = False,
    md: Md = False,
    junit: Annotated[bool, typer.Option("--junit", help="JUnit XML, with one test case.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> None:
    """Judge replicates by the protocol's pass rule, fixed before their results.

    The bound of the interval has to reach the threshold, not the mean. The rule is that of
    gittrack.yaml as it was committed when the runs were made, and git proves that it came first.
    Of an experiment, the runs with the spec of its newest run are judged.

    Ends with 0 when they pass, 1 when they do not or are refused: more runs than were fixed, or a
    protocol changed after results; 4 when this clone lacks what it takes to tell. docs/gate.md.

    \b
    Examples:
      gittrack gate
      gittrack gate digits --md
      gittrack gate 7f3a2c --fresh
      gittrack gate digits --junit > gate.xml
      gittrack gate digits --declare "two seeds more: the first two machines were on old drivers"
    """
    from gittrack.governance.gate import judge
    from gittrack.reading.entry import open_index

    if json_ + md + junit > 1:
        raise UsageError("--json, --md and --junit: choose one")
    with open_index(progress=output.Progress("indexing runs")) as index:
        judgement = judge(index.repository, index, name, fresh=fresh, declared=declare)
    if not quiet:
        _print(judgement, "json" if json_ else "md" if md else "junit" if junit else "")
    if judgement.exit_code:
        raise typer.Exit(judgement.exit_code)


def _print(judgement: Judgement, form: str) -> None:
    from gittrack.cli.pages import gate as pages

    if form:
        make = {"json": pages.as_json, "md": pages.as_markdown, "junit": pages.as_junit}[form]
        output.write(make(judgement))
    else:
        lines = pages.terminal(judgement, output.paint(), output.columns())
        output.write("".join(f"{line}\n" for line in lines))

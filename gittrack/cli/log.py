"""gittrack log."""

from __future__ import annotations

import enum
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gittrack.cli import output
from gittrack.cli.live_options import live_remote
from gittrack.cli.options import Live, LiveRemote, NoPager, TableFormat
from gittrack.cli.pages import log as pages
from gittrack.cli.pages.records import as_json
from gittrack.cli.pages.statuses import silence
from gittrack.errors import UsageError
from gittrack.git.repository import Repository
from gittrack.reading.index import Index, Row, open_index, open_newest
from gittrack.reading.index.branch import declared_metrics
from gittrack.reading.journal.status import SILENT
from gittrack.reading.live.runs import AllRuns, open_runs, opening
from gittrack.text.tables import require_one_form

SHOWN = 20


class Order(enum.StrEnum):
    """Ways to sort."""

    asc = "asc"
    desc = "desc"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """How to show runs. `form`: ``json``, ``csv``, ``md``, ``sheet``, one of `tables.FORMATS`, or empty."""

    form: str
    xlsx: Path | None
    choice: pages.Choice
    pager: bool
    redraw: bool = False
    """Whether the list takes the place of the one before."""

    @property
    def short(self) -> bool:
        """Ids are abbreviated for people alone."""
        return not self.form and sys.stdout.isatty()


def command(
    experiment: Annotated[
        str | None, typer.Option("-e", "--experiment", metavar="NAME", help="Runs of this experiment only.")
    ] = None,
    repos: Annotated[
        list[Path] | None,
        typer.Option("--repo", metavar="PATH", help="Runs of the clone at PATH; again for more of them."),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("-n", "--limit", min=0, help="How many runs to list: 20, on a sheet all; 0 lists all."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", "-a", help="List all runs.")] = False,
    filter: Annotated[
        str | None, typer.Option("-F", "--filter", metavar="EXPR", help="Runs that satisfy EXPR only.")
    ] = None,
    sort_by: Annotated[
        str | None, typer.Option(metavar="NAME", help="Sort by NAME, such as metrics.acc or duration.")
    ] = None,
    sort_order: Annotated[
        Order, typer.Option(help="With --sort-by. Runs without the value come last.")
    ] = Order.asc,
    only_changed: Annotated[
        bool, typer.Option("--only-changed", help="Leave out every column that says the same of all runs.")
    ] = False,
    keep: Annotated[
        str | None, typer.Option(metavar="REGEX", help="Show columns that match, changed or not.")
    ] = None,
    drop: Annotated[str | None, typer.Option(metavar="REGEX", help="Leave out columns that match.")] = None,
    precision: Annotated[
        int | None,
        typer.Option(min=1, max=17, help="Significant digits of numbers: 5, in --csv and --json all."),
    ] = None,
    hide_failed: Annotated[bool, typer.Option("--hide-failed", help="No failed and killed runs.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="A JSON array of whole records.")] = False,
    csv_: Annotated[bool, typer.Option("--csv", help="CSV, every parameter, metric and tag.")] = False,
    md: Annotated[bool, typer.Option("--md", help="A Markdown table.")] = False,
    format_: TableFormat = None,
    sheet: Annotated[
        bool, typer.Option("--sheet", help="The experiment log as a spreadsheet, as CSV or with --xlsx.")
    ] = False,
    xlsx: Annotated[
        Path | None, typer.Option("--xlsx", metavar="FILE", help="The sheet as an Excel workbook.")
    ] = None,
    watch: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.2, help="List again every SECONDS, until Ctrl-C."),
    ] = None,
    live: Live = False,
    remote: LiveRemote = None,
    no_pager: NoPager = False,
) -> None:
    """List runs, newest first.

    One line per run: id, age, experiment, status, code commit (with * when it had uncommitted
    changes), the metrics, the parameters that differ between the runs listed, seed, hypothesis.

    A run that still goes on is there too, as running, with the age of its last point and its last
    values. elsewhere: another host, a container or a cluster's queue has it, which cannot be asked.
    unrecorded: its process is gone, and gittrack recover records it. With --live the runs of others
    are there that gittrack.yaml lets them send to the remote (live); silent: nothing came for long.

    A filter compares metrics.NAME, params.NAME, tags.NAME and id, name, experiment, status,
    started, ended, duration, author, email, commit, branch, dirty, seed, spec, hypothesis, outcome,
    peak_memory (bytes), gpu_hours, energy_kwh with = != < <= > >= like ilike in (...) is null, joined by
    and, or, not and parentheses.

    \b
    Examples:
      gittrack log -n 50 -e digits
      gittrack log -F "metrics.acc > 0.9 and params.lr = 0.1"
      gittrack log -F "status != 'finished' or started > '2 days ago'"
      gittrack log --sort-by metrics.acc --sort-order desc --only-changed
      gittrack log -F "status = 'running'" --watch 2
      gittrack log --live --remote origin
      gittrack log --all --csv > runs.csv
      gittrack log -e digits --format latex > runs.tex
      gittrack log -e digits --sheet --xlsx experiment-log.xlsx
      gittrack log --repo . --repo ../vision --repo /srv/git/speech.git -F "metrics.acc > 0.9"
    """
    require_one_form(format_, json=json_, csv=csv_, md=md)
    sheet = sheet or xlsx is not None
    if sheet and (json_ or md or format_ or only_changed or keep or drop or precision or (csv_ and xlsx)):
        raise UsageError("a sheet has every column, in full: give --sheet with --csv or --xlsx FILE alone")
    cut = limit is None and not every and not sheet
    if limit is None:
        limit = 0 if sheet else SHOWN
    query: dict[str, Any] = {
        "filter": _finished(filter) if hide_failed else filter,
        "experiment": experiment,
        "order_by": [f"{sort_by} {sort_order.value}"] if sort_by else [],
        "limit": None if every or limit == 0 else limit,
    }
    display = _Shown(
        form="sheet"
        if sheet
        else format_
        if format_
        else "json"
        if json_
        else "csv"
        if csv_
        else "md"
        if md
        else "",
        xlsx=xlsx,
        choice=pages.Choice(only_changed=only_changed, keep=keep, drop=drop, precision=precision),
        pager=not no_pager and watch is None,
        redraw=watch is not None,
    )
    if repos and live:
        raise UsageError("--live asks a remote of the current clone: leave --repo out")
    remote = live_remote(live, remote)
    if watch is not None and (display.form or not sys.stdout.isatty()):
        raise UsageError("--watch draws a table on a terminal again and again: leave it out elsewhere")
    _list_once(repos, query, display, remote, cut=cut)
    while watch is not None:
        sys.stdout.flush()
        time.sleep(watch)
        _list_once(repos, query, display, remote, cut=cut)


def _list_once(
    repos: Sequence[Path] | None, query: dict[str, Any], display: _Shown, remote: str | None, *, cut: bool
) -> None:
    progress = output.Progress("indexing runs")
    if repos:
        _list_across(repos, query, display, progress)
    else:
        with open_runs(None, lambda place: _open(place, query, display, progress), remote) as runs:
            _list(runs, query, display, cut=cut)
            if runs.index.partial and sys.stderr.isatty():
                output.note(
                    "gittrack: the ledger is not indexed yet, and only its newest runs were read; "
                    "a filter or --sort-by reads all of them first"
                )


def _open(repository: Repository, query: dict[str, Any], display: _Shown, progress: output.Progress) -> Index:
    if query["filter"] or query["order_by"] or not query["limit"] or display.form == "sheet":
        return open_index(repository, progress)
    return open_newest(query["limit"], query["experiment"], where=repository, progress=progress)


def _list(runs: AllRuns, query: dict[str, Any], display: _Shown, *, cut: bool = False) -> None:
    """Print the runs; `cut`: say how many there are, for nobody asked for so few."""
    index = runs.index
    if display.form == "sheet":
        runs = AllRuns(index)  # it has what runs came to
    if query["experiment"] is not None:
        runs.require_experiment(query["experiment"])
    display = _with_names(runs.indexes if query["filter"] or query["order_by"] else [index], query, display)
    rows = runs.search(**query)
    if display.choice.keep:
        _require_kept(runs.indexes, rows, display.choice.keep)
    if not rows:
        _say_nothing(display, some=runs.count() > 0, ledger=index.tip is not None)
    elif display.form == "sheet":
        _print_sheet(index, rows, display.xlsx)
    else:
        _print(rows, display, runs.shortened(rows) if display.short else {})
        for row in rows:
            if row.status == SILENT:
                output.note(silence(row))
        if cut and len(rows) == SHOWN and not index.partial:
            count = runs.count(query["filter"], experiment=query["experiment"])
            if count > SHOWN:
                output.note(f"gittrack: {SHOWN} of {count:,} runs; --all lists all, -n N so many")


def _list_across(
    repos: Sequence[Path], query: dict[str, Any], display: _Shown, progress: output.Progress
) -> None:
    """The runs of other repositories than the current one; of several, with the repository of each."""
    from gittrack.reading.across import open_across

    with open_across(repos, progress, opening(progress)) as across:
        if len(across.names) == 1:
            repository = across.places[0].index.repository
            with open_runs(repository, lambda place: open_index(place, progress)) as runs:
                _list(runs, query, display)
            return
        if display.form == "sheet":
            raise UsageError("a sheet is the log of one repository: give --repo once")
        if query["experiment"] is not None:
            across.require_experiment(query["experiment"])
        indexes = [place.index for place in across.places]
        display = _with_names(indexes, query, display)
        entries = across.search(**query)
        _require_kept(indexes, [entry.row for entry in entries], display.choice.keep)
        if entries:
            rows, where = [entry.row for entry in entries], [entry.place.name for entry in entries]
            _print(rows, display, across.shortened(entries) if display.short else {}, where)
        else:
            _say_nothing(display, some=across.count() > 0, ledger=True)
        for name in across.without_ledger:
            output.note(f"gittrack: {name} has no ledger, and so no runs")


def _with_names(indexes: Sequence[Index], query: dict[str, Any], display: _Shown) -> _Shown:
    """`display` with the columns that the question names, and gittrack.yaml. UsageError for names unknown."""
    asked: tuple[str, ...] = ()
    if query["filter"] or query["order_by"]:
        from gittrack.reading.index.known import fields_of, require_known

        require_known(indexes, query["filter"], query["order_by"], query["experiment"])
        fields = [*fields_of(None, query["order_by"]), *fields_of(query["filter"])]
        asked = tuple(dict.fromkeys(map(str, fields)))
    declared = [
        f"metrics.{name}"
        for index in indexes
        for experiment, names in declared_metrics(index.repository).items()
        if query["experiment"] in (None, experiment)
        for name in names
    ]
    choice = replace(display.choice, asked=asked, declared=tuple(dict.fromkeys(declared)))
    return replace(display, choice=choice)


def _require_kept(indexes: Sequence[Index], rows: Sequence[Row], pattern: str | None) -> None:
    """UsageError for a --keep that matches no column of any run, with the nearest names."""
    if pattern is None or not rows or pages.has_column(rows, pattern):
        return
    from gittrack.reading.index.known import all_names
    from gittrack.text.nearest import nearest

    with ExitStack() as opened:
        whole = [opened.enter_context(open_index(i.repository)) if i.partial else i for i in indexes]
        names = all_names(whole)
    expression = pages.compiled(pattern)
    if any(expression.search(name) or expression.search(name.partition(".")[2]) for name in names):
        output.note(f"gittrack: no run that is listed has what --keep {pattern!r} matches; others have")
        return
    raise UsageError(f"--keep {pattern!r} matches no column of any run; {nearest(pattern, names)}")


def _finished(filter: str | None) -> str:
    """`filter` without runs that did not end well; damaged records stay, for they say nothing of the run."""
    ended_well = "status not in ('failed', 'killed', 'unknown')"
    return f"({filter}) and {ended_well}" if filter and filter.strip() else ended_well


def _say_nothing(display: _Shown, *, some: bool, ledger: bool) -> None:
    if display.redraw:
        output.redraw([])
    if display.form == "json":
        output.write("[]\n")
    elif display.form == "csv" or (display.form == "sheet" and display.xlsx is None):
        output.write("id\n")
    if some:
        output.note("no run matches; gittrack log lists the newest")
    elif not ledger:
        output.note("no runs yet: gittrack run -- COMMAND records one (gittrack init sets things up first)")
    else:
        output.note("no runs yet: gittrack run -- COMMAND records one")


def _print_sheet(index: Index, rows: list[Row], xlsx: Path | None) -> None:
    from gittrack.cli.pages.sheet import as_csv, write_xlsx
    from gittrack.formats.config import load_cached
    from gittrack.reading.sheet import sheet, sheets

    repo = index.repository
    config = load_cached(repo.worktree, repo.state_dir)
    declared = {name: list(experiment.metrics) for name, experiment in config.experiments.items()}
    if xlsx is None:
        output.write(as_csv(sheet(index, rows, declared)))
        return
    made = sheets(index, rows, declared)
    write_xlsx(made, xlsx)
    output.note(f"gittrack: {xlsx}: {len(rows):,} runs, {len(made)} worksheets")


def _print(
    rows: list[Row], display: _Shown, names: dict[str, str], repos: Sequence[str] | None = None
) -> None:
    choice = display.choice
    if display.form == "json":
        for part in as_json(rows, repos):
            output.write(part)
    elif display.form == "csv":
        output.write(pages.as_csv(rows, choice, repos))
    elif display.form in ("md", "github"):
        output.write(pages.as_markdown(rows, choice, repos=repos))
    elif display.form:
        output.write(pages.as_format(rows, choice, display.form, repos))
    else:
        wide = output.columns()
        lines = pages.terminal(rows, choice, output.paint(), names=names, columns=wide, repos=repos)
        if display.redraw:
            output.redraw(lines)
        else:
            output.page(lines, pager=display.pager)

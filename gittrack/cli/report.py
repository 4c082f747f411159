"""gittrack report."""

from __future__ import annotations

import enum
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.publishing.report import Report


class Format(enum.StrEnum):
    """What the report is written as."""

    html = "html"
    md = "md"
    pdf = "pdf"
    json = "json"


class Order(enum.StrEnum):
    """In which order the items stand."""

    annex_iv = "annex-iv"
    aisdp = "aisdp"


_STATUSES = ("here", "elsewhere", "missing")


def command(
    name: Annotated[
        str, typer.Argument(metavar="EXPERIMENT|RUN", help="What it is about; default: the only experiment.")
    ] = "",
    format: Annotated[
        Format | None,
        typer.Option(help="html loads nothing; pdf needs Chromium. Default: as FILE ends, else html."),
    ] = None,
    to: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to; - is standard output. Default: report-EXPERIMENT.FORMAT.",
        ),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="RELEASE", help="A former release: a run, NAME@VERSION, a tag, a revision, a date."
        ),
    ] = None,
    order: Annotated[
        Order, typer.Option(help="Of the items: by Annex IV, or by module of the AISDP.")
    ] = Order.annex_iv,
    title: Annotated[str | None, typer.Option(help="Another title.")] = None,
    no_verify: Annotated[
        bool, typer.Option("--no-verify", help="Leave out what gittrack verify says.")
    ] = False,
    stamp: Annotated[bool, typer.Option("--stamp", help="Also say when the report was made.")] = False,
    force: Annotated[bool, typer.Option("-f", "--force", help="Overwrite the file.")] = False,
    quiet: Quiet = False,
) -> None:
    """Write the evidence on a model: how it was selected, tested and can be had again.

    For each item of Annex IV of the AI Act it says where the evidence is: here, with runs and commits;
    elsewhere, where gittrack.yaml names a place (evidence.links); or missing. Then all candidates, criteria
    and since when they are fixed, decision and sign-off, the gate, reruns, compute, data, verification.
    Whether a requirement is met it does not say. The same ledger and clone give the same bytes.

    \b
    Examples:
      gittrack report digits
      gittrack report 7f3a2c --format pdf -o evidence.pdf
      gittrack report digits --since digits@v1.2.0 --format md -o -
      gittrack report digits --order aisdp --format json -o -
    """
    from gittrack.formats.config import load_cached
    from gittrack.git.repository import Repository
    from gittrack.publishing.report import ReportOptions, gather

    repo = Repository.discover()
    config = load_cached(repo.worktree, repo.state_dir)
    if to is not None and str(to) != "-":
        _require_free(to, force)
    form = format or _form_of(to)
    options = ReportOptions(
        since=since,
        order=order.value,
        verify=not no_verify,
        title=title,
        generated=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC") if stamp else None,
    )
    report = gather(repo, config, name, options)
    path = to or Path(f"report-{report.experiment}.{form.value}")
    if str(path) == "-":
        output.write_bytes(_bytes(report, form))
    else:
        _require_free(path, force)
        _write(path, _bytes(report, form))
    if not quiet:
        output.note(f"gittrack: {path}: {_summary(report)}")


def _form_of(to: Path | None) -> Format:
    """As the name of the file ends."""
    ending = "" if to is None else to.suffix.lower().removeprefix(".")
    return Format(ending) if ending in list(Format) else Format.html


def _summary(report: Report) -> str:
    counts = {status: sum(1 for a in report.answers if a.status == status) for status in _STATUSES}
    states = ", ".join(f"{count} {status}" for status, count in counts.items())
    verified = "not verified" if report.verified is None else f"verify: {report.verified.outcome}"
    return f"{report.runs:,} runs, {verified}; {len(report.answers)} items, {states}"


def _bytes(report: Report, format: Format) -> bytes:
    from gittrack.publishing.report.chapters import document

    if format is Format.json:
        from gittrack.publishing.report.plain import as_plain
        from gittrack.text.json_text import json_page

        return json_page(as_plain(report)).encode()
    if format is Format.md:
        from gittrack.publishing.report.markdown import as_markdown

        return as_markdown(document(report)).encode("utf-8", "backslashreplace")
    from gittrack.publishing.report.html import as_html

    page = as_html(document(report))
    if format is Format.html:
        return page.encode("utf-8", "backslashreplace")
    from gittrack.publishing.report.pdf import as_pdf

    return as_pdf(page, report.committed)


def _require_free(path: Path, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(f"{path} is there already: choose another with --output, or --force")


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from error

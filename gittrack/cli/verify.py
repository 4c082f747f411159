"""gittrack verify."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gittrack.cli import output
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.verify import VerifyReport


def command(
    selection: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN... | REV | A..B]", help="Runs, a ledger commit, or what B adds to A."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="The whole ledger; that is the default.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    md: Annotated[bool, typer.Option("--md", help="Markdown that fits a comment on a forge.")] = False,
    junit: Annotated[bool, typer.Option("--junit", help="JUnit XML.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="SARIF 2.1.0.")] = False,
    output_file: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Also write the report to FILE.json, .md, .sarif or .xml (JUnit); repeatable.",
        ),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 where it would be 4.")] = False,
    no_fsck: Annotated[bool, typer.Option("--no-fsck", help="Leave out git fsck.")] = False,
    anchor: Annotated[
        str | None,
        typer.Option(
            metavar="REV|FILE", help="Commit that the ledger has to go on from, or a file with its id."
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Trusted code revision for gittrack.yaml and signers; origin/HEAD by default."
        ),
    ] = None,
    signers: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Allowed signers, as ssh-keygen(1) has them.")
    ] = None,
    data: Annotated[
        bool, typer.Option("--data", help="Also: are the bytes in the DVC cache or on a remote?")
    ] = False,
    read_data: Annotated[bool, typer.Option("--read-data", help="Also: read all bytes again.")] = False,
    read_data_subset: Annotated[
        str | None, typer.Option(metavar="N/M", help="Read the N-th of M parts of the bytes again.")
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="FILE|DIR", help="The ledger in a bundle, in place of this clone's."),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print nothing.")] = False,
) -> None:
    """Check that what the records claim still holds.

    Offline, from git objects alone: repository, history, records, code, locks, pointers, protocol,
    signatures and policy. Ends with 0 for PASS, 1 for FAIL, 4 for INCOMPLETE, when something could
    not be checked in this clone. docs/verify.md explains every code.

    It cannot prove that metrics are true, nor that no run was left out before it was recorded.

    \b
    Examples:
      gittrack verify
      gittrack verify latest --read-data
      gittrack verify origin/gittrack/runs..HEAD --base origin/main --md
      gittrack verify --anchor pinned.txt --strict --junit > verify.xml
      gittrack verify --output-file verify.sarif --output-file verify.xml
      gittrack verify --bundle release-2.tar --anchor pinned.txt
    """
    from gittrack.git.repository import Repository
    from gittrack.verify import EXIT_CODES, VerifyOptions, verify

    if json_ + md + junit + sarif > 1:
        raise UsageError("--json, --md, --junit and --sarif: choose one")
    if every and selection:
        raise UsageError("--all and a selection: choose one")
    files = {path: _form(path) for path in output_file or ()}
    options = VerifyOptions(
        fsck=not no_fsck,
        anchor=anchor,
        signers=signers,
        base=base,
        data=data,
        read_data=(1, 1) if read_data else _part(read_data_subset),
        strict=strict,
    )
    progress = None if quiet else output.Progress("verifying runs")
    chosen = selection or ()
    if bundle is not None:
        from gittrack.publishing.bundle import verify_bundle

        report = verify_bundle(bundle, selection=chosen, options=options, progress=progress)
    else:
        report = verify(Repository.discover(), selection=chosen, options=options, progress=progress)
    for path, form in files.items():
        _save(path, _text(report, form))
    if not quiet:
        form = "json" if json_ else "md" if md else "junit" if junit else "sarif" if sarif else ""
        _print(report, form)
    code = EXIT_CODES[report.outcome]
    if code:
        raise typer.Exit(1 if strict else code)


def _part(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise UsageError(f"--read-data-subset {text}: give N/M with N from 1 to M, such as 1/10")
    return int(match[1]), int(match[2])


def _form(path: Path) -> str:
    """What to write to a file, by how its name ends."""
    forms = {".json": "json", ".md": "md", ".sarif": "sarif", ".xml": "junit"}
    if path.suffix not in forms:
        raise UsageError(f"--output-file {path}: let it end in .json, .md, .sarif or .xml (JUnit)")
    return "sarif" if path.name.endswith(".sarif.json") else forms[path.suffix]


def _save(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output-file {path}: cannot be written: {error.strerror}") from error


def _text(report: VerifyReport, form: str) -> str:
    from gittrack.cli.pages import verify as pages

    make = {
        "json": pages.as_json,
        "md": pages.as_markdown,
        "junit": pages.as_junit,
        "sarif": pages.as_sarif,
    }
    return make[form](report)


def _print(report: VerifyReport, form: str) -> None:
    from gittrack.cli.pages import verify as pages

    if form:
        output.write(_text(report, form))
    else:
        output.write("".join(f"{line}\n" for line in pages.as_table(report, output.paint())))

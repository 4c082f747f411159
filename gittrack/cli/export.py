"""gittrack export."""

from __future__ import annotations

import enum
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from gittrack.cli import output
from gittrack.cli.options import Quiet
from gittrack.errors import UsageError

if TYPE_CHECKING:
    from gittrack.exporters import Exported, ExportOptions, Format


class To(enum.StrEnum):
    """The formats."""

    ro_crate = "ro-crate"
    in_toto = "in-toto"
    cyclonedx = "cyclonedx"
    model_card = "model-card"
    prov = "prov"
    mlflow = "mlflow"
    tensorboard = "tensorboard"
    parquet = "parquet"


def command(
    to: Annotated[To, typer.Option("--to", help="The format.")],
    what: Annotated[
        str | None, typer.Argument(metavar="RUN|EXPERIMENT", help="What to export; all with parquet.")
    ] = None,
    target: Annotated[
        str,
        typer.Option(
            "-o", "--output", metavar="PATH", help="File, folder or MLflow store; - is the terminal."
        ),
    ] = "-",
    data: Annotated[
        bool, typer.Option("--data", help="With the bytes of outputs (ro-crate, mlflow, tensorboard).")
    ] = False,
    licence: Annotated[
        str | None,
        typer.Option("--license", metavar="ID", help="SPDX id or URL (ro-crate, cyclonedx, model-card)."),
    ] = None,
    sign: Annotated[
        bool, typer.Option("--sign", help="Sign with the SSH key that git signs with (in-toto).")
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Sign with a private key in PEM form (in-toto)."),
    ] = None,
    repos: Annotated[
        list[Path] | None,
        typer.Option(
            "--repo", metavar="PATH", help="Runs of the clone at PATH; again for more of them (parquet)."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a file, or a folder of tables, that is there.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Write a run or an experiment in the format of another tool.

    ro-crate (a zip, or a folder where PATH ends in /), prov, mlflow and tensorboard (a folder of event
    files) take a run or an experiment;
    in-toto (SLSA provenance, and the gate's verdict), cyclonedx (a machine learning bill of materials)
    and model-card (a Hugging Face README.md) take a run. parquet (a folder of tables for DuckDB, Spark
    or a warehouse) takes an experiment, or nothing for all runs. docs/export.md says what is in each.

    \b
    Examples:
      gittrack export digits --to ro-crate -o digits.zip
      gittrack export 7f3a2c --to ro-crate --data -o crate/
      gittrack export latest --to in-toto --sign -o latest.intoto.jsonl
      gittrack export latest --to cyclonedx > model.cdx.json
      gittrack export latest --to model-card --license apache-2.0 -o README.md
      gittrack export digits --to mlflow -o sqlite:///mlflow.db
      gittrack export digits --to tensorboard -o logs
      gittrack export --to parquet -o warehouse/ --force
      gittrack export --to parquet --repo . --repo ../vision -o warehouse/
    """
    from gittrack.exporters import ExportOptions, PemSigner, SshSigner

    if sign and key is not None:
        raise UsageError("--sign and --key: choose one")
    if to is To.ro_crate and target == "-" and sys.stdout.isatty():
        raise UsageError("a zip is nothing for a terminal: say where with -o")
    signer = SshSigner if sign else (lambda _: PemSigner(key)) if key is not None else None
    options = ExportOptions(target=target, force=force, data=data, licence=licence, signer=signer)
    exported = _tables(what, repos, options) if to is To.parquet else _runs(what, to, repos, options)
    if exported.data is not None:
        output.write_bytes(exported.data)
    if quiet:
        return
    for note in [*exported.notes, *([exported.said] if exported.said else [])]:
        output.note(f"gittrack: {note}")


def _tables(experiment: str | None, repos: list[Path] | None, options: ExportOptions) -> Exported:
    from gittrack.exporters import export_tables
    from gittrack.reading.across import open_across

    with open_across(repos or [None], output.Progress("indexing runs")) as across:
        return export_tables(across, experiment, options, output.Progress("writing runs"))


def _runs(what: str | None, to: To, repos: list[Path] | None, options: ExportOptions) -> Exported:
    from gittrack.exporters import WHOLE, export
    from gittrack.reading.entry import open_index

    if repos:
        raise UsageError("--repo: only with --to parquet; gittrack -C PATH export goes to another repository")
    if what is None:
        also = " or an experiment" if to.value in WHOLE else ""
        raise UsageError(f"--to {to.value}: name a run{also}, such as latest; only parquet takes all runs")
    with open_index(progress=output.Progress("indexing runs")) as index:
        return export(index, what, cast("Format", to.value), options)
